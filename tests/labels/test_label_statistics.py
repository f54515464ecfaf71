"""Spreads, flips and ages by hand; what two slices of a small bank say of its labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from portrait.contracts import Catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.errors import PortraitError
from portrait.features import Feature, FeatureSet
from portrait.labels import LabelSet, write_label_history, write_label_statistics, write_portrait
from portrait.labels import statistics as module
from portrait.labels.cost import costs
from portrait.labels.statistics import (
    Earlier,
    Spread,
    dated_labels,
    facts_age,
    flip_rates,
    label_counts,
    label_spreads,
    model_versions,
    models_of,
    reference_day,
    statistics_of,
)
from portrait.labels.trust_policy import TrustPolicy, load_trust_policy
from portrait.lake import Lake, Lease

D1, D2, D3 = date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)
LabelsOf = Callable[..., LabelSet]
PLAIN = {"unknown_when": None, "theme": "value"}
TEXT = PLAIN | {"id": "job", "type": "string", "value": "occupation"}
MONTHS = PLAIN | {"id": "months", "type": "integer", "value": "tenure_days"}
SINCE = Feature("salary_count_90d", "transactions", "count", None, ())
NEWEST = Feature("tenure_days", "transactions", "days_since_last", None, ())
FEATURES = FeatureSet((SINCE, NEWEST))


@pytest.fixture
def found(spark: SparkSession, labels_of: LabelsOf) -> dict[str, Spread]:
    labels = labels_of(
        {},
        PLAIN | {"id": "tier", "type": "string", "value": "occupation"},
        PLAIN | {"id": "assets", "type": "decimal", "kind": "statistic", "value": "debit_amount_90d"},
        PLAIN | {"id": "assessed", "type": "date", "kind": "fact", "value": "risk_assessed_on"},
    )
    portrait = spark.sql("""select date'2024-03-31' as as_of, id as customer_id, yes as salary_customer, tier,
        cast(assets as decimal(18,2)) as assets, date(day) as assessed from values
        ('a', true, 'vip', -0.01, '2023-01-01'), ('b', false, 'vip', 0, '2023-12-31'), ('c', true, 'low', 99.99, null),
        ('d', null, null, 100, '2024-01-01') as t(id, yes, tier, assets, day)""")
    return label_spreads(portrait, labels)


def test_unknown_counts_among_the_customers_only(found: dict[str, Spread]) -> None:
    assert (found["salary_customer"].customers, found["salary_customer"].known) == (4, 3)
    assert found["salary_customer"].whole == {"true": 2, "false": 1, None: 1}


def test_yes_and_no_and_texts_are_counted_by_value(found: dict[str, Spread]) -> None:
    assert found["salary_customer"].distribution == {"true": 2, "false": 1}
    assert found["tier"].distribution == {"vip": 2, "low": 1}


def test_numbers_are_counted_by_magnitude(found: dict[str, Spread]) -> None:
    assert found["assets"].distribution == {"below 0": 1, "0": 1, "under 100": 1, "under 1000": 1}


def test_dates_are_counted_by_year(found: dict[str, Spread]) -> None:
    assert found["assessed"].distribution == {"2023": 2, "2024": 1}


def test_rare_values_are_added_up_and_long_ones_cut(spark: SparkSession, labels_of: LabelsOf) -> None:
    label = {"id": "occupation_name", "type": "string", "value": "occupation", "unknown_when": None}
    values = module.LISTED_VALUES + 12
    portrait = spark.range(values + 20).selectExpr(
        "string(id) as customer_id",
        f"case when id < 3 then repeat('common', 99) when id < {values} then string(id) end as occupation_name",
    )
    spread = label_spreads(portrait, labels_of(label))["occupation_name"]
    long = ("common" * 99)[: module.VALUE_LENGTH]
    assert (len(spread.distribution), spread.distribution[long], spread.distribution["other values"]) == (51, 3, 10)
    assert (spread.customers, spread.known) == (values + 20, values)


def test_a_slice_without_customers_is_counted_too(spark: SparkSession, labels_of: LabelsOf) -> None:
    none = spark.range(0).selectExpr("string(id) as customer_id", "true as salary_customer")
    assert label_spreads(none, labels_of({})) == {"salary_customer": Spread(0, {})}


def test_all_labels_are_counted_in_one_pass(spark: SparkSession, labels_of: LabelsOf, capsys: Any) -> None:
    many = [{"id": f"rich_{n}", "theme": "value", "value": f"tenure_days > {n}"} for n in range(10)]
    portrait = spark.range(9).selectExpr("string(id) as customer_id", *[f"id > {n} as rich_{n}" for n in range(10)])
    label_counts(portrait, labels_of(*many)).explain()
    assert capsys.readouterr().out.count("Range (") == 1


def test_flips_by_hand(spark: SparkSession) -> None:
    ids = {"now": ["a", "b", "c", "new"], "then": ["a", "b", "c", "d", "gone"]}
    now, then = (spark.createDataFrame([(i,) for i in some], "customer_id string") for some in ids.values())
    points = [("a", "job"), ("b", "job"), ("a", "paid"), ("new", "job"), ("gone", "paid")]
    changes = spark.createDataFrame(points, "customer_id string, label string")
    # a, b and c are in both; of them two have another job, one another pay.
    assert flip_rates(current=now, previous=then, changes=changes) == {"job": 2 / 3, "paid": 1 / 3}
    assert flip_rates(current=now, previous=then.limit(0), changes=changes) is None


def test_the_age_of_the_facts_is_that_of_the_newest_booking(spark: SparkSession) -> None:
    slice_ = spark.sql("select * from values (9), (4), (null) as t(tenure_days)")
    assert facts_age(slice_, FEATURES) == 4
    assert facts_age(slice_.where("tenure_days is null"), FEATURES) is None
    assert facts_age(slice_, FeatureSet((SINCE,))) is None


def test_what_is_made_of_bookings_has_an_age(labels_of: LabelsOf) -> None:
    made = PLAIN | {"from": "portrait"}
    labels = labels_of(
        {},
        TEXT,
        PLAIN | {"id": "tier", "type": "string", "from": "customer_tier", "value": "tier"},
        made | {"id": "paid_cook", "value": "salary_customer and job = 'cook'"},
        made | {"id": "cook", "value": "job = 'cook'"},
    )
    assert dated_labels(labels, FEATURES) == {"salary_customer", "tier", "paid_cook"}


def test_a_model_is_behind_what_is_made_from_its_labels(labels_of: LabelsOf) -> None:
    made = PLAIN | {"from": "portrait"}
    labels = labels_of(
        {},
        PLAIN | {"id": "group", "type": "string", "from": "customer_group", "value": "group_name"},
        PLAIN | {"id": "good", "from": "customer_value", "value": "score > 50"},
        PLAIN | {"id": "tier", "type": "string", "from": "customer_tier", "value": "tier"},
        made | {"id": "both", "value": "good and group = 'a' and tier = 'vip'"},
        made | {"id": "none", "value": "not salary_customer"},
    )
    found = models_of(
        labels, {"customer_group": "000003-20240131", "customer_value": "scale", "customer_tier": "scale"}
    )
    assert found == {
        "group": "000003-20240131", "good": "scale", "tier": "scale", "both": "000003-20240131; scale",
    }  # fmt: skip


@pytest.mark.delta
def test_versions_of_models_are_those_of_the_slice(lake: Lake) -> None:
    assert model_versions(lake, D1) == {}
    slices: dict[str, list[dict[str, object]]] = {
        "gold.customer_group": [{"customer_id": "a", "model_version": "000003-20240131"}, {"customer_id": "b"}],
        "gold.value_model": [
            {"model": model, "parameter": name, "value": 1.0, "fitted_on": day}
            for model, name, day in (("scale", "x", D2), ("scale", "y", D2), ("bgnbd", "r", D1))
        ],
    }
    for table, rows in slices.items():
        contract = lake.catalogue.table(table)
        values = [tuple(({"as_of": D2} | row).get(name) for name in contract.column_names) for row in rows]
        lake.replace(table, lake.spark.createDataFrame(values, contract.struct_type), D2)
    lake.complete("customer_value", as_of=D2, inputs={}, seconds=0.0)
    told = "bgnbd of 2024-01-31; scale of 2024-02-29"
    assert model_versions(lake, D2) == {
        "customer_group": "000003-20240131", "customer_value": told, "customer_tier": told,
    }  # fmt: skip


@pytest.fixture
def policy(conf_dir: Path) -> TrustPolicy:
    return load_trust_policy(conf_dir)


@pytest.fixture
def lake(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path, catalogue: Catalogue, labels_of: LabelsOf
) -> Iterator[Lake]:
    gold = ("customer_portrait", "label_history", "label_statistics", "customer_group", "value_model")
    files = ("ops/table_versions", *[f"gold/{name}" for name in gold])
    contracts = {c.id: c for c in (contract_of(load_document(schemas_dir / f"{name}.yml")) for name in files)}
    features = replace(
        catalogue.table("gold.customer_features"), properties={"job": "customer_features", "labelSource": True}
    )
    known = Catalogue(contracts | {features.id: features})
    known = known.with_columns("gold.customer_portrait", labels_of({}, TEXT, MONTHS).columns())
    with Lease(tmp_path / "lake") as lease:
        yield Lake(spark, tmp_path / "lake", known, lease=lease)


def day_of(
    lake: Lake, labels: LabelSet, policy: TrustPolicy, day: date, sql: str, failed: dict[str, str]
) -> dict[str, Row]:
    """The statistics of a day whose customers have these facts, and on which some labels failed."""
    contract = lake.catalogue.table("gold.customer_features")
    facts: DataFrame = lake.spark.sql(f"select date'{day}' as as_of, string(id) as customer_id, {sql} from range(10)")
    rest = [c for c in contract.columns if c.name not in facts.columns]
    facts = facts.selectExpr("*", *[f"cast(null as {c.physical_type}) as {c.name}" for c in rest])
    lake.replace("gold.customer_features", facts, day)
    lake.complete("customer_features", as_of=day, inputs={}, seconds=0.0)
    sources = {"customer_features": lake.slice("gold.customer_features", day)}
    written = replace(write_portrait(lake, labels=labels, as_of=day, sources=sources), failed=failed)
    write_label_history(lake, labels=labels, as_of=day)
    write_label_statistics(lake, labels=labels, features=FEATURES, policy=policy, as_of=day, written=written)
    lake.complete("customer_portrait", as_of=day, inputs={}, seconds=0.0)
    lake.resume(None)
    return {row.label: row for row in lake.slice("gold.label_statistics", day).collect()}


@pytest.mark.delta
def test_two_slices_tell_flips_stability_age_and_whom_to_trust(
    lake: Lake, labels_of: LabelsOf, policy: TrustPolicy
) -> None:
    labels = labels_of({"unknown_when": None}, TEXT, MONTHS)
    facts = "100 as tenure_days, if(id < 5, 3L, 0L) as salary_count_90d, if(id < 5, 'cook', 'nurse') as occupation"
    first = day_of(lake, labels, policy, D1, facts, {})
    assert (first["job"].flip_rate, first["job"].psi, first["job"].drift) == (None, None, None)
    # Paid are six instead of five: one customer of ten flips. Eight are cooks, three of whom were nurses. 0 days old.
    facts = "int(id) as tenure_days, if(id < 6, 3L, 0L) as salary_count_90d, if(id < 8, 'cook', 'nurse') as occupation"
    second = day_of(lake, labels, policy, D2, facts, {"months": "ARITHMETIC_OVERFLOW"})
    paid, job = second["salary_customer"], second["job"]
    # 0.1 ln(0.6 / 0.5) - 0.1 ln(0.4 / 0.5); 0.3 ln(0.8 / 0.5) - 0.3 ln(0.2 / 0.5)
    assert paid.psi == pytest.approx(0.0405465, abs=1e-6)
    assert job.psi == pytest.approx(0.4158883, abs=1e-6)
    assert (paid.flip_rate, paid.drift, paid.status, paid.reasons) == (0.1, "none", "trusted", [])
    assert (job.flip_rate, job.drift, job.status) == (0.3, "major", "suspect")
    assert job.reasons == ["stability index 0.42 against 2024-01-31, above 0.25"]
    assert (paid.reference, paid.facts_age_days, job.facts_age_days, paid.version) == (D1, 0, None, 1)
    assert first["salary_customer"].facts_age_days == 100
    assert first["salary_customer"].status == "stale"
    # Three read the ten rows of one source; the seconds are shared by the terms of the expressions.
    assert {row.rows_read for row in second.values()} == {10 / 3}
    assert paid.seconds > job.seconds > 0
    assert (second["months"].status, second["months"].failure) == ("failed", "ARITHMETIC_OVERFLOW")
    assert second["months"].reasons == ["could not be computed: ARITHMETIC_OVERFLOW"]


def test_another_definition_says_nothing_about_flips_or_stability(labels_of: LabelsOf) -> None:
    (label,) = labels_of({"version": 2}).labels
    told = Row("failure", "version")
    for row, comparable in (
        (told(None, 2), True),
        (told(None, None), True),
        (told(None, 1), False),
        (told("X", 2), False),
    ):
        assert (Earlier(D1, {label.id: row}).comparable(label) is not None) == comparable
    assert Earlier(D1).comparable(label) is None


@pytest.mark.delta
def test_the_reference_is_the_last_slice_of_an_earlier_month_or_as_the_policy_says(
    lake: Lake, policy: TrustPolicy
) -> None:
    contract = lake.catalogue.table("gold.label_statistics")
    plain = {"label": "job", "theme": "x", "kind": "fact", "customers": 1, "known": 0, "distribution": {}}
    for day in (D1, date(2024, 2, 10), D2):
        row = plain | {"as_of": day}
        values = [tuple(row.get(column) for column in contract.column_names)]
        lake.replace(contract.id, lake.spark.createDataFrame(values, contract.struct_type), day)
        lake.complete("customer_portrait", as_of=day, inputs={}, seconds=0.0)
        lake.resume(None)
    assert [reference_day(lake, policy, day) for day in (D1, D2, D3)] == [None, D1, D2]
    fixed = policy.model_copy(update={"reference": date(2024, 2, 10)})
    assert [reference_day(lake, fixed, day) for day in (D1, D2, D3)] == [None, *[date(2024, 2, 10)] * 2]
    with pytest.raises(PortraitError, match="no slice of 2024-02-11"):
        statistics_of(lake, date(2024, 2, 11))


def test_costs_add_up(labels_of: LabelsOf, lake: Lake) -> None:
    labels = labels_of({}, TEXT, PLAIN | {"id": "made", "from": "portrait", "value": "not salary_customer"})
    found = costs(lake, labels, as_of=D1, seconds=8.0)
    assert sum(cost.seconds for cost in found.values()) == pytest.approx(8.0)
    assert found["salary_customer"].seconds > found["made"].seconds > found["job"].seconds
    assert (found["made"].rows_read, found["job"].rows_read) == (0.0, None)  # of no commit is known what it wrote
