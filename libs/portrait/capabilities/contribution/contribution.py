"""What accounts hold and what the bank earned with them in a year, shared by owners to the cent: gold.contribution.

Deposits: balance x (transfer price - paid rate) x days / 365. Loans: principal x (rate - transfer price) x days / 365.
Then fees, less bookings x unit cost, less probability of default x loss given default x exposure (methods.md).
Every part of an account is rounded once, to the minor unit, and then shared: sums by customer, account, kind and branch
are the same number. Integers throughout, so that no sum depends on the order of rows.

What DECIMAL(18,2) cannot hold, or rests on an unknown balance, is unknown: NULL, and with it the contribution of the
account and of its customers; no other's. Until the shares are made it is UNKNOWN (portrait.entities.money).
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.contribution.loans import loan_results
from portrait.capabilities.contribution.policy import ContributionPolicy
from portrait.capabilities.contribution.prices import MICRO, YEAR_DAYS, price_sums, ratio
from portrait.entities.money import UNKNOWN, null_unless_it_fits, settled, to_amount, to_minor
from portrait.entities.ownership import account_people, owners_of
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC
from portrait.spark.days import day_of

DEPOSITS = ("current", "savings", "term_deposit")
BALANCES = ("balance_month", "balance_quarter")
PARTS = ("deposit_margin", "loan_margin", "fees", "service_cost", "expected_loss")
_COSTS = ("service_cost", "expected_loss")
_WIDE = "decimal(38,0)"


def contribution(
    customers: DataFrame,
    *,
    policy: ContributionPolicy,
    as_of: date,
    balances: DataFrame,
    accounts: DataFrame,
    account_parties: DataFrame,
    transactions: DataFrame,
    loans: DataFrame | None = None,
    transfer_prices: DataFrame | None = None,
    unit_costs: DataFrame | None = None,
    zone: str = UTC,
    exact: bool = False,
) -> DataFrame:
    """gold.contribution: one row per customer, account and kind of product, of the 365 days that end with `as_of`.

    `customers` (customer_id) are those of the slice: accounts without an owner among them are left out. Entities are
    whole SCD2 tables. A loan stands at the account that it is paid from. A part is NULL where the kind has none, or
    where it is unknown: without prices, costs or rates; such a part counts nothing in `contribution`.
    """
    first = as_of - timedelta(days=YEAR_DAYS - 1)
    owners = _owners(account_parties, customers, policy=policy, as_of=as_of, zone=zone)
    owned = owners.select("account_id").distinct()
    lived = versions_at(accounts, as_of, zone=zone).where(
        (F.col("opened_on") <= F.lit(as_of)) & F.coalesce(F.col("closed_on") >= F.lit(first), F.lit(True))
    )
    standing = lived.join(owned, on="account_id", how="left_semi")
    prices = None if transfer_prices is None else transfer_prices.where(day_of("valid_from", zone) <= F.lit(as_of))
    kept = _deposits(standing, balances, prices, first=first, as_of=as_of, exact=exact, zone=zone)
    booked = _bookings(transactions, unit_costs, first=first, as_of=as_of, exact=exact, zone=zone)
    rows = kept.join(booked, on="account_id", how="left")
    nothing = F.lit(None if unit_costs is None else 0).cast("bigint")  # of an account without bookings
    of_accounts = rows.select(
        *("account_id", "kind", "balance_month", "balance_quarter", "deposit_margin"),
        F.lit(None).cast("bigint").alias("loan_margin"),
        F.coalesce("fees", F.lit(0)).alias("fees"),
        F.coalesce("service_cost", nothing).alias("service_cost"),
        F.lit(None).cast("bigint").alias("expected_loss"),
        F.coalesce("uncosted_bookings", nothing).alias("uncosted_bookings"),
    )
    if loans is not None:
        lent = loan_results(loans, prices, policy=policy, first=first, as_of=as_of, exact=exact, zone=zone)
        of_accounts = of_accounts.unionByName(lent.withColumn("kind", F.lit("loan")), allowMissingColumns=True)
    parts = of_accounts.groupBy("account_id", F.col("kind").alias("product_kind")).agg(
        *[settled(_sum(F.col(name), exact=exact)).alias(name) for name in (*BALANCES, *PARTS)],
        F.sum("uncosted_bookings").alias("uncosted_bookings"),
    )
    branches = standing.select("account_id", "branch_id")
    shared = parts.join(branches, on="account_id", how="inner").join(owners, on="account_id", how="inner")
    return _shares(shared, as_of=as_of)


def _sum(minor: Column, *, exact: bool) -> Column:
    return F.sum(minor.cast(_WIDE) if exact else minor)


def _factor(minor: Column, *, exact: bool) -> Column:
    """An amount that is to be multiplied, as wide as the products need."""
    return minor.cast("decimal(19,0)") if exact else minor


def _owners(
    account_parties: DataFrame, customers: DataFrame, *, policy: ContributionPolicy, as_of: date, zone: str
) -> DataFrame:
    """One row per account and customer who has a share: account_id, customer_id, owners, place (from 0, by id)."""
    if policy.joint_accounts == "owner":
        one = owners_of(account_people(account_parties, as_of=as_of, zone=zone))
        named = one.select("account_id", "customer_id")
    else:
        every = versions_at(account_parties, as_of, zone=zone).where("party_kind = 'person' and role = 'owner'")
        named = every.select("account_id", F.col("party_id").alias("customer_id"))
    here = named.join(customers.select("customer_id"), on="customer_id", how="left_semi")
    of_account = Window.partitionBy("account_id")
    return here.select(
        *("account_id", "customer_id"),
        F.count("*").over(of_account).alias("owners"),
        (F.row_number().over(of_account.orderBy("customer_id")) - 1).alias("place"),
    )


def _deposits(
    accounts: DataFrame,
    balances: DataFrame,
    prices: DataFrame | None,
    *,
    first: date,
    as_of: date,
    exact: bool,
    zone: str,
) -> DataFrame:
    """One row per account: account_id, kind, balance_month, balance_quarter, deposit_margin in minor units.

    All NULL for other kinds; deposit_margin also for an unknown rate, and for a kind without a price. A day before the
    first price of the kind counts nothing, neither paid nor earned. An overdrawn day costs the transfer price.
    """
    month = quarter = as_of.replace(day=1)
    for _ in range(2):
        quarter = (quarter - timedelta(days=1)).replace(day=1)
    deposits = accounts.where(F.col("kind").isin(*DEPOSITS))
    spans = _spans(deposits, balances, first=first, as_of=as_of)

    balance, unknown = F.col("balance_minor"), F.col("balance_minor").isNull()
    sums = [F.bool_or(unknown).alias("year_unknown")]
    for name, since in (("month", month), ("quarter", quarter)):
        days = F.greatest(_days(F.greatest("start", F.lit(since))), F.lit(0))
        sums.append(F.sum(_factor(balance, exact=exact) * days).alias(f"{name}_days"))
        sums.append(F.bool_or(unknown & (days > 0)).alias(f"{name}_unknown"))
    margin = F.lit(None).cast("bigint")
    if prices is not None:
        priced = price_sums(prices.where(F.col("kind").isin(*DEPOSITS)), first=first, as_of=as_of, zone=zone)
        spans = spans.join(F.broadcast(priced), on="kind", how="left")
        deposits = deposits.join(
            F.broadcast(priced.select("kind", F.lit(True).alias("is_priced"))), on="kind", how="left"
        )
        sums += _priced_sums(first, exact=exact)
        earned = F.when(F.col("year_unknown"), F.lit(UNKNOWN)).otherwise(F.coalesce(_margin(), F.lit(0)))
        margin = F.when(F.col("is_priced") & F.col("interest_rate").isNotNull(), earned)
    weighed = deposits.join(spans.groupBy("account_id").agg(*sums), on="account_id", how="left")
    averages = [
        F.when(F.col(f"{name}_unknown"), F.lit(UNKNOWN))
        .otherwise(F.coalesce(ratio(F.col(f"{name}_days"), (as_of - since).days + 1), F.lit(0)))
        .alias(f"balance_{name}")
        for name, since in (("month", month), ("quarter", quarter))
    ]
    measured = weighed.select("account_id", *averages, margin.alias("deposit_margin"))
    return accounts.select("account_id", "kind").join(measured, on="account_id", how="left")


def _spans(deposits: DataFrame, balances: DataFrame, *, first: date, as_of: date) -> DataFrame:
    """Runs of days with one balance, from start to end, cut to the year and to the life of the account."""
    reaching = (F.col("from_day") <= F.lit(as_of)) & (F.col("to_day").isNull() | (F.col("to_day") >= F.lit(first)))
    return (
        balances.where(reaching)
        .join(deposits, on="account_id", how="inner")
        .withColumn("start", F.greatest("from_day", "opened_on", F.lit(first)))
        .withColumn("end", F.least("to_day", "closed_on", F.lit(as_of)))  # least() skips NULL
        .where(F.col("end") >= F.col("start"))
    )


def _days(start: Column) -> Column:
    return F.date_diff("end", start) + 1


def _priced_sums(first: date, *, exact: bool) -> list[Column]:
    """Aggregates over runs: balance x days with a price, and balance x prices."""

    def summed(name: str) -> Column:
        before, until = (F.date_diff(F.col(day), F.lit(first)) for day in ("start", "end"))
        return F.element_at("summed", until + 2)[name] - F.element_at("summed", before + 1)[name]

    balance = _factor(F.col("balance_minor"), exact=exact)
    if exact:
        priced = F.sum(balance * summed("micro").cast("decimal(18,0)"))
    else:
        # A balance times a year of prices may pass 2^63: millions and the rest are added up apart.
        millions = F.expr(f"balance_minor div {MICRO}")
        rest = F.sum((balance - millions * MICRO) * summed("micro")).cast(_WIDE)
        priced = F.sum(millions * summed("micro")).cast("decimal(28,0)") * F.lit(MICRO).cast("decimal(8,0)") + rest
    return [F.sum(balance * summed("days")).alias("balance_days"), priced.cast(_WIDE).alias("priced")]


def _margin() -> Column:
    """Balance x (price - rate) x days / 365 of an account, in minor units."""
    paid = F.col("balance_days").cast("decimal(28,0)") * (F.col("interest_rate") * MICRO).cast("decimal(9,0)")
    return ratio(F.col("priced") - paid.cast(_WIDE), YEAR_DAYS * MICRO)


def _bookings(
    transactions: DataFrame, unit_costs: DataFrame | None, *, first: date, as_of: date, exact: bool, zone: str
) -> DataFrame:
    """One row per account with bookings: fees, service_cost (minor units), uncosted_bookings (no cost in force)."""
    inside = transactions.where(F.col("booked_on").between(F.lit(first), F.lit(as_of)))
    booked = inside.select("account_id", "booked_on", "type", F.coalesce("channel", F.lit("none")).alias("channel"),
                           "signed_minor")  # fmt: skip
    fee = F.when(F.col("type") == "fee", -F.col("signed_minor")).otherwise(0)
    lost = F.bool_or((F.col("type") == "fee") & F.col("signed_minor").isNull())
    fees = F.when(lost, F.lit(UNKNOWN)).otherwise(settled(_sum(fee, exact=exact))).alias("fees")
    if unit_costs is None:
        unknown = F.lit(None).cast("bigint")
        costless = (unknown.alias("service_cost"), unknown.alias("uncosted_bookings"))
        return booked.groupBy("account_id").agg(fees).select("*", *costless)
    costs = unit_costs.select(
        *("type", "channel"),
        to_minor(F.col("cost")).alias("cost_minor"),
        day_of("valid_from", zone).alias("from_day"),
        day_of("valid_to", zone).alias("until_day"),
    )
    in_force = (F.col("b.booked_on") >= F.col("c.from_day")) & (
        F.col("c.until_day").isNull() | (F.col("b.booked_on") < F.col("c.until_day"))
    )
    same = (F.col("b.type") == F.col("c.type")) & (F.col("b.channel") == F.col("c.channel"))
    costed = booked.alias("b").join(F.broadcast(costs.alias("c")), on=same & in_force, how="left")
    return costed.select("account_id", "b.type", "signed_minor", "cost_minor").groupBy("account_id").agg(
        fees,
        settled(_sum(F.coalesce("cost_minor", F.lit(0)), exact=exact)).alias("service_cost"),
        F.count_if(F.col("cost_minor").isNull()).alias("uncosted_bookings"),
    )  # fmt: skip


def _shares(rows: DataFrame, *, as_of: date) -> DataFrame:
    """Each part divided by the owners; what does not divide goes to the first of them, a minor unit each."""

    def share(name: str) -> Column:
        left = F.pmod(F.col(name), F.col("owners"))
        return F.expr(f"({name} - pmod({name}, owners)) div owners") + F.when(F.col("place") < left, 1).otherwise(0)

    amounts = {name: F.when(null_unless_it_fits(F.col(name)).isNotNull(), share(name)) for name in (*BALANCES, *PARTS)}
    uncosted = {"uncosted_bookings": F.when(F.col("uncosted_bookings").isNotNull(), share("uncosted_bookings"))}
    unknown = F.lit(False)
    for name in PARTS:
        unknown = unknown | F.coalesce(
            null_unless_it_fits(F.col(name)).isNull() & F.col(name).isNotNull(), F.lit(False)
        )
    divided = rows.withColumn("unknown", unknown).withColumns(amounts | uncosted)
    signed = [F.coalesce(-F.col(name) if name in _COSTS else F.col(name), F.lit(0)) for name in PARTS]
    total = reduce(lambda one, other: one + other, signed)
    return divided.select(
        F.lit(as_of).alias("as_of"),
        *("customer_id", "account_id", "product_kind", "branch_id"),
        *[to_amount(F.col(name)).alias(name) for name in (*BALANCES, *PARTS)],
        F.when(~F.col("unknown"), to_amount(total)).alias("contribution"),
        "uncosted_bookings",
    )


def by_customer(rows: DataFrame) -> DataFrame:
    """One row per customer: contribution, deposits_month, deposits_quarter (NULL: no deposit account), sums of theirs.

    A sum of which a part is unknown, or that DECIMAL(18,2) cannot hold, is NULL; deposits_unknown says of which
    customers a deposit is.
    """
    deposit = F.col("product_kind").isin(*DEPOSITS)
    sums = {
        "contribution": F.col("contribution").isNull(),
        "deposits_month": deposit & F.col("balance_month").isNull(),
        "deposits_quarter": deposit & F.col("balance_quarter").isNull(),
    }
    parts = dict(zip(sums, ("contribution", *BALANCES), strict=True))
    totals = {
        name: F.when(~F.bool_or(unknown), F.sum(parts[name])).try_cast("decimal(18,2)")
        for name, unknown in sums.items()
    }
    held = F.bool_or(deposit)
    return (
        rows.groupBy("customer_id")
        .agg(*[total.alias(name) for name, total in totals.items()], held.alias("held"))
        .select(
            "customer_id",
            *sums,
            *[(F.col("held") & F.col(name).isNull()).alias(f"{name}_unknown") for name in list(sums)[1:]],
        )
    )
