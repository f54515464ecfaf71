"""Windows against a plain reference: bookings on both sides of every edge, many customers in one Spark job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame

from portrait.features import FeatureSet, customer_features

from .conftest import CONTRACT

EDGES = [0, 1, 6, 7, 14, 29, 30, 31, 89, 90, 179, 180, 364, 365, 366, 1500]
WINDOWS = ("7d", "30d", "90d", "180d", "365d", "mtd", "life")
FUTURE = [-1, -2, -30, -400]
INITIATED = {
    "cash_deposit", "cash_withdrawal", "card_withdrawal", "card_payment", "transfer_out", "investment_buy",
    "investment_sell",
}  # fmt: skip

booking = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from([f"c{number}" for number in range(12)]),
        "age": st.sampled_from(EDGES + FUTURE),
        "direction": st.sampled_from(["credit", "debit"]),
        "type": st.sampled_from(["card_payment", "transfer_out", "salary", "interest"]),
        "channel": st.sampled_from(["atm", "branch", None]),
        "category": st.sampled_from(["grocery", "household", None]),
        "amount_minor": st.integers(min_value=1, max_value=10**13),
    }
)
business_dates = st.sampled_from([date(2024, 3, 31), date(2024, 2, 29), date(2023, 3, 1), date(2024, 1, 1)])


@given(as_of=business_dates, bookings=st.lists(booking, min_size=120, max_size=200))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_window_is_what_the_reference_counts(
    as_of: date,
    bookings: list[dict[str, Any]],
    silver: Callable[..., dict[str, DataFrame]],
    some: Callable[..., FeatureSet],
) -> None:
    chosen = some(
        *(f"{name}_{window}" for name in ("txn_count", "debit_amount") for window in WINDOWS),
        "net_amount", "credit_max", "active_", "days_since_txn", "days_since_customer", "customer_txn_count",
        "salary_count", "salary_amount",
        "debit_amount_category_grocery", "debit_amount_category_household", "txn_count_channel_atm",
        "txn_count_type_transfer",
    )  # fmt: skip
    owners = [f"c{number}" for number in range(12)]
    tables = silver(
        accounts=[{"account_id": f"a-{owner}"} for owner in owners],
        account_parties=[{"account_id": f"a-{owner}", "party_id": owner} for owner in owners],
        transactions=[row | {"booked_on": as_of - timedelta(days=row["age"])} for row in bookings],
    )
    slice_of = customer_features(tables, features=chosen, bookings=CONTRACT, as_of=as_of)
    names = [feature.name for feature in chosen.features]
    found = {row.customer_id: {name: row[name] for name in names} for row in slice_of.collect()}
    assert found == {owner: reference(owner, bookings, as_of, names) for owner in owners}


def reference(owner: str, bookings: list[dict[str, Any]], as_of: date, names: list[str]) -> dict[str, Any]:
    own = [row for row in bookings if row["customer_id"] == owner and row["age"] >= 0]
    return {name: measure(name, own, as_of) for name in names}


def measure(name: str, rows: list[dict[str, Any]], as_of: date) -> Any:
    if name.startswith("days_since"):
        wanted = [row["age"] for row in rows if name.endswith("since_txn") or row["type"] in INITIATED]
        return min(wanted, default=None)
    stem, window = name.rsplit("_", 1)
    first = {"life": date.min, "mtd": as_of.replace(day=1)}.get(window)
    first = first or as_of - timedelta(days=int(window.removesuffix("d")) - 1)
    rows = [row for row in rows if as_of - timedelta(days=row["age"]) >= first]
    for dimension in ("category", "channel", "type"):
        if f"_{dimension}_" in stem:
            stem, value = stem.split(f"_{dimension}_")
            rows = [row for row in rows if row[dimension] == value]
    if stem in {"salary_count", "salary_amount"}:
        rows = [row for row in rows if row["type"] == "salary"]
    if stem == "customer_txn_count":
        rows = [row for row in rows if row["type"] in INITIATED]
    days = [as_of - timedelta(days=row["age"]) for row in rows]
    if stem.endswith("_count"):
        return len(rows)
    if stem == "active_days":
        return len(set(days))
    if stem == "active_months":
        return len({(day.year, day.month) for day in days})
    if stem == "net_amount":
        signed = sum(row["amount_minor"] * (1 if row["direction"] == "credit" else -1) for row in rows)
        return currency(signed)
    wanted = {"debit_amount": ["debit"], "credit_max": ["credit"], "salary_amount": ["credit", "debit"]}[stem]
    amounts = [row["amount_minor"] for row in rows if row["direction"] in wanted]
    return currency(max(amounts, default=0) if stem == "credit_max" else sum(amounts))


def currency(minor: int) -> Decimal:
    return Decimal(minor).scaleb(-2)
