"""Patterns of transfers that are to be looked at, within a window of days: gold.fund_alerts."""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.funds import rings
from portrait.capabilities.funds.policy import Alerts
from portrait.entities.money import settled, to_amount

_HOUR = 3600
RINGS = {
    "bipartite": rings.bipartite,
    "stack": rings.stack,
    "random": rings.walks,
    "scatter_gather": rings.scatter_gather,
    "gather_scatter": rings.gather_scatter,
}


def fund_alerts(transactions: DataFrame, *, policy: Alerts, as_of: date) -> DataFrame:
    """gold.fund_alerts: one row per pattern and account. `transactions`: silver.transactions.

    Bookings within `window_days` of `as_of`; what a customer moves between own accounts is no pattern.
    """
    first = as_of - timedelta(policy.window_days - 1)
    recent = transactions.where(F.col("booked_on").between(F.lit(first), F.lit(as_of))).select(
        *("account_id", "customer_id", "transaction_id", "booked_on", "direction", "type", "amount_minor"),
        F.col("counterparty_account").alias("other"),
        F.unix_timestamp("booked_at").alias("at"),
    )
    owners = recent.select(F.col("account_id").alias("other"), F.col("customer_id").alias("other_customer")).distinct()
    # An account whose owner changed within the window has two rows: the booking then counts for both.
    own = F.coalesce(F.col("customer_id") == F.col("other_customer"), F.lit(False))
    moved = recent.join(owners, on="other", how="left").where(~own).drop("other_customer")
    transfers = rings.transfers_within(moved, policy.rings).persist()  # eight times joined
    parts = [
        _pass_through(moved, policy),
        _fans(moved, "credit", "fan_in", policy),
        _fans(moved, "debit", "fan_out", policy),
        _cycles(moved, policy),
        _structuring(recent, policy),
        *(_alert(find(transfers, policy.rings), kind, F.col("evidence")) for kind, find in RINGS.items()),
    ]
    found = reduce(DataFrame.unionByName, parts)
    owner = recent.groupBy("account_id").agg(F.max_by("customer_id", "at").alias("customer_id"))
    return found.join(owner, on="account_id", how="left").withColumn("as_of", F.lit(as_of))


def _pass_through(moved: DataFrame, policy: Alerts) -> DataFrame:
    """Accounts of which transfers that came in go out again within hours, nearly whole, several times."""
    transfers = moved.where(F.col("type").isin("transfer_in", "transfer_out") & F.col("other").isNotNull())
    after = Window.partitionBy("account_id").orderBy("at").rangeBetween(0, policy.pass_hours * _HOUR)
    out = F.sum(F.when(F.col("direction") == "debit", F.col("amount_minor")).otherwise(0)).over(after)
    came = transfers.withColumn("out", out).where(
        (F.col("direction") == "credit") & (F.col("amount_minor") >= policy.pass_least * 100)
    )
    passed = came.where(F.col("out") >= F.col("amount_minor") * F.lit(policy.pass_share))
    counted = passed.groupBy("account_id").agg(*_of_bookings(), F.count("*").alias("events"))
    enough = counted.where(F.col("events") >= policy.pass_times)
    return _alert(enough, "pass_through", F.concat("events", F.lit(" transfers that came in went out within hours")))


def _fans(moved: DataFrame, direction: str, kind: str, policy: Alerts) -> DataFrame:
    """Accounts with many different counterparties of transfers within hours."""
    rows = moved.where(
        (F.col("direction") == direction)
        & F.col("type").isin("transfer_in", "transfer_out")
        & F.col("other").isNotNull()
    )
    upto = Window.partitionBy("account_id").orderBy("at").rangeBetween(-policy.fan_hours * _HOUR, 0)
    counted = rows.withColumn("others", F.size(F.collect_set("other").over(upto))).where(
        F.col("others") >= policy.fan_least
    )
    most = counted.groupBy("account_id").agg(*_of_bookings(), F.max("others").cast("bigint").alias("events"))
    return _alert(most, kind, F.concat("events", F.lit(" counterparties within hours")))


def _cycles(moved: DataFrame, policy: Alerts) -> DataFrame:
    """Accounts of circles: transfers at rising times, each nearly the amount of the one before, back to the start."""
    step = moved.where(
        (F.col("direction") == "debit") & (F.col("type") == "transfer_out") & F.col("other").isNotNull()
        & (F.col("amount_minor") >= policy.cycle_least * 100)
    ).select(
        F.col("account_id").alias("from"), F.col("other").alias("to"), "at", "booked_on", "amount_minor"
    )  # fmt: skip
    # Only who both gives and gets can be part of a circle: the joins below are of these.
    givers = step.select(F.col("from").alias("to")).distinct()
    getters = step.select(F.col("to").alias("from")).distinct()
    inner = step.join(givers, on="to", how="left_semi").join(getters, on="from", how="left_semi")
    paths = inner.select(
        F.col("from").alias("start"), "to", "at",
        F.col("booked_on").alias("first_on"), F.col("booked_on").alias("last_on"),
        F.col("amount_minor").alias("last_minor"), F.col("amount_minor").cast("decimal(38,0)").alias("minor"),
        F.array("from").alias("path"),
    )  # fmt: skip
    closed = []
    nxt = inner.select(
        F.col("from").alias("n_from"), F.col("to").alias("n_to"), F.col("at").alias("n_at"),
        F.col("booked_on").alias("n_on"), F.col("amount_minor").alias("n_minor"),
    )  # fmt: skip
    for _ in range(policy.cycle_hops - 1):
        gap = F.col("n_at") - F.col("at")
        same = F.col("n_minor").between(
            F.col("last_minor") * F.lit(1 - policy.cycle_loss), F.col("last_minor") * F.lit(1 + policy.cycle_loss)
        )
        longer = paths.join(nxt, on=(F.col("to") == F.col("n_from")), how="inner").where(
            (gap > 0) & (gap <= policy.cycle_hours * _HOUR) & same
            & ((F.col("n_to") == F.col("start")) | ~F.array_contains("path", F.col("n_to")))
        ).select(
            "start", F.col("n_to").alias("to"), F.col("n_at").alias("at"), "first_on", F.col("n_on").alias("last_on"),
            F.col("n_minor").alias("last_minor"),
            (F.col("minor") + F.col("n_minor")).cast("decimal(38,0)").alias("minor"),
            F.array_append("path", F.col("to")).alias("path"),
        )  # fmt: skip
        closed.append(longer.where("to = start"))
        paths = longer.where("to <> start")
    circles = reduce(DataFrame.unionByName, closed)
    each = circles.select(F.explode("path").alias("account_id"), "first_on", "last_on", "minor", "path")
    found = each.groupBy("account_id").agg(
        F.min("first_on").alias("first_on"),
        F.max("last_on").alias("last_on"),
        F.sum("minor").alias("minor"),
        F.count("*").alias("events"),
        F.min(F.array_join("path", " > ")).alias("path"),
    )
    return _alert(found, "cycle", F.col("path"))


def _structuring(recent: DataFrame, policy: Alerts) -> DataFrame:
    """Accounts with several cash deposits just below the threshold within days."""
    below = F.col("amount_minor").between(
        F.lit(int(policy.threshold * policy.just_below * 100)), F.lit(int(policy.threshold * 100) - 1)
    )
    rows = recent.where((F.col("type") == "cash_deposit") & below)
    upto = Window.partitionBy("account_id").orderBy("at").rangeBetween(-policy.structuring_days * 24 * _HOUR, 0)
    counted = rows.withColumn("deposits", F.count("*").over(upto)).where(F.col("deposits") >= policy.structuring_times)
    found = counted.groupBy("account_id").agg(*_of_bookings(), F.max("deposits").alias("events"))
    return _alert(
        found, "structuring", F.concat("events", F.lit(" cash deposits just below the threshold within days"))
    )


def _of_bookings() -> list[Column]:
    return [
        F.min("booked_on").alias("first_on"),
        F.max("booked_on").alias("last_on"),
        F.sum(F.col("amount_minor").cast("decimal(38,0)")).alias("minor"),
    ]


def _alert(rows: DataFrame, kind: str, evidence: Column) -> DataFrame:
    return rows.select(
        F.lit(kind).alias("kind"),
        *("account_id", "first_on", "last_on", "events"),
        to_amount(settled(F.col("minor"))).alias("amount"),
        evidence.alias("evidence"),
    )
