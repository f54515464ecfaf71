"""FIFO tracing: the vector of the methods page, a loop over random accounts, the invariant."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.funds.tracing import Method, trace_fifo, traced
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


VECTOR = [("x", 3, "c", -12000), ("x", 1, "a", 10000), ("x", 4, "d", -1000), ("x", 2, "b", 5000)]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("lifo", [("b", "c", 5000), ("a", "c", 7000), ("a", "d", 1000), ("a", None, 2000)]),
        (
            "pro_rata",
            [("a", "c", 8000), ("b", "c", 4000), ("a", "d", 667), ("b", "d", 333), ("a", None, 1333), ("b", None, 667)],
        ),
    ],
)
def test_the_other_methods_of_the_methods_page(
    spark: SparkSession, method: Method, expected: list[tuple[str | None, str | None, int]]
) -> None:
    """LIFO: b 50 and a 70; a 10; a 20 is left. Pro rata: 80 and 40; 6.67 and 3.33; 13.33 and 6.67 are left."""
    frame = spark.createDataFrame(VECTOR, "account string, at int, booking string, amount long")
    assert Counter(tuple(row) for row in traced(frame, method=method).collect()) == Counter(
        ("x", *part) for part in expected
    )


@pytest.mark.parametrize("method", ["lifo", "pro_rata"])
def test_other_methods_add_up_and_carry_what_describes_a_booking(spark: SparkSession, method: Method) -> None:
    """Random accounts with overdrafts: the parts of every booking add up to it, and a debit leaves nothing to take."""
    draws = np.random.default_rng(11)
    rows = [(f"k{account}", int(draws.integers(0, 9)), (f"b{n:02d}", n), int(draws.integers(-900, 1000)))
            for account in range(12) for n in range(25)]  # fmt: skip
    frame = spark.createDataFrame(rows, "account string, at int, booking struct<id string, n int>, amount long")
    found = traced(frame, method=method).collect()
    sums = Counter[tuple[str, str]]()
    for part in found:
        assert part.amount > 0
        for side, sign in ((part.source, 1), (part.used_by, -1)):
            if side is not None:
                assert side.id == f"b{side.n:02d}"
                sums[part.account, side.id] += sign * part.amount
    assert sums == Counter({(account, booking[0]): amount for account, _, booking, amount in rows if amount})
    # A debit is short only of what the account does not have: as much in both methods as first in first out.
    short = Counter[str]()
    for part in found:
        short[part.account] += part.amount * (part.source is None)
    fifo = Counter[str]()
    for part in traced(frame).collect():
        fifo[part.account] += part.amount * (part.source is None)
    assert short == fifo


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
