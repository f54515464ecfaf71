"""Who may be contacted by which campaign on which channel: rules that refuse, in order, before anything competes.

What is not known refuses: a customer without consent on record, or without the label early_warning where credit is
offered, is not contacted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.assignment import arm, bucket, universal_control
from portrait.capabilities.campaigns.declaration import CHANNELS, CONTROL, Campaign
from portrait.capabilities.campaigns.policy import ContactPolicy
from portrait.spark.days import day_of

CONTROL_RULE, UNIVERSAL_RULE = "control", "universal_control"
_EVERY = "*"


def assigned(
    members: DataFrame, before: DataFrame | None, campaigns: Sequence[Campaign], *, policy: ContactPolicy, as_of: date
) -> DataFrame:
    """One row per campaign and customer: campaign, customer_id, arm, lot, is_universal, assigned_on.

    `members`: campaign, customer_id of today's audiences. `before`: the slice before; who was assigned stays assigned,
    in the arm that the lot gave. The year of the universal control is that of the campaign's first day.
    """
    known = members.select("campaign", "customer_id", F.lit(as_of).alias("assigned_on"))
    if before is not None:
        known = known.unionByName(before.select("campaign", "customer_id", "assigned_on"))
    each = known.groupBy("campaign", "customer_id").agg(F.min("assigned_on").alias("assigned_on"))
    customer = F.col("customer_id")
    arms, lots = F.lit(None).cast("string"), F.lit(None).cast("int")
    held = F.lit(True)
    for campaign in campaigns:
        own = F.col("campaign") == campaign.id
        arms = F.when(own, arm(customer, campaign=campaign.id, salt=campaign.salt, shares=campaign.arms)).otherwise(
            arms
        )
        lots = F.when(own, bucket(customer, campaign=campaign.id, salt=campaign.salt)).otherwise(lots)
        year = campaign.starts_on.year
        held = F.when(own, universal_control(customer, year=year, share=policy.universal_control)).otherwise(held)
    found = each.where(F.col("campaign").isin(*[campaign.id for campaign in campaigns]))
    return found.withColumns({"arm": arms, "lot": lots, "is_universal": held})


def customer_facts(
    features: DataFrame, portrait: DataFrame, customers: DataFrame, feeds: Mapping[str, DataFrame], *,
    policy: ContactPolicy, asks_consent: bool, as_of: date, zone: str,
) -> DataFrame:  # fmt: skip
    """One row per customer: consent, agreed (channels or null), early_warning, unsubscribed (channels), complained.

    `customers`: silver.customers at `as_of`. `feeds`: bronze tables contacts, responses, feedback where delivered; an
    unsubscription counts for the channel of its contact, and for every channel where that is not known.
    """
    consent = F.col("consent_marketing") if asks_consent else F.lit(True)
    facts = features.select("customer_id", consent.alias("consent"))
    facts = facts.join(portrait.select("customer_id", "early_warning"), on="customer_id", how="left")
    agreed = F.split("consent_channels", r"\|") if asks_consent else F.array(*map(F.lit, CHANNELS))
    facts = facts.join(customers.select("customer_id", agreed.alias("agreed")), on="customer_id", how="left")
    nobody = F.array().cast("array<string>")
    if "responses" in feeds:
        gone = feeds["responses"].where((F.col("kind") == "unsubscribed") & (day_of("at", zone) <= F.lit(as_of)))
        gone = gone.select("customer_id", "contact_id").distinct()
        if "contacts" in feeds:
            channels = feeds["contacts"].groupBy("contact_id").agg(F.max("channel").alias("channel"))
            gone = gone.join(channels, on="contact_id", how="left")
        else:
            gone = gone.withColumn("channel", F.lit(None).cast("string"))
        left = gone.groupBy("customer_id").agg(
            F.sort_array(F.collect_set(F.coalesce("channel", F.lit(_EVERY)))).alias("left")
        )
        facts = facts.join(left, on="customer_id", how="left")
    if "feedback" in feeds:
        since = as_of - timedelta(days=policy.complaint_days - 1)
        when = day_of("at", zone)
        bad = feeds["feedback"].where((F.col("score") <= policy.complaint_score) & when.between(since, as_of))
        facts = facts.join(
            bad.select("customer_id", F.lit(True).alias("complained")).distinct(), on="customer_id", how="left"
        )
    unsubscribed = F.coalesce("left", nobody) if "responses" in feeds else nobody
    complained = F.coalesce("complained", F.lit(False)) if "feedback" in feeds else F.lit(False)
    return facts.select(
        "customer_id",
        "consent",
        "agreed",
        "early_warning",
        unsubscribed.alias("unsubscribed"),
        complained.alias("complained"),
    )


def history(
    contacts: DataFrame, responses: DataFrame | None, *, policy: ContactPolicy, as_of: date, zone: str
) -> DataFrame:
    """One row per customer with contacts that count near `as_of`: `contacts`, an array of (day, channel, campaign,
    offer), and `answered_on`, the last day on which the customer answered any.

    What the plan of this very day would contact is left out, so that planning the day again gives the same.
    """
    reach = max([cap.days for cap in policy.caps] + [policy.cool_off_days, policy.fatigue.days, 1])
    near = contacts.where(F.col("counts") & ~_replanned(as_of) & (F.abs(F.date_diff("day", F.lit(as_of))) < reach))
    entry = F.struct("day", "channel", "campaign", "offer")
    found = near.groupBy("customer_id").agg(F.sort_array(F.collect_list(entry)).alias("contacts"))
    if responses is None:
        return found.withColumn("answered_on", F.lit(None).cast("date"))
    answers = responses.where(day_of("at", zone) <= F.lit(as_of)).groupBy("customer_id")
    return found.join(answers.agg(F.max(day_of("at", zone)).alias("answered_on")), on="customer_id", how="left")


def options_of(assignments: DataFrame, contacts: DataFrame, campaigns: Sequence[Campaign], *, as_of: date) -> DataFrame:
    """One row per assigned customer, offer and channel that the campaign could use today, retries among them.

    A contact that failed may be tried again on its channel, in its slot, as the next attempt; while it may, nothing
    else is offered. Columns: campaign, customer_id, arm, is_universal, offer, credit, channel, slot, attempt, cost,
    minutes, gain (uplift x margin - cost), is_retry, full (no further contact by the campaign). `moved` in the
    assignments is what a model says of the customer's uplift beyond that of all.
    """
    rows = [
        F.struct(
            F.lit(campaign.id).alias("of"), F.lit(offer.product).alias("offer"), F.lit(offer.credit).alias("credit"),
            F.lit(way.channel).alias("channel"), F.lit(way.cost).alias("cost"), F.lit(way.minutes).alias("minutes"),
            F.lit(way.uplift).alias("lift"), F.lit(offer.margin).alias("margin"),
            F.lit(campaign.contacts_each).alias("most"),
            F.lit(campaign.attempts).alias("tries"),
        )
        for campaign in campaigns
        for offer in campaign.offers
        for way in campaign.channels
    ]  # fmt: skip
    moved = F.col("moved") if "moved" in assignments.columns else F.lit(0.0)
    known = assignments.select("campaign", "customer_id", "arm", "is_universal", moved.alias("moved"))
    design = known.select("*", F.inline(F.array(*rows))).where(F.col("campaign") == F.col("of")).drop("of")
    design = design.withColumn("gain", (F.col("lift") + F.col("moved")) * F.col("margin") - F.col("cost"))
    today, own = F.lit(as_of), ["campaign", "customer_id"]
    live = contacts.where(F.col("counts") & ~_replanned(as_of)).groupBy(*own)
    last = F.struct("channel", "slot", "attempt", "offer", "failed_on", "delivered_on")
    made = live.agg(
        F.count_distinct("channel", "slot").alias("made"),
        F.max_by(last, F.struct("slot", "attempt", "channel")).alias("last"),
    )
    joined = design.join(made, on=own, how="left")
    failed = F.col("last.failed_on").isNotNull() & F.col("last.delivered_on").isNull()
    again = F.coalesce(failed & (F.col("last.attempt") < F.col("tries")), F.lit(False))
    same = (F.col("last.channel") == F.col("channel")) & F.col("last.offer").eqNullSafe(F.col("offer"))
    placed = joined.where(~again | same).withColumns(
        {"is_retry": again, "slot": F.when(again, F.col("last.slot")).otherwise(today)}
    )
    # A contact that was taken back keeps its name: planned once more it is a further attempt.
    gone = contacts.where("withdrawn_on is not null and not counts").groupBy(*own, "channel", "slot")
    placed = placed.join(gone.agg(F.max("attempt").alias("gone")), on=[*own, "channel", "slot"], how="left")
    before = F.greatest(F.when(F.col("is_retry"), F.col("last.attempt")).otherwise(0), F.coalesce("gone", F.lit(0)))
    return placed.select(
        "campaign", "customer_id", "arm", "is_universal", "offer", "credit", "channel", "slot",
        (before + 1).cast("int").alias("attempt"), "cost", "minutes", "gain", "is_retry",
        (F.coalesce("made", F.lit(0)) >= F.col("most")).alias("full"),
    )  # fmt: skip


def _replanned(as_of: date) -> Column:
    """What only the plan of this very day would contact: planning the day again makes it anew."""
    return F.col("is_open") & (F.col("day") == F.lit(as_of))


def refusals(options: DataFrame, facts: DataFrame, past: DataFrame, *, policy: ContactPolicy, as_of: date) -> DataFrame:
    """The options with `refused`: the first rule that refuses the contact; null where it may compete."""
    joined = options.join(facts, on="customer_id", how="left").join(past, on="customer_id", how="left")
    rules = [*_vetoes(), *_counts(policy, as_of), ("worth_nothing", F.col("gain") <= 0)]
    refused = F.coalesce(*[F.when(F.coalesce(test, F.lit(True)), F.lit(rule)) for rule, test in rules])
    return joined.withColumn("refused", refused)


def vetoes(contacts: DataFrame, facts: DataFrame, credit: Mapping[str, bool]) -> DataFrame:
    """Open contacts that may no longer be made, with `reason`: consent, unsubscription, complaint, early warning.

    `credit`: product to whether it is credit; of a product that is not known it is taken to be.
    """
    is_credit = F.coalesce(
        *[F.when(F.col("offer") == product, F.lit(value)) for product, value in credit.items()], F.lit(True)
    )
    joined = contacts.where("is_open").withColumn("credit", is_credit).join(facts, on="customer_id", how="left")
    reason = F.coalesce(*[F.when(F.coalesce(test, F.lit(True)), F.lit(rule)) for rule, test in _of_customer()])
    return joined.withColumn("reason", reason).where("reason is not null")


def _vetoes() -> list[tuple[str, Column]]:
    return [(CONTROL_RULE, F.col("arm") == CONTROL), (UNIVERSAL_RULE, F.col("is_universal")), *_of_customer()]


def _of_customer() -> list[tuple[str, Column]]:
    """Rule to whether it refuses; null refuses as well."""
    channel = F.col("channel")
    warned = F.col("credit") & F.coalesce(F.col("early_warning"), F.lit(False))
    return [
        ("consent_missing", F.col("consent").isNull()),
        ("consent_refused", ~F.col("consent")),
        ("channel_not_agreed", ~F.array_contains("agreed", channel)),
        ("unsubscribed", F.array_contains("unsubscribed", channel) | F.array_contains("unsubscribed", _EVERY)),
        ("complaint", F.col("complained")),
        ("early_warning", warned),
        ("early_warning_unknown", F.col("credit") & F.col("early_warning").isNull()),
    ]


def _counts(policy: ContactPolicy, as_of: date) -> list[tuple[str, Column]]:
    """Rules over the contacts of the customer; one who never had any passes."""
    day = F.lit(as_of)

    def within(days: int, also: Column | None = None) -> Column:
        def near(one: Column) -> Column:
            close = F.abs(F.date_diff(one["day"], day)) < days
            return close if also is None else close & (one["channel"] == also)

        return F.coalesce(F.size(F.filter("contacts", near)), F.lit(0))

    rules = [
        ("already_contacted", F.col("full") & ~F.col("is_retry")),
        ("contacted_today", within(1) > 0),
    ]
    for cap in policy.caps:
        also = F.col("channel") if cap.per == "channel" else None
        rules.append((f"cap_{cap.days}d_{cap.per}", within(cap.days, also) >= cap.contacts))

    def same_offer(one: Column) -> Column:
        close = F.abs(F.date_diff(one["day"], day)) < policy.cool_off_days
        return close & (one["campaign"] != F.col("campaign")) & one["offer"].eqNullSafe(F.col("offer"))

    since = day - F.make_interval(days=F.lit(policy.fatigue.days))
    unanswered = F.col("answered_on").isNull() | (F.col("answered_on") < since.cast("date"))
    return [
        *rules,
        ("cool_off", F.coalesce(F.exists("contacts", same_offer), F.lit(False))),
        ("fatigue", (within(policy.fatigue.days) >= policy.fatigue.contacts) & unanswered),
    ]
