"""References between feeds: orphans are counted on what is new, told as patterns, gated by their share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tests.contracts.test_contracts import MINIMAL, written
from tests.deliveries import arrive

from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError
from portrait.lake import Lake, Lease
from portrait.lake.gate import gate_results
from portrait.quality import RuleResult, check_references, load_reference_policy, recorded_orphans, results_frame
from portrait.quality.references import ReferencePolicy
from portrait.run.suite import load_suite

POLICY = ReferencePolicy(max_orphan_share=0.01, max_reused_share=0.01)
DAY, NEXT = date(2024, 3, 31), date(2024, 4, 1)
AT = datetime(2024, 3, 1)
ACCOUNT = {"op": "I", "changed_at": AT, "kind": "current", "opened_on": date(2024, 1, 1), "currency": "EUR"}


def booking(number: int, account: str | None) -> dict[str, Any]:
    return {
        "transaction_id": f"t{number}", "account_id": account, "booked_at": AT, "amount": Decimal(1),
        "direction": "credit", "type": "salary",
    }  # fmt: skip


def party(account: str, number: str, kind: str) -> dict[str, Any]:
    of = {"op": "I", "changed_at": AT, "role": "owner", "party_kind": kind}
    return {"account_id": account, "party_id": number, **of}


@pytest.fixture(scope="module")
def delivered(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> Path:
    """One known account; of 200 bookings two name per unknown one; parties of both kinds, of which one is unknown."""
    root = tmp_path_factory.mktemp("delivered")
    with Lease(root) as lease:
        opened = Lake(spark, root, load_catalogue(schemas_dir), lease=lease)
        arrive(
            opened,
            {
                "accounts": [{"account_id": "A1", **ACCOUNT}, {"account_id": "gone", **ACCOUNT, "op": "D"}],
                "customers": [{"customer_id": "C1", "op": "I", "changed_at": AT, "employer_id": None}],
                "account_parties": [
                    party("A1", "C1", "person"), party("A1", "secret-1", "person"), party("A1", "F1", "company"),
                ],
                "transactions": [booking(n, "A1" if n < 198 else f"X{702 + n}.0") for n in range(200)],
            },
        )  # fmt: skip
    return root


@pytest.fixture
def lake(spark: SparkSession, delivered: Path, tmp_path: Path, schemas_dir: Path) -> Iterator[Lake]:
    """A copy of that lake."""
    shutil.copytree(delivered, tmp_path / "lake")
    with Lease(tmp_path / "lake") as lease:
        opened = Lake(spark, tmp_path / "lake", load_catalogue(schemas_dir), lease=lease)
        opened.resume(1)  # the run that took these rows in
        yield opened


def found(results: list[RuleResult]) -> dict[tuple[str, str], tuple[int, int, str]]:
    return {(r.table.removeprefix("bronze."), r.rule): (r.unexpected_count, r.total, r.severity) for r in results}


def passed(lake: Lake, day: date) -> None:
    """The gates of a day let it pass; what follows is another run."""
    lake.complete("quality", as_of=day, inputs={}, seconds=0.0)
    lake.resume(None)


def recorded(lake: Lake, day: date, results: list[RuleResult]) -> None:
    lake.replace("ops.quality_results", results_frame(lake, results, as_of=day), day)


@pytest.mark.delta
def test_orphans_are_counted_per_reference_and_only_where_the_feed_is_delivered(lake: Lake) -> None:
    results = check_references(lake, DAY, policy=POLICY)
    assert found(results) == {
        ("transactions", "account_id.references_accounts"): (2, 200, "warning"),
        ("transactions", "transaction_id.other_account"): (0, 200, "error"),
        ("account_parties", "account_id.references_accounts"): (0, 3, "error"),
        ("account_parties", "party_id.references_customers"): (1, 2, "error"),
    }
    details = {r.rule: r.details or "" for r in results}
    assert "identifiers like A999.9 (2 rows)" in details["account_id.references_accounts"]
    assert "identifiers like AAAAAA-9 (1 rows)" in details["party_id.references_customers"]
    told = "\n".join(details.values())
    assert "X90" not in told
    assert "secret" not in told


@pytest.mark.delta
def test_only_more_than_the_allowed_share_refuses_and_says_so(lake: Lake) -> None:
    results = [r for r in check_references(lake, DAY, policy=POLICY) if r.table == "bronze.transactions"]
    recorded(lake, DAY, results)
    assert gate_results(lake.reader, DAY).failures == {}, "2 of 200 are 1 %"
    tight = ReferencePolicy(max_orphan_share=0.009, max_reused_share=0)
    recorded(lake, NEXT, [r for r in check_references(lake, DAY, policy=tight) if r.table == "bronze.transactions"])
    assert gate_results(lake.reader, NEXT).failures == {
        "bronze.transactions": [
            "account_id.references_accounts, broken by 2 of 200 rows (account_id refers to no accounts.account_id: "
            "1.00%, allowed are 0.90%; identifiers like A999.9 (2 rows))"
        ]
    }


@pytest.mark.delta
def test_a_day_that_was_refused_is_judged_again_and_one_that_passed_is_not(lake: Lake) -> None:
    transactions = ("transactions", "account_id.references_accounts")
    lake.resume(None)
    arrive(lake, {"transactions": [booking(n, "A1") for n in range(200, 203)] + [booking(203, "X901.0")]})
    assert found(check_references(lake, NEXT, policy=POLICY))[transactions] == (3, 204, "error")
    lake.resume(None)
    arrive(lake, {"accounts": [{"account_id": "X901.0", **ACCOUNT}]})  # the record that was missing
    assert found(check_references(lake, DAY, policy=POLICY))[transactions] == (1, 204, "warning")
    recorded(lake, DAY, [RuleResult("bronze.transactions", "account_id.references_accounts", "error", False, 9, 204)])
    passed(lake, DAY)
    assert found(check_references(lake, NEXT, policy=POLICY))[transactions] == (1, 204, "warning"), "DAY was refused"
    recorded(lake, DAY, [RuleResult("gold.customer_tier", "tier.enum", "error", False, 9, 204)])
    passed(lake, DAY)
    assert found(check_references(lake, DAY, policy=POLICY))[transactions] == (1, 204, "warning")
    assert found(check_references(lake, NEXT, policy=POLICY))[transactions] == (0, 0, "error")
    arrive(lake, {"transactions": [booking(300, "X1")]})
    assert found(check_references(lake, NEXT, policy=POLICY))[transactions] == (1, 1, "error")


@pytest.mark.delta
def test_ids_of_other_accounts_are_counted_on_what_is_new(lake: Lake) -> None:
    contract = lake.catalogue.table("ops.conflicts")
    plain = {
        "feed": "transactions", "file": "f", "key": '{"transaction_id":"t7-secret"}', "day": DAY, "counts": "against",
        "why": "other_account", "differs": ["account_id"], "record": "{}", "against": "{}", "run": lake.run_number,
    }  # fmt: skip
    rows = [{**plain, "line": 2}, {**plain, "line": 3, "run": 0}, {**plain, "line": 4, "why": "last_delivered"}]
    lake.append(contract.id, lake.spark.createDataFrame(rows, contract.struct_type))
    result = next(r for r in check_references(lake, DAY, policy=POLICY) if r.rule == "transaction_id.other_account")
    assert (result.unexpected_count, result.total, result.severity) == (1, 200, "warning")
    assert "A9-AAAAAA (1 rows)" in (result.details or "")


@pytest.mark.delta
def test_the_summary_tells_what_was_recorded(lake: Lake) -> None:
    results = check_references(lake, DAY, policy=POLICY)
    lake.replace("ops.quality_results", results_frame(lake, results, as_of=DAY), DAY)
    passed(lake, DAY)
    told = recorded_orphans(lake, DAY)
    assert [line.split(":")[0] for line in told] == [
        "1 of 2 new rows of account_parties",
        "2 of 200 new rows of transactions",
    ]
    assert recorded_orphans(lake, NEXT) == []


RAW = MINIMAL.replace("gold.thing", "raw.thing").replace(
    "\ncustomProperties:\n  - {property: job, value: thing}\n", "\n"
)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("other.thing_id", "no key column of a feed"),
        ("thing.amount", "no key column of a feed"),
        ("thing", "must be written feed.column"),
        ("[{too: thing.thing_id}]", "must be written feed.column"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(tmp_path: Path, value: str, message: str) -> None:
    text = RAW.replace(
        "description: How much.}", f"customProperties: [{{property: references, value: {value}}}], description: X.}}"
    )
    written(tmp_path, text, "raw/thing.yml")
    with pytest.raises(ConfigurationError, match=message):
        load_catalogue(tmp_path)


@pytest.mark.parametrize("text", ["max_orphan_share: 1.5\nmax_reused_share: 0\n", "max_orphan_share: 0.1\n"])
def test_a_wrong_policy_is_refused_before_anything_starts(tmp_path: Path, text: str) -> None:
    (tmp_path / "references.yml").write_text(text)
    with pytest.raises(ConfigurationError, match="_share"):
        load_reference_policy(tmp_path)


def test_the_suite_is_not_loaded_without_its_policy(conf_dir: Path, schemas_dir: Path, tmp_path: Path) -> None:
    for item in conf_dir.iterdir():
        if item.name != "references.yml":
            (tmp_path / item.name).symlink_to(item)
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_suite(tmp_path, schemas_dir)


def test_an_unknown_winner_of_conflicts_is_refused(tmp_path: Path, schemas_dir: Path) -> None:
    for name in ("raw", "silver", "ops", "gold"):
        (tmp_path / name).mkdir()
        for file in (schemas_dir / name).iterdir():
            (tmp_path / name / file.name).write_text(file.read_text())
    raw = tmp_path / "raw" / "transactions.yml"
    raw.write_text(
        raw.read_text().replace("{property: conflicts, value: last}", "{property: conflicts, value: newest}")
    )
    with pytest.raises(ConfigurationError, match="newest"):
        load_catalogue(tmp_path)
