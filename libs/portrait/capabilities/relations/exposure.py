"""What the bank has lent to each customer and group: every facility once per group, measured by the bank's capital."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.contribution.loans import outstanding
from portrait.capabilities.relations.policy import Limits
from portrait.entities.currencies import Conversion
from portrait.entities.money import UNKNOWN, settled, to_amount, to_minor
from portrait.entities.ownership import opened_by
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC

_FACILITY = "account_id string, facility_id string, loan_minor bigint, limit_minor bigint, is_bad boolean"


def facilities(
    tables: Mapping[str, DataFrame], conversion: Conversion | None, *, as_of: date, zone: str = UTC
) -> DataFrame:
    """One row per loan that runs or is in arrears, and per open credit card: account_id, facility_id, is_bad,
    loan_minor (by the schedule, with instalments due and not paid), limit_minor. Minor units; UNKNOWN where one is.

    `tables` by name without the layer, whole SCD2 tables: loans, instalments, cards, those that there are.
    """
    parts = []
    if "loans" in tables:
        parts.append(_loans(tables, as_of=as_of, zone=zone))
    if "cards" in tables:
        parts.append(_cards(tables["cards"], as_of=as_of, zone=zone))
    if not parts:
        first = next(iter(tables.values()))
        return first.sparkSession.createDataFrame([], _FACILITY)
    every = reduce(DataFrame.unionByName, parts)
    if conversion is None:
        return every
    worth = conversion.standing(every, "loan_minor", "limit_minor", as_of=as_of)
    return worth.fillna(UNKNOWN, ["loan_minor", "limit_minor"])


def _loans(tables: Mapping[str, DataFrame], *, as_of: date, zone: str) -> DataFrame:
    day, known = F.lit(as_of), versions_at(tables["loans"], as_of, zone=zone)
    status = F.when(F.col("status_on") <= day, F.col("status"))
    granted = known.where(F.col("granted_on") <= day).select("loan_id", "account_id", status.alias("status"))
    running = outstanding(tables["loans"], as_of=as_of, zone=zone).select(
        "loan_id", F.coalesce("principal_minor", F.lit(UNKNOWN)).alias("principal_minor")
    )
    owed = granted.join(running, on="loan_id", how="left")
    if "instalments" in tables:
        owed = owed.join(overdue(tables["instalments"], as_of=as_of, zone=zone), on="loan_id", how="left")
    else:
        owed = owed.withColumn("overdue_minor", F.lit(0).cast("bigint"))
    principal, late = F.col("principal_minor"), F.coalesce("overdue_minor", F.lit(0))
    unknown = principal == F.lit(UNKNOWN)
    # What a finished loan left unpaid is owed; where instalments are not delivered nobody knows how much it is.
    return owed.where(principal.isNotNull() | (late > 0)).select(
        "account_id",
        F.concat(F.lit("loan "), "loan_id").alias("facility_id"),
        F.when(unknown, principal).otherwise(F.coalesce(principal, F.lit(0)) + late).alias("loan_minor"),
        F.lit(0).cast("bigint").alias("limit_minor"),
        F.coalesce(F.col("status").isin("B", "D"), F.lit(False)).alias("is_bad"),
    )


def overdue(instalments: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per loan with instalments due by `as_of` that are not paid in full: loan_id, overdue_minor."""
    known = versions_at(instalments, as_of, zone=zone).where(F.col("due_on") <= F.lit(as_of))
    paid = F.when(F.col("paid_on") <= F.lit(as_of), to_minor(F.col("amount_paid")))
    missing = F.greatest(to_minor(F.col("amount_due")) - F.coalesce(paid, F.lit(0)), F.lit(0))
    return known.groupBy("loan_id").agg(F.sum(missing).alias("overdue_minor")).where("overdue_minor > 0")


def _cards(cards: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    known = opened_by(versions_at(cards, as_of, zone=zone), opened="issued_on", closed="closed_on", as_of=as_of)
    return known.where("state = 'open' and credit_limit > 0").select(
        "account_id",
        F.concat(F.lit("card "), "card_id").alias("facility_id"),
        F.lit(0).cast("bigint").alias("loan_minor"),
        to_minor(F.col("credit_limit")).alias("limit_minor"),
        F.lit(False).alias("is_bad"),
    )


def owed_by(facilities: DataFrame, parties: DataFrame) -> DataFrame:
    """One row per owner of an account and facility on it: party_id and the facility. `parties`: versions of the day."""
    owners = parties.where("role = 'owner'").select("account_id", "party_id").distinct()
    return owners.join(facilities, on="account_id", how="inner").drop("account_id")


def group_exposure(owed: DataFrame, members: DataFrame, edges: DataFrame, *, limits: Limits, as_of: date) -> DataFrame:
    """gold.group_exposure. `owed` of `owed_by`; `members` and `edges`: slices of gold.relation_groups and
    gold.relation_edges.
    """
    groups = members.select("kind", "group_id", F.col("member_id").alias("party_id"), "members")
    alone = owed.select("party_id").distinct().select(
        F.lit("customer").alias("kind"),
        F.col("party_id").alias("group_id"),
        "party_id",
        F.lit(1).cast("bigint").alias("members"),
    )  # fmt: skip
    every = groups.unionByName(alone)
    # An owner of a joint facility does not count it again in a group that has both.
    own = every.join(owed, on="party_id", how="inner")
    borrowers = own.groupBy("kind", "group_id").agg(F.countDistinct("party_id").alias("borrowers"))
    facility = ["facility_id", "loan_minor", "limit_minor", "is_bad"]
    once = own.select("kind", "group_id", "members", *facility).distinct()
    sums = once.groupBy("kind", "group_id", "members").agg(
        F.count("*").alias("facilities"),
        _total("loan_minor").alias("loans"),
        _total("limit_minor").alias("commitments"),
        F.count_if("is_bad").alias("bad_loans"),
    )
    exposed = sums.join(borrowers, on=["kind", "group_id"], how="inner").join(
        _guaranteed(every, owed, edges), on=["kind", "group_id"], how="left"
    )
    exposure = F.col("loans") + F.col("commitments")
    measured = exposed.withColumn("exposure", exposure.cast("decimal(18,2)"))
    return _with_limits(measured, limits).withColumn("as_of", F.lit(as_of))


def _total(minor: str) -> Column:
    """The sum as DECIMAL(18,2); NULL where an amount is unknown or the type cannot hold it."""
    wide = F.sum(F.col(minor).cast("decimal(38,0)"))
    return to_amount(settled(F.when(F.max(minor) < F.lit(UNKNOWN), wide)))


def _guaranteed(every: DataFrame, owed: DataFrame, edges: DataFrame) -> DataFrame:
    """Facilities that members guarantee for others than members, each once per group."""
    guarantees = edges.where("kind = 'guarantor'").select(
        F.col("from_id").alias("party_id"), F.col("to_id").alias("borrower_id")
    )
    theirs = owed.withColumnRenamed("party_id", "borrower_id")
    answered = every.join(guarantees, on="party_id", how="inner").join(theirs, on="borrower_id", how="inner")
    inside = every.select("kind", "group_id", F.col("party_id").alias("borrower_id"))
    outside = answered.join(inside, on=["kind", "group_id", "borrower_id"], how="left_anti")
    amount = F.when(
        F.greatest("loan_minor", "limit_minor") < F.lit(UNKNOWN), F.col("loan_minor") + F.col("limit_minor")
    ).otherwise(F.lit(UNKNOWN))
    once = outside.select("kind", "group_id", "facility_id", amount.alias("minor")).distinct()
    return once.groupBy("kind", "group_id").agg(_total("minor").alias("guaranteed"))


def _with_limits(exposed: DataFrame, limits: Limits) -> DataFrame:
    """With bound_by, limit_use and state: the limit of which most is used."""

    def use(name: str, amount: str, capital: float | None, share: float, where: Column) -> Column:
        used = None if capital is None else F.when(where, F.col(amount).cast("double") / F.lit(capital * share))
        return F.struct((F.lit(None).cast("double") if used is None else used).alias("use"), F.lit(name).alias("name"))

    is_bank = F.col("group_id").isin(*limits.banks) if limits.banks else F.lit(False)
    one = (F.col("kind") == "customer") & ~is_bank
    several = F.col("kind").isin(*limits.limited) if limits.limited else F.lit(False)
    uses = F.array(
        use("customer_loans", "loans", limits.net_capital, limits.customer_loans, one),
        use("customer_exposure", "exposure", limits.tier1_capital, limits.customer_exposure, one),
        use("group_exposure", "exposure", limits.tier1_capital, limits.group_exposure, several),
        use("interbank_exposure", "exposure", limits.tier1_capital, limits.interbank_exposure,
            (F.col("kind") == "customer") & is_bank),
    )  # fmt: skip
    most = F.array_max(F.filter(uses, lambda item: item["use"].isNotNull()))
    state = F.when(F.col("limit_use") > 1, "breach").when(F.col("limit_use") >= limits.warn_at, "near")
    measured = exposed.withColumn("most", most).withColumns(
        {"bound_by": F.col("most.name"), "limit_use": F.col("most.use")}
    )
    return measured.withColumn(
        "state", state.when(F.col("limit_use").isNotNull(), "within")
    ).drop("most")  # fmt: skip


def customer_relations(
    customers: DataFrame, members: DataFrame, edges: DataFrame, ownership: DataFrame, exposure: DataFrame,
    *, as_of: date,
) -> DataFrame:  # fmt: skip
    """gold.customer_relations: one row per customer of `customers` (customer_id); the others are slices of the day."""

    def group_of(kind: str, name: str) -> DataFrame:
        return members.where(F.col("kind") == kind).select(
            F.col("member_id").alias("customer_id"),
            F.col("group_id").alias(f"{name}_id"),
            F.col("members").alias(f"{name}_size"),
        )

    lent = exposure.select("kind", "group_id", F.col("exposure"), "state", "bad_loans")
    single = lent.where("kind = 'customer'").select(
        F.col("group_id").alias("customer_id"),
        F.col("exposure").alias("own"),
        F.lit(True).alias("borrows"),
        "bad_loans",
    )
    group = lent.where("kind = 'connected'").select(
        F.col("group_id").alias("connected_id"), F.col("exposure").alias("theirs"), F.lit(True).alias("lent_to")
    )
    guarantee = edges.where("kind = 'guarantor'").select("from_id", "to_id")
    gives = guarantee.groupBy(F.col("from_id").alias("customer_id")).agg(F.count("*").alias("guarantees"))
    troubled = single.select(F.col("customer_id").alias("from_id"), (F.col("bad_loans") > 0).alias("in_trouble"))
    has = (
        guarantee.join(troubled, on="from_id", how="left")
        .groupBy(F.col("to_id").alias("customer_id"))
        .agg(F.count("*").alias("guarantors"), F.count_if("in_trouble").alias("troubled_guarantors"))
    )
    owns = ownership.where("is_beneficial").groupBy(F.col("owner_id").alias("customer_id"))
    counts = {"guarantees": 0, "guarantors": 0, "troubled_guarantors": 0, "companies_owned": 0}
    return (
        customers.select("customer_id")
        .join(group_of("family", "family"), on="customer_id", how="left")
        .join(group_of("connected", "connected"), on="customer_id", how="left")
        .join(single.drop("bad_loans"), on="customer_id", how="left")
        .join(group, on="connected_id", how="left")
        .join(_worst_state(exposure, members), on="customer_id", how="left")
        .join(gives, on="customer_id", how="left")
        .join(has, on="customer_id", how="left")
        .join(owns.agg(F.count("*").alias("companies_owned")), on="customer_id", how="left")
        .fillna({"family_size": 1, "connected_size": 1, **counts})
        .withColumn("exposure", F.when(F.col("borrows"), F.col("own")).otherwise(F.lit(0).cast("decimal(18,2)")))
        .withColumn(
            "group_exposure",
            F.when(F.col("connected_id").isNull(), F.col("exposure"))
            .when(F.col("lent_to"), F.col("theirs"))
            .otherwise(F.lit(0).cast("decimal(18,2)")),
        )
        .select(
            F.lit(as_of).alias("as_of"),
            *("customer_id", "family_id", "family_size", "connected_id", "connected_size"),
            *("exposure", "group_exposure"),
            *("limit_state", "guarantees", "guarantors", "troubled_guarantors", "companies_owned"),
        )
    )


def _worst_state(exposure: DataFrame, members: DataFrame) -> DataFrame:
    """One row per customer with a state: customer_id, limit_state, the worst of their own and of their groups."""
    judged = exposure.where("state is not null").select("kind", "group_id", "state")
    own = judged.where("kind = 'customer'").select(F.col("group_id").alias("customer_id"), "state")
    theirs = members.select("kind", "group_id", F.col("member_id").alias("customer_id"))
    both = own.unionByName(theirs.join(judged, on=["kind", "group_id"], how="inner").select("customer_id", "state"))
    order = "case state when 'breach' then 2 when 'near' then 1 else 0 end"
    return both.groupBy("customer_id").agg(F.max_by("state", F.expr(order)).alias("limit_state"))
