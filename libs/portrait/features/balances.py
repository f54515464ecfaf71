"""Balance features from run-length balances: day-weighted, without a row per day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.entities.money import UNKNOWN, exact_sum, parts_of, rounded_sql, settled_sql
from portrait.features.feature import Feature


def aggregate_balances(
    balances: DataFrame, *, owners: DataFrame, features: Sequence[Feature], as_of: date, exact: bool = False
) -> DataFrame:
    """One row per customer with the declared balance features, in minor units.

    An account counts for its owner at `as_of`, from its opening to its closing; between opening and first booking it
    is open and empty, so 0. The average of a window is sum(balance x days) over all accounts, divided by the days of
    the window on which the customer had an account (all of them, unless the first account was opened within it), and
    rounded HALF_UP to the minor unit: money moved between own accounts changes nothing.
    Lowest and highest are those of any one account; days overdrawn are added up over accounts.
    A balance that is NULL is unknown, and so is (UNKNOWN) what its days decide. `exact`: sums may pass BIGINT.
    """
    earliest = min((_start(feature, as_of) for feature in features), default=as_of)
    levels = _level_spans(balances, owners=owners, earliest=earliest, as_of=as_of)
    spans = levels.unionByName(_life_spans(owners, as_of=as_of))
    return spans.groupBy("customer_id").agg(
        *[F.expr(f"{_unless_unknown(feature, as_of, exact=exact)} as {feature.name}") for feature in features]
    )


def _level_spans(balances: DataFrame, *, owners: DataFrame, earliest: date, as_of: date) -> DataFrame:
    """Spans of days with one known closing balance, clipped to the account's life and to `as_of`."""
    # Written so that Delta passes over the files of runs that ended before the first window: most of a long history.
    reaching = (F.col("from_day") <= F.lit(as_of)) & (F.col("to_day").isNull() | (F.col("to_day") >= F.lit(earliest)))
    owned = balances.where(reaching).join(owners, on="account_id", how="inner")
    return owned.select(
        "customer_id",
        "kind",
        F.greatest("from_day", "opened_on").alias("from_day"),
        F.least("to_day", "closed_on", F.lit(as_of)).alias("to_day"),  # least() skips NULL: still open, still standing
        F.coalesce("balance_minor", F.lit(0)).alias("balance_minor"),
        F.col("balance_minor").isNull().alias("unknown"),
    )


def _life_spans(owners: DataFrame, *, as_of: date) -> DataFrame:
    """The days on which each account was open, marked by a NULL balance: they say what a window may be divided by."""
    return owners.select(
        "customer_id",
        "kind",
        F.col("opened_on").alias("from_day"),
        F.least("closed_on", F.lit(as_of)).alias("to_day"),
        F.lit(None).cast("bigint").alias("balance_minor"),
        F.lit(False).alias("unknown"),
    )


def _start(feature: Feature, as_of: date) -> date:
    """First day of the feature's window; what stands at `as_of` has a window of that one day."""
    return feature.period(as_of).first or as_of


def _unless_unknown(feature: Feature, as_of: date, *, exact: bool) -> str:
    days = _days(feature, as_of)
    return f"if(bool_or(unknown and {days} > 0), {UNKNOWN}L, {_aggregate(feature, as_of, exact=exact)})"


def _wanted(feature: Feature) -> str:
    kinds = [f"{dimension} in ({', '.join(map(repr, values))})" for dimension, values in feature.where]
    return " and ".join(kinds) or "true"


def _days(feature: Feature, as_of: date) -> str:
    """Days of the span within the window; a span that lies outside has none."""
    last = feature.period(as_of).last
    until = "to_day" if last == as_of else f"least(to_day, date'{last}')"
    since = f"greatest(from_day, date'{_start(feature, as_of)}')"
    return f"if({_wanted(feature)}, greatest(datediff({until}, {since}) + 1, 0), 0)"


def _aggregate(feature: Feature, as_of: date, *, exact: bool) -> str:
    wanted, days, last = _wanted(feature), _days(feature, as_of), feature.period(as_of).last
    start = f"date'{_start(feature, as_of)}'"
    if feature.aggregate == "balance_last":
        standing = f"if({days} > 0, balance_minor, 0L)"
        return settled_sql(exact_sum(*parts_of(standing, "1L"))) if exact else f"sum({standing})"
    if feature.aggregate == "overdrawn_days":
        return f"sum(if(balance_minor < 0, {days}, 0))"
    if feature.aggregate == "balance_average":
        first = f"greatest(min(if({wanted} and balance_minor is null, from_day, null)), {start})"
        # Who had no account yet in a month that is over has an average of nothing: NULL, and 0 in the slice.
        divisor = f"cast(nullif(greatest(datediff(date'{last}', {first}) + 1, 0), 0) as decimal(10,0))"
        total = exact_sum(*parts_of("balance_minor", days)) if exact else f"sum(balance_minor * {days})"
        mean = rounded_sql(f"cast({total} as decimal(28,0)) / {divisor}")
        return settled_sql(mean) if exact else f"cast({mean} as bigint)"
    extreme, with_zero = ("min", "least") if feature.aggregate == "balance_lowest" else ("max", "greatest")
    known = f"{extreme}(if({days} > 0, balance_minor, null))"
    unbooked = f"sum(if(balance_minor is null, {days}, -{days})) > 0"
    return f"if({unbooked}, {with_zero}({known}, 0L), {known})"
