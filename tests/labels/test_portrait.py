"""Values of labels on small slices: unknown is not no, one scan per source, the life of a label."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.errors import ConfigurationError
from portrait.labels import LabelSet, customer_portrait

LabelsOf = Callable[..., LabelSet]
D = date(2024, 3, 31)


@pytest.fixture(scope="module")
def features(spark: SparkSession) -> DataFrame:
    rows = """
        ('paid', 100, 3), ('unpaid', 100, 0), ('new', 10, 3), ('no salary feed', 100, null), ('no tenure', null, 3)"""
    return spark.sql(f"""select id as customer_id, date'{D}' as as_of, int(tenure) as tenure_days,
        bigint(salaries) as salary_count_90d, 40 as age_years, 10.00BD as debit_amount_90d, 0.00BD as credit_amount_90d
        from values {rows} as t(id, tenure, salaries)""")


def values_of(portrait: DataFrame, label: str) -> dict[str, Any]:
    return {row.customer_id: row[label] for row in portrait.collect()}


def test_unknown_is_not_no(labels_of: LabelsOf, features: DataFrame) -> None:
    portrait = customer_portrait(labels=labels_of({}), as_of=D, sources={"customer_features": features})
    assert values_of(portrait, "salary_customer") == {
        "paid": True, "unpaid": False, "new": None, "no salary feed": None, "no tenure": None,
    }  # fmt: skip


def test_a_division_by_zero_is_unknown(labels_of: LabelsOf, features: DataFrame) -> None:
    labels = labels_of({"value": "try_divide(debit_amount_90d, credit_amount_90d) > 1", "unknown_when": None})
    portrait = customer_portrait(labels=labels, as_of=D, sources={"customer_features": features})
    assert set(values_of(portrait, "salary_customer").values()) == {None}


def test_every_label_of_a_source_comes_from_one_scan(labels_of: LabelsOf, spark: SparkSession, capsys: Any) -> None:
    many = [{"id": f"rich_{n}", "theme": "value", "value": f"tenure_days > {n}"} for n in range(10)]
    tiers = [
        {"id": f"tier_{n}", "theme": "value", "type": "string", "from": "customer_tier", "value": "tier",
         "unknown_when": None}
        for n in range(10)
    ]  # fmt: skip
    sources = {
        "customer_features": spark.range(5).selectExpr("string(id) as customer_id", "int(id) as tenure_days"),
        "customer_tier": spark.range(5).selectExpr("string(id) as customer_id", "string(id) as tier"),
    }
    customer_portrait(labels=labels_of(*many, *tiers), as_of=D, sources=sources).explain()
    assert len(re.findall(r"\bRange \(", capsys.readouterr().out)) == 2


def test_a_customer_without_a_row_in_another_source_stays_with_unknown_labels(
    labels_of: LabelsOf, features: DataFrame, spark: SparkSession
) -> None:
    tier = {
        "id": "tier",
        "theme": "value",
        "type": "string",
        "from": "customer_tier",
        "value": "tier",
        "unknown_when": None,
    }
    tiers = spark.sql("select 'paid' as customer_id, 'vip' as tier")
    portrait = customer_portrait(
        labels=labels_of(tier), as_of=D, sources={"customer_features": features, "customer_tier": tiers}
    )
    found = values_of(portrait, "tier")
    assert (found.pop("paid"), set(found.values()), len(found)) == ("vip", {None}, 4)


def test_a_retired_label_keeps_its_column_without_values(labels_of: LabelsOf, features: DataFrame) -> None:
    labels = labels_of({}, {"id": "gone", "status": "retired", "type": "decimal", "value": "dropped_feature"})
    portrait = customer_portrait(labels=labels, as_of=D, sources={"customer_features": features})
    assert dict(portrait.dtypes)["gone"] == "decimal(18,2)"
    assert set(values_of(portrait, "gone").values()) == {None}


def test_columns_are_those_of_the_contract_in_its_order(labels_of: LabelsOf, features: DataFrame) -> None:
    labels = labels_of({}, {"id": "a_first", "type": "integer", "value": "tenure_days", "unknown_when": None})
    portrait = customer_portrait(labels=labels, as_of=D, sources={"customer_features": features})
    assert portrait.columns == ["as_of", "customer_id", *[column.name for column in labels.columns()]]
    assert dict(portrait.dtypes)["a_first"] == "bigint"


def test_labels_from_a_source_that_is_not_there_are_unknown(labels_of: LabelsOf, features: DataFrame) -> None:
    labels = labels_of({"id": "high_score", "from": "customer_value", "value": "score > 50", "unknown_when": None}, {})
    portrait = customer_portrait(labels=labels, as_of=D, sources={"customer_features": features})
    assert dict(portrait.dtypes)["high_score"] == "boolean"
    assert set(values_of(portrait, "high_score").values()) == {None}
    assert set(values_of(portrait, "salary_customer").values()) != {None}


def test_a_source_that_no_contract_offers_is_refused(labels_of: LabelsOf) -> None:
    with pytest.raises(ConfigurationError, match="there is no label source 'customer_mood'") as refused:
        labels_of({"from": "customer_mood"})
    assert "customer_value" in (refused.value.remedy or "")
