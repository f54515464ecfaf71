"""Loans by month at risk: what was known of each at the end of a month, and when it fell into arrears."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.early_warning.hazard_fit import LATE_MOST, HazardModel, Pattern
from portrait.capabilities.early_warning.payments import WINDOW
from portrait.capabilities.early_warning.policy import Hazard
from portrait.entities.money import to_minor
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC

MODEL: Final = "loan_hazard"


def month_ends(as_of: date, months: int) -> list[date]:
    """The last `months` + 1 month ends up to `as_of`, `as_of` among them where it is one; the oldest first."""
    found: list[date] = []
    day = as_of + timedelta(1)
    while len(found) <= months:
        day = date(day.year, day.month, 1) - timedelta(1)
        found.append(day)
    return found[::-1]


def end_of_month_after(day: date, months: int) -> date:
    """The month end so many months after a month end."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, monthrange(day.year + years, month + 1)[1])


def loan_months(
    tables: Mapping[str, DataFrame],
    *,
    policy: Hazard,
    late_days: int,
    ends: Sequence[date],
    as_of: date,
    zone: str = UTC,
) -> DataFrame:
    """One row per loan and day of `ends` or `as_of` on which it is at risk, or has fallen into arrears before: loan_id,
    account_id, month_end, months_on_book, late_90d, past_due, arrears_on (null: not by `as_of`).

    `tables` by name without the layer, whole SCD2 tables: loans, instalments. A loan is at risk from its first
    instalment on, for as long as one fell due within 90 days or is not paid; it has fallen into arrears when an
    instalment is more than `arrears_days` past due.
    """
    last = F.lit(as_of)
    due = versions_at(tables["instalments"], as_of, zone=zone).where(F.col("due_on") <= last)
    whole = to_minor(F.col("amount_paid")) >= to_minor(F.col("amount_due"))
    paid = due.select(
        "loan_id", "due_on", F.when(whole & (F.col("paid_on") <= last), F.col("paid_on")).alias("paid_on")
    )
    falls = F.date_add("due_on", policy.arrears_days + 1)
    fell = (F.col("paid_on").isNull() | (F.col("paid_on") >= falls)) & (falls <= last)
    arrears = paid.groupBy("loan_id").agg(F.min(F.when(fell, falls)).alias("arrears_on"))

    def open_at(end: Column) -> Column:
        return F.col("paid_on").isNull() | (F.col("paid_on") > end)

    days = F.array(*map(F.lit, sorted({*ends, as_of})))
    seen = F.filter(
        days, lambda end: (end >= F.col("due_on")) & (open_at(end) | (F.date_diff(end, F.col("due_on")) < WINDOW))
    )
    each = paid.withColumn("month_end", F.explode(seen))
    end = F.col("month_end")
    waited = F.date_diff(F.least("paid_on", end), "due_on")  # `least` skips null
    late = (waited > late_days) & (F.date_diff(end, "due_on") < WINDOW)
    states = each.groupBy("loan_id", "month_end").agg(
        F.count_if(late).alias("late_90d"),
        (F.max(F.when(open_at(end), F.date_diff(end, "due_on"))) > late_days).alias("past_due"),
    )
    granted = versions_at(tables["loans"], as_of, zone=zone).select("loan_id", "account_id", "granted_on")
    return (
        states.join(granted, on="loan_id", how="inner")
        .join(arrears, on="loan_id", how="left")
        .select(
            *("loan_id", "account_id", "month_end"),
            F.greatest(F.floor(F.months_between("month_end", "granted_on")), F.lit(0))
            .cast("int")
            .alias("months_on_book"),
            "late_90d",
            F.coalesce("past_due", F.lit(False)).alias("past_due"),
            "arrears_on",
        )
    )


def counted_patterns(months: DataFrame, *, policy: Hazard, ends: Sequence[date]) -> list[Pattern]:
    """Loan-months that can be alike, by month end: how many, how many fell into arrears within a month, and within
    `judged_months`. At most a few hundred rows, whatever the bank's size."""
    known = {end: (place, end_of_month_after(end, 1)) for place, end in enumerate(ends[:-1])}
    at_risk = F.col("arrears_on").isNull() | (F.col("arrears_on") > F.col("month_end"))
    rows = months.where(F.col("month_end").isin(*known) & at_risk)

    def within(ahead: int) -> Column:
        ends_later = [F.lit(day) for end in ends[:-1] for day in (end, end_of_month_after(end, ahead))]
        until = F.element_at(F.create_map(*ends_later), F.col("month_end"))
        return F.coalesce(F.col("arrears_on") <= until, F.lit(False))

    counted = rows.groupBy(
        "month_end", _stretch(policy).alias("stretch"), _late().alias("late"), F.col("past_due")
    ).agg(
        F.count("*").alias("loans"),
        F.count_if(within(1)).alias("fell"),
        F.count_if(within(policy.judged_months)).alias("fell_later"),
    )
    return sorted(
        Pattern(row.month_end, row.stretch, row.late, row.past_due, row.loans, row.fell, row.fell_later)
        for row in counted.collect()
    )


def loan_hazards(
    months: DataFrame,
    debtors: DataFrame,
    model: HazardModel | None,
    *,
    policy: Hazard,
    model_version: str | None,
    as_of: date,
) -> DataFrame:
    """gold.loan_hazards: one row per loan at risk at `as_of`, and per loan that fell into arrears within a year.

    `months` of `loan_months`; `debtors`: account_id, customer_id. Without a model the probability is null.
    """
    sign = (F.col("late_90d") >= policy.sign_late) | F.col("past_due")
    before = F.col("arrears_on").isNull() | (F.col("month_end") <= F.date_sub("arrears_on", policy.lead_days))
    of_loan = Window.partitionBy("loan_id")
    told = months.withColumn("warned_on", F.min(F.when(sign & before, F.col("month_end"))).over(of_loan))
    told = told.withColumn("newest", F.max("month_end").over(of_loan)).where("month_end = newest")
    day, fell = F.lit(as_of), F.col("arrears_on").isNotNull()
    recent = F.col("arrears_on") > F.add_months(day, -12)
    rows = told.where((~fell & (F.col("month_end") == day)) | recent)
    chance = F.lit(None).cast("double") if model is None else _probability(model)
    scored = rows.join(debtors.select("account_id", "customer_id"), on="account_id", how="left").withColumn(
        "probability", F.when(~fell, chance)
    )
    ranked = Window.orderBy(F.desc("probability"), "loan_id")
    # Who is worked on is decided among the likeliest alone: all loans in one partition would not be memory-flat.
    likeliest = scored.where("probability is not null").orderBy(F.desc("probability"), "loan_id").limit(policy.capacity)
    worked = likeliest.select("loan_id", F.row_number().over(ranked).alias("place"))
    return scored.join(worked, on="loan_id", how="left").select(
        day.alias("as_of"),
        *("loan_id", "customer_id", "months_on_book"),
        F.when(~fell, F.col("late_90d")).alias("late_90d"),
        F.when(~fell, F.col("past_due")).alias("past_due"),
        "probability",
        "place",
        *("arrears_on", "warned_on"),
        (fell & F.col("warned_on").isNull()).alias("is_missed"),
        F.lit(model_version).cast("string").alias("model_version"),
    )


def _stretch(policy: Hazard, months: Column | None = None) -> Column:
    """The stretch of months on book, 0.. in the order of the policy's bounds."""
    book = F.col("months_on_book") if months is None else months
    total: Column = F.lit(0)
    for bound in policy.months_on_book:
        total = total + (book >= bound).cast("int")
    return total


def _late() -> Column:
    return F.least(F.col("late_90d"), F.lit(LATE_MOST)).cast("int")


def _probability(model: HazardModel) -> Column:
    """1 - product of (1 - h) over the twelve months ahead, by what is known today."""
    stay: Column = F.lit(1.0)
    for ahead in range(12):
        book = F.col("months_on_book") + ahead
        base: Column = F.lit(model.base[0])
        for bound, value in zip(model.bounds, model.base[1:], strict=True):
            base = F.when(book >= bound, F.lit(value)).otherwise(base)
        odds = base + F.lit(model.of_late) * _late() + F.lit(model.of_past_due) * F.col("past_due").cast("int")
        stay = stay * (F.lit(1.0) - F.lit(1.0) / (F.lit(1.0) + F.exp(-odds)))
    return F.lit(1.0) - stay
