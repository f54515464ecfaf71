"""What is known of an application on the day it was received: nothing that was learnt later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.credit.policy import Applications
from portrait.entities.versions import as_of as versions_at
from portrait.entities.versions import valid_at_end_of
from portrait.settings import UTC

_DIGITS = 6  # of ratios, so that a what-if in Python has the same numbers


def application_facts(
    tables: Mapping[str, DataFrame], *, policy: Applications, as_of: date, zone: str = UTC
) -> DataFrame:
    """One row per application received by `as_of`: application_id, customer_id, received_on, product_id, documents,
    the facts of gold.credit_scores, and outcome (null: not known by `as_of`).

    `tables` by name without the layer, whole SCD2 tables: applications, customers; accounts, account_parties and loans
    where the bank delivers them. The application as it is known at `as_of`; the applicant as known at the end of the
    day on which it was received.
    """
    day = F.lit(as_of)
    known = versions_at(tables["applications"], as_of, zone=zone).where(F.col("received_on") <= day)
    applied = known.select(
        *("application_id", "customer_id", "received_on", "product_id", "documents"),
        *("amount", "months", "purpose", "declared_income"),
        F.when(F.col("outcome_on") <= day, F.col("outcome")).alias("outcome"),
    )
    facts = applied.join(_person(applied, tables["customers"], zone=zone), on="application_id", how="left")
    if {"accounts", "account_parties"} <= tables.keys():
        owned = _owned(applied, tables["account_parties"], as_of=as_of, zone=zone)
        since = _known_since(owned, tables["accounts"], as_of=as_of, zone=zone)
        facts = facts.join(since, on="application_id", how="left")
        if "loans" in tables:
            loans = _loans(owned, tables["loans"], zone=zone)
            facts = facts.join(loans, on="application_id", how="left").fillna(0, ["running_loans", "bad_loans"])
            owes = F.when(F.col("running_loans") == 0, F.lit(0)).otherwise(F.col("running_instalments"))
            facts = facts.withColumn("running_instalments", owes.cast("decimal(18,2)"))
    for name, kind in (
        ("years_known", "double"), ("running_loans", "bigint"), ("bad_loans", "bigint"),
        ("running_instalments", "decimal(18,2)"),
    ):  # fmt: skip
        if name not in facts.columns:
            facts = facts.withColumn(name, F.lit(None).cast(kind))
    income = F.when(F.col("declared_income") > 0, F.col("declared_income").cast("double"))
    instalment = annuity(F.col("amount").cast("double"), F.col("months"), policy.rate)
    burden = (instalment + F.col("running_instalments").cast("double")) / income
    return facts.withColumns(
        {
            "burden": F.round(burden, _DIGITS),
            "incomes": F.round(F.col("amount").cast("double") / income, _DIGITS),
        }
    )


def annuity(amount: Column, months: Column, rate: float) -> Column:
    """The monthly instalment."""
    if rate == 0:
        return amount / months
    monthly = F.lit(rate / 12)
    return amount * monthly / (F.lit(1.0) - F.pow(monthly + 1, -months))


def _person(applied: DataFrame, customers: DataFrame, *, zone: str) -> DataFrame:
    """One row per application of a customer who was known that day: age, education, occupation."""
    asked = applied.select("application_id", "customer_id", "received_on")
    there = asked.join(customers, on="customer_id", how="inner").where(valid_at_end_of(F.col("received_on"), zone=zone))
    years = F.floor(F.months_between("received_on", "birth_date") / 12).cast("int")
    return there.select("application_id", years.alias("age"), "education", "occupation")


def _owned(applied: DataFrame, parties: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    """One row per application and account of the applicant."""
    owners = versions_at(parties, as_of, zone=zone).where("role = 'owner'")
    accounts = owners.select(F.col("party_id").alias("customer_id"), "account_id").distinct()
    return applied.select("application_id", "customer_id", "received_on").join(accounts, on="customer_id", how="inner")


def _known_since(owned: DataFrame, accounts: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    """One row per application: years_known, since the first account that was opened by then."""
    opened = versions_at(accounts, as_of, zone=zone).select("account_id", "opened_on")
    before = owned.join(opened, on="account_id", how="inner").where("opened_on <= received_on")
    first = before.groupBy("application_id", "received_on").agg(F.min("opened_on").alias("first"))
    years = F.round(F.date_diff("received_on", "first") / F.lit(365.25), 2)
    return first.select("application_id", years.alias("years_known"))


def _loans(owned: DataFrame, loans: DataFrame, *, zone: str) -> DataFrame:
    """One row per application of somebody with a loan on that day: running_loans, bad_loans, running_instalments."""
    had = owned.join(loans, on="account_id", how="inner").where(
        valid_at_end_of(F.col("received_on"), zone=zone) & (F.col("granted_on") < F.col("received_on"))
    )
    status = F.when(F.col("status_on") <= F.col("received_on"), F.col("status"))
    bad = F.coalesce(status.isin("B", "D"), F.lit(False))
    runs = ~F.coalesce(status.isin("A", "B"), F.lit(False)) & (
        F.add_months("granted_on", F.col("months")) > F.col("received_on")
    )
    judged = had.select("application_id", "instalment", bad.alias("bad"), runs.alias("runs"))
    unknown = F.count_if(F.col("runs") & F.col("instalment").isNull()) > 0
    return judged.groupBy("application_id").agg(
        F.count_if("runs").alias("running_loans"),
        F.count_if("bad").alias("bad_loans"),
        F.when(~unknown, F.sum(F.when(F.col("runs"), F.col("instalment")))).alias("running_instalments"),
    )
