"""Tracing as tables: parts of the window with the money that was there before, and the gate that they add up."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.funds.flows import account_flows, bookings_to_trace, fund_flows
from portrait.capabilities.funds.policy import Tracing
from portrait.capabilities.funds.withdrawals import withdrawals
from portrait.contracts import load_catalogue

DAY = date(2025, 3, 31)
POLICY = Tracing(window_days=30)  # from 2 March on
Booking = tuple[str, str, int, int]
"""Account, transaction, day of March (0: the last of February), signed euros."""

BOOKINGS: list[Booking] = [
    # The vector of the methods page, after 40 that were there before: FIFO takes these first.
    ("v", "a", 3, 100), ("v", "b", 4, 50), ("v", "c", 5, -120), ("v", "d", 6, -10),
    ("v", "early", 1, -500),  # before the window: its effect is in the balance
    ("short", "s1", 10, 30), ("short", "s2", 11, -50), ("short", "s3", 12, 20),
    ("only in", "i1", 20, 7),
    ("only out", "o1", 20, -7),
]  # fmt: skip
# Account, first and last day of the run, euros. 1 March is the eve of the window.
BALANCES = [
    ("v", date(2025, 2, 1), date(2025, 3, 2), 40),
    ("v", date(2025, 3, 3), None, 140),
    ("short", date(2025, 1, 1), None, -5),
    ("quiet", date(2025, 1, 1), None, 1000),
]


@pytest.fixture(scope="module")
def bookings(spark: SparkSession) -> DataFrame:
    rows = [(name, account, f"owner of {account}", datetime(2025, 3, day, 12), date(2025, 3, day), euros * 100,
             "transfer_in" if euros > 0 else "card_payment", f"other of {name}")
            for account, name, day, euros in BOOKINGS]  # fmt: skip
    transactions = spark.createDataFrame(
        rows,
        "transaction_id string, account_id string, customer_id string, booked_at timestamp, booked_on date, "
        "signed_minor bigint, type string, counterparty_account string",
    ).selectExpr("*", "null as merchant_id", "null as counterparty_bank")
    balances = spark.createDataFrame(
        [(*row[:3], row[3] * 100) for row in BALANCES],
        "account_id string, from_day date, to_day date, balance_minor long",
    )
    return bookings_to_trace(transactions, balances, policy=POLICY, as_of=DAY, exact=True).localCheckpoint()


@pytest.fixture(scope="module")
def flows(bookings: DataFrame) -> DataFrame:
    return fund_flows(bookings, policy=POLICY, as_of=DAY).localCheckpoint()


def test_parts_of_the_window_by_hand(flows: DataFrame) -> None:
    found = {(row.account_id, row.from_id, row.to_id): row for row in flows.collect()}
    assert {key: int(row.amount) for key, row in found.items()} == {
        ("v", "opening", "c"): 40, ("v", "a", "c"): 80, ("v", "a", "d"): 10, ("v", "a", "left"): 10,
        ("v", "b", "left"): 50,
        ("short", "s1", "s2"): 30, ("short", "nothing", "s2"): 20, ("short", "s3", "left"): 20,
        ("only in", "i1", "left"): 7,
        ("only out", "nothing", "o1"): 7,
    }  # fmt: skip
    row = found["v", "a", "c"]
    assert (row.hours, row.from_on, row.to_on, row.customer_id) == (
        48,
        date(2025, 3, 3),
        date(2025, 3, 5),
        "owner of v",
    )
    opening = found["v", "opening", "c"]
    assert (opening.hours, opening.from_on, opening.from_type) == (None, None, None)


def sums(row: Any) -> tuple[Decimal, ...]:
    return (row.opening, row.money_in, row.money_out, row.traced, row.remainder, row.untraced)


def test_every_account_adds_up_and_the_gate_sees_one_that_does_not(
    bookings: DataFrame, flows: DataFrame, schemas_dir: Path
) -> None:
    """Traced in = traced out + remainder; a part that is missing, doubled, or a cent too small breaks rules."""
    catalogue = load_catalogue(schemas_dir)
    rules = {rule.id: rule.predicate for rule in catalogue.table("gold.account_flows").row_rules}
    assert len(rules) == 3
    for table, frame in (("fund_flows", flows), ("account_flows", account_flows(bookings, flows, as_of=DAY))):
        columns = catalogue.table(f"gold.{table}").columns
        assert dict(frame.dtypes) == {column.name: column.physical_type.lower() for column in columns}
    found = {row.account_id: row for row in account_flows(bookings, flows, as_of=DAY).collect()}
    assert {account: tuple(map(int, sums(row))) for account, row in found.items()} == {
        "v": (40, 150, 130, 130, 60, 0),
        "short": (0, 50, 50, 30, 20, 20),
        "only in": (0, 7, 0, 0, 7, 0),
        "only out": (0, 0, 7, 0, 0, 7),
    }
    missing = flows.where("not (account_id = 'v' and to_id = 'd')")
    doubled = flows.union(flows.where("account_id = 'only in'"))
    a_cent = flows.selectExpr("*", "amount - if(account_id = 'short' and from_id = 's1', 0.01, 0) as less").selectExpr(
        "account_id", "from_id", "to_id", "cast(less as decimal(18,2)) as amount"
    )
    # What one credit has too much and another too little shows in the credits, although the account adds up.
    swapped = flows.selectExpr(
        "account_id", "to_id", "amount", "if(from_id = 'opening' and to_id = 'c', 'b', from_id) as from_id"
    )
    broken = {}
    for name, parts in (
        ("whole", flows),
        ("missing", missing),
        ("doubled", doubled),
        ("cent", a_cent),
        ("swap", swapped),
    ):
        checked = account_flows(bookings, parts, as_of=DAY).selectExpr(
            "account_id", *(f"not ({predicate}) as `{rule}`" for rule, predicate in rules.items())
        )
        broken[name] = {(row.account_id, rule) for row in checked.collect() for rule in rules if row[rule]}
    into, out, parts_of = list(rules)
    assert broken == {
        "whole": set(),
        "missing": {("v", into), ("v", out), ("v", parts_of)},
        "doubled": {("only in", into), ("only in", parts_of)},
        "cent": {("short", into), ("short", out), ("short", parts_of)},
        "swap": {("v", parts_of)},
    }


def test_withdrawals_in_words() -> None:
    def flow(source: str, target: str, amount: str, day: int | None, came: int | None = None) -> dict[str, Any]:
        return {
            "account_id": "A1", "from_id": source, "to_id": target, "amount": Decimal(amount), "to_other": "X",
            "from_on": came and date(2025, 3, came), "to_on": day and date(2025, 3, day), "from_other": None,
            "to_type": day and "card_payment", "from_type": came and "salary",
        }  # fmt: skip

    rows = [
        flow("a", "left", "5.00", None, 3), flow("nothing", "d", "2.50", 9), flow("a", "d", "7.50", 9, 3),
        flow("opening", "c", "1.00", 4),
    ]  # fmt: skip
    assert withdrawals(rows) == [
        [date(2025, 3, 9), "A1", "card payment to X", Decimal("10.00"),
         "7.50 of salary on 2025-03-03; 2.50 more than was there"],
        [date(2025, 3, 4), "A1", "card payment to X", Decimal("1.00"), "1.00 that was there before"],
        [None, "A1", "left on the account", Decimal("5.00"), "5.00 of salary on 2025-03-03"],
    ]  # fmt: skip
