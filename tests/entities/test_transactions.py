"""Transactions: which record of an id counts and why, exact signs and units, the owner of the day."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from portrait.entities.transactions import conflicts_of, counting, owner_days, resolve_transactions, settle

BOOKINGS = (
    "transaction_id string, account_id string, booked_at timestamp, amount decimal(18,2), direction string, "
    "balance_after decimal(18,2), type string, channel string, category string, merchant_id string, "
    "counterparty_bank string, counterparty_account string, note string, _run bigint, _file string, _line bigint"
)
PARTIES = (
    "account_id string, party_id string, role string, party_kind string, "
    "valid_from timestamp, valid_to timestamp, is_current boolean"
)
NAMES = [column.split()[0] for column in BOOKINGS.split(", ")]
PLAIN = {
    "transaction_id": "t1",
    "account_id": "a",
    "booked_at": datetime(1993, 1, 5, 10),
    "amount": Decimal("100.00"),
    "direction": "debit",
    "type": "transfer_out",
    "_run": 1,
    "_file": "transactions/1.csv",
    "_line": 2,
}


def booking(**values: Any) -> tuple[Any, ...]:
    given = PLAIN | values
    return tuple(given.get(name) for name in NAMES)


def bookings(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(list(rows), BOOKINGS)


def owner(party: str, first: datetime, last: datetime | None = None, **values: str) -> tuple[Any, ...]:
    return ("a", party, values.get("role", "owner"), values.get("kind", "person"), first, last, last is None)


def parties(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(list(rows), PARTIES)


def jan(day: int, hour: int = 0) -> datetime:
    return datetime(1993, 1, day, hour)


Record = tuple[str, str, int, str, int]
"""Account, amount; run, file, line."""

# Records of one id, in no order; what counts and which conflicts there are, in the order of delivery, by hand:
# amount of the record, of what it stands against, which counts, why.
SETTLED: dict[str, tuple[list[Record], str, list[tuple[str, str, str, str]]]] = {
    "one record": ([("a", "5.00", 1, "f", 2)], "5.00", []),
    "the same record again is no conflict": ([("a", "5.00", 1, "f", 2), ("a", "5.00", 2, "g", 2)], "5.00", []),
    "the later run counts, whatever its file is called": (
        [("a", "7.00", 2, "a", 2), ("a", "5.00", 1, "z", 9)],
        "7.00",
        [("7.00", "5.00", "record", "last_delivered")],
    ),
    "in a run the later name of a file counts": (
        [("a", "7.00", 1, "02.csv", 2), ("a", "5.00", 1, "01.csv", 9)],
        "7.00",
        [("7.00", "5.00", "record", "last_delivered")],
    ),
    "in a file the later line counts": (
        [("a", "7.00", 1, "f", 12), ("a", "5.00", 1, "f", 2), ("a", "6.00", 1, "f", 3)],
        "7.00",
        [("6.00", "5.00", "record", "last_delivered"), ("7.00", "6.00", "record", "last_delivered")],
    ),
    "another account does not get the id": (
        [("a", "5.00", 1, "f", 2), ("b", "7.00", 2, "g", 2)],
        "5.00",
        [("7.00", "5.00", "against", "other_account")],
    ),
    "nor does it keep the first account from correcting its booking": (
        [("a", "5.00", 1, "f", 2), ("b", "7.00", 2, "g", 2), ("a", "6.00", 3, "h", 2)],
        "6.00",
        [("7.00", "5.00", "against", "other_account"), ("6.00", "5.00", "record", "last_delivered")],
    ),
}
FIRST_DELIVERED: dict[str, tuple[list[Record], str, list[tuple[str, str, str, str]]]] = {
    "the first run counts": (
        [("a", "7.00", 2, "a", 2), ("a", "5.00", 1, "z", 9)],
        "5.00",
        [("7.00", "5.00", "against", "first_delivered")],
    ),
    "and another account is told apart": (
        [("a", "5.00", 1, "f", 2), ("b", "7.00", 2, "g", 2)],
        "5.00",
        [("7.00", "5.00", "against", "other_account")],
    ),
}


def settled_by_hand(
    spark: SparkSession, cases: dict[str, tuple[list[Record], str, list[tuple[str, str, str, str]]]], wins: str
) -> dict[str, tuple[list[str], list[tuple[str, str, str, str]]]]:
    """By case: amounts that count, conflicts; all cases in one Spark job each."""
    names = ("account_id", "amount", "_run", "_file", "_line")
    records = [
        booking(transaction_id=case, **dict(zip(names, row, strict=True)) | {"amount": Decimal(row[1])})
        for case, (rows, _, _) in cases.items()
        for row in rows
    ]
    judged = settle(bookings(spark, *records), wins=wins).persist()
    found: dict[str, tuple[list[str], list[tuple[str, str, str, str]]]] = {case: ([], []) for case in cases}
    for row in counting(judged).collect():
        found[row.transaction_id][0].append(str(row.amount))
    for row in sorted(conflicts_of(judged).collect(), key=lambda row: (row.run, row.file, row.line)):
        amounts = [f"{json.loads(version)['amount']:.2f}" for version in (row.record, row.against)]
        found[json.loads(row.key)["transaction_id"]][1].append((amounts[0], amounts[1], row.counts, row.why))
    return found


@pytest.mark.parametrize(("cases", "wins"), [(SETTLED, "last"), (FIRST_DELIVERED, "first")], ids=["last", "first"])
def test_the_record_that_counts_and_the_conflicts_are_those_worked_out_by_hand(
    spark: SparkSession, cases: dict[str, tuple[list[Record], str, list[tuple[str, str, str, str]]]], wins: str
) -> None:
    found = settled_by_hand(spark, cases, wins)
    assert found == {case: ([amount], conflicts) for case, (_, amount, conflicts) in cases.items()}


def test_files_of_one_run_give_the_same_in_every_order_and_files_in_runs_as_documented(spark: SparkSession) -> None:
    # Pending, then posted with another amount, then the id for another account; a case per order and way to come.
    files = {"1.csv": ("a", "100.00"), "2.csv": ("a", "120.00"), "3.csv": ("b", "9.00")}
    orders = list(permutations(files))
    together: dict[str, Any] = {f"{order}": ([(*files[f], 1, f, 2) for f in order], "", []) for order in orders}
    found = settled_by_hand(spark, together, "last")
    conflicts = [("120.00", "100.00", "record", "last_delivered"), ("9.00", "120.00", "against", "other_account")]
    assert list(found.values()) == [(["120.00"], conflicts)] * 6
    one_each: dict[str, Any] = {
        f"{order}": ([(*files[f], run, f, 2) for run, f in enumerate(order)], "", []) for order in orders
    }
    found = settled_by_hand(spark, one_each, "last")
    for order in orders:
        came = [files[file] for file in order]
        own = [amount for account, amount in came if account == came[0][0]]  # the first one says whose id it is
        amounts, told = found[f"{order}"]
        assert amounts == [own[-1]]
        # Every record but the first differs from what counted when it came, and says so.
        assert [(row[0], row[3]) for row in told] == [
            (amount, "last_delivered" if account == came[0][0] else "other_account") for account, amount in came[1:]
        ]


def test_a_conflict_names_the_columns_that_differ(spark: SparkSession) -> None:
    rows = [booking(), booking(_line=3, note="x", booked_at=datetime(1993, 1, 6), channel="atm")]
    row = conflicts_of(settle(bookings(spark, *rows), wins="last")).collect()[0]
    assert (row.differs, row.day) == (["booked_at", "channel", "note"], date(1993, 1, 6))


@pytest.mark.parametrize(
    ("direction", "signed", "minor"), [("credit", Decimal("1234.56"), 123456), ("debit", Decimal("-1234.56"), -123456)]
)
def test_sign_follows_the_direction(spark: SparkSession, direction: str, signed: Decimal, minor: int) -> None:
    row = resolve_transactions(
        bookings(spark, booking(direction=direction, amount=Decimal("1234.56"))), parties=None
    ).collect()[0]
    assert (row.signed_amount, row.signed_minor, row.amount_minor) == (signed, minor, 123456)


def test_largest_amount_is_exact_in_minor_units(spark: SparkSession) -> None:
    row = resolve_transactions(bookings(spark, booking(amount=Decimal("9999999999999999.99"))), parties=None).collect()[
        0
    ]
    assert row.amount_minor == 999999999999999999


def test_booking_of_the_last_second_belongs_to_its_day(spark: SparkSession) -> None:
    frame = bookings(spark, booking(booked_at=datetime(1993, 1, 5, 23, 59, 59)))
    assert resolve_transactions(frame, parties=None).collect()[0].booked_on == date(1993, 1, 5)


# Parties of an account and who owns it at the end of 5 January; all accounts in one Spark job.
OWNERS: dict[str, tuple[list[tuple[Any, ...]], str | None]] = {
    "who comes during the day owns the whole day": (
        [owner("old", jan(1), jan(5, 20)), owner("new", jan(5, 20))],
        "new",
    ),
    "until midnight after the day still owns it": ([owner("old", jan(1), jan(6)), owner("new", jan(6))], "old"),
    "smallest of several": ([owner("q", jan(1)), owner("p", jan(3)), owner("r", jan(2))], "p"),
    "next one when the smallest has left": ([owner("q", jan(1)), owner("p", jan(1), jan(4))], "q"),
    "a user is no owner": ([owner("p", jan(1), role="user")], None),
    "a company is no owner": ([owner("q", jan(1), kind="company")], None),
    "none before the first owner came": ([owner("p", jan(6))], None),
    "none after the last owner left": ([owner("p", jan(1), jan(5))], None),
    "no party at all": ([], None),
}


@pytest.fixture(scope="module")
def owned_by_hand(spark: SparkSession) -> dict[str, list[str | None]]:
    booked = bookings(spark, *(booking(transaction_id=name, account_id=name) for name in OWNERS))
    known = parties(spark, *((name, *row[1:]) for name, case in OWNERS.items() for row in case[0]))
    found: dict[str, list[str | None]] = {name: [] for name in OWNERS}
    for row in resolve_transactions(booked, parties=known).collect():
        found[row.transaction_id].append(row.customer_id)
    return found


@pytest.mark.parametrize("name", OWNERS)
def test_booking_has_one_owner_that_of_the_end_of_its_day(
    owned_by_hand: dict[str, list[str | None]], name: str
) -> None:
    assert owned_by_hand[name] == [OWNERS[name][1]]


def test_owner_periods_of_an_account_do_not_overlap(spark: SparkSession) -> None:
    found = owner_days(parties(spark, owner("q", jan(1)), owner("p", jan(3), jan(7)), owner("x", jan(5, 8), jan(5, 9))))
    expected = spark.createDataFrame(
        [
            ("a", "q", date(1993, 1, 1), date(1993, 1, 3)),
            ("a", "p", date(1993, 1, 3), date(1993, 1, 7)),
            ("a", "q", date(1993, 1, 7), None),
        ],
        "account_id string, customer_id string, from_day date, until_day date",
    )
    assert_df_equality(found.sort("from_day"), expected, ignore_nullable=True)
