"""One small bank, worked out by hand: who is in the slice, whose money it is, what is unknown, what lies ahead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row

from portrait.features import FeatureSet, customer_features

from .conftest import CONTRACT

D = date(2024, 3, 31)
Tables = Callable[..., dict[str, DataFrame]]


def booking(customer: str, day: date, amount: int, direction: str = "debit", **more: str) -> dict[str, Any]:
    return {"customer_id": customer, "booked_on": day, "amount_minor": amount, "direction": direction, **more}


def owner(account: str, party: str, **more: str) -> dict[str, Any]:
    return {"account_id": account, "party_id": party, **more}


BANK: dict[str, list[dict[str, Any]]] = {
    "accounts": [
        {"account_id": "a1", "opened_on": date(2024, 1, 1)},
        {"account_id": "a1s", "kind": "savings", "opened_on": date(2023, 1, 1), "closed_on": date(2024, 3, 30)},
        {"account_id": "closed", "closed_on": date(2024, 3, 30)},
        {"account_id": "closing", "closed_on": D},
        {"account_id": "to close", "closed_on": date(2024, 4, 1)},
        {"account_id": "to come", "opened_on": date(2024, 4, 1)},
        {"account_id": "firm"},
        {"account_id": "sold", "opened_on": date(2020, 1, 1)},
        {"account_id": "joint", "opened_on": date(2020, 1, 1)},
    ],
    "account_parties": [
        owner("a1", "anna"), owner("a1s", "anna"), owner("closed", "carl"), owner("closing", "cleo"),
        owner("to close", "tom"), owner("to come", "tina"), owner("firm", "acme", party_kind="company"),
        owner("a1", "uwe", role="user"),
        owner("sold", "sam") | {"valid_to": datetime(2024, 3, 31, 12)},
        owner("sold", "sue") | {"valid_from": datetime(2024, 3, 31, 12)},
        owner("joint", "jane"), owner("joint", "jim"), owner("closing", "jim", role="guarantor"),
    ],
    "customers": [
        {"customer_id": "anna", "birth_date": date(1990, 4, 1), "gender": "F", "risk_level": "C3",
         "risk_assessed_on": date(2024, 1, 1)},
        {"customer_id": "tom", "birth_date": date(1990, 3, 31), "risk_level": "C5",
         "risk_assessed_on": date(2024, 4, 1)},
        {"customer_id": "cleo", "birth_date": date(2000, 2, 29)},
    ],
    "transactions": [
        booking("anna", D, 1000, type="card_payment", category="grocery", channel="pos"),
        booking("anna", date(2024, 1, 2), 200, type="card_payment", category="grocery", channel="mobile"),
        booking("anna", date(2024, 1, 1), 30, type="card_payment", category="grocery", channel="mobile"),
        booking("anna", date(2024, 3, 1), 500000, "credit", type="salary"),
        booking("uwe", D, 7, type="fee"),
    ],
    "cards": [
        {"card_id": "k1", "account_id": "a1", "customer_id": "uwe", "issued_on": date(2024, 1, 1)},
        {"card_id": "k2", "account_id": "a1", "issued_on": date(2024, 3, 21), "credit_limit": Decimal("500.00")},
        {"card_id": "k3", "account_id": "a1", "issued_on": date(2023, 1, 1), "closed_on": date(2023, 6, 1)},
    ],
    "loans": [
        {"loan_id": "running", "account_id": "a1", "granted_on": date(2024, 1, 1), "status": "D", "status_on": D},
        {"loan_id": "unknown yet", "account_id": "a1", "granted_on": date(2024, 2, 1), "status": "B",
         "status_on": date(2024, 4, 1)},
        {"loan_id": "paid", "account_id": "a1", "granted_on": date(2024, 1, 1), "status": "A", "status_on": D},
        {"loan_id": "ran out", "account_id": "a1", "granted_on": date(2023, 3, 31)},
    ],
    "products": [{"product_id": "p1", "kind": "investment"}, {"product_id": "p2", "kind": "insurance"}],
    "holdings": [
        {"holding_id": "h1", "customer_id": "anna", "product_id": "p1", "opened_on": D, "amount": Decimal("70.05")},
        {"holding_id": "h2", "customer_id": "anna", "product_id": "p2", "opened_on": D, "amount": Decimal(9)},
        {"holding_id": "h3", "customer_id": "anna", "product_id": "p1", "opened_on": date(2023, 1, 1),
         "closed_on": date(2024, 3, 30), "amount": Decimal(400)},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def customers(silver: Tables, features: FeatureSet) -> dict[str, Row]:
    slice_of = customer_features(silver(**BANK), features=features, bookings=CONTRACT, as_of=D)
    return {row.customer_id: row for row in slice_of.collect()}


def test_the_slice_holds_owners_and_users_of_accounts_that_were_open(customers: dict[str, Row]) -> None:
    # uwe uses a1, jim is the second owner of joint. carl closed everything, tina's account is not open yet, sam sold.
    assert {name: row.relationship for name, row in customers.items()} == {
        **dict.fromkeys(("anna", "cleo", "tom", "sue", "jane"), "owner"),
        **dict.fromkeys(("uwe", "jim"), "user"),
    }


def test_money_goes_to_the_owner_of_the_booking_day(customers: dict[str, Row]) -> None:
    # anna 12.30; uwe, who uses her account, owned another one on the day of his fee of 0.07.
    assert {name: row.debit_amount_life for name, row in customers.items() if row.debit_amount_life} == {
        "anna": Decimal("12.30"),
        "uwe": Decimal("0.07"),
    }


def test_a_window_of_ninety_days_begins_on_the_ninetieth(customers: dict[str, Row]) -> None:
    # 31 March back to 2 January are 90 days; the booking of 1 January is outside.
    anna = customers["anna"]
    assert (anna.debit_amount_category_grocery_90d, anna.debit_amount_category_grocery_365d) == (
        Decimal("12.00"), Decimal("12.30"),
    )  # fmt: skip


def test_counts_by_channel(customers: dict[str, Row]) -> None:
    anna = customers["anna"]
    assert (anna.txn_count_channel_pos_90d, anna.txn_count_channel_mobile_90d, anna.txn_count_channel_mobile_365d) == (
        1, 1, 2,
    )  # fmt: skip


def test_nothing_happened_is_zero_and_never_happened_is_null(customers: dict[str, Row]) -> None:
    tom = customers["tom"]
    assert (tom.txn_count_90d, tom.debit_amount_90d, tom.days_since_txn) == (0, Decimal(0), None)


def test_a_birthday_counts_on_its_day(customers: dict[str, Row]) -> None:
    assert (customers["anna"].age_years, customers["tom"].age_years, customers["cleo"].age_years) == (33, 34, 24)


def test_an_assessment_of_tomorrow_is_not_known(customers: dict[str, Row]) -> None:
    assert [(customers[name].risk_level, customers[name].risk_assessed_on) for name in ("anna", "tom")] == [
        ("C3", date(2024, 1, 1)), (None, None),
    ]  # fmt: skip


def test_tenure_begins_with_the_first_account_even_when_it_is_closed(customers: dict[str, Row]) -> None:
    assert customers["anna"].tenure_days == (D - date(2023, 1, 1)).days


def test_open_accounts_are_counted_by_role(customers: dict[str, Row]) -> None:
    anna, jim = customers["anna"], customers["jane"]
    assert (anna.account_count, anna.account_count_kind_savings, jim.account_count) == (1, 0, 1)


def test_a_card_belongs_to_its_holder_else_to_the_owner(customers: dict[str, Row]) -> None:
    anna = customers["anna"]
    assert (anna.card_count, anna.card_count_life, anna.card_limit, anna.days_since_card) == (
        1, 2, Decimal("500.00"), 10,
    )  # fmt: skip


def test_a_loan_status_is_used_from_the_day_it_is_known(customers: dict[str, Row]) -> None:
    anna = customers["anna"]
    # running and unknown yet are open; paid is finished by status, ran out by its term; only D was known to be bad.
    assert (anna.loan_count, anna.loan_amount, anna.loan_bad_count, anna.loan_count_life) == (
        2, Decimal("2400.00"), 1, 4,
    )  # fmt: skip


def test_investments_are_holdings_of_that_kind(customers: dict[str, Row]) -> None:
    anna = customers["anna"]
    assert (anna.holding_count, anna.investment_amount, anna.holdings_amount) == (2, Decimal("70.05"), Decimal("70.05"))


def test_an_absent_source_is_unknown(silver: Tables, some: Callable[..., FeatureSet]) -> None:
    chosen = some("card_count", "loan_amount", "holding_count", "days_since_loan", "txn_count_7d")
    tables = {name: frame for name, frame in silver(**BANK).items() if name not in {"cards", "loans", "products"}}
    rows = (
        customer_features(tables, features=chosen, bookings=CONTRACT, as_of=D).where("customer_id = 'anna'").collect()
    )
    known = {"holding_count": 2, "txn_count_7d": 1}
    assert rows[0].asDict() | known | {"customer_id": "anna"} == rows[0].asDict()
    assert all(rows[0][feature.name] is None for feature in chosen.features if feature.name not in known)


def test_nothing_after_the_business_date_changes_the_slice(silver: Tables, features: FeatureSet) -> None:
    """The same bank with everything that happens from 1 April on, in every table, compared row by row."""
    midnight = datetime(2024, 4, 1)
    later = {
        "accounts": [
            {"account_id": "a1", "kind": "savings", "closed_on": date(2024, 4, 1), "valid_from": midnight},
            {"account_id": "new", "opened_on": date(2024, 4, 1), "valid_from": midnight},
        ],
        "account_parties": [owner("new", "nina"), owner("a1", "aaron") | {"valid_from": midnight}],
        "customers": [{"customer_id": "anna", "gender": "M", "valid_from": midnight}],
        "transactions": [booking("anna", date(2024, 4, 1), 99, type="card_payment", category="grocery", channel="pos")],
        "balances": [{"account_id": "a1", "from_day": date(2024, 4, 1), "to_day": None, "balance_minor": 1}],
        "cards": [{"card_id": "k4", "account_id": "a1", "issued_on": date(2024, 4, 1)}],
        "loans": [{"loan_id": "l", "account_id": "a1", "granted_on": date(2024, 4, 1)}],
        "holdings": [
            {"holding_id": "h4", "customer_id": "anna", "product_id": "p1", "opened_on": date(2024, 4, 1), "amount": 1}
        ],
        "products": [{"product_id": "p2", "kind": "investment", "valid_from": midnight}],
    }
    # What the bank knew of a1 on 31 March ends when the change arrives, and its balance when the next booking does.
    known = {"account_id": "a1", "from_day": date(2024, 1, 5), "balance_minor": 700}
    past = BANK | {"balances": [known | {"to_day": None}]}
    ended = {
        "accounts": [row | ({"valid_to": midnight} if row["account_id"] == "a1" else {}) for row in BANK["accounts"]],
        "customers": [
            row | ({"valid_to": midnight} if row["customer_id"] == "anna" else {}) for row in BANK["customers"]
        ],
        "products": [row | ({"valid_to": midnight} if row["product_id"] == "p2" else {}) for row in BANK["products"]],
        "balances": [known | {"to_day": date(2024, 3, 31)}],
    }
    everything = {name: (ended.get(name) or rows) + later.get(name, []) for name, rows in past.items()}

    def rows_of(bank: dict[str, list[dict[str, Any]]]) -> list[Row]:
        slice_of = customer_features(silver(**bank), features=features, bookings=CONTRACT, as_of=D)
        return sorted(slice_of.collect(), key=lambda row: row.customer_id)

    assert rows_of(everything) == rows_of(past)
