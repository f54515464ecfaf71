"""The contacts of a day: who competes for capacities, who is chosen, and what is taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.arbitration import Allocation, allocate
from portrait.capabilities.campaigns.declaration import Campaign
from portrait.capabilities.campaigns.eligibility import options_of, refusals, vetoes
from portrait.capabilities.campaigns.ledger import CONTACT, planned_events, withdrawn_events
from portrait.capabilities.campaigns.policy import CampaignPolicy

PLANNED, REFUSED = "planned", "refused"
NOT_RUNNING, NO_CAPACITY, ANOTHER = "not_running", "no_capacity", "another_offer"


@dataclass(frozen=True)
class Constraint:
    """A capacity of a day: its limit, what was used, and what one more unit would have gained."""

    name: str
    unit: str
    limit: float
    used: float
    price: float


@dataclass(frozen=True)
class Plan:
    """What a day does: a decision per campaign and customer, the events for the ledger, the constraints."""

    decisions: DataFrame
    events: DataFrame
    constraints: tuple[Constraint, ...]
    held: tuple[DataFrame, ...] = ()
    """What is cached until decisions and events have been written."""

    def release(self) -> None:
        """Give back what is cached."""
        for frame in self.held:
            frame.unpersist()


def plan_day(
    assignments: DataFrame,
    contacts: DataFrame,
    facts: DataFrame,
    past: DataFrame,
    *,
    campaigns: Sequence[Campaign],
    running: Sequence[Campaign],
    spent: Mapping[str, float],
    policy: CampaignPolicy,
    as_of: date,
    zone: str,
) -> Plan:
    """The plan of a day. `assignments`: see `assigned`; `contacts`: see `contacts_of`; `facts` and `past`: eligibility.

    `campaigns`: all whose customers are assigned; `running`: those that contact today. `spent`: campaign to the cost of
    its contacts so far, those of today's own plan left out. At most one contact per customer and day.
    """
    rules = policy.contacts
    options = options_of(assignments, contacts, running, as_of=as_of) if running else None
    if options is None:
        chosen, constraints = None, tuple[Constraint, ...]()
        judged, held = None, tuple[DataFrame, ...]()
    else:
        judged = refusals(options, facts, past, policy=rules, as_of=as_of).drop(*facts.columns[1:], *past.columns[1:])
        judged = judged.persist()
        found, constraints = _arbitrated(judged.where("refused is null"), running, spent=spent, policy=policy)
        chosen, held = found.chosen, (judged, found.held)
    decisions = _decisions(assignments, judged, chosen, as_of=as_of)
    credit = {offer.product: offer.credit for campaign in campaigns for offer in campaign.offers}
    ours = contacts.where("is_open and planned_by = 'plan'").where(
        F.col("campaign").isin(*[campaign.id for campaign in campaigns])
    )
    forbidden = vetoes(ours, facts, credit).where(F.col("day") < F.lit(as_of))
    taken_back = withdrawn_events(forbidden, as_of=as_of, reason=F.col("reason"))
    replanned = ours.where(F.col("day") == F.lit(as_of))
    if chosen is not None:
        replanned = replanned.join(chosen.select(*CONTACT), on=list(CONTACT), how="left_anti")
    taken_back = taken_back.unionByName(withdrawn_events(replanned, as_of=as_of, reason=F.lit("planned anew")))
    events = taken_back
    if chosen is not None:
        planned = planned_events(chosen, as_of=as_of, opens=rules.opens, closes=rules.closes, zone=zone)
        events = planned.unionByName(taken_back)
    return Plan(decisions, events, constraints, held)


def _arbitrated(
    allowed: DataFrame, running: Sequence[Campaign], *, spent: Mapping[str, float], policy: CampaignPolicy
) -> tuple[Allocation, tuple[Constraint, ...]]:
    """The options to take, at most one per customer, and the capacities."""
    rules = policy.contacts
    usage = {f"contacts by {name}": (F.col("channel") == name).cast("int") for name in rules.capacity}
    limits: dict[str, float] = {f"contacts by {name}": float(limit) for name, limit in rules.capacity.items()}
    units = dict.fromkeys(usage, "contacts")
    usage["manager hours"], limits["manager hours"] = F.col("minutes") / 60, rules.manager_hours
    units["manager hours"] = "hours"
    for campaign in running:
        name = f"budget of {campaign.id}"
        usage[name] = F.when(F.col("campaign") == campaign.id, F.col("cost")).otherwise(0.0)
        limits[name], units[name] = max(campaign.budget - spent.get(campaign.id, 0.0), 0.0), "money"
    columns = {name: f"use_{place}" for place, name in enumerate(usage)}
    options = allowed.select(
        "*",
        F.concat_ws("/", "campaign", "offer", "channel").alias("option"),
        *[part.alias(columns[name]) for name, part in usage.items()],
    )
    found = allocate(
        options,
        customer="customer_id",
        option="option",
        value="gain",
        cost="cost",
        capacities={name: (columns[name], limits[name]) for name in usage},
        policy=policy.arbitration,
    )
    constraints = tuple(
        Constraint(name, units[name], limits[name], found.used[name], found.prices[name]) for name in usage
    )
    return found, constraints


def _decisions(assignments: DataFrame, judged: DataFrame | None, chosen: DataFrame | None, *, as_of: date) -> DataFrame:
    """gold.campaign_assignments: one row per campaign and assigned customer, with the decision of the day."""
    own = ["campaign", "customer_id"]
    found = assignments
    if judged is None or chosen is None:
        nothing = {"channels": "map<string,string>", "channel": "string", "offer": "string", "slot": "date"}
        nothing |= {"attempt": "int", "value": "double"}
        found = found.withColumns({name: F.lit(None).cast(kind) for name, kind in nothing.items()})
        found = found.withColumns({"decision": F.lit(REFUSED), "rule": F.lit(NOT_RUNNING)})
    else:
        entry = F.struct(F.col("channel").alias("key"), F.coalesce("refused", F.lit("may")).alias("value"))
        # Of several offers on a channel the one that is worth most speaks for it.
        best = judged.groupBy(*own, "channel").agg(F.max_by(entry, F.struct("gain", "offer")).alias("entry"))
        asked = best.groupBy(*own).agg(F.map_from_entries(F.sort_array(F.collect_list("entry"))).alias("channels"))
        why = judged.groupBy(*own).agg(
            F.max_by("refused", F.struct("gain", "channel", "offer")).alias("first"),
            F.max(F.col("refused").isNull()).alias("may"),
        )
        taken = chosen.select(*own, "channel", "offer", "slot", "attempt", F.col("gain").alias("value"))
        others = chosen.select("customer_id", F.lit(True).alias("elsewhere"))
        found = found.join(asked, on=own, how="left").join(why, on=own, how="left").join(taken, on=own, how="left")
        found = found.join(others, on="customer_id", how="left")
        rule = (
            F.when(F.col("channel").isNotNull(), F.lit(None).cast("string"))
            .when(F.col("channels").isNull(), F.lit(NOT_RUNNING))
            .when(~F.col("may"), F.col("first"))
            .when(F.col("elsewhere"), F.lit(ANOTHER))
            .otherwise(F.lit(NO_CAPACITY))
        )
        decision = F.when(F.col("channel").isNotNull(), F.lit(PLANNED)).otherwise(F.lit(REFUSED))
        found = found.withColumns({"rule": rule, "decision": decision})
    return found.select(F.lit(as_of).alias("as_of"), *DECISION)


DECISION = (
    "campaign", "customer_id", "arm", "lot", "is_universal", "assigned_on", "decision", "rule", "channels", "channel",
    "offer", "slot", "attempt", "value",
)  # fmt: skip


def status_row(
    campaign: Campaign,
    *,
    state: str,
    reason: str | None,
    started_on: date | None,
    counts: Mapping[str, Any],
    as_of: date,
) -> dict[str, Any]:
    """A row of gold.campaigns."""
    return {
        "as_of": as_of,
        "campaign": campaign.id,
        "title": campaign.title,
        "state": state,
        "reason": reason,
        "starts_on": campaign.starts_on,
        "ends_on": campaign.ends_on,
        "started_on": started_on,
        "customers": 0,
        "treated": 0,
        "control": 0,
        "universal_control": 0,
        "planned": 0,
        "refused_customers": 0,
        "refused": {},
        **counts,
    }
