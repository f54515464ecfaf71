"""The levels of the doors in a slice, and which tier each customer's month opened."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.value.quantiles import quantiles
from portrait.value.tier_policy import DOORS, TIERS, Door, Policy, TierPolicy, rank_of

LEVEL_TYPES = {"assets": "decimal(18,2)", "score": "double"}
POINTS = 4  # decimals of the score
_DIGITS = 6  # of a quantile level; finer than anyone reads a level


def tier_levels(value: DataFrame, *, policy: TierPolicy) -> DataFrame:
    """One row: `<door>_<tier>`, the level of each door, in currency or points; NULL when the slice has no values."""
    return value.agg(*level_columns(policy))


def level_columns(policy: TierPolicy) -> list[Column]:
    """The same as aggregates, for several slices at once."""
    return [
        _level(name, door).alias(f"{name}_{tier.id}")
        for tier in policy.with_doors()
        for name in DOORS
        if (door := tier.door(name))
    ]


def _level(name: str, door: Door) -> Column:
    if door.amount is not None:
        # The aggregate around the literal keeps this a one-row frame.
        return F.max(F.lit(str(door.amount)).cast(LEVEL_TYPES[name]))
    level = quantiles(F.col(name), [door.quantile or 0.0], digits=_DIGITS).getItem(0)
    if door.at_least is not None:
        level = F.greatest(level, F.lit(float(door.at_least)))
    return F.round(level, POINTS).try_cast(LEVEL_TYPES[name])


def opened(name: str, *, policy: TierPolicy, times: float = 1.0) -> Column:
    """The rank of the best tier whose door of this name opens; the last rank when none does or the value is unknown.

    With `times`, of the best tier whose level is reached so many times.
    """
    reached = F.col(name) if times == 1.0 else F.col(name) / F.lit(times)
    branches = [
        (reached >= F.col(f"{name}_{tier.id}"), rank_of(tier.id)) for tier in policy.with_doors() if tier.door(name)
    ]
    last = F.lit(len(TIERS))
    return reduce(lambda rest, branch: F.when(branch[0], F.lit(branch[1])).otherwise(rest), reversed(branches), last)


def month_of(first: Column, rules: Policy, *, policy: TierPolicy) -> Column:
    """The struct that `moves.after_month` reads, of a row with assets, level_rank and the levels."""
    level = F.col("level_rank")
    fast = opened("assets", policy=policy, times=rules.fast_track) if rules.fast_track else F.lit(len(TIERS))
    return F.struct(
        first.alias("first"),
        level.alias("level_rank"),
        fast.alias("fast_rank"),
        (F.col("assets").isNotNull() | (level < len(TIERS))).alias("known"),
    )


def level_at(name: str, rank: Column, *, policy: TierPolicy) -> Column:
    """The level of a door at a rank; NULL where the tier of that rank has no such door."""
    result = F.lit(None).cast(LEVEL_TYPES[name])
    for tier in policy.with_doors():
        if tier.door(name):
            result = F.when(rank == rank_of(tier.id), F.col(f"{name}_{tier.id}")).otherwise(result)
    return result


def name_of(rank: Column) -> Column:
    """The tier of a rank; NULL for NULL."""
    # Under ANSI Spark takes element_at of a NULL index for not nullable, and returns the last element.
    return F.when(rank.isNotNull(), F.element_at(F.array(*[F.lit(tier) for tier in TIERS]), rank))


def rank_in(tier: Column) -> Column:
    """The rank of a tier; NULL for NULL."""
    return F.nullif(F.array_position(F.array(*[F.lit(name) for name in TIERS]), tier), F.lit(0)).cast("int")
