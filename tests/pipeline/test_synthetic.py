"""A synthetic bank against its planted truth, with DuckDB and scikit-learn as judges."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from sklearn.metrics import adjusted_rand_score
from tests.pipeline.conftest import place
from tests.tiny_bank import Bank


def asked(folder: Path, question: str, *tables: str) -> list[tuple[object, ...]]:
    """Ask DuckDB about tables of the lake (by name, without layer) and the truth ({truth})."""
    connection = duckdb.connect()
    for table in tables:
        dataset = DeltaTable(str(folder / "lake" / table.replace(".", "/"))).to_pyarrow_dataset()
        connection.register(table.split(".")[1], dataset)
    return connection.sql(question.replace("{truth}", str(folder / "truth"))).fetchall()


@pytest.mark.process
def test_exactly_the_planted_rows_are_quarantined_under_their_rule(clean: Bank) -> None:
    compared = asked(
        clean.folder,
        """
        select planted.rule is not null, found.reasons is not null, list_contains(found.reasons, planted.rule), count(*)
        from (select *, row_number() over (partition by feed, record) n from '{truth}/bad_rows/*.parquet') planted
        full join (select *, row_number() over (partition by feed, record) n from quarantine) found
        using (feed, record, n) group by all
        """,
        "ops.quarantine",
    )
    assert len(compared) == 1
    assert compared[0][:3] == (True, True, True)
    assert int(str(compared[0][3])) > 20


@pytest.mark.process
def test_rows_in_are_rows_good_and_bad_for_every_file(clean: Bank) -> None:
    wrong = "select file from files where rows_in <> rows_good + rows_bad"
    assert asked(clean.folder, wrong, "ops.files") == []


@pytest.mark.process
def test_every_account_day_closes_without_the_bad_rows(clean: Bank) -> None:
    assert asked(clean.folder, "from reconciliation", "ops.reconciliation") == []


@pytest.mark.process
def test_every_customer_is_grouped_or_told_why_not(clean: Bank) -> None:
    unexplained = "select * from customer_group where (group_id is null) = (not_grouped_reason is null)"
    assert asked(clean.folder, unexplained, "gold.customer_group") == []


@pytest.mark.process
def test_a_run_writes_its_report(clean: Bank) -> None:
    assert list((clean.lake / "reports").glob("*.html"))


@pytest.mark.scale
def test_planted_groups_are_found_among_20000_customers(tmp_path: Path) -> None:
    here = place(tmp_path)
    here.done("portrait demo --customers 20000 --months 12")
    pairs = asked(
        here.folder / "demo",
        """
        select planted."group", found.group_id from '{truth}/groups/*.parquet' planted
        join customer_group found using (customer_id)
        where found.group_id is not null and found.as_of = (select max(as_of) from customer_group)
        """,
        "gold.customer_group",
    )
    planted, found = zip(*pairs, strict=True)
    index = adjusted_rand_score(planted, found)
    print(f"adjusted Rand index {index:.3f} on {len(pairs):,} customers")
    assert index >= 0.80
