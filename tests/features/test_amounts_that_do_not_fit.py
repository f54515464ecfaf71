"""Amounts that DECIMAL(18,2) or BIGINT cannot hold: unknown for their customer, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from portrait.entities.daily import changed_bookings, daily_bookings
from portrait.entities.money import overflowed, unless_it_overflows
from portrait.features import FeatureSet, customer_features
from portrait.features.bookings import Care, aggregate_bookings
from portrait.features.sliding import Earlier, slide_bookings
from portrait.features.values import as_declared

from .conftest import CONTRACT

Silver = Callable[..., dict[str, DataFrame]]
Some = Callable[..., FeatureSet]
AS_OF = date(2024, 6, 30)
GIANT = 10**18 - 1  # 9999999999999999.99


def booked(customer: str, minor: int, direction: str = "credit", day: date = AS_OF, times: int = 1) -> list[Any]:
    kind = "salary" if direction == "credit" else "transfer_out"
    row = {"customer_id": customer, "booked_on": day, "direction": direction, "type": kind, "amount_minor": minor}
    return [row] * times


ROWS = [
    *booked("plain", 12_345),
    *booked("plain", 99, "debit"),
    *booked("one", GIANT),
    *booked("two", GIANT, times=2),
    *booked("twelve", GIANT, times=12),  # 1.2 x 10^19: beyond BIGINT
    *booked("both", GIANT, "credit", times=12),
    *booked("both", GIANT, "debit", times=12),
    *booked("months ago", GIANT, day=date(2023, 7, 15)),  # eleven months back: its moment is 1.1 x 10^19
    *booked("cents", 1, "debit", times=1_000),
]


def in_the_slice(frame: DataFrame, features: FeatureSet) -> dict[str, dict[str, Any]]:
    rows = frame.selectExpr("customer_id", *[as_declared(item, available=True) for item in features.features])
    return {row["customer_id"]: row.asDict() for row in rows.collect()}


@pytest.fixture(scope="module")
def declared(features: FeatureSet, some: Some) -> FeatureSet:
    names = {feature.name for feature in features.features}
    trends = [name for name in names if "trend" in name or "entropy" in name or "avg" in name]
    chosen = some("credit_amount_7d", "credit_amount_life", "debit_amount_7d", "debit_amount_life", "txn_count_7d")
    derived = [f for f in features.features if f.name in trends and f.source == "transactions"]
    return FeatureSet((*chosen.features, *derived))


def test_sums_beyond_bigint_are_unknown_for_their_customer_alone(
    spark: SparkSession, transactions: Callable[..., DataFrame], declared: FeatureSet
) -> None:
    daily = daily_bookings(transactions(ROWS))
    leaves = declared.aggregates("transactions")
    found: dict[str, dict[str, Any]] = {}
    ways: list[bool] = []

    def write(exact: bool) -> None:
        ways.append(exact)
        care = Care(exact=exact)
        wide = aggregate_bookings(daily, contract=CONTRACT, features=leaves, as_of=AS_OF, days=730, care=care)
        found.update(in_the_slice(wide, declared))

    unless_it_overflows(write)
    assert ways == [False, True]
    of = {customer: row["credit_amount_life"] for customer, row in found.items()}
    assert of == {
        "plain": Decimal("123.45"), "one": Decimal("9999999999999999.99"), "two": None, "twelve": None, "both": None,
        "months ago": Decimal("9999999999999999.99"), "cents": Decimal(0),
    }  # fmt: skip
    assert found["both"]["debit_amount_7d"] is None
    assert found["twelve"]["debit_amount_7d"] == 0
    assert found["cents"]["debit_amount_7d"] == 10
    assert [found[name]["txn_count_7d"] for name in ("twelve", "both", "cents")] == [12, 24, 1_000]
    # The other customers' rows are those of a bank without giants, to the last digit of the last feature.
    sound = daily.where("customer_id in ('plain', 'cents')")
    fast = aggregate_bookings(sound, contract=CONTRACT, features=leaves, as_of=AS_OF, days=730)
    assert in_the_slice(fast, declared) == {name: found[name] for name in ("plain", "cents")}


def test_an_error_that_is_no_overflow_is_not_tried_again(spark: SparkSession) -> None:
    def fail(exact: bool) -> None:
        assert not exact
        spark.sql("select raise_error('other')").collect()

    with pytest.raises(PySparkException) as caught:
        unless_it_overflows(fail)
    assert not overflowed(caught.value)


def test_a_slice_that_slides_equals_one_from_the_beginning(
    spark: SparkSession, transactions: Callable[..., DataFrame], declared: FeatureSet
) -> None:
    before = AS_OF - timedelta(days=1)
    old = [*ROWS[:2], *booked("two", GIANT, day=before, times=2)]
    old += booked("leaves", GIANT, day=before - timedelta(days=6), times=3)  # leaves the window of seven days
    new = [*booked("plain", 5), *booked("two", 1, "debit"), *booked("leaves", 7), *booked("one", GIANT)]
    leaves, exact = declared.aggregates("transactions"), Care(exact=True)
    earlier_rows, rows = transactions(old), transactions(old + new)
    whole = aggregate_bookings(
        daily_bookings(earlier_rows), contract=CONTRACT, features=leaves, as_of=before, days=730, care=exact
    )
    names = [as_declared(item, available=True) for item in declared.features]
    earlier = Earlier(
        before,
        whole.selectExpr("customer_id", *names),
        changed_bookings(transactions(new).selectExpr("*", "'insert' as _change_type")),
        rows,
    )
    ids = rows.select("customer_id").distinct()
    slid = slide_bookings(
        daily_bookings(rows), earlier=earlier, customers=ids, contract=CONTRACT, features=leaves, as_of=AS_OF
    )
    anew = aggregate_bookings(
        daily_bookings(rows), contract=CONTRACT, features=leaves, as_of=AS_OF, days=730, care=exact
    )
    found = in_the_slice(slid, declared)
    assert found == in_the_slice(anew, declared)
    assert found["leaves"]["credit_amount_7d"] == Decimal("0.07")
    assert found["leaves"]["credit_amount_life"] is None


def test_balances_loans_and_holdings(silver: Silver, some: Some) -> None:
    people = ["plain", "giants", "lost"]
    accounts = [(f"{person}{number}", person) for person in people for number in range(12)]
    balance = {"plain": 100, "giants": GIANT, "lost": 100}
    since = date(2024, 1, 1)
    tables = silver(
        accounts=[{"account_id": account} for account, _ in accounts],
        account_parties=[{"account_id": account, "party_id": person} for account, person in accounts],
        balances=[
            {"account_id": account, "from_day": since, "balance_minor": None if account == "lost3" else balance[person]}
            for account, person in accounts
        ],
        loans=[
            {"loan_id": f"L{n}", "account_id": "giants0", "granted_on": AS_OF, "amount": Decimal("9999999999999999.99")}
            for n in range(12)
        ],
        holdings=[
            {"holding_id": f"H{n}", "customer_id": "giants", "product_id": "P", "opened_on": since,
             "amount": Decimal("9999999999999999.99")} for n in range(12)
        ],
        products=[{"product_id": "P", "kind": "investment"}],
    )  # fmt: skip
    features = some("balance_", "overdrawn_days_90d", "loan_amount", "loan_count", "investment_amount", "holding_count")
    found: dict[str, dict[str, Any]] = {}

    def write(exact: bool) -> None:
        wide = customer_features(tables, features=features, as_of=AS_OF, bookings=CONTRACT, care=Care(exact=exact))
        found.update({row.customer_id: row.asDict() for row in wide.collect()})

    unless_it_overflows(write)
    told = {who: [row["balance_last"], row["balance_avg_30d"], row["overdrawn_days_90d"]] for who, row in found.items()}
    assert told == {"plain": [12, 12, 0], "giants": [None, None, 0], "lost": [None, None, None]}
    assert [found[who]["balance_max_30d"] for who in people] == [1, Decimal("9999999999999999.99"), None]
    assert (found["giants"]["loan_amount"], found["giants"]["loan_count"]) == (None, 12)
    assert (found["giants"]["investment_amount"], found["giants"]["holding_count"]) == (None, 12)
    assert (found["plain"]["loan_amount"], found["lost"]["investment_amount"]) == (0, 0)


def test_unknown_amounts_make_unknown_what_counts_them(transactions: Callable[..., DataFrame], some: Some) -> None:
    rows = [*booked("a", 100), *booked("a", 50, "debit"), *booked("b", 100, day=AS_OF - timedelta(days=10))]
    frame = transactions(rows).selectExpr(
        "* except (amount_minor)", "if(direction = 'debit' or customer_id = 'b', null, amount_minor) as amount_minor"
    )
    features = some("credit_amount_7d", "credit_amount_30d", "debit_amount_7d", "txn_count_30d")
    leaves = features.aggregates("transactions")
    for exact in (False, True):
        care = Care(exact=exact, gaps=True)
        wide = aggregate_bookings(
            daily_bookings(frame), contract=CONTRACT, features=leaves, as_of=AS_OF, days=730, care=care
        )
        found = in_the_slice(wide, features)
        assert {name: found["a"][name] for name in found["a"] if name != "customer_id"} == {
            "credit_amount_7d": 1, "credit_amount_30d": 1, "debit_amount_7d": None, "txn_count_30d": 2,
        }  # fmt: skip
        assert (found["b"]["credit_amount_7d"], found["b"]["credit_amount_30d"]) == (0, None)
        assert found["b"]["txn_count_30d"] == 1
