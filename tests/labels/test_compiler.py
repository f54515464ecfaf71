"""Labels made from labels, types found before Spark, and the label that fails alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.contracts import Catalogue, load_catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.errors import ConfigurationError
from portrait.labels import LabelSet, customer_portrait, failing_labels, write_portrait
from portrait.labels.readers import readers_of
from portrait.lake import Lake, Lease

LabelsOf = Callable[..., LabelSet]
D = date(2024, 3, 31)
MADE = {"from": "portrait", "unknown_when": None, "theme": "value"}
# Any customer has 200 days; times this it does not fit into a BIGINT.
OVERFLOW = {"id": "poison", "type": "integer", "value": "tenure_days * 999999999999999999", "unknown_when": None}


@pytest.fixture(scope="module")
def features(spark: SparkSession) -> DataFrame:
    return spark.sql(f"""select id as customer_id, date'{D}' as as_of, 200 as tenure_days,
        bigint(salaries) as salary_count_90d
        from values ('paid', 3), ('unpaid', 0), ('unknown', null) as t(id, salaries)""")


def test_labels_made_from_labels_come_in_order_and_keep_unknown(labels_of: LabelsOf, features: DataFrame) -> None:
    labels = labels_of(
        MADE | {"id": "a_last", "value": "not b_middle"},  # before its source by name, after it by need
        MADE | {"id": "b_middle", "value": "salary_customer and a_number >= 200"},
        {"id": "a_number", "type": "integer", "value": "tenure_days"},
        {},
    )
    rows = customer_portrait(labels=labels, as_of=D, sources={"customer_features": features}).collect()
    assert {row.customer_id: (row.b_middle, row.a_last) for row in rows} == {
        "paid": (True, False), "unpaid": (False, True), "unknown": (None, None),
    }  # fmt: skip


def test_labels_made_from_labels_need_no_further_scan(labels_of: LabelsOf, spark: SparkSession, capsys: Any) -> None:
    made = [
        MADE | {"id": f"made_{n}", "value": f"salary_customer and {f'made_{n - 1}' if n else 'true'}"} for n in range(5)
    ]
    source = spark.range(5).selectExpr("string(id) as customer_id", "int(id) as tenure_days", "id as salary_count_90d")
    customer_portrait(labels=labels_of({}, *made), as_of=D, sources={"customer_features": source}).explain()
    assert len(re.findall(r"\bRange \(", capsys.readouterr().out)) == 1


def test_a_chain_of_labels_does_not_explode(labels_of: LabelsOf, spark: SparkSession, capsys: Any) -> None:
    chain = [{"id": "n_0", "type": "integer", "value": "tenure_days", "unknown_when": None}]
    for n in range(1, 20):  # written out, the last one would be 3^19 terms long
        value = f"case when n_{n - 1} > 5 then n_{n - 1} - 1 else nullif(n_{n - 1}, 3) end"
        chain.append(MADE | {"id": f"n_{n}", "type": "integer", "value": value, "unknown_when": "false"})
    source = spark.range(9).selectExpr("string(id) as customer_id", "int(id) as tenure_days")
    portrait = customer_portrait(labels=labels_of(*chain), as_of=D, sources={"customer_features": source})
    portrait.explain(True)
    assert len(capsys.readouterr().out) < 500_000
    # 0 to 5 stay, but 3 becomes unknown; 6 to 8 come down to 5.
    assert sorted(str(row.n_19) for row in portrait.collect()) == ["0", "1", "2", "4", "5", "5", "5", "5", "None"]


def test_a_circle_of_labels_is_refused_with_its_path(labels_of: LabelsOf) -> None:
    circle = [MADE | {"id": name, "value": f"not {other}"} for name, other in (("a", "b"), ("b", "c"), ("c", "a"))]
    with pytest.raises(ConfigurationError) as refused:
        labels_of({}, *circle)
    assert re.search(r"(a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)", refused.value.message)
    assert re.search(r"value/[abc]\.yml:\d+ value", refused.value.where)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"value": "not itself", "id": "itself"}, "itself -> itself"),
        ({"value": "not planned"}, "planned"),
        ({"value": "tenure_days > 3"}, "tenure_days"),
        ({"value": "secret"}, "sensitivity: personal"),
        ({"value": "customer_id = '1'"}, "no such column"),
    ],
)
def test_what_a_label_made_from_labels_may_not_read(labels_of: LabelsOf, change: dict[str, object], named: str) -> None:
    personal = {"id": "secret", "value": "age_years < 18", "sensitivity": "personal", "unknown_when": None}
    with pytest.raises(ConfigurationError, match=re.escape(named)):
        labels_of({}, {"id": "planned", "status": "draft"}, personal, MADE | {"id": "made"} | change)


def test_labels_that_fail_are_found_with_those_made_from_them(labels_of: LabelsOf, features: DataFrame) -> None:
    fine = [{"id": f"fine_{n}", "value": f"tenure_days > {n}"} for n in range(5)]
    made = MADE | {"id": "made", "type": "integer", "value": "poison"}
    labels = labels_of({}, OVERFLOW, made, *fine)
    failed = failing_labels(labels=labels, as_of=D, sources={"customer_features": features})
    assert failed == {"poison": "ARITHMETIC_OVERFLOW", "made": "ARITHMETIC_OVERFLOW"}


def test_where_all_is_well_nothing_fails(labels_of: LabelsOf, features: DataFrame) -> None:
    assert failing_labels(labels=labels_of({}), as_of=D, sources={"customer_features": features}) == {}


@pytest.fixture
def lake(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path, labels_of: LabelsOf
) -> Iterator[tuple[Lake, LabelSet]]:
    labels = labels_of({}, OVERFLOW)
    files = ("ops/table_versions", "gold/customer_portrait")
    contracts = [contract_of(load_document(schemas_dir / f"{name}.yml")) for name in files]
    catalogue = Catalogue({item.id: replace(item) for item in contracts})
    catalogue = catalogue.with_columns("gold.customer_portrait", labels.columns())
    with Lease(tmp_path / "lake") as lease:
        yield Lake(spark, tmp_path / "lake", catalogue, lease=lease), labels


@pytest.mark.delta
def test_a_poison_label_is_unknown_and_named_and_the_others_are_published(
    lake: tuple[Lake, LabelSet], features: DataFrame
) -> None:
    opened, labels = lake
    found = write_portrait(opened, labels=labels, as_of=D, sources={"customer_features": features})
    written = opened.read("gold.customer_portrait")
    rows = {row.customer_id: (row.salary_customer, row.poison) for row in written.collect()}
    assert rows == {"paid": (True, None), "unpaid": (False, None), "unknown": (None, None)}
    assert found.failed == {"poison": "ARITHMETIC_OVERFLOW"}


@pytest.mark.delta
def test_an_error_that_no_label_made_is_raised(
    lake: tuple[Lake, LabelSet], labels_of: LabelsOf, features: DataFrame
) -> None:
    opened, _ = lake
    sound = labels_of({"id": "another"}).checked
    (label,) = [item for item in sound if item.label.id == "another"]
    with pytest.raises(Exception, match="differs from the contract"):
        write_portrait(opened, labels=LabelSet((label,)), as_of=D, sources={"customer_features": features})


def test_a_label_that_is_read_cannot_retire_and_its_readers_are_named(labels_of: LabelsOf, tmp_path: Path) -> None:
    (tmp_path / "audiences").mkdir()
    (tmp_path / "audiences" / "paid.yml").write_text("where: salary_customer and tier = 'vip'\n")
    (tmp_path / "exports.yml").write_text("lists: {unpaid: {where: not salary_customer}, told: {feed: x, where: y}}\n")
    made = MADE | {"id": "made", "value": "not salary_customer"}
    with pytest.raises(ConfigurationError) as refused:
        labels_of(made, {"status": "retired"})
    assert "read by label made, audience paid, suppression list unpaid" in refused.value.message
    assert "salary_customer.yml:12 status" in refused.value.where


SUPERSET = """
datasets:
  gold.segments: {metrics: {payers: {sql: count(distinct case when salary_customer then customer_id end)}}}
  gold.customer_tier: {metrics: {other: {sql: sum(salary_customer)}}}
charts:
  pay: {dataset: gold.segments, by: [salary_customer]}
  paid: {dataset: gold.customer_portrait, where: salary_customer = true and other > 3}
  tiers: {dataset: gold.customer_tier, by: [salary_customer]}
"""


def test_a_label_that_a_dashboard_shows_cannot_retire(labels_of: LabelsOf, tmp_path: Path) -> None:
    (tmp_path / "superset.yml").write_text(SUPERSET)
    with pytest.raises(ConfigurationError) as refused:
        labels_of({"status": "retired"})
    assert refused.value.message.endswith("read by dashboard metric payers, dashboard chart pay, dashboard chart paid")
    (tmp_path / "superset.yml").write_text("datasets: {gold.segments: {metrics: {broken: {sql: count(}}}}")
    with pytest.raises(ConfigurationError, match="not one Spark SQL expression") as refused:
        labels_of({"status": "retired"})
    assert "superset.yml:1" in refused.value.where


def test_what_the_project_ships_reads(conf_dir: Path, schemas_dir: Path) -> None:
    readers = readers_of(conf_dir, load_catalogue(schemas_dir))
    assert readers["near_next_tier"] == [
        "label upgrade_prospect", "audience rising_savers", "table gold.segments", "dashboard metric near_next_tier",
    ]  # fmt: skip


def test_a_label_that_nobody_reads_can_retire(labels_of: LabelsOf, tmp_path: Path) -> None:
    (tmp_path / "audiences").mkdir()
    (tmp_path / "audiences" / "rich.yml").write_text("where: tier = 'vip'\n")
    assert [label.status for label in labels_of({"status": "retired"}).labels] == ["retired"]


def test_a_name_of_segments_is_the_label_behind_it(labels_of: LabelsOf, tmp_path: Path) -> None:
    (tmp_path / "audiences").mkdir()
    (tmp_path / "audiences" / "rich.yml").write_text("where: tier = 'vip'\n")
    tier = {"id": "value_tier", "type": "string", "value": "occupation", "unknown_when": None, "status": "retired"}
    with pytest.raises(ConfigurationError, match="read by audience rich"):
        labels_of(tier)
