"""Closing balances and reconciliation: days by hand, and every rule against plain Python over generated accounts."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from chispa import assert_df_equality
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from tests.entities.chain import Booking, close_account

from portrait.entities.balances import (
    balance_runs,
    bookings_since,
    close_days,
    first_changed_days,
    go_on,
    measure_days,
    runs_since,
)
from portrait.entities.reconciliation import ReconciliationPolicy, differences

BOOKINGS = "account_id string, booked_on date, signed_minor bigint, balance_after decimal(18,2)"
CLOSINGS = "account_id string, day date, expected_minor bigint, closing_minor bigint"


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


# Accounts whose bookings and (day, expected, closing) are worked out by hand; all of them close in one Spark job.
BY_HAND: dict[str, tuple[list[Booking], list[tuple[int, int, int]]]] = {
    "a chain that closes takes the expected balance of each day": (
        [(1, 700, 700), (2, 300, 1000), (2, -100, 900), (5, -400, 500)],
        [(1, 700, 700), (2, 900, 900), (5, 500, 500)],
    ),
    "the order of rows does not matter": (
        [(2, 5, 605), (1, -100, 600), (1, 700, 700)],
        [(1, 600, 600), (2, 605, 605)],
    ),
    "a break takes the nearest reported balance": (
        [(1, 700, 700), (2, 300, 950), (2, 10, 1500), (3, 50, 1000)],
        [(1, 700, 700), (2, 1010, 950), (3, 1000, 1000)],
    ),
    "of two equally near balances the smaller is taken": (
        [(1, 700, 700), (2, 150, 840), (2, 150, 1160)],
        [(1, 700, 700), (2, 1000, 840)],
    ),
    "a break starts from the closing balance after the break before": (
        [(1, 700, 700), (2, 100, 900), (3, 100, 1000), (4, 100, 1200)],
        [(1, 700, 700), (2, 800, 900), (3, 1000, 1000), (4, 1100, 1200)],
    ),
    "a booking without balance moves the chain": (
        [(1, 700, 700), (2, 300, None), (3, 10, 1010)],
        [(1, 700, 700), (2, 1000, 1000), (3, 1010, 1010)],
    ),
    "an account without any reported balance starts at zero": (
        [(1, 700, None), (2, -300, None)],
        [(1, 700, 700), (2, 400, 400)],
    ),
    # 500 before the first booking: 500 -> 0 -> 200. Nearest to the movement (-300) would be 0.
    "an unknown opening balance follows from the links of the first day": (
        [(1, -500, 0), (1, 200, 200), (2, 10, 210)],
        [(1, 200, 200), (2, 210, 210)],
    ),
    # 100 before: 100 -> 200 -> 300. That the movements (200) are reported too is a coincidence.
    "the links of the first day count more than its movements": (
        [(1, 100, 200), (1, 100, 300)],
        [(1, 300, 300)],
    ),
    "a first day that does not link closes with its movements if they are reported": (
        [(1, 100, 100), (1, 50, None), (1, 50, 200)],
        [(1, 200, 200)],
    ),
    "a day without balance between two breaks": (
        [(1, 700, 700), (2, 100, 900), (3, 10, None), (4, 10, 950)],
        [(1, 700, 700), (2, 800, 900), (3, 910, 910), (4, 920, 950)],
    ),
    # 1000 -> 1500 -> 1000, or 1500 -> 1000 -> 1500: the day alone does not tell.
    "a circular first day takes the balance nearest to its movements": (
        [(1, 500, 1500), (1, -500, 1000)],
        [(1, 1000, 1000)],
    ),
}


@pytest.fixture(scope="module")
def closed_by_hand(spark: SparkSession) -> dict[str, list[tuple[int, int, int]]]:
    rows = close_days(measure_days(frame(spark, {name: case[0] for name, case in BY_HAND.items()}))).collect()
    found: dict[str, list[tuple[int, int, int]]] = {name: [] for name in BY_HAND}
    for row in sorted(rows, key=lambda row: row.day):
        found[row.account_id].append(((row.day - day(0)).days, row.expected_minor, row.closing_minor))
    return found


@pytest.mark.parametrize("name", BY_HAND)
def test_account_closes_as_worked_out_by_hand(closed_by_hand: dict[str, list[tuple[int, int, int]]], name: str) -> None:
    assert closed_by_hand[name] == BY_HAND[name][1]


def test_days_of_one_balance_are_one_run(spark: SparkSession) -> None:
    runs = balance_runs(
        spark.createDataFrame([("a", day(1), 5, 5), ("a", day(3), 5, 5), ("a", day(7), 9, 9)], CLOSINGS)
    )
    expected = spark.createDataFrame(
        [("a", day(1), day(6), Decimal("0.05"), 5, False), ("a", day(7), None, Decimal("0.09"), 9, True)],
        "account_id string, from_day date, to_day date, balance decimal(18,2), balance_minor bigint, "
        "is_current boolean",
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
        for number, before, after in close_account(history)
    ]
    found = sorted(tuple(row) for row in close_days(measure_days(frame(spark, named).repartition(3))).collect())
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
        balance_runs(close_days(measure_days(transactions)))
        .where(f"from_day <= {last}")
        .selectExpr(
            "account_id", "from_day", f"if(to_day < {last}, to_day, null) as to_day", "balance", "balance_minor"
        )
    )


# -- going on from what is known ------------------------------------------------------------------------------------

Known = dict[int, tuple[str, Booking]]
"""Bookings by their number: account, booking."""
Changes = list[tuple[str, Booking, str]]
Run = tuple[str, date, date | None, int]
Break = tuple[str, date, int, int]


def disturb(known: Known, dice: random.Random, today: int) -> Changes:
    """What a day brings to silver.transactions, and the rows of its change feed."""
    changes: Changes = []

    def put(number: int, booking: tuple[str, Booking] | None) -> None:
        before = known.pop(number, None)
        if before is not None:
            changes.append((*before, "delete" if booking is None else "update_preimage"))
        if booking is not None:
            known[number] = booking
            changes.append((*booking, "insert" if before is None else "update_postimage"))

    def some_booking(number: int, account: str) -> Booking:
        signed = dice.randint(-6, 6)
        theirs = [row for name, row in known.values() if name == account and row[0] <= number]
        linked = sum(row[1] for row in theirs) + signed
        return number, signed, dice.choice((linked, linked, linked, None, dice.randint(-6, 6)))

    for number in dice.sample(sorted(known), k=len(known) // 12):
        account, booking = known[number]
        match dice.randrange(5):
            case 0:
                put(number, None)
            case 1:  # another owner: nothing that a balance is made of
                put(number, (account, booking))
            case 2:
                put(number, (account, (dice.randint(1, today), *booking[1:])))
            case 3:
                put(number, (f"a{dice.randrange(ACCOUNTS):03}", booking))
            case _:
                put(number, (account, some_booking(booking[0], account)))
    first = max(known, default=0) + 1
    for number in range(first, first + 2 * ACCOUNTS // 3):
        account = f"a{dice.randrange(today * ACCOUNTS // DAYS):03}"  # accounts open day by day
        put(number, (account, some_booking(today - dice.choice((0, 0, 0, 0, 0, 0, 1, 2, 5)), account)))
    for number in [n for n, (name, _) in known.items() if name == f"a{today:03}"]:
        put(number, None)  # an account loses all that it had
    return changes


def as_rows(bookings: list[tuple[str, Booking]]) -> dict[str, pa.Array]:
    return {
        "account_id": pa.array([account for account, _ in bookings], pa.string()),
        "booked_on": pa.array([day(row[0]) for _, row in bookings], pa.date32()),
        "signed_minor": pa.array([row[1] for _, row in bookings], pa.int64()),
        "balance_after": pa.array([amount(row[2]) for _, row in bookings], pa.decimal128(18, 2)),
    }


def by_the_rules(known: Known) -> tuple[set[Run], set[Break]]:
    """Runs and differences of all accounts, in plain Python."""
    runs: set[Run] = set()
    breaks: set[Break] = set()
    histories: dict[str, list[Booking]] = {}
    for account, booking in known.values():
        histories.setdefault(account, []).append(booking)
    for account, history in histories.items():
        closed = close_account(history)
        breaks |= {(account, day(number), before, after) for number, before, after in closed if before != after}
        begun = [row for place, row in enumerate(closed) if not place or row[2] != closed[place - 1][2]]
        ends = [day(row[0] - 1) for row in begun[1:]] + [None]
        runs |= {(account, day(row[0]), end, row[2]) for row, end in zip(begun, ends, strict=True)}
    return runs, breaks


ACCOUNTS, DAYS = 120, 12


def test_going_on_from_known_balances_gives_those_of_all_bookings(spark: SparkSession) -> None:
    dice = random.Random(7)
    known: Known = {}
    for today in range(1, 8):
        disturb(known, dice, today)
    runs, breaks = by_the_rules(known)
    for today in range(8, DAYS + 1):
        changes = disturb(known, dice, today)
        feed = as_rows([(account, booking) for account, booking, _ in changes])
        kinds = pa.array([kind for _, _, kind in changes])
        since = first_changed_days(spark.createDataFrame(pa.table(feed | {"_change_type": kinds}))).localCheckpoint()
        first = min(row.first_day for row in since.collect())
        balances = spark.createDataFrame(
            [(*run, run[2] is None) for run in sorted(runs, key=str)],
            "account_id string, from_day date, to_day date, balance_minor bigint, is_current boolean",
        )
        transactions = spark.createDataFrame(pa.table(as_rows(list(known.values()))))
        old = runs_since(balances, since=since, first=first).localCheckpoint()
        closings = close_days(
            measure_days(bookings_since(transactions, since=since, runs=old, first=first))
        ).localCheckpoint()
        new = go_on(closings, runs=old).select("account_id", "from_day", "to_day", "balance_minor")
        runs -= {(row.account_id, row.from_day, row.to_day, row.balance_minor) for row in old.collect()}
        runs |= {(row.account_id, row.from_day, row.to_day, row.balance_minor) for row in new.collect()}
        changed = {row.account_id: row.first_day for row in since.collect()}
        breaks = {item for item in breaks if item[0] not in changed or item[1] < changed[item[0]]}
        breaks |= {tuple(row) for row in closings.where("expected_minor <> closing_minor").collect()}
        assert (runs, breaks) == by_the_rules(known), day(today)


def test_only_days_from_the_first_changed_one_on_are_read(spark: SparkSession) -> None:
    since = spark.createDataFrame([("a", day(5)), ("b", day(3))], "account_id string, first_day date")
    runs = spark.createDataFrame(
        [("a", day(1), day(2), 1), ("a", day(3), day(4), 2), ("a", day(5), None, 3), ("b", day(1), None, 9)],
        "account_id string, from_day date, to_day date, balance_minor bigint",
    )
    old = runs_since(runs, since=since, first=day(3))
    assert sorted((row.account_id, row.from_day) for row in old.collect()) == [
        ("a", day(3)), ("a", day(5)), ("b", day(1)),
    ]  # fmt: skip
    history: list[Booking] = [(number, 1, None) for number in range(1, 7)]
    booked = bookings_since(
        frame(spark, {"a": history, "b": history, "c": history}), since=since, runs=old, first=day(3)
    )
    found = sorted((row.account_id, row.booked_on, row.carried_minor) for row in booked.collect())
    assert found == [
        *[("a", day(number), 2) for number in (5, 6)], *[("b", day(number), 9) for number in (3, 4, 5, 6)],
    ]  # fmt: skip


def test_what_changes_no_balance_changes_no_day(spark: SparkSession) -> None:
    same: Booking = (3, 5, 10)
    feed = as_rows([("a", same), ("a", same), ("b", same), ("b", (4, 5, 10))])
    kinds = pa.array(["update_preimage", "update_postimage"] * 2)
    found = first_changed_days(spark.createDataFrame(pa.table(feed | {"_change_type": kinds}))).collect()
    assert [(row.account_id, row.first_day) for row in found] == [("b", day(3))]
