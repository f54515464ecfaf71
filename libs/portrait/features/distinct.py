"""How many different merchants or counterparties: exact, out of silver.transactions, because no number stands for them.

A value is in a window when its last booking up to the window's end is. So one row per customer and value answers all
windows; it is what costs: one shuffle for each column that is counted, of all its values, every day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.features.feature import Feature


def count_distinct(transactions: DataFrame, *, features: Sequence[Feature], as_of: date) -> DataFrame:
    """One row per customer with the number of different values of each feature; null is no value.

    `transactions`: silver.transactions. A customer without such bookings has no row, or NULL. Features have windows
    with a beginning.
    """
    columns = dict.fromkeys(feature.of or "" for feature in features)
    counted = [_of_column(transactions, column, [f for f in features if f.of == column], as_of) for column in columns]
    return reduce(lambda left, right: left.join(right, on="customer_id", how="full"), counted)


def _of_column(transactions: DataFrame, column: str, features: Sequence[Feature], as_of: date) -> DataFrame:
    earliest = min(first for feature in features if (first := feature.period(as_of).first))
    present = transactions.where(
        (F.col("booked_on") >= F.lit(earliest))
        & (F.col("booked_on") <= F.lit(as_of))
        & F.col("customer_id").isNotNull()
        & F.col(column).isNotNull()
    )
    tests = {feature.name: _test(feature, as_of) for feature in features}
    lasts = {test: f"last_{place}" for place, test in enumerate(dict.fromkeys(tests.values()))}
    values = present.groupBy("customer_id", column).agg(
        *[F.expr(f"max(if({test}, booked_on, null)) as {name}") for test, name in lasts.items()]
    )
    return values.groupBy("customer_id").agg(
        *[
            F.expr(f"count_if({lasts[tests[feature.name]]} >= date'{feature.period(as_of).first}') as {feature.name}")
            for feature in features
        ]
    )


def _test(feature: Feature, as_of: date) -> str:
    """SQL: whether a booking meets the conditions and comes before the window's end."""
    conditions = [
        f"{dimension} in ({', '.join(repr(value) for value in sorted(values))})"
        for dimension, values in sorted(feature.where)
    ]
    return " and ".join([f"booked_on <= date'{feature.period(as_of).last}'", *conditions])
