"""One day of all campaigns on a lake: which of them run, what the feeds tell, whom they contact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.declaration import CONTROL, Campaign
from portrait.capabilities.campaigns.eligibility import assigned, customer_facts, history
from portrait.capabilities.campaigns.ledger import contacts_of, delivered_events, new_events
from portrait.capabilities.campaigns.planning import Constraint, Plan, plan_day, status_row
from portrait.capabilities.campaigns.policy import CampaignPolicy, ContactPolicy
from portrait.capabilities.campaigns.saved import load_uplift
from portrait.capabilities.campaigns.uplift import UPLIFT
from portrait.entities.recorded import load_recorded
from portrait.entities.versions import as_of as versions_at
from portrait.lake import Lake, ModelStore
from portrait.spark.days import day_of
from portrait.spark.frames import frame_of

LEDGER, ASSIGNMENTS, STATUS = "gold.campaign_contacts", "gold.campaign_assignments", "gold.campaigns"
CONSTRAINTS, STARTS, MEMBERS = "gold.campaign_constraints", "ops.campaign_starts", "gold.audience_members"
FEEDS = ("contacts", "contact_outcomes", "responses", "feedback")
_NEEDED = ("responses", "feedback")
_COUNTED = ("customers", "treated", "control", "universal_control", "planned", "refused_customers")


@dataclass(frozen=True)
class State:
    """What a campaign does on a day: not_started, waiting, running, refused, ended; why it is refused."""

    campaign: Campaign
    name: str
    reason: str | None = None
    started_on: date | None = None


def states_of(lake: Lake, campaigns: Mapping[str, Campaign], *, as_of: date) -> list[State]:
    """The state of each campaign at `as_of`, by the starts on record."""
    starts: dict[str, Row] = {}
    if lake.has(STARTS):
        rows = lake.read(STARTS).where(F.col("started_on") <= F.lit(as_of)).orderBy("started_at").collect()
        starts = {row.campaign: row for row in rows}
    found = []
    for campaign in campaigns.values():
        start = starts.get(campaign.id)
        if start is None:
            found.append(State(campaign, "not_started"))
        elif start.design != campaign.design:
            why = "audience, arms, salt, metric or first day were changed after the start: give the campaign a new name"
            found.append(State(campaign, "refused", why, start.started_on))
        elif as_of < campaign.starts_on:
            found.append(State(campaign, "waiting", None, start.started_on))
        else:
            name = "running" if campaign.runs(as_of) else "ended"
            found.append(State(campaign, name, None, start.started_on))
    return found


def why_nobody_is_contacted(lake: Lake, conf: Path, *, policy: ContactPolicy, as_of: date) -> str | None:
    """What is missing or stale of what vetoes need; None: nothing. A campaign does not go on without them."""
    recorded = load_recorded(conf)
    if contradictions := recorded.contradictions(lake.slice("gold.customer_features", as_of)):
        return "; ".join(contradictions)
    needed = [feed for feed in _NEEDED if recorded.feeds.get(feed, True)]
    for feed in needed:
        if not lake.has(f"bronze.{feed}"):
            return f"the feed {feed} never came, but conf/marketing.yml says that the bank delivers it"
    when = day_of("at", lake.catalogue.time_zone)
    days = [lake.read(f"bronze.{feed}").select(F.lit(feed).alias("feed"), when.alias("day")) for feed in needed]
    if not days:
        return None
    told = reduce(DataFrame.unionByName, days).where(F.col("day") <= F.lit(as_of))
    newest = {row.feed: row.day for row in told.groupBy("feed").agg(F.max("day").alias("day")).collect()}
    for feed in needed:
        last = newest.get(feed)
        if last is None or (as_of - last).days > policy.veto_days:
            since = f"is of {last}" if last else "does not exist"
            return (
                f"the feed {feed} has stopped: its newest record {since}, and conf/campaigns.yml takes a feed without "
                f"any for more than {policy.veto_days} days (veto_days) to have stopped"
            )
    return None


def run_day(lake: Lake, campaigns: Mapping[str, Campaign], *, policy: CampaignPolicy, conf: Path, as_of: date) -> None:
    """Writes the slices of the day, and what is new to the ledger.

    The ledger comes after the assignments and before the slices that count: killed anywhere and run again, the day
    decides the same, because contacts that only its own plan would make do not count for it.
    """
    zone = lake.catalogue.time_zone
    ledger = _ledger(lake)
    told = delivered_events(ledger, _feeds(lake), as_of=as_of, zone=zone)
    if told is not None:
        _append(lake, new_events(told, ledger), part="feeds")
        ledger = _ledger(lake)
    states = states_of(lake, campaigns, as_of=as_of)
    if any(state.name == "running" for state in states) and (
        why := why_nobody_is_contacted(lake, conf, policy=policy.contacts, as_of=as_of)
    ):
        states = [
            State(item.campaign, "refused", why, item.started_on) if item.name == "running" else item for item in states
        ]
    kept = [item.campaign for item in states if _is_kept(item, as_of, policy.contacts.kept_days)]
    running = [item.campaign for item in states if item.name == "running"]
    constraints: Sequence[Constraint] = ()
    written: DataFrame | None = None
    if kept and not _is_past(ledger, as_of):
        plan = planned_day(lake, kept, running, policy=policy, conf=conf, as_of=as_of)
        lake.replace(ASSIGNMENTS, plan.decisions, as_of)
        written = lake.rows(ASSIGNMENTS, as_of=as_of)
        _append(lake, new_events(plan.events, ledger), part="plan")
        plan.release()
        constraints = plan.constraints
        _write_constraints(lake, constraints, as_of)
    _write_status(lake, states, written, as_of)


def planned_day(
    lake: Lake,
    kept: Sequence[Campaign],
    running: Sequence[Campaign],
    *,
    policy: CampaignPolicy,
    conf: Path,
    as_of: date,
) -> Plan:
    """The plan of a day from what the lake knows; nothing is written. `kept`: campaigns with assigned customers."""
    zone, feeds = lake.catalogue.time_zone, _feeds(lake)
    facts = customer_facts(
        lake.slice("gold.customer_features", as_of),
        lake.slice("gold.customer_portrait", as_of),
        versions_at(lake.read("silver.customers"), as_of, zone=zone),
        feeds,
        policy=policy.contacts,
        asks_consent=load_recorded(conf).columns.consent_marketing,
        as_of=as_of,
        zone=zone,
    )
    contacts = contacts_of(_ledger(lake).where(F.col("day") <= F.lit(as_of)))
    past = history(contacts, feeds.get("responses"), policy=policy.contacts, as_of=as_of, zone=zone)
    known, members = lake.previous_slice(ASSIGNMENTS, as_of), _members(lake, running, as_of)
    assignments = assigned(members, known, kept, policy=policy.contacts, as_of=as_of)
    return plan_day(
        _with_uplift(lake, assignments, running, as_of),
        contacts,
        facts,
        past,
        campaigns=kept,
        running=running,
        spent=_spent(contacts, as_of),
        policy=policy,
        as_of=as_of,
        zone=zone,
    )


def _feeds(lake: Lake) -> dict[str, DataFrame]:
    return {name: lake.read(f"bronze.{name}") for name in FEEDS if lake.has(f"bronze.{name}")}


def _ledger(lake: Lake) -> DataFrame:
    if lake.has(LEDGER):
        return lake.read(LEDGER)
    return frame_of(lake.spark, [], lake.catalogue.table(LEDGER).struct_type)


def _is_kept(state: State, as_of: date, days: int) -> bool:
    alive = as_of <= state.campaign.ends_on + timedelta(days=days)
    return state.started_on is not None and as_of >= state.campaign.starts_on and alive


def _with_uplift(lake: Lake, assignments: DataFrame, running: Sequence[Campaign], as_of: date) -> DataFrame:
    """With `moved`: the uplift of each customer beyond that of all, by the model of an earlier campaign; 0 without."""
    store, parts = ModelStore(lake), []
    for campaign in running:
        # A model of this very day is not asked: planning the day again must decide the same.
        name = f"uplift_{campaign.uplift_from}"
        model = store.current(name, until=as_of - timedelta(days=1)) if campaign.uplift_from else None
        if model is not None:
            scored = load_uplift(model.folder).score(lake.slice("gold.customer_features", as_of))
            moved = F.col(UPLIFT) - F.lit(model.metrics["effect"])
            parts.append(scored.select(F.lit(campaign.id).alias("campaign"), "customer_id", moved.alias("moved")))
    if not parts:
        return assignments.withColumn("moved", F.lit(0.0))
    joined = assignments.join(reduce(DataFrame.unionByName, parts), on=["campaign", "customer_id"], how="left")
    return joined.withColumn("moved", F.coalesce("moved", F.lit(0.0)))


def _is_past(ledger: DataFrame, as_of: date) -> bool:
    """Whether contacts of a later day are planned: nobody is contacted in the past."""
    return not ledger.where((F.col("source") == "plan") & (F.col("day") > F.lit(as_of))).isEmpty()


def _members(lake: Lake, running: Sequence[Campaign], as_of: date) -> DataFrame:
    pairs = frame_of(lake.spark, [(item.id, item.audience) for item in running], "campaign string, audience string")
    return lake.slice(MEMBERS, as_of).join(F.broadcast(pairs), on="audience", how="inner")


def _spent(contacts: DataFrame, as_of: date) -> dict[str, float]:
    replanned = F.col("is_open") & (F.col("day") == F.lit(as_of))
    rows = contacts.where(F.col("counts") & ~replanned).groupBy("campaign").agg(F.sum("cost").alias("cost")).collect()
    return {row.campaign: float(row.cost or 0) for row in rows}


def _append(lake: Lake, events: DataFrame, *, part: str) -> None:
    fresh = events.persist()
    if not fresh.isEmpty():
        name = lake.catalogue.table(LEDGER).job
        lake.append(LEDGER, fresh, transaction=(f"{name}:{LEDGER}:{part}", lake.run_number))
    fresh.unpersist()


def _write_constraints(lake: Lake, constraints: Sequence[Constraint], as_of: date) -> None:
    if not constraints and as_of not in lake.slices(CONSTRAINTS):
        return
    rows = [(as_of, item.name, item.unit, item.limit, item.used, item.price) for item in constraints]
    lake.replace(CONSTRAINTS, frame_of(lake.spark, rows, lake.catalogue.table(CONSTRAINTS).struct_type), as_of)


def _write_status(lake: Lake, states: Sequence[State], written: DataFrame | None, as_of: date) -> None:
    counted: dict[str, dict[str, Any]] = {}
    if written is not None:
        grouped = written.groupBy("campaign", "arm", "is_universal", "decision", "rule").count().collect()
        for row in sorted(grouped, key=lambda item: (item.campaign, item.rule or "")):
            own = counted.setdefault(
                row.campaign,
                dict.fromkeys(_COUNTED, 0) | {"refused": {}},
            )
            place = "universal_control" if row.is_universal else "control" if row.arm == CONTROL else "treated"
            own["customers"] += row["count"]
            own[place] += row["count"]
            if row.decision == "planned":
                own["planned"] += row["count"]
            else:
                own["refused_customers"] += row["count"]
                own["refused"][row.rule] = own["refused"].get(row.rule, 0) + row["count"]
    contract = lake.catalogue.table(STATUS)
    rows = [
        status_row(
            item.campaign, state=item.name, reason=item.reason, started_on=item.started_on,
            counts=counted.get(item.campaign.id, {}), as_of=as_of,
        )
        for item in states
    ]  # fmt: skip
    table = [tuple(row[column.name] for column in contract.columns) for row in rows]
    lake.replace(STATUS, frame_of(lake.spark, table, contract.struct_type), as_of)
