"""Transactions: one record an id whatever the arrival, exact signs and units, the owner of the day."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

from portrait.entities.transactions import one_record_each, owner_days, resolve_transactions

BOOKINGS = (
    "transaction_id string, account_id string, booked_at timestamp, amount decimal(18,2), direction string, "
    "balance_after decimal(18,2), type string, channel string, category string, merchant_id string, "
    "counterparty_bank string, counterparty_account string, note string"
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


def test_earliest_record_of_an_id_counts(spark: SparkSession) -> None:
    early, late = booking(note="z"), booking(booked_at=datetime(1993, 1, 6), amount=Decimal("1.00"), note="a")
    assert [row.note for row in one_record_each(bookings(spark, late, early)).collect()] == ["z"]


def test_record_that_knows_more_counts_among_equally_early_ones(spark: SparkSession) -> None:
    poor, rich = booking(amount=Decimal("1.00")), booking(channel="atm")
    assert [row.channel for row in one_record_each(bookings(spark, poor, rich)).collect()] == ["atm"]


def test_choice_does_not_depend_on_the_order_of_arrival(spark: SparkSession) -> None:
    same_id = [
        booking(note=note, amount=Decimal(amount)) for note, amount in (("x", "5.00"), ("y", "5.00"), ("x", "7.00"))
    ]
    orders = [
        booking(**dict(zip(NAMES, row, strict=True)) | {"transaction_id": str(number)})
        for number, order in enumerate(permutations(same_id))
        for row in order
    ]
    chosen = one_record_each(bookings(spark, *orders)).select("amount", "note").distinct().collect()
    assert [tuple(row) for row in chosen] == [(Decimal("5.00"), "x")]


def test_the_record_that_counted_stands_for_all_before_it(spark: SparkSession) -> None:
    contents = [{"note": "x"}, {"note": "w", "channel": "atm"}, {"note": "a", "booked_at": datetime(1993, 1, 6)}]
    orders = [
        [booking(transaction_id=str(number), **values) for values in order]  # type: ignore[arg-type]
        for number, order in enumerate(permutations(contents))
    ]
    before = one_record_each(bookings(spark, *[row for order in orders for row in order[:2]]))
    found = one_record_each(before.unionByName(bookings(spark, *[order[2] for order in orders]))).collect()
    assert [row.note for row in found] == ["w"] * len(orders)


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
