"""Which credit of an account paid for which debit within a window: gold.fund_flows, and whether it all adds up."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.funds.policy import LEFT, NOTHING, OPENING, Tracing
from portrait.capabilities.funds.tracing import traced
from portrait.entities.money import settled, to_amount


def bookings_to_trace(
    transactions: DataFrame, balances: DataFrame, *, policy: Tracing, as_of: date, exact: bool = False
) -> DataFrame:
    """One row per booking of the window and one per account that enters it with money: account, at, booking, amount.

    `transactions`: silver.transactions, `balances`: silver.balances. `booking` is a struct of what describes it, `id`
    first; `amount` is in minor units, with `exact` of a type whose sums hold whatever is summed.
    """
    first = as_of - timedelta(policy.window_days - 1)
    eve = F.lit(first - timedelta(1))
    amount = "decimal(38,0)" if exact else "bigint"
    recent = transactions.where(F.col("booked_on").between(F.lit(first), F.lit(as_of))).select(
        *("account_id", "transaction_id", "customer_id", "booked_on", "booked_at", "type"),
        F.coalesce("counterparty_account", "merchant_id", "counterparty_bank").alias("other"),
        F.col("signed_minor").cast(amount).alias("amount"),
    )
    closed = balances.where((F.col("from_day") <= eve) & (F.col("to_day").isNull() | (F.col("to_day") >= eve)))
    entered = closed.where("balance_minor > 0").join(
        recent.select("account_id").distinct(), on="account_id", how="left_semi"
    )
    opening = entered.select(
        "account_id",
        F.lit(OPENING).alias("transaction_id"),
        F.lit(None).cast("string").alias("customer_id"),
        eve.alias("booked_on"),
        eve.cast("timestamp").alias("booked_at"),
        F.lit(OPENING).alias("type"),
        F.lit(None).cast("string").alias("other"),
        F.col("balance_minor").cast(amount).alias("amount"),
    )
    described = F.struct(F.col("transaction_id").alias("id"), "customer_id", "booked_on", "booked_at", "type", "other")
    return recent.unionByName(opening).select(
        F.col("account_id").alias("account"), F.col("booked_at").alias("at"), described.alias("booking"), "amount"
    )


def fund_flows(bookings: DataFrame, *, policy: Tracing, as_of: date) -> DataFrame:
    """gold.fund_flows: one row per credit and debit of an account that it paid for. `bookings`: `bookings_to_trace`."""
    account = Window.partitionBy("account")
    source, used_by = F.col("source"), F.col("used_by")
    of_booking = F.coalesce(used_by["customer_id"], source["customer_id"])
    hours = (F.unix_micros(used_by["booked_at"]) - F.unix_micros(source["booked_at"])) / F.lit(3.6e9)
    came = source["type"] != OPENING
    return traced(bookings, method=policy.method).select(
        F.lit(as_of).alias("as_of"),
        F.col("account").alias("account_id"),
        F.coalesce(source["id"], F.lit(NOTHING)).alias("from_id"),
        F.coalesce(used_by["id"], F.lit(LEFT)).alias("to_id"),
        F.coalesce(of_booking, F.max(of_booking).over(account)).alias("customer_id"),
        F.when(came, source["booked_on"]).alias("from_on"),
        F.when(came, source["type"]).alias("from_type"),
        source["other"].alias("from_other"),
        used_by["booked_on"].alias("to_on"),
        used_by["type"].alias("to_type"),
        used_by["other"].alias("to_other"),
        to_amount(settled(F.col("amount"))).alias("amount"),
        F.when(came, hours).alias("hours"),
        F.lit(policy.method).alias("method"),
    )


def account_flows(bookings: DataFrame, flows: DataFrame, *, as_of: date) -> DataFrame:
    """gold.account_flows: one row per account of `bookings`, with the sums of its bookings and those of `flows`.

    Both sides are counted by themselves, so that a part that is missing, doubled or of another amount shows.
    """
    minor = (F.col("amount") * F.lit(100)).cast("decimal(38,0)")
    nothing = F.lit(0).cast("decimal(38,0)")
    booked = bookings.select(
        F.col("account").alias("account_id"),
        F.col("booking")["id"].alias("id"),
        (F.col("amount") > 0).alias("comes"),
        F.abs("amount").cast("decimal(38,0)").alias("booked"),
        *(nothing.alias(name) for name in ("traced", "left", "untraced")),
    )
    paid, kept = F.col("to_id") != LEFT, F.col("to_id") == LEFT
    funded = F.col("from_id") != NOTHING
    of_credits = flows.where(funded).select(
        "account_id",
        F.col("from_id").alias("id"),
        F.lit(True).alias("comes"),
        nothing.alias("booked"),
        F.when(paid, minor).otherwise(nothing).alias("traced"),
        F.when(kept, minor).otherwise(nothing).alias("left"),
        nothing.alias("untraced"),
    )
    of_debits = flows.where(paid).select(
        "account_id",
        F.col("to_id").alias("id"),
        F.lit(False).alias("comes"),
        nothing.alias("booked"),
        F.when(funded, minor).otherwise(nothing).alias("traced"),
        nothing.alias("left"),
        F.when(funded, nothing).otherwise(minor).alias("untraced"),
    )
    sums = ("booked", "traced", "left", "untraced")
    each = booked.unionByName(of_credits).unionByName(of_debits)
    by_booking = each.groupBy("account_id", "comes", "id").agg(*(F.sum(name).alias(name) for name in sums))
    even = F.col("booked") == F.col("traced") + F.col("left") + F.col("untraced")
    comes, opening = F.col("comes"), F.col("id") == OPENING

    def total(column: str, where: Column) -> Column:
        return to_amount(F.sum(F.when(where, F.col(column)).otherwise(0)))

    return (
        by_booking.groupBy("account_id")
        .agg(
            total("booked", comes & opening).alias("opening"),
            total("booked", comes & ~opening).alias("money_in"),
            total("booked", ~comes).alias("money_out"),
            total("traced", comes).alias("traced"),
            total("left", comes).alias("remainder"),
            total("untraced", ~comes).alias("untraced"),
            F.count_if(comes & ~even).alias("uneven_credits"),
            F.count_if(~comes & ~even).alias("uneven_debits"),
        )
        .withColumn("as_of", F.lit(as_of))
    )
