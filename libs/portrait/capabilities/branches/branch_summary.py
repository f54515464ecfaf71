"""Customers, assets and contribution by branch, manager and tier: gold.branch_summary."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC

NONE = "none"
"""The branch or manager of a customer who has none, or of whom the bank says none."""


def branch_summary(
    tiers: DataFrame, previous: DataFrame, value: DataFrame, customers: DataFrame, *, as_of: date, zone: str = UTC
) -> DataFrame:
    """gold.branch_summary: one row per branch, manager and tier with someone in it, or who left it.

    Branch and manager are those of the customer (silver.customers) at `as_of`. `previous` is the slice of tiers before;
    who is in it and not in `tiers` went, from the tier of then. came and went are NULL where it is empty. Sums are of
    what is known; one that DECIMAL(18,2) cannot hold is NULL.
    """
    now = tiers.select("customer_id", F.col("tier").alias("now")).join(
        value.select("customer_id", "assets", "contribution"), on="customer_id", how="left"
    )
    moved = now.join(previous.select("customer_id", F.col("tier").alias("before")), on="customer_id", how="full")
    place = versions_at(customers, as_of, zone=zone).select("customer_id", "branch_id", "manager_id")
    compared = previous.agg((F.count("*") > 0).alias("compared"))
    came, went = F.count_if(F.col("before").isNull()), F.count_if(F.col("now").isNull())
    return (
        moved.join(place, on="customer_id", how="left")
        .groupBy(
            F.coalesce("branch_id", F.lit(NONE)).alias("branch_id"),
            F.coalesce("manager_id", F.lit(NONE)).alias("manager_id"),
            F.coalesce("now", "before").alias("tier"),
        )
        .agg(
            F.count("now").alias("customers"),
            F.sum("assets").try_cast("decimal(18,2)").alias("assets"),
            F.sum("contribution").try_cast("decimal(18,2)").alias("contribution"),
            came.alias("came"),
            went.alias("went"),
        )
        .join(F.broadcast(compared), how="cross")
        .select(
            F.lit(as_of).alias("as_of"),
            *("branch_id", "manager_id", "tier", "customers", "assets", "contribution"),
            *[F.when(F.col("compared"), F.col(name)).alias(name) for name in ("came", "went")],
        )
    )
