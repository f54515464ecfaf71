"""Instalments of loans: a record when one falls due, and one when it is paid later than that day."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.records import money
from portrait.sources.synthetic.recurring import is_slow, paid_day
from portrait.sources.synthetic.texts import looked_up

DUE: Final = 4  # days after the first of a month
PARTLY_SHARE: Final = 0.5  # of the instalments in arrears: so much of them is paid so many days later
PART: Final = 0.4
PARTLY_AFTER: Final = 20


def instalments(held: DataFrame, bank: Bank) -> DataFrame:
    """Instalments that fall due in the bank's months: what is paid in full is a booking of type loan_payment.

    Once a loan is in arrears nothing is paid in full, and of half the instalments a part.
    """
    first = [bank.first_of(month) for month in range(bank.months)]
    owed = held.where("kind = 'loan'").withColumn("month", F.explode(F.array(*map(F.lit, range(bank.months)))))
    due = F.col("offset") + DUE
    opened, closed = bank.day_of("opened_on"), bank.day_of("closed_on")
    slow = is_slow(due, bank.day_of("slow_from"), bank.day_of("slow_until"))
    missed = F.coalesce(due > bank.day_of("arrears_on"), F.lit(False))
    partly = missed & bank.draws.happens(PARTLY_SHARE, "partly", "k", F.xxhash64("product_id"), "month")
    falling = (
        owed.withColumn("offset", looked_up(first, F.col("month")))
        .where((due > opened) & (due <= closed))
        .withColumns(
            {
                "due_day": due,
                "paid_day": F.when(~missed, paid_day(bank, F.col("offset"), slow, F.xxhash64("product_id"))).when(
                    partly, due + PARTLY_AFTER
                ),
                "paid_minor": F.when(~missed, F.col("instalment_minor")).when(
                    partly, F.round(F.col("instalment_minor") * PART)
                ),
            }
        )
    )
    days = F.array_distinct(F.array_compact(F.array("due_day", "paid_day")))
    known = falling.withColumn("day", F.explode(days)).withColumn("paid", F.col("paid_day") <= F.col("day"))
    start = F.lit(bank.start)
    return known.select(
        *("day", "k"),
        F.concat(F.lit("L"), F.substring("holding_id", 2, 100)).alias("loan_id"),
        F.date_add(start, F.col("due_day")).alias("due_on"),
        F.when(F.col("day") == F.col("due_day"), "I").otherwise("U").alias("op"),
        F.date_add(start, F.col("day")).cast("timestamp").alias("changed_at"),
        money(F.col("instalment_minor")).alias("amount_due"),
        F.when(F.col("paid"), F.date_add(start, F.col("paid_day"))).alias("paid_on"),
        F.when(F.col("paid"), money(F.col("paid_minor"))).alias("amount_paid"),
    )


def bad_loans(held: DataFrame) -> DataFrame:
    """The truth: one row per loan that falls into arrears: loan_id, arrears_on, slow_from (null: no sign before)."""
    return held.where("arrears_on is not null").select(
        F.concat(F.lit("L"), F.substring("holding_id", 2, 100)).alias("loan_id"), "arrears_on", "slow_from"
    )
