"""FIFO tracing: the vector of the methods page, a loop over random accounts, the invariant."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.funds.tracing import trace_fifo
from portrait.errors import ConfigurationError

Part = tuple[str, str | None, str | None, int]


def parts(frame: DataFrame) -> list[Part]:
    found = trace_fifo(frame, account="account", at="at", booking="booking", amount="amount")
    assert found.columns == ["account", "source", "used_by", "amount"]
    return [tuple(row) for row in found.collect()]


def test_the_vector_of_the_methods_page(spark: SparkSession) -> None:
    """Day 1 +100 (a), day 2 +50 (b), day 3 -120, day 4 -10: a 100 and b 20; b 10; b 20 is left."""
    rows = [("x", 3, "c", -12000), ("x", 1, "a", 10000), ("x", 4, "d", -1000), ("x", 2, "b", 5000)]
    frame = spark.createDataFrame(rows, "account string, at int, booking string, amount long")
    assert Counter(parts(frame)) == Counter(
        [("x", "a", "c", 10000), ("x", "b", "c", 2000), ("x", "b", "d", 1000), ("x", "b", None, 2000)]
    )


def test_equal_to_a_loop_and_to_the_cent(spark: SparkSession) -> None:
    """40 accounts, overdrafts, zero amounts, same instants; parts of every booking add up to it."""
    draws = np.random.default_rng(7)
    rows = [
        (
            f"k{account}",
            int(draws.integers(0, 20)),
            f"b{n:03d}",
            int(draws.integers(-900, 1000)) * int(draws.integers(0, 2)),
        )
        for account in range(40)
        for n in range(draws.integers(1, 40))
    ]
    expected = Counter[Part]()
    for account in {row[0] for row in rows}:
        waiting = deque[list[object]]()
        for _, _, booking, amount in sorted(row for row in rows if row[0] == account):
            if amount > 0:
                waiting.append([booking, amount])
            open_ = -min(amount, 0)
            while open_ and waiting:
                part = min(open_, waiting[0][1])
                expected[account, waiting[0][0], booking, part] += 1
                open_ -= part
                waiting[0][1] -= part
                if not waiting[0][1]:
                    waiting.popleft()
            if open_:
                expected[account, None, booking, open_] += 1
        for booking, left in waiting:
            expected[account, booking, None, left] += 1
    frame = spark.createDataFrame(rows, "account string, at int, booking string, amount int").repartition(3, "booking")
    found = parts(frame)
    assert Counter(found) == expected
    amounts = {(account, booking): amount for account, _, booking, amount in rows}
    for column, sign in ((1, 1), (2, -1)):
        sums = Counter[tuple[str, str | None]]()
        for part in found:
            sums[part[0], part[column]] += part[3]
        assert {key: v for key, v in sums.items() if key[1]} == {
            k: v * sign for k, v in amounts.items() if v * sign > 0
        }


def test_amounts_that_are_not_whole_or_missing_are_refused(spark: SparkSession) -> None:
    layout = "account string, at int, booking string, amount"
    for frame, message in (
        (spark.createDataFrame([("x", 1, "a", 1.5)], f"{layout} double"), "of type double"),
        (spark.createDataFrame([("x", 1, "a", None)], f"{layout} long"), "1 bookings have no"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            parts(frame)
