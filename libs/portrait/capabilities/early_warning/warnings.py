"""gold.loan_warnings and gold.customer_warnings: which signals are on, what they say of a loan and of its borrower."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.early_warning.payments import CLASSES
from portrait.capabilities.early_warning.policy import FACTS, Signals, WarningPolicy
from portrait.entities.money import settled, to_amount
from portrait.spark.frames import frame_of


def customer_signals(
    features: DataFrame, loans: DataFrame, relations: DataFrame | None, *, signals: Signals, as_of: date
) -> DataFrame:
    """One row per customer of `features`, a slice of gold.customer_features, and per borrower who is not in it:
    customer_id, signals (ids), severity, is_unknown, and facts of all their loans (see FACTS), worst_place.

    `loans` of `classified`; `relations`: slice of gold.customer_relations. What is not delivered is unknown: its
    signals are off.
    """
    read = sorted(signals.columns - {"customer_id", "as_of"})
    rows = features.select("customer_id", *read)
    facts = (
        loans.where("customer_id is not null")
        .groupBy("customer_id")
        .agg(
            F.count("*").alias("loans"),
            F.max("days_past_due").alias("max_days_past_due"),
            settled(F.sum(F.col("overdue_minor").cast("decimal(38,0)"))).alias("overdue_minor"),
            F.sum("late_90d").alias("late_instalments_90d"),
            F.max("place").alias("worst_place"),
        )
    )
    rows = rows.join(facts, on="customer_id", how="full")
    if relations is not None:
        related = relations.select("customer_id", "guarantors", "troubled_guarantors")
        rows = rows.join(related, on="customer_id", how="left")
    absent = {name: F.lit(None).cast(kind) for name, kind in FACTS.items() if name not in rows.columns}
    full = rows.withColumns(absent).withColumn("as_of", F.lit(as_of))
    on = F.array_compact(
        F.array(*[F.when(F.expr(signals.conditions[item.id]), F.lit(item.id)) for item in signals.signals])
    )
    grave = F.greatest(
        F.lit(0),
        *[F.when(F.array_contains("signals", item.id), F.lit(item.severity)).otherwise(0) for item in signals.signals],
    )
    return (
        full.withColumn("signals", on)
        .withColumn("severity", grave)
        .withColumn("is_unknown", F.coalesce(F.expr(signals.unknown_when), F.lit(True)))
        .withColumn("loans", F.coalesce("loans", F.lit(0)))
    )


def loan_warnings(loans: DataFrame, customers: DataFrame, *, as_of: date) -> DataFrame:
    """gold.loan_warnings: `loans` of `classified`, `customers` of `customer_signals`."""
    shown = customers.select("customer_id", "signals", "severity")
    nothing = F.array().cast("array<string>")
    return loans.join(shown, on="customer_id", how="left").select(
        F.lit(as_of).alias("as_of"),
        *("loan_id", "account_id", "customer_id", "status", "days_past_due"),
        to_amount(F.col("overdue_minor")).alias("overdue"),
        *("late_90d", "class", "class_reason"),
        F.coalesce("signals", nothing).alias("signals"),
        F.coalesce("severity", F.lit(0)).alias("severity"),
    )


def customer_warnings(
    customers: DataFrame, features: DataFrame, *, signals: Signals, policy: WarningPolicy, as_of: date
) -> DataFrame:
    """gold.customer_warnings: one row per customer of `features`; `customers` of `customer_signals`."""
    worse = F.coalesce(F.col("worst_place") > 0, F.lit(False))
    grave = F.col("severity") >= policy.veto_severity
    worst = F.element_at(F.array(*map(F.lit, CLASSES)), F.col("worst_place") + 1)
    said = [F.when(F.array_contains("signals", item.id), F.lit(item.title)) for item in signals.signals]
    classed = F.when(worse, F.concat(F.lit("A loan is of class "), F.replace(worst, F.lit("_"), F.lit(" "))))
    warned: Column = F.when(worse | grave, True).when(~F.col("is_unknown"), False)
    return customers.join(features.select("customer_id"), on="customer_id", how="left_semi").select(
        F.lit(as_of).alias("as_of"),
        *("customer_id", "loans"),
        F.col("max_days_past_due").alias("days_past_due"),
        worst.alias("worst_class"),
        *("signals", "severity"),
        warned.alias("early_warning"),
        F.array_compact(F.array(classed, *said)).alias("reasons"),
    )


def no_loans(spark: SparkSession) -> DataFrame:
    """What `classified` gives where the bank delivers no loans."""
    return frame_of(
        spark,
        [],
        "loan_id string, account_id string, customer_id string, status string, days_past_due int, "
        "overdue_minor bigint, late_90d bigint, owed_minor bigint, place int, class_reason string, class string",
    )
