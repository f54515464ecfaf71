"""How much a group or a tier takes to a product: shares of holders, and the smoothed target group index."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.spark.target_group import target_group_index_by_row


def popularity(customers: DataFrame, products: DataFrame, holders: DataFrame) -> DataFrame:
    """One row per product: holder_share among all customers, and popularity, that of the most held product = 1."""
    size = customers.agg(F.count(F.lit(1)).alias("size"))
    counts = holders.join(customers.select("customer_id"), on="customer_id", how="left_semi")
    counted = counts.groupBy("product_id").agg(F.count(F.lit(1)).alias("holding"))
    shares = (
        products.select("product_id")
        .join(F.broadcast(counted), on="product_id", how="left")
        .join(F.broadcast(size), how="cross")
        .select("product_id", _divided(F.coalesce("holding", F.lit(0)), F.col("size")).alias("holder_share"))
    )
    most = shares.agg(F.max("holder_share").alias("most"))
    return shares.join(F.broadcast(most), how="cross").select(
        "product_id", "holder_share", _divided(F.col("holder_share"), F.col("most")).alias("popularity")
    )


def affinity(
    customers: DataFrame, overall: DataFrame, holders: DataFrame, *, by: str, name: str, smoothing: float
) -> DataFrame:
    """One row per value of `by` and product: `<name>_share` of holders and `<name>_tgi`.

    The target group index is that of holders of the product; 100 = like everyone, also where nobody holds it.
    """
    known = customers.where(F.col(by).isNotNull())
    sizes = known.groupBy(by).agg(F.count(F.lit(1)).alias("size"))
    held = holders.join(known.select("customer_id", by), on="customer_id", how="inner")
    counted = held.groupBy(by, "product_id").agg(F.count(F.lit(1)).alias("counted"))
    share = F.col("holder_share")
    holding = F.coalesce("counted", F.lit(0))
    tgi = target_group_index_by_row(holding, F.col("size"), overall=share, smoothing=float(smoothing))
    return (
        sizes.join(F.broadcast(overall), how="cross")
        .join(F.broadcast(counted), on=[by, "product_id"], how="left")
        .select(
            by,
            "product_id",
            _divided(holding, F.col("size")).alias(f"{name}_share"),
            F.coalesce(F.round(tgi, 6), F.lit(100.0)).alias(f"{name}_tgi"),
        )
    )


def _divided(part: Column, whole: Column) -> Column:
    return F.when(whole > 0, part.cast("double") / whole.cast("double")).otherwise(F.lit(0.0))
