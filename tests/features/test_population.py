"""Who is a customer at a business date: one small bank, every relationship and every reason to be out of the slice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from portrait.errors import ConfigurationError
from portrait.features import FeatureSet, Population, customer_features, load_population

from .conftest import CONTRACT

D = date(2024, 3, 31)
BEFORE, AFTER = D - timedelta(days=1), D + timedelta(days=1)
Tables = Callable[..., dict[str, DataFrame]]


def party(account: str, person: str, role: str = "owner", **more: Any) -> dict[str, Any]:
    return {"account_id": account, "party_id": person, "role": role, **more}


BANK: dict[str, list[dict[str, Any]]] = {
    "accounts": [
        {"account_id": "open", "opened_on": date(2020, 1, 1)},
        *[{"account_id": name, "opened_on": date(2019, 1, 1), "closed_on": BEFORE}
          for name in ("closed", "closed with a card", "closed with a loan", "closed by a user")],
        {"account_id": "closes today", "closed_on": D},
        {"account_id": "opens tomorrow", "opened_on": AFTER},
        {"account_id": "firm"},
    ],
    "account_parties": [
        party("open", "owner"),
        party("open", "user", "user"),
        party("open", "taken back", "user", valid_to=datetime(2024, 3, 31, 12)),
        party("open", "comes tomorrow", "user", valid_from=datetime(2024, 4, 1)),
        party("open", "guarantor", "guarantor"),
        party("closes today", "user of the last day", "user"),
        party("opens tomorrow", "user of tomorrow", "user"),
        party("opens tomorrow", "owner of tomorrow"),
        party("closed", "closed"), party("closed with a card", "kept a card"), party("closed with a loan", "owes"),
        party("closed by a user", "moved in"),
        party("closed", "user of a closed one", "user"),
        party("open", "moved in", "user"),
        party("firm", "acme", party_kind="company"),
        party("firm", "user of a firm", "user"),
        # One id, a person here and a company there: it is a person as a party.
        party("open", "17", "user"), party("firm", "17", party_kind="company"),
    ],
    "transactions": [
        {"customer_id": "owner", "booked_on": D, "amount_minor": 700, "direction": "debit", "type": "fee"},
        {"customer_id": "moved in", "booked_on": date(2024, 1, 5), "amount_minor": 90, "direction": "debit"},
    ],
    "balances": [{"account_id": "open", "from_day": date(2020, 1, 1), "balance_minor": 123_456}],
    "cards": [
        {"card_id": "k1", "account_id": "open", "customer_id": "card", "issued_on": date(2024, 1, 1)},
        {"card_id": "k2", "account_id": "open", "customer_id": "card of today", "issued_on": D},
        {"card_id": "k3", "account_id": "open", "customer_id": "card of tomorrow", "issued_on": AFTER},
        {"card_id": "k4", "account_id": "open", "customer_id": "card given back", "issued_on": BEFORE,
         "closed_on": BEFORE},
        {"card_id": "k5", "account_id": "closed with a card", "customer_id": "kept a card", "issued_on": BEFORE},
        {"card_id": "k6", "account_id": "firm", "customer_id": "acme", "issued_on": date(2024, 1, 1)},
        {"card_id": "k7", "account_id": "open", "customer_id": "owner", "issued_on": date(2024, 1, 1)},
        {"card_id": "k8", "account_id": "firm", "customer_id": "not a party", "issued_on": date(2024, 1, 1)},
    ],
    "loans": [
        {"loan_id": "l1", "account_id": "closed with a loan", "granted_on": date(2024, 1, 1), "months": 12},
        {"loan_id": "l2", "account_id": "lent", "granted_on": date(2024, 1, 1), "months": 12},
        {"loan_id": "l3", "account_id": "repaid", "granted_on": date(2020, 1, 1), "months": 12},
    ],
    "holdings": [
        {"holding_id": "h1", "customer_id": "insured", "product_id": "p1", "opened_on": BEFORE, "amount": Decimal(5)},
        {"holding_id": "h2", "customer_id": "sold it", "product_id": "p1", "opened_on": date(2023, 1, 1),
         "closed_on": BEFORE},
        {"holding_id": "h3", "customer_id": "buys tomorrow", "product_id": "p1", "opened_on": AFTER},
    ],
    "products": [{"product_id": "p1", "kind": "insurance"}],
}  # fmt: skip
BANK["account_parties"] += [party("lent", "borrower"), party("repaid", "repaid")]

SLICE = {
    "owner": {"owner"},
    "user": {"user", "user of the last day", "user of a firm", "moved in", "17"},
    "holder": {"card", "card of today", "kept a card", "not a party", "owes", "borrower", "insured"},
}
FEATURES = ("account_count", "days_since", "shared_account", "others_card", "card_count", "loan_count", "balance_last",
            "balance_min_90d", "txn_count_life", "debit_amount_365d", "holding_count")  # fmt: skip


@pytest.fixture(scope="module")
def bank(silver: Tables, spark: SparkSession) -> dict[str, DataFrame]:
    listed = spark.createDataFrame([("brand",)], "company_id string")
    tables = {name: list(rows) for name, rows in BANK.items()}
    # A company that is no party of any account: only the feed of companies tells.
    tables["cards"].append(
        {"card_id": "k9", "account_id": "open", "customer_id": "brand", "issued_on": date(2024, 1, 1)}
    )
    return silver(**tables) | {"companies": listed}


@pytest.fixture(scope="module")
def customers(bank: dict[str, DataFrame], some: Callable[..., FeatureSet]) -> dict[str, Row]:
    slice_of = customer_features(bank, features=some(*FEATURES), bookings=CONTRACT, as_of=D)
    rows = slice_of.collect()
    assert len({row.customer_id for row in rows}) == len(rows)
    return {row.customer_id: row for row in rows}


def test_who_has_an_open_relationship_is_in_the_slice_and_nobody_else(customers: dict[str, Row]) -> None:
    found: dict[str, set[str]] = {}
    for name, row in customers.items():
        found.setdefault(row.relationship, set()).add(name)
    assert found == SLICE


def test_who_owns_nothing_has_nothing(customers: dict[str, Row]) -> None:
    for name in ("user", "card", "insured"):
        row = customers[name]
        money = (row.balance_last, row.balance_min_90d, row.debit_amount_365d)
        assert money == (Decimal(0), Decimal(0), Decimal(0))
        assert (row.account_count, row.txn_count_life, row.loan_count) == (0, 0, 0)
        assert (row.tenure_days, row.days_since_txn, row.days_since_account_opened) == (None, None, None)


def test_the_money_of_an_account_is_its_owners_once(customers: dict[str, Row]) -> None:
    assert sum(row.balance_last for row in customers.values()) == Decimal("1234.56")
    assert customers["owner"].balance_last == Decimal("1234.56")


def test_a_former_owner_keeps_what_was_booked_on_the_closed_account(customers: dict[str, Row]) -> None:
    row = customers["moved in"]
    assert (row.debit_amount_365d, row.tenure_days) == (Decimal("0.90"), (D - date(2019, 1, 1)).days)


def test_features_tell_the_role(customers: dict[str, Row]) -> None:
    user, holder, owner = customers["user"], customers["card"], customers["owner"]
    assert (user.account_count_role_user, user.days_since_account_used) == (1, (D - date(2020, 1, 1)).days)
    assert (holder.card_count, holder.others_card_count, holder.account_count_role_user) == (1, 1, 0)
    # Both other parties of the account may dispose of it; a guarantor alone would not make it shared.
    assert (owner.shared_account_count, owner.others_card_count, owner.card_count) == (1, 0, 1)
    assert customers["user of a firm"].shared_account_count == 0


@pytest.mark.parametrize(
    ("relationships", "gone"),
    [
        (["owner"], SLICE["user"] | SLICE["holder"]),
        (["owner", "user"], SLICE["holder"]),
        (["owner", "card", "product"], (SLICE["user"] | {"owes", "borrower"})),
    ],
)
def test_the_population_may_be_narrowed(
    bank: dict[str, DataFrame], some: Callable[..., FeatureSet], relationships: list[str], gone: set[str]
) -> None:
    slice_of = customer_features(
        bank,
        features=some("account_count"),
        bookings=CONTRACT,
        as_of=D,
        population=Population.model_validate({"relationships": relationships}),
    )
    everybody = set().union(*SLICE.values())
    assert {row.customer_id for row in slice_of.select("customer_id").collect()} == everybody - gone


def test_a_bank_without_cards_loans_and_products_has_owners_and_users(
    silver: Tables, some: Callable[..., FeatureSet]
) -> None:
    bank = silver(**BANK)
    for absent in ("cards", "loans", "holdings", "products"):
        del bank[absent]
    slice_of = customer_features(bank, features=some("account_count", "card_count"), bookings=CONTRACT, as_of=D)
    found = {row.customer_id: row.card_count for row in slice_of.collect()}
    assert found == dict.fromkeys(SLICE["owner"] | SLICE["user"])


def test_without_the_file_nothing_is_narrowed(tmp_path: Path, conf_dir: Path) -> None:
    assert load_population(tmp_path) == load_population(conf_dir)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("relationships: [user]", "'owner' cannot be left out"),
        ("relationships: []", "at least 1 item"),
        ("relationships: [owner, owner]", "'owner' is listed twice"),
        ("relationships: [owner, guarantor]", "Input should be 'owner', 'user', 'card', 'loan' or 'product'"),
        ("relations: [owner]", "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_in_the_population_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "population.yml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_population(tmp_path)
    assert message in caught.value.message
    assert caught.value.where == f"{tmp_path / 'population.yml'}:1"
