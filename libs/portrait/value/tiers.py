"""The tier of every customer, why, and what is missing to the next one.

The policy is immediate: the tier is what the levels of the day say. The previous slice is an input, so that a policy
with memory (watch states, grace) can take its place without touching what calls it.
"""

from __future__ import annotations

from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.value.quantiles import quantiles
from portrait.value.tier_policy import DOORS, TIERS, Door, TierPolicy

_TYPES = {"assets": "decimal(18,2)", "score": "double"}
_DIGITS = 6  # of a quantile level; finer than anyone reads a level
_POINTS = 4  # decimals of the score


def tier_levels(value: DataFrame, *, policy: TierPolicy) -> DataFrame:
    """One row: `<door>_<tier>`, the level of each door, in currency or points; NULL when the slice has no values."""
    return value.agg(
        *[
            _level(name, door).alias(f"{name}_{tier.id}")
            for tier in policy.with_doors()
            for name in DOORS
            if (door := tier.door(name))
        ]
    )


def _level(name: str, door: Door) -> Column:
    if door.amount is not None:
        # The aggregate around the literal keeps this a one-row frame.
        return F.max(F.lit(str(door.amount)).cast(_TYPES[name]))
    level = quantiles(F.col(name), [door.quantile or 0.0], digits=_DIGITS).getItem(0)
    if door.at_least is not None:
        level = F.greatest(level, F.lit(float(door.at_least)))
    return F.round(level, _POINTS).cast(_TYPES[name])


def assign_tiers(
    value: DataFrame, previous: DataFrame, *, levels: DataFrame, policy: TierPolicy, as_of: date
) -> DataFrame:
    """gold.customer_tier: one row a customer of `value`.

    `previous` is the slice before (empty at the start); previous_tier is NULL for who was not in it. gap_assets and
    gap_score say what is missing at each door of the next tier; NULL at the top, where the next tier lacks that door,
    and for assets that are unknown. Both are above 0 where they exist.
    """
    open_doors = value.join(F.broadcast(levels), how="cross").withColumns(
        {f"opens_{name}": _opens(name, policy=policy) for name in DOORS}
    )
    ranked = open_doors.withColumn("tier_rank", F.least("opens_assets", "opens_score"))
    before = previous.select("customer_id", F.col("tier").alias("previous_tier"))
    placed = ranked.join(before, on="customer_id", how="left").withColumns(
        {
            "tier": _name_of(F.col("tier_rank")),
            "next_tier": F.when(F.col("tier_rank") > 1, _name_of(F.col("tier_rank") - 1)),
            "assets_level": _level_at("assets", F.col("tier_rank"), policy=policy),
            "score_level": _level_at("score", F.col("tier_rank"), policy=policy),
            "next_assets_level": _level_at("assets", F.col("tier_rank") - 1, policy=policy),
            "next_score_level": _level_at("score", F.col("tier_rank") - 1, policy=policy),
            "reason_code": _reason_code(),
        }
    )
    return placed.select(
        F.lit(as_of).alias("as_of"),
        "customer_id",
        "tier",
        "tier_rank",
        "previous_tier",
        "reason_code",
        F.concat(_sentence(), _movement()).alias("reason"),
        "assets",
        "score",
        "next_tier",
        (F.col("next_assets_level") - F.col("assets")).cast("decimal(18,2)").alias("gap_assets"),
        F.round(F.col("next_score_level") - F.col("score"), _POINTS).alias("gap_score"),
    )


def _opens(name: str, *, policy: TierPolicy) -> Column:
    """The rank of the best tier whose door of this name opens; the last rank when none does or the value is unknown."""
    branches = [
        (F.col(name) >= F.col(f"{name}_{tier.id}"), TIERS.index(tier.id) + 1)
        for tier in policy.with_doors()
        if tier.door(name)
    ]
    last = F.lit(len(TIERS))
    return reduce(lambda rest, branch: F.when(branch[0], F.lit(branch[1])).otherwise(rest), reversed(branches), last)


def _name_of(rank: Column) -> Column:
    return F.element_at(F.array(*[F.lit(tier) for tier in TIERS]), rank)


def _level_at(name: str, rank: Column, *, policy: TierPolicy) -> Column:
    """The level of a door at a rank; NULL where the tier of that rank has no such door."""
    result = F.lit(None).cast(_TYPES[name])
    for tier in policy.with_doors():
        if tier.door(name):
            result = F.when(rank == TIERS.index(tier.id) + 1, F.col(f"{name}_{tier.id}")).otherwise(result)
    return result


def _reason_code() -> Column:
    rank = F.col("tier_rank")
    by_assets, by_score = F.col("opens_assets") == rank, F.col("opens_score") == rank
    return (
        F.when((rank == len(TIERS)) & F.col("assets").isNull(), F.lit("assets_unknown"))
        .when(rank == len(TIERS), F.lit("below_levels"))
        .when(by_assets & by_score, F.lit("assets_and_score"))
        .when(by_assets, F.lit("assets_level"))
        .otherwise(F.lit("score_level"))
    )


def _sentence() -> Column:
    """The reason in words; every number in it stands in the row or is a level of the slice."""
    assets, score = _money("assets"), _points("score")
    texts = {
        "assets_and_score": ("Assets of ", assets, " and a score of ", score, " reach the ", F.col("tier"), " levels."),
        "assets_level": ("Assets of ", assets, " reach the ", F.col("tier"), " level of ", _money("assets_level"), "."),
        "score_level": (
            "A score of ",
            score,
            " reaches the ",
            F.col("tier"),
            " level of ",
            _points("score_level"),
            ".",
        ),
        "below_levels": ("Assets of ", assets, " and a score of ", score, " stay below every level."),
        "assets_unknown": ("Assets are unknown and a score of ", score, " stays below every level."),
    }
    result = F.lit(None).cast("string")
    for code, parts in texts.items():
        words = F.concat(*[F.lit(part) if isinstance(part, str) else part for part in parts])
        result = F.when(F.col("reason_code") == code, words).otherwise(result)
    return result


def _movement() -> Column:
    """What changed against the slice before."""
    before = F.array_position(F.array(*[F.lit(tier) for tier in TIERS]), F.col("previous_tier"))
    from_words = F.concat(F.lit(" from "), F.col("previous_tier"), F.lit("."))
    return (
        F.when(F.col("previous_tier").isNull(), F.lit(""))
        .when(before > F.col("tier_rank"), F.concat(F.lit(" Up"), from_words))
        .when(before < F.col("tier_rank"), F.concat(F.lit(" Down"), from_words))
        .otherwise(F.lit(" Unchanged."))
    )


def _money(name: str) -> Column:
    return F.format_number(F.col(name), 2)


def _points(name: str) -> Column:
    return F.format_number(F.col(name), 2)
