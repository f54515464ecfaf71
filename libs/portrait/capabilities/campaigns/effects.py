"""The read-outs of a day on a lake: of conf/campaigns and of the bank's feeds, with the funnel of contacts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.declaration import Campaign
from portrait.capabilities.campaigns.ledger import contacts_of
from portrait.capabilities.campaigns.policy import CampaignPolicy
from portrait.capabilities.campaigns.readout import (
    FINAL,
    HETEROGENEITY,
    Judged,
    assigned_by_feed,
    assigned_by_plan,
    heterogeneity,
    moments,
    of_feed,
    of_plan,
    outcomes,
    read_out,
    unchanged,
)
from portrait.capabilities.campaigns.saved import save_uplift
from portrait.capabilities.campaigns.uplift import Uplift
from portrait.lake import Lake, ModelStore
from portrait.spark.frames import frame_of

EFFECTS, ASSIGNMENTS, LEDGER = "gold.campaign_effects", "gold.campaign_assignments", "gold.campaign_contacts"
FEATURES = "gold.customer_features"
_FEEDS = ("campaigns", "contacts", "responses")
_FUNNEL = ("planned", "sent", "delivered", "failed", "withdrawn")


def write_effects(lake: Lake, campaigns: Mapping[str, Campaign], *, policy: CampaignPolicy, as_of: date) -> None:
    """The slice of gold.campaign_effects: one row per campaign with assigned customers; empty where there is none."""
    zone = lake.catalogue.time_zone
    feeds = {name: lake.read(f"bronze.{name}") for name in _FEEDS if lake.has(f"bronze.{name}")}
    judged, assigned = _judged(lake, campaigns, feeds, policy=policy, as_of=as_of)
    contract = lake.catalogue.table(EFFECTS)
    rows: list[dict[str, Any]] = []
    if judged and assigned is not None:
        named = {item.campaign: item for item in judged}
        known = assigned.where(F.col("campaign").isin(*named))
        took = outcomes(known, feeds.get("responses"), judged, as_of=as_of, zone=zone)
        wide, usable = _with_features(lake, took, judged, policy=policy)
        wide = wide.persist()
        arms: dict[str, dict[int, Any]] = {}
        for row in moments(wide).collect():
            arms.setdefault(row.campaign, {})[row.treated] = row
        funnels = _funnels(lake, list(named), as_of)
        before = {row.campaign: row for row in lake.previous_slice(EFFECTS, as_of).collect()}
        for name, item in named.items():
            if name not in arms:
                continue
            found = read_out(item, arms[name], policy=policy, as_of=as_of)
            if found["state"] == FINAL and unchanged(found, before.get(name)):
                found |= {column: before[name][column] for column in HETEROGENEITY}
            elif found["state"] == FINAL and name in usable:
                own = wide.where(F.col("campaign") == name)
                judgement, model = heterogeneity(own, usable[name], policy=policy)
                found |= judgement
                if model is not None:
                    _keep(lake, name, model, as_of=as_of)
            elif found["state"] == FINAL:
                found |= {"uplift_verdict": "not judged", "uplift_reason": "no slice of features before the start"}
            rows.append(found | funnels.get(name, {}))
    empty = dict.fromkeys(_FUNNEL, 0)
    table = [tuple((empty | row).get(name) for name in contract.column_names) for row in rows]
    lake.replace(EFFECTS, frame_of(lake.spark, table, contract.struct_type), as_of)


def _keep(lake: Lake, name: str, model: Uplift, *, as_of: date) -> None:
    """The model, for campaigns that say `uplift_from`."""
    figures = ("effect", "qini", "qini_low", "qini_ratio", "qini_response")
    ModelStore(lake).save(
        f"uplift_{name}",
        lambda folder: save_uplift(model, folder),
        as_of=as_of,
        metrics={figure: model.report[figure] for figure in figures},
        parameters={"learner": model.learner, "campaign": name},
    )


def _judged(
    lake: Lake,
    campaigns: Mapping[str, Campaign],
    feeds: Mapping[str, DataFrame],
    *,
    policy: CampaignPolicy,
    as_of: date,
) -> tuple[list[Judged], DataFrame | None]:
    zone, kept = lake.catalogue.time_zone, policy.contacts.kept_days
    judged: list[Judged] = []
    parts = []
    if as_of in lake.slices(ASSIGNMENTS):
        judged += [of_plan(campaign) for campaign in campaigns.values() if campaign.starts_on <= as_of]
        parts.append(assigned_by_plan(lake.slice(ASSIGNMENTS, as_of)))
    if "campaigns" in feeds and "contacts" in feeds:
        own = {item.campaign for item in judged}
        others = of_feed(feeds["campaigns"], as_of=as_of, kept_days=kept, zone=zone)
        judged += [item for item in others if item.campaign not in own]
        chosen = assigned_by_feed(feeds["contacts"], as_of=as_of, zone=zone)
        parts.append(chosen.where(~F.col("campaign").isin(*own)) if own else chosen)
    if not parts:
        return judged, None
    return judged, parts[0].unionByName(parts[1]) if len(parts) > 1 else parts[0]


def _with_features(
    lake: Lake, took: DataFrame, judged: list[Judged], *, policy: CampaignPolicy
) -> tuple[DataFrame, dict[str, list[str]]]:
    """The rows with `before` and the features of the last slice before each start; and campaign to its features."""
    rules, columns = policy.effect, lake.catalogue.table(FEATURES).column_names
    wanted = [name for name in rules.features if name in columns]
    days = {item.campaign: lake.previous_as_of(FEATURES, item.starts_on) for item in judged}
    slices = sorted({day for day in days.values() if day is not None})
    kinds = {column.name: column.physical_type for column in lake.catalogue.table(FEATURES).columns}
    if not slices:
        empty = [F.lit(None).cast(kinds[name]).alias(name) for name in wanted]
        return took.select("*", F.lit(None).cast("double").alias("before"), *empty), {}
    known = lake.read(FEATURES).where(F.col("as_of").isin(*slices))
    before = F.col(rules.before).cast("double") if rules.before in columns else F.lit(None).cast("double")
    known = known.select(F.col("as_of").alias("known_on"), "customer_id", before.alias("before"), *wanted)
    pairs = list(days.items())
    known_on = F.broadcast(frame_of(lake.spark, pairs, "campaign string, known_on date"))
    placed = took.join(known_on, on="campaign", how="left")
    wide = placed.join(known, on=["customer_id", "known_on"], how="left").drop("known_on")
    return wide, {name: wanted for name, day in days.items() if day is not None and wanted}


def _funnels(lake: Lake, names: list[str], as_of: date) -> dict[str, dict[str, int]]:
    """Campaign to contacts that reached each state."""
    if not lake.has(LEDGER):
        return {}
    ledger = lake.read(LEDGER).where((F.col("day") <= F.lit(as_of)) & F.col("campaign").isin(*names))
    counts = [F.count(f"{state}_on").alias(state) for state in _FUNNEL]
    rows = contacts_of(ledger).groupBy("campaign").agg(*counts).collect()
    return {row.campaign: {state: row[state] for state in _FUNNEL} for row in rows}
