"""Amounts of accounts of several currencies in one, the reporting currency, so that they can be added up.

A booking is converted at the rate of its day, what stands at `as_of` (a balance, a loan, a limit) at the rate of that
day: the last one quoted by then. Each amount is rounded to the minor unit, half away from zero. Where no rate was
quoted yet, or DECIMAL(18,2) cannot hold the result, the amount is unknown. A bank of one currency is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.entities.money import UNKNOWN, null_unless_it_fits, rounded
from portrait.errors import InputRefused
from portrait.lake import Lake
from portrait.settings import UTC, Strict, load_yaml
from portrait.spark.days import day_of

_ACCOUNTS, _RATES, _FILE = "silver.accounts", "silver.exchange_rates", "conf/currencies.yml"
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class CurrencyPolicy(Strict):
    """conf/currencies.yml."""

    reporting: Currency | None
    """The currency of sums; None: that of all accounts."""
    other_minor_units: Mapping[int, Sequence[Currency]]
    """Decimals of currencies that have not two."""


def load_currency_policy(conf: Path) -> CurrencyPolicy:
    """The policy of `conf`/currencies.yml; ConfigurationError when it is absent or wrong."""
    return load_yaml(conf / "currencies.yml", CurrencyPolicy)


@dataclass(frozen=True)
class Conversion:
    """What amounts in other currencies than the reporting one are worth in it."""

    reporting: str
    foreign: DataFrame
    """One row per account that is kept in another currency: account_id, currency."""
    rates: DataFrame
    """One row per currency and stretch of days: currency, rate_from, rate_until (excluded, null = open), rate."""
    state: dict[str, int]
    """Versions of the tables that it is made of: what was converted with others must be converted anew."""

    def of_bookings(self, bookings: DataFrame, *columns: str) -> DataFrame:
        """The rows with minor units of `columns` (BIGINT) at the rate of booked_on; NULL where they are unknown."""
        return self._converted(bookings, columns, F.col("booked_on"))

    def standing(self, rows: DataFrame, *columns: str, as_of: date) -> DataFrame:
        """The rows with minor units of `columns` (BIGINT) at the rate of `as_of`; NULL where they are unknown."""
        return self._converted(rows, columns, F.lit(as_of))

    def amounts(self, rows: DataFrame, *columns: str, as_of: date) -> DataFrame:
        """The rows with amounts of `columns` as DECIMAL(19,2) at the rate of `as_of`; UNKNOWN where unknown."""
        minor = rows.withColumns({name: (F.col(name) * 100).cast("bigint") for name in columns})
        given = minor.withColumns({f"has_{name}": F.col(name).isNotNull() for name in columns})
        converted = self.standing(given, *columns, as_of=as_of)
        hundredth = F.lit("0.01").cast("decimal(2,2)")
        worth = {
            name: F.when(
                F.col(f"has_{name}"),
                (F.coalesce(F.col(name), F.lit(UNKNOWN)).cast("decimal(19,0)") * hundredth).cast("decimal(19,2)"),
            )
            for name in columns
        }
        return converted.withColumns(worth).select(*rows.columns)

    def missing(self, bookings: DataFrame) -> DataFrame:
        """One row per currency with bookings: currency, bookings, unknown (without a rate), first_day, last_day."""
        theirs = bookings.join(self.foreign, on="account_id", how="inner")
        rated = theirs.alias("r").join(
            F.broadcast(self.rates.alias("q")), on=self._in_force(F.col("r.booked_on")), how="left"
        )
        none = F.col("rate").isNull()
        return rated.groupBy("r.currency").agg(
            F.count("*").alias("bookings"),
            F.count_if(none).alias("unknown"),
            F.min(F.when(none, F.col("booked_on"))).alias("first_day"),
            F.max(F.when(none, F.col("booked_on"))).alias("last_day"),
        )

    def _in_force(self, day: Column) -> Column:
        until = F.col("q.rate_until")
        same = F.col("r.currency") == F.col("q.currency")
        return same & (day >= F.col("q.rate_from")) & (until.isNull() | (day < until))

    def _converted(self, rows: DataFrame, columns: Sequence[str], day: Column) -> DataFrame:
        marked = rows.join(self.foreign, on="account_id", how="left")
        rated = marked.alias("r").join(F.broadcast(self.rates.alias("q")), on=self._in_force(day), how="left")
        own = F.col("r.currency").isNull()
        worth = {name: F.when(own, F.col(f"r.{name}")).otherwise(_worth(F.col(f"r.{name}"))) for name in columns}
        return rated.select(*[worth.get(name, F.col(f"r.{name}")).alias(name) for name in rows.columns])


def _worth(minor: Column) -> Column:
    exact = minor.cast("decimal(19,0)") * F.col("q.rate").cast("decimal(18,8)")
    return null_unless_it_fits(rounded(exact)).cast("bigint")


def conversion_of(lake: Lake, *, policy: CurrencyPolicy) -> Conversion | None:
    """How amounts of accounts are brought to one currency; None where all accounts are kept in it.

    Raises InputRefused, naming currencies, for one whose minor unit is not a hundredth, and for several without a
    reporting currency.
    """
    if not lake.has(_ACCOUNTS):
        return None
    accounts = lake.read(_ACCOUNTS)
    found = sorted(row["currency"] for row in accounts.select("currency").distinct().collect())
    reporting = reporting_currency(found, policy=policy)
    if set(found) <= {reporting}:
        return None
    newest = accounts.groupBy("account_id").agg(F.max_by("currency", "valid_from").alias("currency"))
    state = {_ACCOUNTS: lake.version(_ACCOUNTS)}
    if lake.has(_RATES):
        quoted = lake.read(_RATES)
        state[_RATES] = lake.version(_RATES)
    else:
        quoted = accounts.limit(0).selectExpr("currency", "valid_from", "cast(null as decimal(18,8)) as rate")
    foreign = newest.where(F.col("currency") != F.lit(reporting))
    return Conversion(str(reporting), foreign, rate_days(quoted, zone=lake.catalogue.time_zone), state)


def reporting_currency(found: Sequence[str], *, policy: CurrencyPolicy) -> str | None:
    """The currency of sums for accounts of the currencies `found`; None without accounts. Raises InputRefused."""
    odd = {code: digits for digits, codes in policy.other_minor_units.items() for code in codes}
    named = sorted({*found, *([policy.reporting] if policy.reporting else [])} & set(odd))
    if named:
        told = ", ".join(f"{code} ({odd[code]} decimals)" for code in named)
        raise InputRefused(
            f"amounts are kept in hundredths, which these currencies do not have: {told}",
            where=f"{_ACCOUNTS}, column currency; {_FILE}",
            remedy="deliver these accounts in a currency of two decimals, or leave them out of the feed accounts",
        )
    if policy.reporting is not None:
        return policy.reporting
    if len(found) > 1:
        raise InputRefused(
            f"accounts are kept in {len(found)} currencies ({', '.join(found)}), which cannot be added up",
            where=f"{_ACCOUNTS}, column currency",
            remedy=f"name one of them as 'reporting' in {_FILE}, and deliver exchange_rates of the others to it",
        )
    return found[0] if found else None


def rate_days(quoted: DataFrame, *, zone: str = UTC) -> DataFrame:
    """Rates by day of silver.exchange_rates: a rate holds from its day to that of the next, whatever a list lacked."""
    since = day_of("valid_from", zone)
    following = F.lead(since).over(Window.partitionBy("currency").orderBy("valid_from"))
    return quoted.select("currency", since.alias("rate_from"), following.alias("rate_until"), "rate")
