"""Money that goes to other institutions: by customer and institution, with its trend, and by customer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.funds.policy import Leakage
from portrait.entities.money import settled, to_amount

DAYS: Final = 90
"""Days of the window; it is in the meaning of the columns."""
OUT: Final = ("transfer_out", "direct_debit")


def leakage(transactions: DataFrame, *, policy: Leakage, as_of: date) -> DataFrame:
    """gold.leakage: one row per customer and institution. `transactions`: silver.transactions.

    An institution counts from `least_transfers` transfers within 90 days; a single one is no leakage.
    """
    first, middle = as_of - timedelta(2 * DAYS - 1), as_of - timedelta(DAYS - 1)
    recent = transactions.where(
        F.col("booked_on").between(F.lit(first), F.lit(as_of)) & F.col("customer_id").isNotNull()
    )
    late = F.col("booked_on") >= F.lit(middle)
    out = F.col("direction") == "debit"
    elsewhere = F.col("counterparty_bank").isNotNull() & ~F.col("counterparty_bank").isin(*policy.own_banks)
    moved = out & elsewhere & F.col("type").isin(*OUT)
    gone = recent.where(out & late).groupBy("customer_id").agg(_sum(F.lit(True)).alias("all_out"))
    back = (
        recent.where((F.col("direction") == "credit") & elsewhere & F.col("counterparty_account").isNotNull())
        .select("customer_id", "counterparty_account", F.lit(True).alias("came_back"))
        .distinct()
    )
    by_account = (
        recent.where(moved)
        .groupBy("customer_id", "counterparty_bank", "counterparty_account")
        .agg(
            F.count_if(late).alias("transfers"),
            _sum(late).alias("minor"),
            _sum(~late).alias("before_minor"),
        )
        .join(back, on=["customer_id", "counterparty_account"], how="left")
    )
    used = F.col("transfers") > 0
    found = by_account.groupBy("customer_id", "counterparty_bank").agg(
        F.sum("transfers").alias("transfers"),
        F.sum("minor").alias("minor"),
        F.sum("before_minor").alias("before_minor"),
        F.count_if(used & F.col("counterparty_account").isNotNull()).alias("accounts"),
        F.count_if(used & F.coalesce("came_back", F.lit(False))).alias("two_way"),
    )
    several = found.where(F.col("transfers") >= policy.least_transfers).join(gone, on="customer_id", how="inner")
    return several.select(
        F.lit(as_of).alias("as_of"),
        *("customer_id", "counterparty_bank", "transfers"),
        to_amount(settled(F.col("minor"))).alias("amount"),
        F.least(F.col("minor").cast("double") / F.col("all_out").cast("double"), F.lit(1.0)).alias("share"),
        to_amount(settled(F.col("before_minor"))).alias("amount_before"),
        F.when(F.col("before_minor") > 0, F.col("minor").cast("double") / F.col("before_minor").cast("double") - 1)
        .alias("trend"),
        *("accounts", "two_way"),
    )  # fmt: skip


def _sum(where: Column) -> Column:
    """The sum of minor units where a condition holds, exact whatever is summed."""
    return F.sum(F.when(where, F.col("amount_minor")).otherwise(0).cast("decimal(38,0)"))


def customer_leakage(customers: DataFrame, leaks: DataFrame, *, as_of: date) -> DataFrame:
    """gold.customer_leakage: one row per customer of a slice of gold.customer_features; `leaks`: gold.leakage."""
    largest = Window.partitionBy("customer_id").orderBy(F.col("amount").desc_nulls_first(), "counterparty_bank")
    ranked = leaks.withColumn("place", F.row_number().over(largest))
    summed = ranked.groupBy("customer_id").agg(
        F.least(F.sum("share"), F.lit(1.0)).alias("leaked_share"),
        F.when(F.count_if(F.col("amount").isNull()) == 0, F.sum("amount")).alias("leaked"),
        F.min(F.when(F.col("place") == 1, F.col("counterparty_bank"))).alias("main_institution"),
        F.count("*").alias("institutions"),
    )
    some = F.col("institutions").isNotNull()
    joined = customers.select("customer_id", "debit_amount_90d").join(summed, on="customer_id", how="left")
    return joined.select(
        F.lit(as_of).alias("as_of"),
        "customer_id",
        F.when(some, F.col("leaked_share")).when(F.col("debit_amount_90d") > 0, F.lit(0.0)).alias("leaked_share"),
        F.when(some, F.col("leaked")).otherwise(F.lit(0)).try_cast("decimal(18,2)").alias("leaked_amount"),
        "main_institution",
        F.coalesce("institutions", F.lit(0)).alias("institutions"),
    )
