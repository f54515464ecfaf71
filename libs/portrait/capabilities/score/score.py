"""The value score: four measures, each cut, scaled to [0, 1] and weighted, together 0 to 100 points.

Winsorised at two quantiles of the slice, log1p on all but recency (money and counts are skewed, days are not), min-max,
recency reversed, times 100 x weight. The scale is an input of its own, so that another slice can be scored with it.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.score.policy import PARTS, ScorePolicy
from portrait.spark.quantiles import quantiles

_DECIMALS = 4


def bound_columns(policy: ScorePolicy) -> list[Column]:
    """Aggregates: for each part `<part>_bounds`, the array [lower, upper] that its values are cut to (before log1p)."""
    shares = [policy.winsorise.lower, policy.winsorise.upper]
    return [
        quantiles(_raw(part, policy=policy), shares, digits=policy.significant_digits).alias(f"{part}_bounds")
        for part in PARTS
    ]


def score_customers(measures: DataFrame, scale: DataFrame, *, policy: ScorePolicy) -> DataFrame:
    """The measures with score (0..100) and its parts score_recency, score_frequency, score_monetary, score_assets.

    The parts sum to the score. Each part never falls when its measure improves. A part whose bounds coincide (nearly
    all customers alike) separates nobody and gives nobody points; so does a measure that is unknown.
    """
    parts = [_points(part, policy=policy).alias(f"score_{part}") for part in PARTS]
    with_parts = measures.join(F.broadcast(scale), how="cross").select(*measures.columns, *parts)
    total = sum((F.col(f"score_{part}") for part in PARTS), F.lit(0.0))
    # Rounded parts may sum to a hair above 100.
    return with_parts.withColumn("score", F.least(F.lit(100.0), F.round(total, _DECIMALS)))


def _raw(part: str, *, policy: ScorePolicy) -> Column:
    """The measure as a number; nothing within the window is the worst recency, an overdrawn customer has no assets."""
    if part == "recency":
        return F.coalesce(F.col("recency_days"), F.lit(policy.window_days)).cast("double")
    if part == "assets":
        # greatest passes over NULL: without the condition, unknown assets would be assets of 0.
        return F.when(F.col(part).isNotNull(), F.greatest(F.col(part).cast("double"), F.lit(0.0)))
    return F.col(part).cast("double")


def raising_parts(policy: ScorePolicy) -> Column:
    """ARRAY<STRING>: the parts by the points that they could still bring, most first; parts at their most are left out.

    Reads score_<part>. Of equal ones the first of PARTS comes first.
    """
    missing = [
        F.struct(
            F.round(F.col(f"score_{part}") - F.lit(100.0 * policy.weights.of(part)), _DECIMALS).alias("less"),
            F.lit(place).alias("place"),
            F.lit(part).alias("part"),
        )
        for place, part in enumerate(PARTS)
    ]
    short = F.filter(F.array(*missing), lambda item: item["less"] < 0)
    return F.transform(F.array_sort(short), lambda item: item["part"])


def unit(part: str, *, policy: ScorePolicy) -> Column:
    """The measure cut to `<part>_bounds` and scaled to [0, 1], better is more; 0 where the bounds coincide."""
    bounds = F.col(f"{part}_bounds")
    low, high = bounds.getItem(0), bounds.getItem(1)
    cut = F.least(F.greatest(_raw(part, policy=policy), low), high)
    if part == "recency":
        scaled = (high - cut) / (high - low)
    else:
        scaled = (F.log1p(cut) - F.log1p(low)) / (F.log1p(high) - F.log1p(low))
    is_measured = F.col(part).isNotNull() if part == "assets" else F.lit(True)
    return F.when(is_measured & (high > low), scaled).otherwise(F.lit(0.0))


def _points(part: str, *, policy: ScorePolicy) -> Column:
    return F.round(unit(part, policy=policy) * F.lit(100.0 * policy.weights.of(part)), _DECIMALS)
