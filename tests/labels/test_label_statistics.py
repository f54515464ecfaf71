"""Coverage and distributions by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from pyspark.sql import Row, SparkSession

from portrait.labels import LabelSet, label_statistics
from portrait.labels import statistics as module

D = date(2024, 3, 31)
LabelsOf = Callable[..., LabelSet]


@pytest.fixture
def found(spark: SparkSession, labels_of: LabelsOf) -> dict[str, Row]:
    plain = {"unknown_when": None, "theme": "value"}
    labels = labels_of(
        {},
        plain | {"id": "tier", "type": "string", "value": "occupation"},
        plain | {"id": "assets", "type": "decimal", "kind": "statistic", "value": "debit_amount_90d"},
        plain | {"id": "assessed", "type": "date", "kind": "fact", "value": "risk_assessed_on"},
    )
    portrait = spark.sql("""select date'2024-03-31' as as_of, id as customer_id, yes as salary_customer, tier,
        cast(assets as decimal(18,2)) as assets, date(day) as assessed from values
        ('a', true, 'vip', -0.01, '2023-01-01'), ('b', false, 'vip', 0, '2023-12-31'), ('c', true, 'low', 99.99, null),
        ('d', null, null, 100, '2024-01-01') as t(id, yes, tier, assets, day)""")
    return {row.label: row for row in label_statistics(portrait=portrait, labels=labels, as_of=D).collect()}


def test_coverage_is_known_by_customers(found: dict[str, Row]) -> None:
    row = found["salary_customer"]
    assert (row.as_of, row.theme, row.kind, row.customers, row.known, row.coverage) == (D, "income", "rule", 4, 3, 0.75)


def test_yes_and_no_and_texts_are_counted_by_value(found: dict[str, Row]) -> None:
    assert found["salary_customer"].distribution == {"true": 2, "false": 1}
    assert found["tier"].distribution == {"vip": 2, "low": 1}


def test_numbers_are_counted_by_magnitude(found: dict[str, Row]) -> None:
    assert found["assets"].distribution == {"below 0": 1, "0": 1, "under 100": 1, "under 1000": 1}


def test_dates_are_counted_by_year(found: dict[str, Row]) -> None:
    assert found["assessed"].distribution == {"2023": 2, "2024": 1}


def test_rare_values_are_added_up(spark: SparkSession, labels_of: LabelsOf) -> None:
    label = {"id": "occupation_name", "type": "string", "value": "occupation", "unknown_when": None}
    portrait = spark.range(module.LISTED_VALUES + 12).selectExpr(
        "string(id) as customer_id", "if(id < 3, 'common', string(id)) as occupation_name"
    )
    row = label_statistics(portrait=portrait, labels=labels_of(label), as_of=D).collect()[0]
    assert (len(row.distribution), row.distribution["common"], row.distribution["other values"]) == (51, 3, 10)
