"""Amounts in one currency: rates by day, half up, unknown where no rate is; refusals. By hand and DuckDB."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.entities.currencies import Conversion, load_currency_policy, rate_days, reporting_currency
from portrait.errors import ConfigurationError, InputRefused
from portrait.features.facts import in_one_currency

GIANT = 10**18 - 1
QUOTES = "currency string, rate decimal(18,8), valid_from timestamp"
BOOKINGS = "account_id string, booked_on date, amount_minor bigint"
# USD is quoted on the 2nd and the 5th; GBP on the 3rd alone: later lists lack it, and it stays the last one known.
USD = [("USD", Decimal("0.90000000"), datetime(2024, 5, 2)), ("USD", Decimal("0.95000000"), datetime(2024, 5, 5))]
GBP = [("GBP", Decimal("1.23456789"), datetime(2024, 5, 3))]


def conversion(spark: SparkSession, *, quotes: list[tuple[str, Decimal, datetime]]) -> Conversion:
    foreign = spark.createDataFrame([("U", "USD"), ("G", "GBP"), ("J", "CHF")], "account_id string, currency string")
    return Conversion("EUR", foreign, rate_days(spark.createDataFrame(quotes, QUOTES)), {})


def arrow(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pa.Table:
    return pa.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})


def day(number: int) -> date:
    return date(2024, 5, number)


def test_bookings_are_converted_at_the_rate_of_their_day(spark: SparkSession) -> None:
    expected = {
        ("E", 1, 100): 100,  # the reporting currency itself
        ("U", 1, 100): None,  # before the first rate
        ("U", 2, 100): 90,
        ("U", 4, 100): 90,  # the last rate known
        ("U", 5, 100): 95,
        ("U", 5, 1): 1,  # 0.95
        ("U", 2, 5): 5,  # 4.5: half up
        ("U", 5, -10): -10,  # -9.5: away from zero, so that a booking and its reversal cancel out
        ("G", 31, 1_000_000): 1_234_568,
        ("G", 3, GIANT): None,  # 1.2 x 10^18 does not fit
        ("G", 3, GIANT // 2): 617283944999999999,  # 499999999999999999 x 1.23456789 = 617283944999999998.77
        ("J", 3, 100): None,  # no rate at all
    }
    rows = [(account, day(number), minor) for account, number, minor in expected]
    frame = spark.createDataFrame(rows, BOOKINGS).selectExpr("*", "amount_minor as before")
    found = conversion(spark, quotes=USD + GBP).of_bookings(frame, "amount_minor")
    assert found.columns == frame.columns
    assert {(r.account_id, r.booked_on.day, r.before): r.amount_minor for r in found.collect()} == expected


def test_as_duckdb_converts(spark: SparkSession) -> None:
    dice = random.Random(7)
    quotes = [
        (currency, Decimal(dice.randint(1, 10**9)) / 10**8, datetime(2024, 5, 1) + timedelta(days=number))
        for currency in ("USD", "GBP")
        for number in sorted(dice.sample(range(25), 9))
    ]
    rows = [(dice.choice("EUGJ"), day(dice.randint(1, 31)), dice.randint(1, 10**9)) for _ in range(2_000)]
    found = conversion(spark, quotes=quotes).of_bookings(spark.createDataFrame(rows, BOOKINGS), "amount_minor")
    bookings, listed = arrow(("a", "d", "m"), rows), arrow(("currency", "rate", "since"), quotes)
    assert len(listed) == 18
    wanted = duckdb.sql(
        """
        with b as (select *, case a when 'U' then 'USD' when 'G' then 'GBP' when 'J' then 'CHF' end as currency
                   from bookings)
        select a, d, case when b.currency is null then m else cast(round(m * rate, 0) as bigint) end
        from b asof left join listed q on b.currency = q.currency and cast(b.d as timestamp) >= q.since
        """
    ).fetchall()
    assert bookings.num_rows == len(wanted)

    def key(row: tuple[object, ...]) -> tuple[str, ...]:
        return tuple(str(part) for part in row)

    assert sorted(map(key, (tuple(row) for row in found.collect()))) == sorted(map(key, wanted))


def test_what_stands_is_converted_at_the_rate_of_as_of(spark: SparkSession) -> None:
    def table(columns: str, *rows: tuple[object, ...]) -> DataFrame:
        return spark.createDataFrame(list(rows), columns)

    amounts = "amount decimal(18,2), instalment decimal(18,2)"
    sources = {
        "balances": table("account_id string, balance_minor bigint", ("U", -1_000), ("E", 5), ("J", 7), ("U", None)),
        "loans": table(f"account_id string, {amounts}", ("U", Decimal("10.10"), None), ("J", Decimal(1), Decimal(2))),
        "cards": table("account_id string, credit_limit decimal(18,2)", ("E", Decimal("3.33"))),
        "customers": table("customer_id string", ("c",)),
    }
    found = in_one_currency(sources, conversion=conversion(spark, quotes=USD), as_of=day(31))
    assert set(found) == set(sources)
    balances = {(row.account_id, row.balance_minor) for row in found["balances"].collect()}
    assert balances == {("U", -950), ("E", 5), ("J", None), ("U", None)}
    # 10.10 x 0.95 = 9.595; an amount without a rate is larger than any can be, so that what adds it up is unknown
    loans = {row.account_id: (row.amount, row.instalment) for row in found["loans"].collect()}
    assert loans == {"U": (Decimal("9.60"), None), "J": (Decimal(9 * 10**16), Decimal(9 * 10**16))}
    assert found["cards"].collect()[0].credit_limit == Decimal("3.33")


def test_missing_rates_are_named_with_their_days(spark: SparkSession) -> None:
    rows = [("U", day(1), 1), ("U", day(2), 1), ("J", day(3), 1), ("J", day(9), 1), ("E", day(1), 1)]
    missing = conversion(spark, quotes=USD).missing(spark.createDataFrame(rows, BOOKINGS))
    found = {row.currency: tuple(row)[1:] for row in missing.collect()}
    assert found == {"USD": (2, 1, day(1), day(1)), "CHF": (2, 2, day(3), day(9))}


def test_which_currency_sums_are_in(conf_dir: Path) -> None:
    policy = load_currency_policy(conf_dir)
    assert policy.reporting is None
    assert reporting_currency([], policy=policy) is None
    assert reporting_currency(["CZK"], policy=policy) == "CZK"
    named = policy.model_copy(update={"reporting": "EUR"})
    assert reporting_currency(["CZK", "USD"], policy=named) == "EUR"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (["CZK", "EUR"], ["CZK, EUR", "'reporting'", "exchange_rates"]),
        (["JPY"], ["JPY (0 decimals)"]),
        (["EUR", "KWD"], ["KWD (3 decimals)"]),
        (["CLF"], ["CLF (4 decimals)"]),
    ],
)
def test_refused_with_the_names_of_the_currencies(conf_dir: Path, found: list[str], words: list[str]) -> None:
    with pytest.raises(InputRefused) as refused:
        reporting_currency(found, policy=load_currency_policy(conf_dir))
    assert all(word in str(refused.value) for word in words)


def test_a_wrong_file_is_refused_before_spark(tmp_path: Path) -> None:
    (tmp_path / "currencies.yml").write_text("reporting: euro\nother_minor_units: {}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="reporting"):
        load_currency_policy(tmp_path)
