"""The section about behaviour groups: size, description, and the features in which they differ."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from decimal import Decimal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue
from portrait.report.charts import Bar, Cell, bars, heat
from portrait.report.figures import Figure, Figures, Row, customers_counted, whole_slice
from portrait.report.markup import Head, Html, card, folded, h, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import (
    NONE,
    amount,
    count,
    feature,
    listing,
    percent,
    plain,
    plural,
    ratio,
    signed,
    title,
    whole_percent,
    with_share,
)

TELLING = 4
"""Features by which a group is described: those in which it differs most from everyone."""


def groups_section(figures: Figures, catalogue: Catalogue) -> Html:
    """Behaviour groups: size, description, and the features in which they differ."""
    groups = sorted(figures["groups"], key=lambda row: int(row["group_id"]))
    if not groups:
        return section("groups", "Groups", "Customers were not grouped for this day.", _ungrouped(figures))
    largest = max(groups, key=lambda row: int(row["customers"]))
    lead = (
        f"{plural(len(groups), 'group')} by behaviour; the largest, {largest['group_name']}, "
        f"is {percent(largest['share'])} of the grouped customers."
    )
    sizes = [
        Bar(
            f"{row['group_id']} {row['group_name']}",
            row["customers"],
            with_share(count(row["customers"]), row["share"], 1),
        )
        for row in groups
    ]
    return section(
        "groups",
        "Groups",
        lead,
        card("Size of the groups", bars("Customers by group", sizes)),
        _tiers_of_groups(figures, groups, _tiers(catalogue)) or _ungrouped(figures),
        _profile_card(figures["profile"], groups),
        _moves_card(figures, groups),
        card("Who they are", h("ul", *[_portrait(row, figures) for row in groups], class_="people"), wide=True),
        _model_remark(figures),
        _ungrouped(figures) if figures["group_tiers"] else None,
    )


def _tiers(catalogue: Catalogue) -> tuple[str, ...]:
    """The tiers, best first; none where the bank has no tiers."""
    table = catalogue.contracts.get("gold.customer_tier")
    return () if table is None else table.column("tier").enum


def _tiers_of_groups(figures: Figures, groups: list[Row], tiers: tuple[str, ...]) -> Html | None:
    totals: dict[int, int] = defaultdict(int)
    known = {(row["group_id"], row["tier"]): int(row["customers"]) for row in figures["group_tiers"] if row["group_id"]}
    for (group, _), customers in known.items():
        totals[group] += customers
    if not known:
        return None
    cells = []
    for row in groups:
        for tier in tiers:
            customers = known.get((row["group_id"], tier), 0)
            share = ratio(customers, totals[row["group_id"]])
            tip = f"{row['group_name']}, {title(tier)}: {plural(customers, 'customer')}, {percent(share)}"
            name = f"{row['group_id']} {row['group_name']}"
            cells.append(Cell(title(tier), name, share or None, whole_percent(share) if share else NONE, tip))
    return card(
        "Tiers within the groups",
        heat("Share of each tier by group", cells),
        note="Each row adds up to all of a group.",
    )


def _profile_card(profile: list[Row], groups: list[Row]) -> Html | None:
    if not profile:
        return None
    telling = dict.fromkeys(row["feature"] for group in groups for row in _telling(profile, group["group_id"]))
    known = {(row["group_id"], row["feature"]): row for row in profile}
    names = {
        str(row["group_id"]): "\n".join(textwrap.wrap(f"{row['group_id']} {row['group_name']}", 18)) for row in groups
    }
    cells = [
        _trait(known[group["group_id"], name], str(group["group_id"]), group["group_name"])
        for name in telling
        for group in groups
        if (group["group_id"], name) in known
    ]
    heads = [Head("Feature"), *[Head(str(group["group_id"]), True) for group in groups]]
    features = sorted({row["feature"] for row in profile})
    lines = [
        [feature(name), *[signed(known.get((group["group_id"], name), {}).get("z")) for group in groups]]
        for name in features
    ]
    return card(
        "What sets the groups apart",
        heat("Features by group, in standard deviations from the average", cells, wide=True, columns=names),
        folded(f"All {len(features)} features", table("z of every feature by group", heads, lines)),
        wide=True,
        note="Standard deviations above (+) or below (−) the average of all grouped customers. "
        "Shown are the features in which a group differs most.",
    )


def _telling(profile: list[Row], group: int) -> list[Row]:
    """The features in which a group differs most, the strongest first."""
    own = [row for row in profile if row["group_id"] == group and row["z"] is not None]
    return sorted(own, key=lambda row: (-abs(float(row["z"])), row["feature"]))[:TELLING]


def _trait(row: Row, group: str, name: str) -> Cell:
    z = row["z"]
    means = f"mean {_mean(row['mean'])} against {_mean(row['overall_mean'])}"
    tgi = "" if row.get("tgi") is None else f", TGI {float(row['tgi']):.0f}"
    weight = None if z is None else max(-1.0, min(1.0, float(z) / 2))
    return Cell(group, feature(row["feature"]), weight, signed(z), f"{name}, {feature(row['feature'])}: {means}{tgi}")


def _mean(value: Decimal | float | None) -> str:
    if value is None:
        return NONE
    return amount(value) if abs(float(value)) >= 100 else f"{float(value):.2f}"


_EVENTS = {"kept": "stayed", "born": "new group", "ended": "group ended", "merged": "merged", "split": "split off"}


def _moves_card(figures: Figures, groups: list[Row]) -> Html | None:
    """What became of the groups since the slice before."""
    if not figures.has("group_moves") or not figures["group_moves"]:
        return None
    told = [row for row in figures["group_moves"] if row["event"] in _EVENTS or row["customers"]]
    told.sort(key=lambda row: (row["event"] not in _EVENTS, -int(row["customers"])))
    heads = [
        Head("Group before"),
        Head("Group now"),
        Head("Customers", True),
        Head("Of the group before", True),
        Head(""),
    ]
    lines = [
        [
            _numbered(row["from_group"], row["from_name"]),
            _numbered(row["to_group"], row["to_name"]),
            count(row["customers"]),
            NONE if row["share_of_from"] is None else percent(row["share_of_from"]),
            _EVENTS.get(row["event"], str(row["event"])),
        ]
        for row in told
    ]
    kept = sum(int(row["customers"]) for row in told if row["event"] == "kept")
    inside = sum(int(row["customers"]) for row in told if row["from_group"] and row["to_group"])
    lead = f"{percent(ratio(kept, inside))} of the customers grouped on both days are in the same group."
    shown = table("Customers by group before and now", heads, lines)
    return card("What became of the groups", h("p", lead), folded("All moves", shown), wide=True)


def _numbered(group: int, name: str | None) -> str:
    return f"{group} {name}" if group else "outside"


def _model_remark(figures: Figures) -> Html | None:
    """Which model assigned the customers, and how far it can be trusted."""
    if not figures.has("group_model") or not figures["group_model"]:
        return None
    row = figures["group_model"][0]
    words = [
        f"Refits to samples agree with the new model by {float(row['ari_mean']):.2f} (adjusted Rand index).",
        f"The rules tell the group of {percent(row['rule_fidelity'])} of the customers"
        + (", which is rough." if row["is_rough"] else "."),
    ]
    if row["reason"]:
        words.insert(0, f"{row['reason'][0].upper()}{row['reason'][1:]}.")
    return remark("Model", " ".join(words))


def _portrait(group: Row, figures: Figures) -> Html:
    traits = []
    for row in _telling(figures["profile"], group["group_id"]):
        tgi = None if row.get("tgi") is None else h("span", f"TGI {float(row['tgi']):.0f}")
        traits.append(h("li", h("b", signed(row["z"])), h("span", feature(row["feature"])), tgi))
    clear = next((row["margin"] for row in figures["grouping"] if row["group_id"] == group["group_id"]), None)
    return h(
        "li",
        h("h4", h("span", str(group["group_id"]), class_="number"), group["group_name"]),
        h("p", f"Margin {float(clear):.2f}", class_="note") if clear is not None else None,
        h("p", group["description"]),
        _rule(group, figures),
        h("ul", *traits, class_="traits") if traits else None,
    )


def _rule(group: Row, figures: Figures) -> Html | None:
    rules = figures["group_rules"] if figures.has("group_rules") else []
    row = next((row for row in rules if row["group_id"] == group["group_id"]), None)
    if row is None or row["rule"] is None:
        return None
    trust = "" if row["stability"] in ("stable", "not_measured") else f" The group is {plain(row['stability'])}."
    right = "" if row["rule_precision"] is None else f" {percent(row['rule_precision'])} of those are in the group."
    return h("p", f"Rule: {row['rule']}.{right}{trust}", class_="note")


def _ungrouped(figures: Figures) -> Html | None:
    missing = [row for row in figures["grouping"] if row["not_grouped_reason"]]
    if not missing:
        return None
    words = listing(f"{count(row['customers'])} ({plain(row['not_grouped_reason'])})" for row in missing)
    return remark("Not grouped", f"Customers without a group: {words}.")


def group_tiles(figures: Figures) -> list[Tile]:
    """How many groups, and the share of customers in one."""
    if not figures.has("groups"):
        return []
    grouped, ungrouped = (
        figures.total("groups", "customers"),
        sum(int(row["customers"]) for row in figures["grouping"] if row["group_id"] is None),
    )
    share = percent(ratio(grouped, grouped + ungrouped))
    return [Tile("Groups", count(len(figures["groups"])), f"{share} of customers")]


def grouping(members: DataFrame) -> DataFrame:
    """One row per group, and one a reason for having none: customers, how clear their group is on average."""
    return members.groupBy("group_id", "not_grouped_reason").agg(customers_counted(), F.avg("margin").alias("margin"))


def group_tiers(segments: DataFrame) -> DataFrame:
    """One row per group and tier: customers, their assets."""
    return segments.groupBy("group_id", "tier").agg(customers_counted(), F.sum("assets").alias("assets"))


SECTIONS = (
    Section(
        anchor="groups",
        name="Groups",
        place=20,
        draw=groups_section,
        figures={
            "groups": Figure("gold.group_summary", whole_slice),
            "profile": Figure("gold.group_profile", whole_slice),
            "grouping": Figure("gold.customer_group", grouping),
            "group_rules": Figure("gold.group_rule", whole_slice),
            "group_moves": Figure("gold.group_transition", whole_slice),
            "group_model": Figure("gold.group_model", whole_slice),
            "group_tiers": Figure("gold.segments", group_tiers),
        },
        tiles=group_tiles,
        glossary={
            "Standard deviations (z)": "How far a group's mean is from the mean of all grouped customers.",
            "TGI": "Target group index: how common an above-average value is in the group; 100 is as common as "
            "everywhere.",
            "Adjusted Rand index": "Agreement of two groupings of the same customers: 1 is equal, 0 is chance.",
            "Margin": "How clear a customer's group is: 0 on the border to the next one, towards 1 at the centre.",
        },
    ),
)
