"""Silver tables from short literal rows, so that a test shows only what matters to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.contracts import load_catalogue
from portrait.entities.daily import daily_bookings
from portrait.features import FeatureSet, load_features

CONTRACT = load_catalogue(Path(__file__).resolve().parents[2] / "schemas").table("silver.transactions")
ENUMS = {name: list(CONTRACT.column(name).enum) for name in ("direction", "type", "channel", "category")}

_VERSION = "valid_from timestamp, valid_to timestamp"
SCHEMAS = {
    "transactions": "customer_id string, booked_on date, direction string, type string, channel string, "
    "category string, kind_code int, amount_minor bigint, merchant_id string, counterparty_account string",
    "balances": "account_id string, from_day date, to_day date, balance_minor bigint",
    "accounts": f"account_id string, kind string, opened_on date, closed_on date, {_VERSION}",
    "account_parties": f"account_id string, party_id string, role string, party_kind string, {_VERSION}",
    "customers": "customer_id string, birth_date date, gender string, region_id string, residence string, "
    "occupation string, education string, marital_status string, children int, declared_income decimal(18,2), "
    f"risk_level string, risk_assessed_on date, consent_marketing boolean, {_VERSION}",
    "cards": "card_id string, account_id string, customer_id string, type string, issued_on date, closed_on date, "
    f"credit_limit decimal(18,2), {_VERSION}",
    "loans": "loan_id string, account_id string, granted_on date, amount decimal(18,2), months int, "
    f"instalment decimal(18,2), status string, status_on date, {_VERSION}",
    "holdings": "holding_id string, customer_id string, product_id string, opened_on date, closed_on date, "
    f"amount decimal(18,2), {_VERSION}",
    "products": f"product_id string, kind string, {_VERSION}",
}
# What a row says when the test does not: an account of kind current, opened long ago, known to the bank for ever.
DEFAULTS: dict[str, dict[str, Any]] = {
    "accounts": {"kind": "current", "opened_on": date(2000, 1, 1)},
    "account_parties": {"role": "owner", "party_kind": "person"},
    "loans": {"amount": 1200, "months": 12, "instalment": 100},
}

Row = dict[str, Any]


@pytest.fixture(scope="session")
def silver(spark: SparkSession) -> Callable[..., dict[str, DataFrame]]:
    """`silver(accounts=[{...}], ...)`: every silver table that features read, those without rows empty.

    Bookings are given as rows of `transactions` and come as the table `customer_daily`.
    """

    def build(**tables: list[Row]) -> dict[str, DataFrame]:
        frames = {name: _frame(spark, name, tables.get(name, [])) for name in SCHEMAS}
        daily = daily_bookings(frames.pop("transactions"))
        return frames | {"customer_daily": daily}

    return build


@pytest.fixture(scope="session")
def transactions(spark: SparkSession) -> Callable[[list[Row]], DataFrame]:
    """`transactions([{...}, ...])`: silver.transactions of these rows."""
    return lambda rows: _frame(spark, "transactions", rows)


def _frame(spark: SparkSession, table: str, rows: list[Row]) -> DataFrame:
    """Rows as SQL VALUES: Spark then knows that the table is small, and plans quick broadcast joins."""
    columns = [part.split(maxsplit=1) for part in SCHEMAS[table].split(", ")]
    names = [name for name, _ in columns]
    since = {"valid_from": datetime(1990, 1, 1)} if "valid_from" in names else {}
    full = [since | DEFAULTS.get(table, {}) | _coded(table, row) for row in rows]
    values = ", ".join(f"({', '.join(_literal(row.get(name)) for name in names)})" for row in full)
    none = "" if full else " where false"
    typed = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in columns)
    values = values or f"({', '.join(['null'] * len(names))})"
    return spark.sql(f"select {typed} from values {values} as t({', '.join(names)}){none}")


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    return f"'{value}'" if isinstance(value, str | date) else str(value)


def _coded(table: str, row: Row) -> Row:
    """The row with its kind_code, as the description of the column in the contract says it."""
    if table != "transactions":
        return row

    def place(name: str) -> int:
        return 0 if row.get(name) is None else 1 + ENUMS[name].index(row[name])

    direction = ENUMS["direction"].index(row["direction"])
    code = ((direction * 32 + place("type")) * 16 + place("channel")) * 32 + place("category")
    return row | {"kind_code": code}


@pytest.fixture(scope="session")
def features(conf_dir: Path) -> FeatureSet:
    """Every feature that the project declares."""
    return load_features(conf_dir)


@pytest.fixture(scope="session")
def some(features: FeatureSet) -> Callable[..., FeatureSet]:
    """`some("txn_count", ...)`: the declared features whose names begin so; keeps plans small."""

    def select(*prefixes: str) -> FeatureSet:
        chosen = tuple(feature for feature in features.features if feature.name.startswith(prefixes))
        assert chosen, f"no feature begins with {prefixes}"
        return FeatureSet(chosen)

    return select
