"""What of a customer's money is available, and how long how much of it has been lying still.

The horizon of an amount x is the largest number of days h, `liquidity.days` at most, so that on at least
`liquidity.share` of the last h days the closing balance of the customer's accounts was x or more. A day without an
account, or of unknown balance, is a day without the money.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.products.policy import Liquidity, Start, Template
from portrait.entities.currencies import Conversion
from portrait.entities.ownership import People
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC

_WIDE = "decimal(38,0)"
_PER_MILLE = 1000


def customer_runs(
    owners: DataFrame,
    balances: DataFrame,
    *,
    liquidity: Liquidity,
    as_of: date,
    conversion: Conversion | None = None,
) -> DataFrame:
    """One row per customer and run of days of the look-back: customer_id, from_day, days, total.

    `owners`: one row per own account of the kinds that count: account_id, customer_id, opened_on, closed_on.
    total: minor units of all these accounts, reporting currency; NULL where one of them is unknown. Runs cover the
    look-back from its first day to `as_of`.
    """
    first = as_of - timedelta(days=liquidity.days - 1)
    reaching = (F.col("from_day") <= F.lit(as_of)) & (F.col("to_day").isNull() | (F.col("to_day") >= F.lit(first)))
    rows = balances.where(reaching).join(owners, on="account_id", how="inner")
    if conversion is not None:
        rows = conversion.standing(rows, "balance_minor", as_of=as_of)
    spans = rows.select(
        "customer_id",
        F.greatest("from_day", "opened_on", F.lit(first)).alias("from_day"),
        F.least("to_day", "closed_on", F.lit(as_of)).alias("to_day"),  # least() skips NULL: still open, still standing
        F.coalesce("balance_minor", F.lit(0)).cast(_WIDE).alias("minor"),
        F.col("balance_minor").isNull().cast("int").alias("unknown"),
    ).where(F.col("from_day") <= F.col("to_day"))
    begins = spans.select("customer_id", F.col("from_day").alias("day"), "minor", "unknown")
    ends = spans.where(F.col("to_day") < F.lit(as_of)).select(
        "customer_id", F.date_add("to_day", 1).alias("day"), (-F.col("minor")).alias("minor"), -F.col("unknown")
    )
    everybody = owners.select(
        "customer_id", F.lit(first).alias("day"), F.lit(0).cast(_WIDE).alias("minor"), F.lit(0).alias("unknown")
    ).distinct()
    steps = begins.union(ends).union(everybody).groupBy("customer_id", "day")
    changes = steps.agg(F.sum("minor").cast(_WIDE).alias("minor"), F.sum("unknown").alias("unknown"))
    so_far = Window.partitionBy("customer_id").orderBy("day")
    through = so_far.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    last = F.date_add(F.lit(as_of), 1)
    return changes.select(
        "customer_id",
        F.col("day").alias("from_day"),
        F.date_diff(F.coalesce(F.lead("day").over(so_far), last), "day").alias("days"),
        F.when(F.sum("unknown").over(through) == 0, F.sum("minor").over(through).cast(_WIDE)).alias("total"),
    )


def customer_money(
    people: People, accounts: DataFrame, balances: DataFrame, templates: Sequence[Template], *,
    liquidity: Liquidity, conversion: Conversion | None, as_of: date, zone: str = UTC,
) -> DataFrame:  # fmt: skip
    """One row per customer who owns an open account of the kinds that count: as `liquidity_of`, and currency."""
    counts = (F.col("role") == "owner") & (F.col("state") == "open") & F.col("kind").isin(*liquidity.kinds)
    mine = people.roles.where(counts).select("account_id", "customer_id", "opened_on", "closed_on")
    named = versions_at(accounts, as_of, zone=zone).select("account_id", "currency")
    runs = customer_runs(mine, balances, liquidity=liquidity, as_of=as_of, conversion=conversion)
    starts = [(item.id, item.start) for item in templates if item.start is not None]
    rows = liquidity_of(runs, starts, liquidity=liquidity, as_of=as_of)
    if conversion is not None:
        return rows.withColumn("currency", F.lit(conversion.reporting))
    # Without conversion all accounts of the bank are kept in one currency.
    currency = mine.join(named, on="account_id", how="inner").groupBy("customer_id")
    return rows.join(currency.agg(F.max("currency").alias("currency")), on="customer_id", how="left")


def start_amount(available: Column, start: Start) -> Column:
    """Minor units: the larger of the minimum and the share of what is available, whole steps, the maximum at most."""
    step = int(start.step * 100)
    share = round(start.share * _PER_MILLE)
    steps = F.floor(available * F.lit(share) / F.lit(_PER_MILLE * step)).cast(_WIDE)
    wanted = F.greatest(F.lit(int(start.minimum * 100)).cast(_WIDE), steps * F.lit(step).cast(_WIDE))
    return F.when(available.isNotNull(), F.least(wanted, F.lit(int(start.maximum * 100)).cast(_WIDE))).cast(_WIDE)


def liquidity_of(
    runs: DataFrame, starts: Sequence[tuple[str, Start]], *, liquidity: Liquidity, as_of: date
) -> DataFrame:
    """One row per customer: customer_id, available, and maps by template of `starts`: start_minor, horizon_days."""
    whole = Window.partitionBy("customer_id")
    newest_first = whole.orderBy(F.col("from_day").desc())
    so_far = newest_first.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    available = F.first("total").over(newest_first)
    amounts = {template: start_amount(F.col("available"), start) for template, start in starts}
    back = F.date_diff(F.lit(as_of), "from_day") + 1  # days from the end of as_of back to the beginning of the run
    known = runs.withColumn("available", available).withColumns({f"x_{name}": x for name, x in amounts.items()})
    good = {name: F.when(F.col("total") >= F.col(f"x_{name}"), F.col("days")).otherwise(0) for name in amounts}
    counted = known.withColumns({f"good_{name}": F.sum(days).over(so_far) for name, days in good.items()})
    share = round(liquidity.share * _PER_MILLE)
    return counted.groupBy("customer_id").agg(
        F.first("available").alias("available"),
        _by_template({name: F.first(f"x_{name}") for name in amounts}).alias("start_minor"),
        _by_template({name: _longest(name, back, share) for name in amounts}).alias("horizon_days"),
    )


def _longest(name: str, back: Column, share: int) -> Column:
    """The largest number of days back on which the share is kept, over all runs; within one see below."""
    kept = F.col(f"good_{name}") * F.lit(_PER_MILLE)
    # Days with the money raise the share, so a run of them is asked at its end. Days without it lower the share: it
    # is kept until the days with the money, all of them newer, are no longer enough.
    until = F.least(back, F.floor(kept / F.lit(share)).cast("int"))
    has_it = F.col("total") >= F.col(f"x_{name}")
    begins = back - F.col("days")
    in_run = F.when(has_it & (kept >= back * F.lit(share)), back).when(
        ~F.coalesce(has_it, F.lit(False)) & (until > begins), until
    )
    return F.coalesce(F.max(in_run), F.lit(0)).cast("int")


def _by_template(values: dict[str, Column]) -> Column:
    return F.create_map(*[part for name, value in values.items() for part in (F.lit(name), value)])
