"""What customers took, as interactions: one row per customer and item, with a strength that fades with time.

An item is `category:<value>`, `merchant:<id>` or `product:<id>`.
"""

from __future__ import annotations

import math
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.offers.policy import ShoppingPolicy

CATEGORY, MERCHANT, PRODUCT = KINDS = ("category", "merchant", "product")
HELD = math.log1p(1)
"""Strength of a product that is held: one purchase of today."""


def item(kind: str, value: str) -> Column:
    """The item of a column's value; NULL for NULL."""
    return F.concat(F.lit(f"{kind}:"), F.col(value))


def purchases(transactions: DataFrame, *, as_of: date, since: date) -> DataFrame:
    """One row per outgoing booking from the day after `since` to `as_of` and item of it.

    customer_id, item, booked_on, amount (minor units). Bookings without category and merchant are no purchases.
    """
    paid = transactions.where(
        (F.col("direction") == "debit")
        & F.col("customer_id").isNotNull()
        & (F.col("booked_on") > F.lit(since))
        & (F.col("booked_on") <= F.lit(as_of))
        & F.coalesce("category", "merchant_id").isNotNull()
    )
    items = F.array(item(CATEGORY, "category"), item(MERCHANT, "merchant_id"))
    return paid.select(
        "customer_id",
        F.explode(F.array_compact(items)).alias("item"),
        "booked_on",
        F.col("amount_minor").alias("amount"),
    )


def strength(day: Column, *, of: date, policy: ShoppingPolicy) -> Column:
    """Strength at the end of the day `of`, an aggregate over purchases: 0 without any in the window that ends there.

    r = log1p(count or amount) x 0.5 ^ (age of the last one / half-life); methods/groups.md, B4.
    """
    first = of - timedelta(days=policy.window_days)
    counts = (day > F.lit(first)) & (day <= F.lit(of))
    taken = F.count_if(counts) if policy.strength == "count" else F.sum(F.when(counts, F.col("amount"))) / 100
    age = F.date_diff(F.lit(of), F.max(F.when(counts, day)))
    return F.coalesce(F.log1p(taken) * F.pow(F.lit(0.5), age / F.lit(policy.half_life_days)), F.lit(0.0))


def interactions(bought: DataFrame, holders: DataFrame, *, as_of: date, policy: ShoppingPolicy) -> DataFrame:
    """One row per customer and item of `as_of`: customer_id, item, strength (above 0).

    `bought`: see `purchases`. `holders`: customer_id, product_id of what is held on `as_of`; a product is one purchase
    of today.
    """
    of_purchases = bought.groupBy("customer_id", "item").agg(
        strength(F.col("booked_on"), of=as_of, policy=policy).alias("strength")
    )
    held = holders.select("customer_id", item(PRODUCT, "product_id").alias("item"), F.lit(HELD))
    return of_purchases.where("strength > 0").unionByName(held.toDF("customer_id", "item", "strength"))


def split_interactions(
    bought: DataFrame, holders: DataFrame, earlier: DataFrame, *, as_of: date, policy: ShoppingPolicy
) -> DataFrame:
    """One row per customer and item, of what was known before the days held out and what came in them.

    customer_id, item, strength (at the end of the day before, 0: not taken), last_month (purchases in the month before
    it), after (taken in the days held out). `holders`, `earlier`: customer_id, product_id of what is held on `as_of`,
    and of what was held on the day before the days held out.
    """
    split = split_day(as_of, policy)
    day, month = F.col("booked_on"), split - timedelta(days=policy.refit.month_days)
    of_purchases = bought.groupBy("customer_id", "item").agg(
        strength(day, of=split, policy=policy).alias("strength"),
        F.count_if((day > F.lit(month)) & (day <= F.lit(split))).cast("double").alias("last_month"),
        F.coalesce(F.bool_or(day > F.lit(split)), F.lit(False)).alias("after"),
    )
    then = earlier.select("customer_id", "product_id", F.lit(True).alias("then"))
    now = holders.select("customer_id", "product_id", F.lit(True).alias("now"))
    had = F.coalesce("then", F.lit(False))
    products = now.join(then, on=["customer_id", "product_id"], how="full").select(
        "customer_id",
        item(PRODUCT, "product_id").alias("item"),
        F.when(had, F.lit(HELD)).otherwise(0.0).alias("strength"),
        F.when(had, 1.0).otherwise(0.0).alias("last_month"),
        (F.coalesce("now", F.lit(False)) & ~had).alias("after"),
    )
    return of_purchases.where("strength > 0 or after").unionByName(products.where("strength > 0 or after"))


def split_day(as_of: date, policy: ShoppingPolicy) -> date:
    """The last day of which a model that is fitted for `as_of` learns."""
    return as_of - timedelta(days=policy.refit.held_out_days)


def first_day(as_of: date, policy: ShoppingPolicy, *, refit: bool) -> date:
    """The day after which purchases are read."""
    return (split_day(as_of, policy) if refit else as_of) - timedelta(days=policy.window_days)


def sampled(customers: DataFrame, *, most: int) -> DataFrame:
    """At most so many customers, the same ones whenever they are asked for: customer_id."""
    return customers.select("customer_id").orderBy(F.xxhash64("customer_id"), "customer_id").limit(most)
