"""Closing balances and reconciliation: days by hand, and every rule against plain Python over generated accounts."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from chispa import assert_df_equality
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from portrait.entities.balances import balance_runs, close_days
from portrait.entities.reconciliation import ReconciliationPolicy, differences

BOOKINGS = "account_id string, booked_on date, signed_minor bigint, balance_after decimal(18,2)"
CLOSINGS = "account_id string, day date, expected_minor bigint, closing_minor bigint"
Booking = tuple[int, int, int | None]
"""Day of January, signed minor units, balance after in minor units."""


def day(number: int) -> date:
    return date(1992, 12, 31) + timedelta(days=number)


def amount(minor: int | None) -> Decimal | None:
    return None if minor is None else Decimal(minor) / 100


def frame(spark: SparkSession, accounts: dict[str, list[Booking]]) -> DataFrame:
    rows = [
        (account, day(number), signed, amount(after))
        for account, bookings in accounts.items()
        for number, signed, after in bookings
    ]
    return spark.createDataFrame(rows, BOOKINGS)


def closings(spark: SparkSession, *bookings: Booking) -> list[tuple[int, int, int]]:
    found = close_days(frame(spark, {"a": list(bookings)})).collect()
    return sorted(((row.day - day(0)).days, row.expected_minor, row.closing_minor) for row in found)


def test_chain_that_closes_takes_the_expected_balance_of_each_day(spark: SparkSession) -> None:
    assert closings(spark, (1, 700, 700), (2, 300, 1000), (2, -100, 900), (5, -400, 500)) == [
        (1, 700, 700),
        (2, 900, 900),
        (5, 500, 500),
    ]


def test_break_takes_the_nearest_reported_balance(spark: SparkSession) -> None:
    assert closings(spark, (1, 700, 700), (2, 300, 950), (2, 10, 1500), (3, 50, 1000)) == [
        (1, 700, 700),
        (2, 1010, 950),
        (3, 1000, 1000),
    ]


def test_smaller_of_two_equally_near_balances_is_taken(spark: SparkSession) -> None:
    assert closings(spark, (1, 700, 700), (2, 150, 840), (2, 150, 1160))[1] == (2, 1000, 840)


def test_every_break_starts_from_the_closing_balance_before(spark: SparkSession) -> None:
    assert closings(spark, (1, 700, 700), (2, 100, 900), (3, 100, 1000), (4, 100, 1200)) == [
        (1, 700, 700),
        (2, 800, 900),
        (3, 1000, 1000),
        (4, 1100, 1200),
    ]


def test_booking_without_balance_moves_the_chain(spark: SparkSession) -> None:
    assert closings(spark, (1, 700, 700), (2, 300, None), (3, 10, 1010)) == [
        (1, 700, 700),
        (2, 1000, 1000),
        (3, 1010, 1010),
    ]


def test_account_without_any_reported_balance_starts_at_zero(spark: SparkSession) -> None:
    assert closings(spark, (1, 700, None), (2, -300, None)) == [(1, 700, 700), (2, 400, 400)]


def test_unknown_opening_balance_follows_from_the_links_of_the_first_day(spark: SparkSession) -> None:
    # 500 before the first booking: 500 -> 0 -> 200. Nearest to the movement (-300) would be 0.
    assert closings(spark, (1, -500, 0), (1, 200, 200), (2, 10, 210)) == [(1, 200, 200), (2, 210, 210)]


def test_circular_first_day_takes_the_balance_nearest_to_its_movements(spark: SparkSession) -> None:
    # 1000 -> 1500 -> 1000, or 1500 -> 1000 -> 1500: the day alone does not tell.
    assert closings(spark, (1, 500, 1500), (1, -500, 1000)) == [(1, 1000, 1000)]


def test_days_of_one_balance_are_one_run(spark: SparkSession) -> None:
    runs = balance_runs(
        spark.createDataFrame([("a", day(1), 5, 5), ("a", day(3), 5, 5), ("a", day(7), 9, 9)], CLOSINGS)
    )
    expected = spark.createDataFrame(
        [("a", day(1), day(6), Decimal("0.05"), 5), ("a", day(7), None, Decimal("0.09"), 9)],
        "account_id string, from_day date, to_day date, balance decimal(18,2), balance_minor bigint",
    )
    assert_df_equality(runs.sort("from_day"), expected, ignore_nullable=True)


def difference_rows(spark: SparkSession, tolerance: str) -> list[tuple[Any, ...]]:
    days = spark.createDataFrame([("a", day(1), 500, 500), ("a", day(2), 700, 690), ("a", day(3), 700, 711)], CLOSINGS)
    found = differences(days, policy=ReconciliationPolicy(tolerance=Decimal(tolerance)))
    return sorted(tuple(row) for row in found.collect())


def test_each_difference_is_a_row_reported_less_expected(spark: SparkSession) -> None:
    assert difference_rows(spark, "0.00") == [
        ("a", day(2), Decimal("7.00"), Decimal("6.90"), Decimal("-0.10")),
        ("a", day(3), Decimal("7.00"), Decimal("7.11"), Decimal("0.11")),
    ]


def test_difference_of_the_tolerance_is_no_row(spark: SparkSession) -> None:
    assert [row[1] for row in difference_rows(spark, "0.10")] == [day(3)]


def reference(bookings: list[Booking]) -> list[tuple[int, int, int]]:
    """(day, expected, closing) by the rules of the data model, one booking after the other."""
    by_day: dict[int, list[Booking]] = defaultdict(list)
    for booking in bookings:
        by_day[booking[0]].append(booking)
    rows: list[tuple[int, int, int]] = []
    for number in sorted(by_day):
        movement = sum(signed for _, signed, _ in by_day[number])
        reported = {after for _, _, after in by_day[number] if after is not None}
        expected = (rows[-1][2] if rows else 0) + movement
        closing = expected
        if reported and expected not in reported:
            closing = min(reported, key=lambda balance: (abs(balance - expected), balance))
            if not rows:
                ends = Counter(after for _, _, after in by_day[number] if after is not None)
                ends.subtract(after - signed for _, signed, after in by_day[number] if after is not None)
                candidates = [balance for balance, surplus in ends.items() if surplus == 1 and balance in reported]
                closing = candidates[0] if len(candidates) == 1 else closing
        rows.append((number, expected if rows else closing, closing))
    return rows


small = st.integers(-6, 6)
noisy = st.tuples(st.integers(1, 6), small, st.one_of(st.none(), small))


@st.composite
def chained(draw: st.DrawFn) -> list[Booking]:
    """An account whose bookings link, but for one disturbance at most."""
    balance = draw(st.sampled_from([0, 0, 40]))
    rows = []
    for number, signed in sorted(draw(st.lists(st.tuples(st.integers(1, 6), small), min_size=1, max_size=10))):
        balance += signed
        rows.append((number, signed, balance))
    if draw(st.booleans()):
        place = draw(st.integers(0, len(rows) - 1))
        rows[place] = (*rows[place][:2], draw(st.sampled_from([None, balance + 1, 99])))
    return rows


accounts = st.lists(st.one_of(st.lists(noisy, min_size=1, max_size=10), chained()), min_size=80, max_size=80)
many_at_once = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@many_at_once
@given(accounts)
def test_every_account_day_closes_as_the_rules_say(spark: SparkSession, histories: list[list[Booking]]) -> None:
    named = {f"a{number:02}": history for number, history in enumerate(histories)}
    expected = [
        (account, day(number), before, after)
        for account, history in named.items()
        for number, before, after in reference(history)
    ]
    found = sorted(tuple(row) for row in close_days(frame(spark, named).repartition(3)).collect())
    assert found == sorted(expected)


@settings(many_at_once, max_examples=2)
@given(accounts, st.integers(1, 5))
def test_balances_up_to_a_day_do_not_depend_on_later_bookings(
    spark: SparkSession, histories: list[list[Booking]], known_until: int
) -> None:
    named = {f"a{number:02}": history for number, history in enumerate(histories)}
    known = {
        account: past
        for account, history in named.items()
        if (past := [row for row in history if row[0] <= known_until])
    }
    if not known:
        return
    runs_then = {tuple(row) for row in _clipped(frame(spark, known), known_until).collect()}
    runs_now = {tuple(row) for row in _clipped(frame(spark, named), known_until).collect()}
    assert runs_then == runs_now


def _clipped(transactions: DataFrame, until: int) -> DataFrame:
    """What a slice of that day reads: runs that start by then, the last one open."""
    last = f"date'{day(until)}'"
    return (
        balance_runs(close_days(transactions))
        .where(f"from_day <= {last}")
        .selectExpr(
            "account_id", "from_day", f"if(to_day < {last}, to_day, null) as to_day", "balance", "balance_minor"
        )
    )


def test_an_instant_of_the_day_is_not_needed(spark: SparkSession) -> None:
    """Only days count: the same bookings in another order of rows close alike."""
    rows = [(1, 700, 700), (1, -100, 600), (2, 5, 605)]
    assert closings(spark, *rows) == closings(spark, *reversed(rows)) == [(1, 600, 600), (2, 605, 605)]
