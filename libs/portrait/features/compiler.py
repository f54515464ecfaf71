"""Declared features as one aggregate a source: one scan, one shuffle, whatever the number of features.

Each row belongs to a customer and has an age in days at `as_of`; windows are comparisons of that age. Text columns that
declarations filter by are numbered once a row, so that a hundred conditional sums compare small integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.entities.money import to_amount
from portrait.features.declaration import Feature


def aggregate_events(events: DataFrame, *, features: Sequence[Feature], as_of: date) -> DataFrame:
    """One row a customer with the declared features of one source.

    `events`: customer_id, age (days before as_of, 0 or more), months_ago, the dimensions as text and every amount as
    BIGINT `<amount>_minor`. A feature that asks for a column the source does not have here is left out, so that its
    column becomes NULL: unknown.
    """
    present = [feature for feature in features if _columns_of(feature) <= set(events.columns)]
    codes = _codes(present)
    encoded = events.select(
        "customer_id",
        *[name for name in ("age", "months_ago") if name in events.columns],
        *sorted({f"{feature.of}_minor" for feature in present if feature.of}),
        *[F.expr(_encode(dimension, numbers)).alias(f"{dimension}_code") for dimension, numbers in codes.items()],
    )
    return encoded.groupBy("customer_id").agg(
        *[F.expr(_aggregate(feature, codes, as_of)).alias(feature.name) for feature in present]
    )


def as_declared(feature: Feature, *, available: bool) -> Column:
    """The column of a feature in the wide row: money in currency, nothing happened as 0, an absent source as NULL."""
    if not available:
        return F.lit(None).cast(feature.physical_type).alias(feature.name)
    value = F.col(feature.name)
    if feature.empty_is_zero:
        value = F.coalesce(value, F.lit(0))
    return (to_amount(value) if feature.is_money else value.cast(feature.physical_type)).alias(feature.name)


def _columns_of(feature: Feature) -> set[str]:
    amount = {f"{feature.of}_minor"} if feature.of else set()
    return {"customer_id"} | {dimension for dimension, _ in feature.where} | amount


def _codes(features: Sequence[Feature]) -> dict[str, dict[str, int]]:
    """The number of every value that a declaration names, by dimension; 0 stands for all the others and NULL."""
    codes: dict[str, dict[str, int]] = {}
    for feature in features:
        for dimension, values in feature.where:
            numbers = codes.setdefault(dimension, {})
            for value in values:
                numbers.setdefault(value, len(numbers) + 1)
    return codes


def _encode(dimension: str, numbers: dict[str, int]) -> str:
    branches = " ".join(f"when '{value}' then {number}" for value, number in numbers.items())
    return f"case {dimension} {branches} else 0 end"


def _aggregate(feature: Feature, codes: dict[str, dict[str, int]], as_of: date) -> str:
    condition = _condition(feature, codes, as_of)
    if feature.aggregate == "count":
        return f"sum(if({condition}, 1L, 0L))"
    if feature.aggregate == "sum":
        return f"sum(if({condition}, {feature.of}_minor, 0L))"
    if feature.aggregate == "max":
        return f"max(if({condition}, {feature.of}_minor, 0L))"
    if feature.aggregate == "days_since_last":
        return f"min(if({condition}, age, null))"
    if feature.aggregate == "days_since_first":
        return f"max(if({condition}, age, null))"
    # One bit a day or month: exact, and additive where count(distinct) would multiply the rows.
    bit = "age" if feature.aggregate == "distinct_days" else "months_ago"
    return f"bit_count(bit_or(if({condition}, shiftleft(1L, {bit}), 0L)))"


def _condition(feature: Feature, codes: dict[str, dict[str, int]], as_of: date) -> str:
    parts = [
        f"{dimension}_code in ({', '.join(str(codes[dimension][value]) for value in values)})"
        for dimension, values in feature.where
    ]
    days = feature.days(as_of)
    if days is not None:
        parts.append(f"age < {days}")
    return " and ".join(parts) or "true"
