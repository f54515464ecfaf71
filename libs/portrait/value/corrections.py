"""What a slice of gold.customer_tier that is made again changes, and why."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_COMPARED = ("tier", "misses", "coming_tier")


def tier_corrections(tiers: DataFrame, written: DataFrame, *, as_of: date, run: int) -> DataFrame:
    """ops.tier_corrections: one row a customer who stands elsewhere in `tiers` than in the slice `written` so far."""
    before, now = written.alias("before"), tiers.alias("now")
    differs = F.lit(False)
    for name in _COMPARED:
        differs = differs | ~F.col(f"before.{name}").eqNullSafe(F.col(f"now.{name}"))
    compared = before.join(now, on=F.col("before.customer_id") == F.col("now.customer_id"), how="full").where(differs)
    return compared.select(
        F.lit(run).cast("bigint").alias("run"),
        F.lit(as_of).alias("as_of"),
        F.coalesce("now.customer_id", "before.customer_id").alias("customer_id"),
        _cause().alias("cause"),
        F.col("before.tier").alias("tier_before"),
        F.col("now.tier").alias("tier_after"),
        F.col("before.misses").alias("misses_before"),
        F.col("now.misses").alias("misses_after"),
        F.col("before.coming_tier").alias("coming_before"),
        F.col("now.coming_tier").alias("coming_after"),
    )


def _cause() -> Column:
    def changed(name: str) -> Column:
        return ~F.col(f"before.{name}").eqNullSafe(F.col(f"now.{name}"))

    return (
        F.when(F.col("before.customer_id").isNull(), "entered")
        .when(F.col("now.customer_id").isNull(), "left")
        .when(changed("policy"), "policy")
        .when(changed("override_until") | changed("override_reason"), "override")
        .when(changed("level_tier"), "facts")
        .otherwise("path")
    )
