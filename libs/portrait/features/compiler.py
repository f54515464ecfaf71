"""Declared features as one aggregate: one scan per source, one shuffle, whatever the number of features.

Each row belongs to a customer and has an age in days at `as_of`; windows are comparisons of that age. Text columns that
declarations filter by are numbered once a row, so that a hundred conditional sums compare small integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.entities.money import exact_sum, parts_of, settled_sql
from portrait.features.feature import Conditions, Feature


def aggregate_events(
    sources: Mapping[str, DataFrame], *, features: Sequence[Feature], as_of: date, exact: bool = False
) -> DataFrame:
    """One row per customer with the declared features of the given sources.

    Each source: customer_id, age (days before as_of, 0 or more), the dimensions as text and every amount as BIGINT
    `<amount>_minor`. A feature that asks for a column its source does not have here is left out, so that its
    column becomes NULL: unknown. `exact`: see `Care`.
    """
    tagged = [frame.withColumn("source", F.lit(name)) for name, frame in sources.items()]
    events = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), tagged)
    present = [
        feature
        for feature in features
        if feature.source in sources and _columns_of(feature) <= set(sources[feature.source].columns)
    ]
    conditions = {
        feature.name: (*feature.where, *([("source", (feature.source,))] if len(sources) > 1 else []))
        for feature in present
    }
    codes = _codes(conditions.values())
    encoded = events.selectExpr(
        "customer_id",
        "age",
        *sorted({f"{feature.of}_minor" for feature in present if feature.of}),
        *[f"{_encode(dimension, numbers)} as {dimension}_code" for dimension, numbers in codes.items()],
    )
    return encoded.groupBy("customer_id").agg(
        *[
            F.expr(f"{_aggregate(feature, test, exact=exact)} as {feature.name}")
            for feature in present
            for test in [_test(feature, conditions[feature.name], codes, as_of)]
        ]
    )


def _columns_of(feature: Feature) -> set[str]:
    amount = {f"{feature.of}_minor"} if feature.of else set()
    return {"customer_id"} | {dimension for dimension, _ in feature.where} | amount


def _codes(conditions: Iterable[Conditions]) -> dict[str, dict[str, int]]:
    """The number of every value that a declaration names, by dimension; 0 stands for all the others and NULL."""
    codes: dict[str, dict[str, int]] = {}
    for condition in conditions:
        for dimension, values in condition:
            numbers = codes.setdefault(dimension, {})
            for value in values:
                numbers.setdefault(value, len(numbers) + 1)
    return codes


def _encode(dimension: str, numbers: dict[str, int]) -> str:
    branches = " ".join(f"when '{value}' then {number}" for value, number in numbers.items())
    return f"case {dimension} {branches} else 0 end"


def _aggregate(feature: Feature, test: str, *, exact: bool) -> str:
    if feature.aggregate == "count":
        return f"sum(if({test}, 1L, 0L))"
    if feature.aggregate == "sum" and exact:
        amount = f"if({test}, coalesce({feature.of}_minor, 0L), 0L)"
        return settled_sql(exact_sum(*parts_of(amount, "1L")))
    if feature.aggregate == "sum":
        return f"sum(if({test}, {feature.of}_minor, 0L))"
    if feature.aggregate == "min":
        return f"min(if({test}, {feature.of}_minor, null))"
    if feature.aggregate == "max":
        return f"max(if({test}, {feature.of}_minor, 0L))"
    if feature.aggregate == "days_since_last":
        return f"min(if({test}, age, null))"
    return f"max(if({test}, age, null))"  # days_since_first


def _test(feature: Feature, conditions: Conditions, codes: Mapping[str, Mapping[str, int]], as_of: date) -> str:
    parts = [
        f"{dimension}_code in ({', '.join(str(codes[dimension][value]) for value in values)})"
        for dimension, values in conditions
    ]
    window = feature.period(as_of)
    if window.first is not None:
        parts.append(f"age between {(as_of - window.last).days} and {(as_of - window.first).days}")
    return " and ".join(parts) or "true"
