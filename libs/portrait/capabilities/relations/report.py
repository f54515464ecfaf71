"""The section about relations: groups, the largest exposures, limits, what became of groups, and faulty owners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, bars
from portrait.report.figures import MOST, Figure, Figures
from portrait.report.markup import Head, Html, card, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import NONE, amount, count, percent, plain, plural

_KINDS = ("family", "company", "connected")
_LARGEST = 10


def relations_section(figures: Figures, catalogue: Catalogue) -> Html:
    """Groups by kind, exposure and limits, changes since the slice before."""
    anchor, name = "relations", "Relations and exposure"
    if not figures.has("relation_groups"):
        return section(anchor, name, "Relations were not computed for this day.")
    rows = {row["kind"]: row for row in figures["relation_groups"]}
    counted = [f"{plural(int(rows[kind]['groups']), *_words(kind))}" for kind in _KINDS if kind in rows]
    lead = f"Found: {', '.join(counted)}." if counted else "Nobody is known to belong together."
    return section(
        anchor, name, lead, _sizes_card(figures), _exposure_card(figures), _events_card(figures), _faults_card(figures)
    )


def _words(kind: str) -> tuple[str, str]:
    return {
        "family": ("family", "families"),
        "company": ("company group", "company groups"),
        "connected": ("group of connected customers", "groups of connected customers"),
    }[kind]


def _sizes_card(figures: Figures) -> Html:
    rows = figures["relation_groups"]
    if not rows:
        return remark("Groups", "No group of two or more was found.")
    heads = [Head("Kind"), Head("Groups", True), Head("Members", True), Head("Largest", True)]
    lines = [
        [plain(row["kind"]), count(row["groups"]), count(row["members"]), count(row["largest"])]
        for row in sorted(rows, key=lambda row: _KINDS.index(row["kind"]))
    ]
    return card("Groups", table("Groups by kind", heads, lines), note="Families, company groups, connected customers.")


def _exposure_card(figures: Figures) -> Html:
    rows = [row for row in figures["largest_exposures"] if row["exposure"] is not None]
    if not rows:
        return remark("Largest exposures", "Nothing is lent to any customer or group.")
    ordered = sorted(rows, key=lambda row: (-row["exposure"], row["kind"]))[:_LARGEST]
    bars_of = [Bar(_named(row), float(row["exposure"]), amount(row["exposure"])) for row in ordered]
    states = {row["state"]: int(row["groups"]) for row in figures["limit_states"]}
    if set(states) <= {None}:
        said = "No limit was judged: enter net_capital and tier1_capital in conf/relations.yml."
    else:
        said = f"Limits: {count(states.get('breach', 0))} breached, {count(states.get('near', 0))} nearly used."
    return card("Largest exposures", bars("Largest exposures", bars_of), note=f"{said} Every facility once per group.")


def _events_card(figures: Figures) -> Html:
    rows = figures["relation_events"]
    if not rows:
        return remark("Changes of groups", "Nothing has changed since the slice before, or there is none.")
    heads = [Head("Kind"), Head("Change"), Head("Groups", True)]
    lines = [[plain(row["kind"]), plain(row["event"]), count(row["groups"])] for row in rows]
    return card("Changes of groups", table("What became of groups since the slice before", heads, lines))


def _faults_card(figures: Figures) -> Html:
    rows = figures["ownership_faults"]
    if not rows:
        return remark("Owners that cannot be right", "The shares of all companies are consistent.")
    heads = [Head("Reason"), Head("Companies", True), Head("Holdings left out", True)]
    lines = [[plain(row["rule"]), count(row["companies"]), count(row["holdings"])] for row in rows]
    return card("Owners that cannot be right", table("Companies left out by reason", heads, lines))


def relation_tiles(figures: Figures) -> list[Tile]:
    """Exposure limits that are breached."""
    states = {row["state"]: int(row["groups"]) for row in figures["limit_states"]}
    if not figures.has("limit_states") or set(states) <= {None}:
        return []
    judged = sum(number for state, number in states.items() if state is not None)
    share = percent(states.get("breach", 0) / judged) if judged else NONE
    return [Tile("Limits breached", count(states.get("breach", 0)), f"{share} of customers and groups with a limit")]


def by_kind(members: DataFrame) -> DataFrame:
    """One row per kind of group: groups, members, size of the largest."""
    return members.groupBy("kind").agg(
        F.countDistinct("group_id").alias("groups"), F.count("*").alias("members"), F.max("members").alias("largest")
    )


def _named(row: Mapping[str, Any]) -> str:
    """Whose exposure it is, without an id."""
    return "a customer alone" if row["members"] == 1 else f"{plain(row['kind'])} of {count(row['members'])}"


def largest(exposure: DataFrame) -> DataFrame:
    """The largest exposures, without an id: kind, members, exposure."""
    return exposure.select("kind", "members", "exposure").orderBy(F.col("exposure").desc_nulls_last()).limit(_LARGEST)


def by_state(exposure: DataFrame) -> DataFrame:
    """One row per state of a limit: customers and groups; state null: no limit applies."""
    return exposure.groupBy("state").agg(F.count("*").alias("groups"))


def by_event(events: DataFrame) -> DataFrame:
    """One row per kind of group and event: groups."""
    return events.groupBy("kind", "event").agg(F.countDistinct("group_id").alias("groups")).orderBy("kind", "event")


def by_fault(faults: DataFrame) -> DataFrame:
    """One row per reason: companies, holdings that were left out."""
    found = faults.groupBy("rule").agg(F.count("*").alias("companies"), F.sum("holdings").alias("holdings"))
    return found.orderBy("rule").limit(MOST)


SECTIONS = (
    Section(
        anchor="relations",
        name="Relations and exposure",
        place=60,
        draw=relations_section,
        figures={
            "relation_groups": Figure("gold.relation_groups", by_kind),
            "largest_exposures": Figure("gold.group_exposure", largest),
            "limit_states": Figure("gold.group_exposure", by_state),
            "relation_events": Figure("gold.relation_group_events", by_event),
            "ownership_faults": Figure("gold.ownership_faults", by_fault),
        },
        tiles=relation_tiles,
        glossary={
            "Connected customers": "Customers of whom one controls the other or depends on it economically: "
            "what hurts one is likely to hurt both. The bank limits what it lends to them together.",
            "Exposure": "What the bank has lent or promised: principal, instalments due and not paid, limits of cards.",
        },
    ),
)
