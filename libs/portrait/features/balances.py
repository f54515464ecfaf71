"""Balance features from run-length balances: day-weighted, without a row a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.features.declaration import Feature


def aggregate_balances(
    balances: DataFrame, *, owners: DataFrame, features: Sequence[Feature], as_of: date
) -> DataFrame:
    """One row a customer with the declared balance features, in minor units.

    An account counts for its owner at `as_of`, from its opening to its closing; between opening and first booking it
    is open and empty, so 0. The average of a window is sum(balance x days) over all accounts, divided by the days of
    the window on which the customer had an account (all of them, unless the first account was opened within it), and
    rounded HALF_UP to the minor unit: money moved between own accounts changes nothing.
    Lowest and highest are those of any one account; days overdrawn are added up over accounts.
    """
    starts = [_start(feature, as_of) for feature in features]
    spans = _level_spans(balances, owners=owners, earliest=min(starts, default=as_of), as_of=as_of).unionByName(
        _life_spans(owners, as_of=as_of)
    )
    return spans.groupBy("customer_id").agg(*[_aggregate(feature, as_of).alias(feature.name) for feature in features])


def _level_spans(balances: DataFrame, *, owners: DataFrame, earliest: date, as_of: date) -> DataFrame:
    """Spans of days with one known closing balance, clipped to the account's life and to `as_of`."""
    reaching = (F.col("from_day") <= F.lit(as_of)) & (F.coalesce("to_day", F.lit(as_of)) >= F.lit(earliest))
    owned = balances.where(reaching).join(owners, on="account_id", how="inner")
    return owned.select(
        "customer_id",
        "kind",
        F.greatest("from_day", "opened_on").alias("from_day"),
        F.least("to_day", "closed_on", F.lit(as_of)).alias("to_day"),  # least() skips NULL: still open, still standing
        "balance_minor",
    )


def _life_spans(owners: DataFrame, *, as_of: date) -> DataFrame:
    """The days on which each account was open, marked by a NULL balance: they say what a window may be divided by."""
    return owners.select(
        "customer_id",
        "kind",
        F.col("opened_on").alias("from_day"),
        F.least("closed_on", F.lit(as_of)).alias("to_day"),
        F.lit(None).cast("bigint").alias("balance_minor"),
    )


def _start(feature: Feature, as_of: date) -> date:
    """First day of the feature's window; what stands at `as_of` has a window of that one day."""
    return as_of - timedelta(days=(feature.days(as_of) or 1) - 1)


def _aggregate(feature: Feature, as_of: date) -> Column:
    kinds = [F.col(dimension).isin(*values) for dimension, values in feature.where]
    wanted = kinds[0] if kinds else F.lit(True)
    start = F.lit(_start(feature, as_of))
    overlap = F.greatest(F.date_diff("to_day", F.greatest(F.col("from_day"), start)) + 1, F.lit(0))
    days = F.when(wanted, overlap).otherwise(0)
    balance, life = F.col("balance_minor"), F.col("balance_minor").isNull()
    if feature.aggregate == "balance_last":
        return F.sum(F.when(days > 0, balance))
    if feature.aggregate == "overdrawn_days":
        return F.sum(F.when(balance < 0, days).otherwise(0))
    if feature.aggregate == "balance_average":
        first = F.greatest(F.min(F.when(wanted & life, F.col("from_day"))), start)
        divisor = (F.date_diff(F.lit(as_of), first) + 1).cast("decimal(10,0)")
        return F.round(F.sum(balance * days).cast("decimal(28,0)") / divisor, 0).cast("bigint")
    extreme, with_zero = (F.min, F.least) if feature.aggregate == "balance_lowest" else (F.max, F.greatest)
    known = extreme(F.when(days > 0, balance))
    unbooked = F.sum(F.when(life, days).otherwise(-days)) > 0
    return F.when(unbooked, with_zero(known, F.lit(0))).otherwise(known)
