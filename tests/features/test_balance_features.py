"""Balances by hand: day weights, openings within the window, rounding, several accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row

from portrait.features import FeatureSet, customer_features

from .conftest import CONTRACT

D = date(2024, 3, 30)  # the window of 30 days begins on 1 March
FIRST = date(2024, 3, 1)


def stand(account: str, start: date, end: date | None, minor: int) -> dict[str, Any]:
    return {"account_id": account, "from_day": start, "to_day": end, "balance_minor": minor}


BALANCES = [
    stand("even", date(2024, 1, 1), date(2024, 3, 15), 1000), stand("even", date(2024, 3, 16), None, 3000),
    stand("new", date(2024, 3, 29), None, 5000),
    stand("half", date(2024, 3, 29), date(2024, 3, 29), 0), stand("half", date(2024, 3, 30), None, 1),
    stand("old", date(2024, 1, 1), date(2024, 3, 15), 90000), stand("old", date(2024, 3, 16), None, 0),
    stand("young", date(2024, 3, 16), None, 90000),
    stand("late", date(2024, 3, 21), None, 6000),
    stand("minus", date(2024, 1, 1), date(2024, 3, 10), -500), stand("minus", date(2024, 3, 11), None, 100),
    stand("loan", date(2024, 1, 1), None, -7_000_000),
    stand("shut", date(2024, 1, 1), None, 4000), stand("kept", date(2024, 1, 1), None, 10),
    stand("ahead", date(2024, 3, 31), None, 12345), stand("early", date(2024, 3, 1), None, 800),
]  # fmt: skip
ACCOUNTS = [
    {"account_id": "even"}, {"account_id": "new", "opened_on": date(2024, 3, 26)},
    {"account_id": "half", "opened_on": date(2024, 3, 29)},
    {"account_id": "old"}, {"account_id": "young", "opened_on": date(2024, 3, 16), "kind": "savings"},
    {"account_id": "late"}, {"account_id": "minus"}, {"account_id": "loan", "kind": "loan"},
    {"account_id": "shut", "closed_on": date(2024, 3, 15)}, {"account_id": "kept"}, {"account_id": "ahead"},
    {"account_id": "early", "opened_on": date(2024, 3, 21)},
]  # fmt: skip
OWNERS = {"old": "mover", "young": "mover", "shut": "keeper", "kept": "keeper"}


@pytest.fixture(scope="module")
def customers(silver: Callable[..., dict[str, DataFrame]], some: Callable[..., FeatureSet]) -> dict[str, Row]:
    tables = silver(
        balances=BALANCES,
        accounts=ACCOUNTS,
        account_parties=[
            {"account_id": row["account_id"], "party_id": OWNERS.get(str(row["account_id"]), row["account_id"])}
            for row in ACCOUNTS
        ],
    )
    slice_of = customer_features(tables, features=some("balance", "overdrawn"), bookings=CONTRACT, as_of=D)
    return {row.customer_id: row for row in slice_of.collect()}


def test_each_day_weighs_the_same(customers: dict[str, Row]) -> None:
    assert customers["even"].balance_avg_30d == Decimal("20.00")


def test_an_account_opened_within_the_window_divides_by_its_own_days(customers: dict[str, Row]) -> None:
    # Open for 5 days, empty for 3 of them, then 50.00 for 2.
    assert customers["new"].balance_avg_30d == Decimal("20.00")


def test_an_account_opened_before_the_window_is_empty_until_its_first_booking(customers: dict[str, Row]) -> None:
    # 60.00 for 10 of 30 days.
    assert customers["late"].balance_avg_30d == Decimal("20.00")


def test_a_balance_from_before_the_opening_weighs_from_the_opening_on(customers: dict[str, Row]) -> None:
    assert customers["early"].balance_avg_30d == Decimal("8.00")


def test_half_a_cent_is_rounded_up(customers: dict[str, Row]) -> None:
    # One hundredth on one of two days.
    assert customers["half"].balance_avg_30d == Decimal("0.01")


def test_money_moved_between_own_accounts_changes_no_average(customers: dict[str, Row]) -> None:
    assert customers["mover"].balance_avg_30d == Decimal("900.00")


def test_a_month_average_is_of_the_last_complete_month(customers: dict[str, Row]) -> None:
    # February, and December to February: 91 days, of which 31 before the first booking were empty.
    even, keeper = customers["even"], customers["keeper"]
    assert (even.balance_avg_1cm, even.balance_avg_3cm) == (Decimal("10.00"), Decimal("6.59"))
    # The account that was closed in March was open all February.
    assert keeper.balance_avg_1cm == Decimal("40.10")


def test_who_had_no_account_in_the_month_has_an_average_of_zero(customers: dict[str, Row]) -> None:
    assert [customers[name].balance_avg_1cm for name in ("new", "early")] == [Decimal(0), Decimal(0)]


def test_lowest_and_highest_are_of_one_account_and_count_empty_days(customers: dict[str, Row]) -> None:
    found = [customers[name] for name in ("even", "late", "mover")]
    assert [(row.balance_min_30d, row.balance_max_30d) for row in found] == [
        (Decimal("10.00"), Decimal("30.00")), (Decimal(0), Decimal("60.00")), (Decimal(0), Decimal("900.00")),
    ]  # fmt: skip


def test_days_below_zero_are_counted_within_the_window(customers: dict[str, Row]) -> None:
    # 1 January to 10 March are 70 days, all of them among the last 90.
    assert (customers["minus"].overdrawn_days_90d, customers["even"].overdrawn_days_90d) == (70, 0)


def test_a_closed_account_holds_nothing(customers: dict[str, Row]) -> None:
    keeper = customers["keeper"]
    # 0.10 for 30 days and 40.00 for the 15 until the other account was closed.
    assert (keeper.balance_last, keeper.balance_avg_30d) == (Decimal("0.10"), Decimal("20.10"))


def test_debts_on_loan_accounts_are_no_deposits(customers: dict[str, Row]) -> None:
    assert (customers["loan"].balance_last, customers["loan"].balance_avg_30d) == (Decimal(0), Decimal(0))


def test_a_balance_of_tomorrow_does_not_show(customers: dict[str, Row]) -> None:
    assert customers["ahead"].balance_last == Decimal(0)


def test_the_sum_over_customers_is_the_sum_over_accounts(customers: dict[str, Row]) -> None:
    deposits = 3000 + 5000 + 1 + 0 + 90000 + 6000 + 100 + 10 + 800
    assert sum(row.balance_last for row in customers.values()) == Decimal(deposits).scaleb(-2)


def test_the_last_balance_by_kind(customers: dict[str, Row]) -> None:
    mover = customers["mover"]
    assert (mover.balance_last_kind_savings, mover.balance_last_kind_current) == (Decimal("900.00"), Decimal(0))
