"""One month of a tier policy as a Spark expression: from the tier in force before, and the one that the month reaches.

A tier is in force for calendar months. What a month decides (an upgrade of `next_month`, a fall after the last miss)
comes into force with the next month that has a slice. Source of the rules: methods.md, policies A and B.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.tiers.policy import TIERS, Policy

STANDING = "struct<tier_rank:int,since:date,misses:int,best_missed_rank:int,coming_rank:int>"
"""Where a customer stands after a month.

tier_rank is in force in that month, since the first day of the month `since`; misses in a row so far; best_missed_rank
is the best that a missed month reached (NULL: no misses); coming_rank is in force from the next month on (NULL: no
change).
"""

_LAST = len(TIERS)


def after_month(before: Column, month: Column, *, policy: Policy) -> Column:
    """A STANDING: that of the month, from the one of an earlier month (NULL: a newcomer).

    `month` is a struct of first (DATE, first day of the month), level_rank (the best tier for which it qualifies),
    fast_rank (the best tier whose level assets reach fast_track times) and known (false: assets unknown, and no level
    reached).
    """
    base = F.coalesce(before["coming_rank"], before["tier_rank"])
    unmoved = before["coming_rank"].isNull()
    misses = F.when(unmoved, F.coalesce(before["misses"], F.lit(0))).otherwise(0)
    best = F.when(unmoved, before["best_missed_rank"])
    since = F.when(unmoved, F.coalesce(before["since"], month["first"])).otherwise(month["first"])
    level = month["level_rank"]
    held = standing(base, since, misses=misses, best=best)
    missed = _missed(base, since, month, misses=misses, best=best, policy=policy)
    judged = F.when(level < base, _rise(base, since, month, policy=policy)).when(level == base, standing(base, since))
    judged = judged.otherwise(missed)
    if policy.unknown_assets == "hold":
        judged = F.when(~month["known"], held).otherwise(judged)
    return F.when(before.isNull(), _newcomer(month, policy=policy)).otherwise(judged)


def standing(
    tier: Column,
    since: Column,
    *,
    misses: Column | None = None,
    best: Column | None = None,
    coming: Column | None = None,
) -> Column:
    """A STANDING; without misses there are none, and no change is coming."""
    nothing = F.lit(None).cast("int")
    return F.struct(
        tier.cast("int").alias("tier_rank"),
        since.alias("since"),
        (F.lit(0) if misses is None else misses).cast("int").alias("misses"),
        (nothing if best is None else best.cast("int")).alias("best_missed_rank"),
        (nothing if coming is None else coming.cast("int")).alias("coming_rank"),
    )


def _newcomer(month: Column, *, policy: Policy) -> Column:
    if policy.newcomers == "at_level":
        return standing(month["level_rank"], month["first"])
    lowest = F.lit(_LAST)
    risen = _rise(lowest, month["first"], month, policy=policy)
    return F.when(month["level_rank"] < lowest, risen).otherwise(standing(lowest, month["first"]))


def _rise(base: Column, since: Column, month: Column, *, policy: Policy) -> Column:
    level = month["level_rank"]
    if policy.upgrade == "at_once":
        return standing(level, month["first"])
    if policy.fast_track is None:
        return standing(base, since, coming=level)
    fast = month["fast_rank"]
    further = F.when(level < fast, level)
    return F.when(fast < base, standing(fast, month["first"], coming=further)).otherwise(
        standing(base, since, coming=level)
    )


def _missed(base: Column, since: Column, month: Column, *, misses: Column, best: Column, policy: Policy) -> Column:
    level, counted = month["level_rank"], misses + 1
    best_missed = F.least(best, level)  # least() passes over NULL
    target = level if policy.drop_to == "last_month" else best_missed
    limit, floor = _by_rank(base, policy.misses_of), _by_rank(base, policy.floor_of)
    coming = F.when(counted >= limit, F.least(target, floor))
    result = F.when(limit == 0, standing(F.least(level, floor), month["first"])).otherwise(
        standing(base, since, misses=counted, best=best_missed, coming=coming)
    )
    if policy.grace_months:
        young = F.months_between(month["first"], since) < policy.grace_months
        result = F.when(young, standing(base, since, misses=misses, best=best)).otherwise(result)
    return result


def _by_rank(rank: Column, value: Callable[[int], int]) -> Column:
    """What a policy says of the tier of a rank."""
    return F.element_at(F.array(*[F.lit(value(place)) for place in range(1, _LAST + 1)]), rank)
