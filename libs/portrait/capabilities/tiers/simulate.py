"""A tier policy played over months that lie in the lake: where would customers stand, had it decided all along."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.tiers.levels import level_rank, month_of, name_of, reached_rank, tier_levels
from portrait.capabilities.tiers.moves import STANDING, after_month
from portrait.capabilities.tiers.policy import CRITERIA, Policy, TierPolicy


def month_ends(slices: Sequence[date], *, until: date) -> list[date]:
    """The last slice of each month, oldest first; of the month of `until`, the last one not after it."""
    days = sorted(day for day in slices if day <= until)
    return list({(day.year, day.month): day for day in days}.values())


def replay(value: DataFrame, slices: Sequence[date], *, rules: Policy, policy: TierPolicy) -> DataFrame:
    """One row per customer of the last of `slices`: customer_id, assets, level_tier, and the standing after it.

    `value` holds as_of, customer_id, assets and score of all `slices` (see `month_ends`). A customer who is not in one
    of them begins anew in the next, as in gold.customer_tier. Levels are those of the policy in each slice.
    """
    optional = [name for name in ("relationship",) if name in value.columns]  # no column of an earlier build
    own = value.select("as_of", "customer_id", "assets", "score", *optional).where(F.col("as_of").isin(list(slices)))
    levels = tier_levels(own, policy=policy, by=["as_of"])
    number = F.array_position(F.array(*map(F.lit, slices)), F.col("as_of")).cast("int")
    first = F.trunc("as_of", "month")
    ranks = {f"rank_by_{name}": reached_rank(name, policy=policy) for name in CRITERIA}
    leveled = own.join(F.broadcast(levels), on="as_of", how="inner").withColumns(ranks)
    judged = leveled.withColumn("level_rank", level_rank(own.columns))
    months = judged.select(
        "customer_id", number.alias("number"), "assets", month_of(first, rules, policy=policy).alias("month")
    )
    paths = months.groupBy("customer_id").agg(
        F.array_sort(F.collect_list(F.struct("number", "month"))).alias("path"),
        F.max_by(F.struct("number", "assets", F.col("month.level_rank")), "number").alias("last"),
    )
    here = paths.where(F.col("last.number") == len(slices))
    nobody = F.struct(F.lit(None).cast(STANDING).alias("standing"), F.lit(0).alias("number"))
    played = F.aggregate("path", nobody, lambda so_far, step: _played(so_far, step, rules))
    return here.select(
        "customer_id",
        F.col("last.assets").alias("assets"),
        name_of(F.col("last.level_rank")).alias("level_tier"),
        played["standing"].alias("standing"),
    )


def _played(so_far: Column, step: Column, rules: Policy) -> Column:
    stood = F.when(so_far["number"] == step["number"] - 1, so_far["standing"])
    standing = after_month(stood, step["month"], policy=rules).cast(STANDING)
    return F.struct(standing.alias("standing"), step["number"].alias("number"))


def simulated_moves(tiers: DataFrame, replayed: DataFrame) -> DataFrame:
    """One row per pair of tiers with someone in it: tier (as published), simulated_tier, customers, assets.

    Tiers set by hand are left out of the comparison: it is the earned tier that a policy changes.
    """
    now = tiers.select("customer_id", "earned_tier")
    then = replayed.select("customer_id", "assets", name_of(F.col("standing.tier_rank")).alias("simulated_tier"))
    return (
        now.join(then, on="customer_id", how="inner")
        .groupBy(F.col("earned_tier").alias("tier"), "simulated_tier")
        .agg(F.count("*").alias("customers"), F.sum("assets").alias("assets"))
    )
