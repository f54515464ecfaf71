"""The figures of the section about tiers: small aggregates of slices."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.report.figures import Figure, Of, customers_counted, whole_slice


def by_tier(tiers: DataFrame) -> DataFrame:
    """One row per tier and reason: customers, their assets, the sum of their scores."""
    return tiers.groupBy("tier", "tier_rank", "reason_code").agg(
        customers_counted(), F.sum("assets").alias("assets"), F.sum("score").alias("score")
    )


def outlook(tiers: DataFrame) -> DataFrame:
    """One row per tier and watch state: customers, and those whom the shadow policy has elsewhere (NULL: no shadow)."""
    elsewhere = F.sum((F.col("shadow_tier") != F.col("earned_tier")).cast("int")).alias("elsewhere")
    watched = tiers.where(F.col("watch_state").isNotNull())  # slices of an earlier build have none
    return watched.groupBy("tier", "tier_rank", "watch_state").agg(customers_counted(), elsewhere)


def by_segment(value: DataFrame) -> DataFrame:
    """One row per RFM segment: customers, their assets, their mean probability of being alive."""
    segmented = value.where(F.col("rfm_segment").isNotNull())
    return segmented.groupBy("rfm_segment").agg(
        customers_counted(), F.sum("assets").alias("assets"), F.round(F.avg("p_alive"), 6).alias("alive")
    )


def relationships(segments: DataFrame) -> DataFrame:
    """One row per relationship to the bank: customers, their assets; an earlier build had owners only."""
    return segments.groupBy(F.coalesce("relationship", F.lit("owner")).alias("relationship")).agg(
        customers_counted(), F.sum("assets").alias("assets")
    )


TIERS = "gold.customer_tier"
FIGURES = {
    "tiers": Figure(TIERS, by_tier),
    "tiers_before": Figure(TIERS, by_tier, Of.previous),
    "outlook": Figure(TIERS, outlook),
    "rfm": Figure("gold.customer_value", by_segment),
    "levels": Figure("gold.tier_levels", whole_slice),
    "migration": Figure("gold.tier_migration", whole_slice),
    "worth": Figure("gold.tier_value", whole_slice),
    "relationships": Figure("gold.segments", relationships),
}
