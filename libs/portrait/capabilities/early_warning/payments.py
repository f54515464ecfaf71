"""How loans are paid: days past due, what is overdue, instalments that came late, and the five classes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.contribution.loans import outstanding
from portrait.capabilities.early_warning.policy import Classes, Contagion, WarningPolicy
from portrait.entities.money import UNKNOWN, to_minor
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC

CLASSES: Final = ("normal", "special_mention", "substandard", "doubtful", "loss")
BAD: Final = CLASSES.index("substandard")
"""From this class on a loan is non-performing."""
WINDOW: Final = 90
"""Days in which late instalments are counted; it is in the name of the column."""


def loan_payments(tables: Mapping[str, DataFrame], *, policy: WarningPolicy, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per loan that runs at the end of `as_of`, or owes something: loan_id, account_id, status, days_past_due,
    overdue_minor, late_90d, owed_minor (principal and overdue; UNKNOWN where it is).

    `tables` by name without the layer, whole SCD2 tables: loans, and instalments where the bank delivers them.
    Nothing is known of the payments of a loan without an instalment due by then: null.
    """
    day, known = F.lit(as_of), versions_at(tables["loans"], as_of, zone=zone)
    status = F.when(F.col("status_on") <= day, F.col("status"))
    granted = known.where(F.col("granted_on") <= day).select("loan_id", "account_id", status.alias("status"))
    running = outstanding(tables["loans"], as_of=as_of, zone=zone).select(
        "loan_id", F.coalesce("principal_minor", F.lit(UNKNOWN)).alias("principal_minor")
    )
    owed = granted.join(running, on="loan_id", how="left")
    if "instalments" in tables:
        paid = instalments_paid(tables["instalments"], late_days=policy.late_days, as_of=as_of, zone=zone)
        owed = owed.join(paid, on="loan_id", how="left")
    else:
        nothing = {"days_past_due": "int", "overdue_minor": "bigint", "late_90d": "bigint"}
        owed = owed.withColumns({name: F.lit(None).cast(kind) for name, kind in nothing.items()})
    principal, overdue = F.col("principal_minor"), F.coalesce("overdue_minor", F.lit(0))
    total = F.when(principal == UNKNOWN, principal).otherwise(F.coalesce(principal, F.lit(0)) + overdue)
    unpaid = F.coalesce(F.col("status") == "B", F.lit(False))  # finished and not paid, whatever is known of it
    kept = principal.isNotNull() | (overdue > 0) | unpaid
    return owed.where(kept).withColumn("owed_minor", total).drop("principal_minor")


def instalments_paid(instalments: DataFrame, *, late_days: int, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per loan with an instalment due by `as_of`: loan_id, days_past_due, overdue_minor, late_90d."""
    day = F.lit(as_of)
    due = versions_at(instalments, as_of, zone=zone).where(F.col("due_on") <= day)
    paid = F.when(F.col("paid_on") <= day, to_minor(F.col("amount_paid")))
    missing = F.greatest(to_minor(F.col("amount_due")) - F.coalesce(paid, F.lit(0)), F.lit(0))
    settled_on = F.when(F.col("missing") == 0, F.coalesce("paid_on", "due_on")).otherwise(day)
    late = (F.date_diff(settled_on, "due_on") > late_days) & (F.date_diff(day, "due_on") < WINDOW)
    oldest = F.min(F.when(F.col("missing") > 0, F.col("due_on")))
    return (
        due.withColumn("missing", missing)
        .groupBy("loan_id")
        .agg(
            F.coalesce(F.date_diff(day, oldest), F.lit(0)).alias("days_past_due"),
            F.sum("missing").alias("overdue_minor"),
            F.count_if(late).alias("late_90d"),
        )
    )


def classified(loans: DataFrame, debtors: DataFrame, *, policy: WarningPolicy) -> DataFrame:
    """`loans` of `loan_payments` with class and class_reason. `debtors`: account_id, customer_id, party_kind."""
    place = _by_days(policy.classes)
    status = F.lit(None).cast("int")
    for name, least in policy.classes.by_status.items():
        status = F.when(F.col("status") == name, F.lit(CLASSES.index(least))).otherwise(status)
    known, stated = F.col("days_past_due").isNotNull(), F.col("status").isNotNull()
    # Days say more than the status, and are younger; a loan that ended unpaid is not better than its status.
    own = F.when(known, F.greatest(place, F.when(F.col("status") == "B", status))).otherwise(
        F.coalesce(status, F.lit(0))
    )
    reason = F.when(known & (own == place), "days_past_due").when(known | stated, "status").otherwise("none_known")
    judged = loans.withColumns({"place": own, "class_reason": reason}).join(debtors, on="account_id", how="left")
    return _with_contagion(judged, policy.contagion).withColumn(
        "class", F.element_at(F.array(*map(F.lit, CLASSES)), F.col("place") + 1)
    )


def _by_days(bounds: Classes) -> Column:
    """The place of the class of `days_past_due` in CLASSES."""
    days = F.col("days_past_due")
    above = [days > bound for bound in (bounds.special_mention, bounds.substandard, bounds.doubtful, bounds.loss)]
    total: Column = F.lit(0)
    for condition in above:
        total = total + condition.cast("int")
    return total


def _with_contagion(judged: DataFrame, rule: Contagion) -> DataFrame:
    """Bad loans above a share of the debtor's debt make the others substandard, for some kinds of debtors."""
    debtor = Window.partitionBy("customer_id")
    owed = F.when(F.col("owed_minor") < F.lit(UNKNOWN), F.col("owed_minor")).cast("double")
    bad, every = F.sum(F.when(F.col("place") >= BAD, owed)).over(debtor), F.sum(owed).over(debtor)
    meant = F.col("customer_id").isNotNull() & F.col("party_kind").isin(*rule.debtors)
    spoilt = meant & (F.col("place") < BAD) & F.coalesce(bad > F.lit(rule.share) * every, F.lit(False))
    return (
        judged.withColumns(
            {
                "place": F.when(spoilt, F.lit(BAD)).otherwise(F.col("place")),
                "class_reason": F.when(spoilt, "contagion").otherwise(F.col("class_reason")),
            }
        )
        if rule.debtors
        else judged
    )


def debtors_at(account_parties: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per account with an owner: account_id, customer_id, party_kind; of several the one with the least id."""
    owners = versions_at(account_parties, as_of, zone=zone).where("role = 'owner'")
    first = F.min(F.struct(F.col("party_id").alias("customer_id"), "party_kind")).alias("first")
    return owners.groupBy("account_id").agg(first).select("account_id", "first.*")
