"""Funds transfer prices by day, and division of exact integers."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.entities.money import MOST, UNKNOWN
from portrait.entities.versions import valid_at_end_of
from portrait.settings import UTC

MICRO = 1_000_000
"""Rates have six decimals: as millionths they are whole."""
YEAR_DAYS = 365


def ratio(numerator: Column, denominator: int) -> Column:
    """BIGINT: the quotient of a whole number (BIGINT or DECIMAL(n,0)), rounded half away from zero, exactly.

    UNKNOWN where DECIMAL(18,2) cannot hold it as minor units; null stays null.
    """
    wide, half = numerator.cast("decimal(38,0)"), F.lit(denominator).cast("decimal(20,0)")
    twice = (F.abs(wide) * F.lit(2).cast("decimal(1,0)") + half).cast("decimal(38,0)")
    whole = F.call_function("div", twice, F.lit(2 * denominator).cast("decimal(20,0)"))
    # Asked before the division: its result is BIGINT, and an overflow would stop everybody's.
    fits = F.abs(wide) <= F.lit(str(MOST * denominator)).cast("decimal(38,0)")
    return F.when(fits & (wide < 0), -whole).when(fits, whole).when(wide.isNotNull(), F.lit(UNKNOWN))


def price_sums(prices: DataFrame, *, first: date, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per kind: `summed`, an array of structs that begins with the day before `first`, one a day to `as_of`.

    Each says what has come together since `first`: days (with a price), micro (their prices, millionths). Of several
    terms the shortest counts: accounts carry none.
    """
    before = first - timedelta(days=1)
    days = prices.select("kind").distinct().withColumn("day", F.explode(F.sequence(F.lit(before), F.lit(as_of))))
    in_force = prices.alias("p")
    same = (
        (F.col("d.kind") == F.col("p.kind"))
        & valid_at_end_of(F.col("d.day"), zone=zone)
        & (F.col("d.day") >= F.lit(first))
    )
    priced = (
        days.alias("d")
        .join(in_force, on=same, how="left")
        .groupBy("d.kind", "d.day")
        .agg(F.min_by((F.col("p.rate") * MICRO).cast("bigint"), "p.term_months").alias("micro"))
    )
    so_far = Window.partitionBy("kind").orderBy("day").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    running = priced.select(
        *("kind", "day"),
        F.count("micro").over(so_far).alias("days"),
        F.coalesce(F.sum("micro").over(so_far), F.lit(0)).alias("micro"),
    )
    listed = F.array_sort(F.collect_list(F.struct("day", "days", "micro")))
    return running.groupBy("kind").agg(listed.alias("summed"))
