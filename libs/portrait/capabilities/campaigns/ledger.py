"""gold.campaign_contacts: what happened to each contact, as events that are appended once and never changed.

A contact is (customer, campaign, channel, slot, attempt); slot is the day for which it was first planned, a retry is a
further attempt. Its events are planned, sent, delivered, failed, withdrawn, each at most once. Feeds may bring them in
any order, late and twice: what is known already is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.spark.days import day_of

CONTACT = ("customer_id", "campaign", "channel", "slot", "attempt")
STATES = ("planned", "sent", "delivered", "failed", "withdrawn")
COLUMNS = (*CONTACT, "state", "day", "contact_id", "offer", "cost", "not_before", "not_after", "source", "reason")
_PLAN, _FEED = "plan", "feed"


def contact_id() -> Column:
    """The name by which the sending system calls a contact back: the same contact always has the same."""
    named = F.concat_ws("\u001f", *[F.col(name).cast("string") for name in CONTACT])
    return F.substring(F.sha2(named, 256), 1, 32)


def planned_events(chosen: DataFrame, *, as_of: date, opens: int, closes: int, zone: str) -> DataFrame:
    """An event `planned` per chosen option: customer_id, campaign, channel, slot, attempt, offer, cost."""

    def at(hour: int) -> Column:
        wall = F.to_timestamp(F.lit(f"{as_of} 00:00:00")) + F.make_dt_interval(hours=F.lit(hour))
        return F.to_utc_timestamp(wall, zone)

    return chosen.select(
        *CONTACT,
        F.lit("planned").alias("state"),
        F.lit(as_of).alias("day"),
        contact_id().alias("contact_id"),
        "offer",
        F.col("cost").cast("decimal(18,2)").alias("cost"),
        at(opens).alias("not_before"),
        at(closes).alias("not_after"),
        F.lit(_PLAN).alias("source"),
        F.lit(None).cast("string").alias("reason"),
    )


def withdrawn_events(contacts: DataFrame, *, as_of: date, reason: Column) -> DataFrame:
    """An event `withdrawn` per contact (see `contacts_of`)."""
    return contacts.select(
        *CONTACT,
        F.lit("withdrawn").alias("state"),
        F.lit(as_of).alias("day"),
        "contact_id",
        "offer",
        *[F.lit(None).cast(kind).alias(name) for name, kind in _EMPTY.items()],
        F.lit(_PLAN).alias("source"),
        reason.alias("reason"),
    )


_EMPTY = {"cost": "decimal(18,2)", "not_before": "timestamp", "not_after": "timestamp"}


def delivered_events(ledger: DataFrame, feeds: Mapping[str, DataFrame], *, as_of: date, zone: str) -> DataFrame | None:
    """Events that the feeds contacts and contact_outcomes tell by the end of `as_of`; None without the feeds.

    A record whose contact_id the ledger planned belongs to that contact; another one is a contact that the bank made
    by itself, with the day of sending as its slot. An outcome of a contact of which nothing is known waits for it.
    """
    if "contacts" not in feeds:
        return None
    record = F.max(F.struct("_run", "sent_at", "campaign_id", "customer_id", "arm", "channel")).alias("record")
    sent = feeds["contacts"].groupBy("contact_id").agg(record).select("contact_id", "record.*")
    sent = sent.where((F.col("arm") != "control") & (day_of("sent_at", zone) <= F.lit(as_of)))
    sent = sent.select(
        "contact_id", "campaign_id", "channel", F.col("customer_id").alias("of"), day_of("sent_at", zone).alias("day")
    )
    plans = ledger.where("state = 'planned' and source = 'plan'").select(*CONTACT, "contact_id", "offer")
    own = plans.join(sent.select("contact_id", "day"), on="contact_id", how="inner")
    others = sent.join(plans.select("contact_id"), on="contact_id", how="left_anti").select(
        F.col("of").alias("customer_id"), F.col("campaign_id").alias("campaign"), "channel",
        F.col("day").alias("slot"), F.lit(1).alias("attempt"), "contact_id",
        F.lit(None).cast("string").alias("offer"), "day",
    )  # fmt: skip
    # Two records of one customer, campaign, channel and day are one contact.
    others = others.groupBy(*CONTACT, "offer", "day").agg(F.min("contact_id").alias("contact_id"))
    known = own.select(*CONTACT, "contact_id", "offer", "day").unionByName(others)
    events = known.withColumn("state", F.lit("sent"))
    if "contact_outcomes" in feeds:
        told = feeds["contact_outcomes"].where(day_of("at", zone) <= F.lit(as_of))
        told = told.groupBy("contact_id", "state").agg(F.min(day_of("at", zone)).alias("day"))
        contacts = plans.unionByName(others.select(*CONTACT, "contact_id", "offer"))
        events = events.unionByName(contacts.join(told, on="contact_id", how="inner").select(*events.columns))
        events = events.groupBy(*CONTACT, "state", "contact_id", "offer").agg(F.min("day").alias("day"))
    return events.select(
        *CONTACT,
        "state",
        "day",
        "contact_id",
        "offer",
        *[F.lit(None).cast(kind).alias(name) for name, kind in _EMPTY.items()],
        F.lit(_FEED).alias("source"),
        F.lit(None).cast("string").alias("reason"),
    )


def new_events(events: DataFrame, ledger: DataFrame) -> DataFrame:
    """The events of contacts and states that the ledger has not."""
    return events.join(ledger.select(*CONTACT, "state"), on=[*CONTACT, "state"], how="left_anti").select(*COLUMNS)


def contacts_of(ledger: DataFrame) -> DataFrame:
    """One row per contact and attempt: its day for the caps (sent, else planned), whether it counts, and its states."""

    def day(state: str) -> Column:
        return F.min(F.when(F.col("state") == state, F.col("day")))

    grouped = ledger.groupBy(*CONTACT).agg(
        F.min("contact_id").alias("contact_id"),
        F.max("offer").alias("offer"),
        F.max("cost").alias("cost"),
        F.max(F.when(F.col("state") == "planned", F.col("source"))).alias("planned_by"),
        *[day(state).alias(f"{state}_on") for state in STATES],
    )
    went = F.coalesce("sent_on", "delivered_on", "failed_on")
    return grouped.withColumns(
        {
            "day": F.coalesce(went, F.col("planned_on"), F.col("withdrawn_on")),
            # What was sent counts, also where it had been withdrawn: the customer got it.
            "counts": went.isNotNull() | F.col("withdrawn_on").isNull(),
            "is_open": went.isNull() & F.col("withdrawn_on").isNull(),
        }
    )
