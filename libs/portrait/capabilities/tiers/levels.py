"""The levels of a slice, who reaches them, and for which tier each customer's month qualifies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from portrait.capabilities.tiers.policy import CRITERIA, TIERS, Criterion, Policy, TierPolicy, rank_of
from portrait.events import event
from portrait.features.facts import is_owner
from portrait.spark.quantiles import quantiles

LEVEL_TYPES = {"assets": "decimal(18,2)", "score": "double"}
POINTS = 4  # decimals of the score
_DIGITS = 6  # of a quantile level; finer than anyone reads a level
_HAIR = 1e-9  # customers


def tier_levels(value: DataFrame, *, policy: TierPolicy, by: Sequence[str] = ()) -> DataFrame:
    """One row, or one per `by`: the levels of a slice, in currency or points, and how many customers reach them.

    `<criterion>_<tier>_at` is the level as measured, NULL where nobody has a value; `<criterion>_<tier>_reached` the
    owners who reach it, of `<criterion>_known` with a value. `<criterion>_<tier>` is the level that counts: NULL where
    a quantile is reached by more than its share of the owners and `policy.tie_tolerance`; then it qualifies nobody.
    """
    owns = is_owner(value.columns)
    names = [(name, tier.id) for tier in policy.with_criteria() for name in CRITERIA if tier.criterion(name)]
    measured = value.groupBy(*by).agg(
        *[F.count(F.when(owns, F.col(name))).alias(f"{name}_known") for name in CRITERIA],
        *[_level(name, _door(name, tier, policy), owns).alias(f"{name}_{tier}_at") for name, tier in names],
    )
    every = value.join(F.broadcast(measured), **({"on": list(by), "how": "inner"} if by else {"how": "cross"}))
    counted = every.groupBy(*by).agg(
        *[F.coalesce(F.max(f"{name}_known"), F.lit(0)).alias(f"{name}_known") for name in CRITERIA],
        *[F.max(f"{name}_{tier}_at").alias(f"{name}_{tier}_at") for name, tier in names],
        *[
            F.count_if(owns & (F.col(name) >= F.col(f"{name}_{tier}_at"))).alias(f"{name}_{tier}_reached")
            for name, tier in names
        ],
    )
    return counted.select("*", *[_counting(name, tier, policy).alias(f"{name}_{tier}") for name, tier in names])


def owns_nothing(columns: Collection[str]) -> Column:
    """Whether the customer has neither an account nor assets, and so no level of any tier."""
    return ~is_owner(columns) & (F.coalesce("assets", F.lit(0)) == 0)


def level_rank(columns: Collection[str]) -> Column:
    """The rank of the best tier for which the month qualifies, of a row with rank_by_assets and rank_by_score."""
    return F.when(owns_nothing(columns), F.lit(len(TIERS))).otherwise(F.least("rank_by_assets", "rank_by_score"))


def reaches_tied_level(policy: TierPolicy) -> Column:
    """Whether a row reaches a level that qualifies nobody in this slice."""
    tied = F.lit(False)
    for tier in policy.with_criteria():
        for name in CRITERIA:
            if tier.criterion(name):
                at, counts = F.col(f"{name}_{tier.id}_at"), F.col(f"{name}_{tier.id}")
                tied = tied | F.coalesce(counts.isNull() & (F.col(name) >= at), F.lit(False))
    return tied


def level_rows(levels: Row, *, policy: TierPolicy, as_of: date) -> list[tuple[Any, ...]]:
    """Rows of gold.tier_levels, best tier first; `levels` is the row of `tier_levels`."""
    rows = []
    for tier in policy.with_criteria():
        for name in CRITERIA:
            if (criterion := tier.criterion(name)) is None:
                continue
            measured, counting = levels[f"{name}_{tier.id}_at"], levels[f"{name}_{tier.id}"]
            level = None if measured is None else Decimal(str(measured)).quantize(Decimal("0.0001"))
            shares = (None, None) if criterion.quantile is None else (1 - criterion.quantile, policy.tie_tolerance)
            counts = (levels[f"{name}_known"], levels[f"{name}_{tier.id}_reached"])
            tied = measured is not None and counting is None
            rows.append((as_of, tier.id, name, level, *(_share(share) for share in shares), *counts, not tied))
    return rows


def note_ties(rows: Sequence[tuple[Any, ...]]) -> None:
    """An event for each row of gold.tier_levels that qualifies nobody."""
    for as_of, tier, criterion, level, share, tolerance, known, reached, qualifies in rows:
        if not qualifies:
            facts = {"tier": tier, "criterion": criterion, "level": level, "share": share, "tolerance": tolerance}
            event("tier_level_qualifies_nobody", as_of=as_of, customers=known, reached=reached, **facts)


def _share(share: float | None) -> Decimal | None:
    return None if share is None else Decimal(str(share)).quantize(Decimal("0.000001"))


def _door(name: str, tier: str, policy: TierPolicy) -> Criterion:
    found = next(item for item in policy.with_criteria() if item.id == tier).criterion(name)
    assert found is not None, "asked only for criteria that the tier has"
    return found


def _level(name: str, criterion: Criterion, owns: Column) -> Column:
    if criterion.amount is not None:
        # The aggregate around the literal keeps this a one-row frame.
        return F.max(F.lit(str(criterion.amount)).cast(LEVEL_TYPES[name]))
    level = quantiles(F.when(owns, F.col(name)), [criterion.quantile or 0.0], digits=_DIGITS).getItem(0)
    if criterion.at_least is not None:
        level = F.greatest(level, F.lit(float(criterion.at_least)))
    return F.round(level, POINTS).try_cast(LEVEL_TYPES[name])


def _counting(name: str, tier: str, policy: TierPolicy) -> Column:
    """The measured level, NULL where ties let more customers reach it than its share and the tolerance allow."""
    level, quantile = F.col(f"{name}_{tier}_at"), _door(name, tier, policy).quantile
    if quantile is None:
        return level
    # A hair, because 1 - 0.9 is 0.09999999999999998 in binary.
    allowed = F.col(f"{name}_known") * F.lit(1 - quantile + policy.tie_tolerance) + F.lit(_HAIR)
    return F.when(F.col(f"{name}_{tier}_reached") <= allowed, level)


def reached_rank(name: str, *, policy: TierPolicy, times: float = 1.0) -> Column:
    """The rank of the best tier whose criterion of this name is met; the last rank when none is, or it is unknown.

    With `times`, of the best tier whose level is reached so many times.
    """
    reached = F.col(name) if times == 1.0 else F.col(name) / F.lit(times)
    branches = [
        (reached >= F.col(f"{name}_{tier.id}"), rank_of(tier.id))
        for tier in policy.with_criteria()
        if tier.criterion(name)
    ]
    last = F.lit(len(TIERS))
    return reduce(lambda rest, branch: F.when(branch[0], F.lit(branch[1])).otherwise(rest), reversed(branches), last)


def month_of(first: Column, rules: Policy, *, policy: TierPolicy) -> Column:
    """The struct that `moves.after_month` reads, of a row with assets, level_rank and the levels."""
    level = F.col("level_rank")
    fast = reached_rank("assets", policy=policy, times=rules.fast_track) if rules.fast_track else F.lit(len(TIERS))
    return F.struct(
        first.alias("first"),
        level.alias("level_rank"),
        fast.alias("fast_rank"),
        (F.col("assets").isNotNull() | (level < len(TIERS))).alias("known"),
    )


def level_at(name: str, rank: Column, *, policy: TierPolicy) -> Column:
    """The level of a criterion at a rank; NULL where the tier of that rank has no such criterion."""
    result = F.lit(None).cast(LEVEL_TYPES[name])
    for tier in policy.with_criteria():
        if tier.criterion(name):
            result = F.when(rank == rank_of(tier.id), F.col(f"{name}_{tier.id}")).otherwise(result)
    return result


def name_of(rank: Column) -> Column:
    """The tier of a rank; NULL for NULL."""
    # Under ANSI Spark takes element_at of a NULL index for not nullable, and returns the last element.
    return F.when(rank.isNotNull(), F.element_at(F.array(*[F.lit(tier) for tier in TIERS]), rank))


def rank_in(tier: Column) -> Column:
    """The rank of a tier; NULL for NULL."""
    return F.nullif(F.array_position(F.array(*[F.lit(name) for name in TIERS]), tier), F.lit(0)).cast("int")
