"""What marketing and BI start from: one row per customer with tier, group, key labels and next best product."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def segments(
    *,
    features: DataFrame,
    tiers: DataFrame,
    groups: DataFrame,
    portrait: DataFrame,
    recommended: DataFrame | None,
    labels: list[str],
    as_of: date,
) -> DataFrame:
    """gold.segments: one row per customer of `features`; all inputs are slices of `as_of`.

    `labels` are columns of the portrait, NULL where unknown. next_product_* is NULL when no product may be offered.
    """
    rows = (
        features.select("customer_id", "consent_marketing")
        .join(tiers.select("customer_id", "tier", "assets", "score"), on="customer_id", how="left")
        .join(groups.select("customer_id", "group_id", "group_name"), on="customer_id", how="left")
        .join(portrait.select("customer_id", *labels), on="customer_id", how="left")
    )
    return _with_next_product(rows, recommended).select(
        F.lit(as_of).alias("as_of"),
        *("customer_id", "tier", "group_id", "group_name"),
        *labels,
        *("next_product_id", "next_product_name", "assets", "score", "consent_marketing"),
    )


def _with_next_product(customers: DataFrame, recommended: DataFrame | None) -> DataFrame:
    """The customers with their best recommendation; NULL for all of a bank without recommendations."""
    names = {"next_product_id": "product_id", "next_product_name": "product_name"}
    if recommended is None:
        return customers.select("*", *[F.lit(None).cast("string").alias(name) for name in names])
    first = recommended.where(F.col("rank") == 1).select(
        "customer_id", *[F.col(column).alias(name) for name, column in names.items()]
    )
    return customers.join(first, on="customer_id", how="left")
