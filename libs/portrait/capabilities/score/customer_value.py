"""gold.customer_value: the measures of a customer, what the scale of the slice makes of them, and the forecast."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.score.policy import RFM, ScorePolicy
from portrait.capabilities.score.rfm import rfm_scores, rfm_segment
from portrait.capabilities.score.scale import Scale
from portrait.capabilities.score.score import raising_parts, score_customers, unit
from portrait.capabilities.score.weights import closeness

_DECIMALS = 6


def customer_value(
    measures: DataFrame, lifetime: DataFrame, *, scale: Scale, policy: ScorePolicy, as_of: date
) -> DataFrame:
    """gold.customer_value: one row per customer of `measures` (see `rfm.customer_measures`).

    `lifetime` as `lifetime.score_histories` makes it. rfm_closeness and rfm_segment are NULL for who initiated nothing
    within the window.
    """
    judge = scale.frame(measures.sparkSession)
    scored = rfm_scores(measures, judge, digits=policy.significant_digits)
    valued = score_customers(scored, judge, policy=policy)
    units = {name: unit(name, policy=policy) for name in RFM}
    near = valued.join(F.broadcast(judge), how="cross").select(
        *valued.columns,
        F.when(F.col("recency_days").isNotNull(), F.round(closeness(units, scale.weights), _DECIMALS)).alias(
            "rfm_closeness"
        ),
        rfm_segment(policy.rfm.segments).alias("rfm_segment"),
        raising_parts(policy).alias("raising_parts"),
    )
    rows = near.join(lifetime, on="customer_id", how="left").fillna(0, ["purchases"])
    return rows.select(F.lit(as_of).alias("as_of"), *rows.columns)
