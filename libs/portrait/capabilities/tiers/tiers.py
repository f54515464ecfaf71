"""The tier of every customer, why, since when, and what is missing to the next one.

A slice is made of its own facts and of the last slice of an earlier month (`moves.py`): nothing else is remembered, so
slices made afterwards, oldest first, are those that daily runs would have made.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.tiers.levels import (
    POINTS,
    level_at,
    level_rank,
    month_of,
    name_of,
    owns_nothing,
    rank_in,
    reached_rank,
    reaches_tied_level,
)
from portrait.capabilities.tiers.moves import STANDING, after_month, standing
from portrait.capabilities.tiers.policy import CRITERIA, TIERS, Policy, TierPolicy
from portrait.capabilities.tiers.texts import reason_code, sentence

_LAST = len(TIERS)


def assign_tiers(
    value: DataFrame,
    previous: DataFrame,
    month_before: DataFrame,
    *,
    levels: DataFrame,
    overrides: DataFrame | None,
    policy: TierPolicy,
    as_of: date,
) -> DataFrame:
    """gold.customer_tier: one row per customer of `value`.

    `previous` is the slice before, for previous_tier alone; `month_before` the last slice of an earlier month, from
    which the policies go on (both empty at the start; a customer who is not in it is a newcomer). `overrides` are tiers
    set by hand, valid versions at `as_of`; NULL where the bank has none.
    gap_assets and gap_score say what is missing at each criterion of the next tier, 0 where it is reached already; NULL
    at the top, where the next tier lacks that criterion or it qualifies nobody, and for assets that are unknown.
    keep_assets and keep_score say what is missing to the level of the tier itself; NULL where the month qualifies for
    it.
    """
    before = previous.select("customer_id", F.col("tier").alias("previous_tier"))
    frame = value.join(F.broadcast(levels), how="cross").withColumns(
        {f"rank_by_{name}": reached_rank(name, policy=policy) for name in CRITERIA}
    )
    frame = frame.withColumns(
        {
            "level_rank": level_rank(value.columns),
            "owns_nothing": owns_nothing(value.columns),
            "reaches_tied_level": reaches_tied_level(policy),
        }
    )
    frame = frame.join(_standings(month_before, policy=policy), on="customer_id", how="left")
    first = F.lit(as_of.replace(day=1))
    month = month_of(first, policy.deciding, policy=policy)
    frame = frame.withColumn("now", after_month(F.col("stood"), month, policy=policy.deciding))
    frame = frame.withColumn("shadow", _shadow(first, policy=policy))
    frame = _with_overrides(frame.join(before, on="customer_id", how="left"), overrides, as_of=as_of)
    placed = frame.withColumn("tier_rank", F.coalesce("override_rank", "now.tier_rank"))
    named = placed.withColumns(_names(policy)).withColumns(_distances(policy))
    worded = named.withColumn("reason_code", reason_code(policy.deciding))
    return worded.select(F.lit(as_of).alias("as_of"), *_columns(policy, as_of=as_of))


def _standings(month_before: DataFrame, *, policy: TierPolicy) -> DataFrame:
    """Where customers stood under the policy that decides now (`stood`) and under the shadow (`shadow_stood`).

    Who changed policy goes on from the columns that the slice kept for it; where it kept none, the tier stays and
    misses begin anew.
    """
    own = ("earned_tier", "since", "misses", "best_missed_tier", "coming_tier")
    beside = tuple(f"shadow_{name}" for name in ("tier", *own[1:]))
    columns = {"policy": "string", "shadow_policy": "string"}
    types = {**columns, **{n: "date" if "since" in n else "int" if "misses" in n else "string" for n in own + beside}}
    rows = month_before.select(
        "customer_id",
        "tier",
        # A slice of an earlier build has the tier alone.
        *[(F.col(n) if n in month_before.columns else F.lit(None)).cast(t).alias(n) for n, t in types.items()],
    )
    carried = F.coalesce(rank_in(F.coalesce("coming_tier", "earned_tier")), rank_in(F.col("tier")))
    by_tier_alone = standing(carried, F.col("since"))

    def under(name: str | None) -> Column:
        return (
            F.when(F.col("policy") == F.lit(name), _stood_in(own))
            .when(F.col("shadow_policy") == F.lit(name), _stood_in(beside))
            .otherwise(by_tier_alone)
        )

    return rows.select("customer_id", under(policy.policy).alias("stood"), under(policy.shadow).alias("shadow_stood"))


def _stood_in(columns: tuple[str, ...]) -> Column:
    tier, since, misses, best, coming = columns
    ranks = {"best": rank_in(F.col(best)), "coming": rank_in(F.col(coming))}
    return standing(rank_in(F.col(tier)), F.col(since), misses=F.col(misses), **ranks)


def _shadow(first: Column, *, policy: TierPolicy) -> Column:
    if policy.beside is None:
        return F.lit(None).cast(STANDING)
    return after_month(F.col("shadow_stood"), month_of(first, policy.beside, policy=policy), policy=policy.beside)


def _with_overrides(frame: DataFrame, overrides: DataFrame | None, *, as_of: date) -> DataFrame:
    """The frame with override_rank, override_until and override_reason; NULL where no override is in force."""
    if overrides is None:
        nothing = {"override_rank": "int", "override_until": "date", "override_reason": "string"}
        return frame.withColumns({name: F.lit(None).cast(kind) for name, kind in nothing.items()})
    day = F.lit(as_of)
    # Of several in force the one that began last counts, then the highest number.
    latest = F.max(F.struct("starts_on", "override_id", "tier", "ends_on", "reason")).alias("set")
    in_force = overrides.where((F.col("starts_on") <= day) & (F.col("ends_on") >= day))
    chosen = in_force.groupBy("customer_id").agg(latest)
    return frame.join(
        chosen.select(
            "customer_id",
            rank_in(F.col("set.tier")).alias("override_rank"),
            F.col("set.ends_on").alias("override_until"),
            F.col("set.reason").alias("override_reason"),
        ),
        on="customer_id",
        how="left",
    )


def _names(policy: TierPolicy) -> dict[str, Column]:
    rank, level = F.col("tier_rank"), F.col("level_rank")
    return {
        "tier": name_of(rank),
        "level_tier": name_of(level),
        "earned_tier": name_of(F.col("now.tier_rank")),
        "coming_tier": name_of(F.col("now.coming_rank")),
        "best_missed_tier": name_of(F.col("now.best_missed_rank")),
        "next_tier": F.when(rank > 1, name_of(rank - 1)),
        "assets_level": level_at("assets", level, policy=policy),
        "score_level": level_at("score", level, policy=policy),
    }


def _distances(policy: TierPolicy) -> dict[str, Column]:
    rank = F.col("tier_rank")
    below = F.col("level_rank") > rank
    return {
        "gap_assets": _missing("assets", rank - 1, policy=policy),
        "gap_score": _missing("score", rank - 1, policy=policy),
        "keep_assets": F.when(below, _missing("assets", rank, policy=policy)),
        "keep_score": F.when(below, _missing("score", rank, policy=policy)),
    }


def _missing(name: str, rank: Column, *, policy: TierPolicy) -> Column:
    missing = level_at(name, rank, policy=policy) - F.col(name)
    # greatest() passes over NULL: without the condition, an unknown gap would be a gap of 0.
    known = F.when(missing.isNotNull(), F.greatest(missing, F.lit(0)))
    return known.try_cast("decimal(18,2)") if name == "assets" else F.round(known.cast("double"), POINTS)


def _watch_state(rules: Policy) -> Column:
    misses = F.col("now.misses")
    coming = F.col("now.coming_rank") - F.col("now.tier_rank")
    return (
        F.when(coming < 0, "rising")
        .when(coming > 0, "falling")
        .when(misses >= rules.watch_from_miss, "watch")
        .when(misses > 0, "below")
        .otherwise("settled")
    )


def _columns(policy: TierPolicy, *, as_of: date) -> list[Column]:
    shadow = F.lit(policy.shadow).cast("string")
    plain = ("customer_id", "tier", "tier_rank", "previous_tier", "reason_code")
    distances = ("assets", "score", "next_tier", "gap_assets", "gap_score", "keep_assets", "keep_score")
    return [
        *[F.col(name) for name in plain],
        sentence(policy.deciding, as_of=as_of).alias("reason"),
        *[F.col(name) for name in distances],
        F.lit(policy.policy).alias("policy"),
        F.col("level_tier"),
        F.col("earned_tier"),
        F.col("now.since").alias("since"),
        _watch_state(policy.deciding).alias("watch_state"),
        F.col("now.misses").alias("misses"),
        F.col("best_missed_tier"),
        F.col("coming_tier"),
        F.col("override_until"),
        F.col("override_reason"),
        shadow.alias("shadow_policy"),
        name_of(F.col("shadow.tier_rank")).alias("shadow_tier"),
        F.col("shadow.since").alias("shadow_since"),
        F.col("shadow.misses").alias("shadow_misses"),
        name_of(F.col("shadow.best_missed_rank")).alias("shadow_best_missed_tier"),
        name_of(F.col("shadow.coming_rank")).alias("shadow_coming_tier"),
    ]
