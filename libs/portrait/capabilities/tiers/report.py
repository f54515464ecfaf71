"""The section about tiers: customers and assets by tier, and how customers move."""

from __future__ import annotations

from typing import Any

from portrait.capabilities.tiers.figures import FIGURES
from portrait.capabilities.tiers.outlook import levels_card, outlook_card, segments_card, worth_card
from portrait.capabilities.tiers.policy import TIERS
from portrait.contracts import Catalogue
from portrait.report.charts import Bar, Cell, bars, heat
from portrait.report.figures import Figures, Row
from portrait.report.markup import Head, Html, card, folded, h, remark, section, table
from portrait.report.sankey import Flow, sankey
from portrait.report.section import Section, Tile
from portrait.report.texts import (
    NONE,
    amount,
    count,
    day,
    percent,
    plain,
    plural,
    ratio,
    short,
    signed,
    title,
    whole_percent,
    with_share,
)

OUTSIDE = "outside"


def tier_tiles(figures: Figures) -> list[Tile]:
    """Customers and their assets."""
    if not figures.has("tiers"):
        return []
    customers, assets = figures.total("tiers", "customers"), _sum(figures["tiers"], "assets")
    before = figures["tiers_before"]
    moved = customers - figures.total("tiers_before", "customers")
    since = f"{signed(moved, 0)} since {day(figures.previous)}" if before and figures.previous else "first slice"
    roles = {row["relationship"]: int(row["customers"]) for row in figures["relationships"]}
    if others := sum(number for role, number in roles.items() if role != "owner"):
        since += f"; {count(others)} own no account"
    mean = amount(ratio(assets, customers))
    return [Tile("Customers", count(customers), since), Tile("Assets", short(assets), f"{mean} per customer")]


def tiers_section(figures: Figures, catalogue: Catalogue) -> Html:
    """Customers and assets by tier, and how customers moved since the slice before."""
    if not figures.has("tiers"):
        return section("tiers", "Tiers", "Tiers were not computed for this day.")
    found = _tiers(figures["tiers"])
    customers, assets = _sum(found, "customers"), _sum(found, "assets")
    top = found[0] if found else None
    lead = "The slice has no customers."
    if top:
        share, held = percent(ratio(top["customers"], customers)), percent(ratio(top["assets"], assets))
        lead = f"The {title(top['tier'])} tier is {share} of customers and holds {held} of all assets."
    by_customers = [
        Bar(title(row["tier"]), row["customers"], with_share(count(row["customers"]), row["customers"], customers))
        for row in found
    ]
    by_assets = [
        Bar(
            title(row["tier"]),
            max(float(row["assets"] or 0), 0.0),
            with_share(short(row["assets"]), row["assets"], assets),
        )
        for row in found
    ]
    return section(
        "tiers",
        "Tiers",
        lead,
        card("Customers by tier", bars("Customers by tier", by_customers)),
        card(
            "Assets by tier",
            bars("Assets by tier", by_assets),
            note="Average deposits and investments, account currency.",
        ),
        levels_card(figures),
        _migration_card(figures),
        outlook_card(figures),
        worth_card(figures),
        segments_card(figures),
        card("Tiers in figures", _tier_table(found, customers), _reasons(figures["tiers"])),
    )


def _tiers(rows: list[Row]) -> list[Row]:
    """One row per tier, best first, its reasons added up."""
    ranks = {row["tier"]: row["tier_rank"] for row in rows}
    found = []
    for tier in sorted(ranks, key=lambda name: int(ranks[name])):
        own = [row for row in rows if row["tier"] == tier]
        found.append({"tier": tier, **{name: _sum(own, name) for name in ("customers", "assets", "score")}})
    return found


def _sum(rows: list[Row], name: str) -> Any:
    values = [row[name] for row in rows if row[name] is not None]
    return sum(values[1:], values[0]) if values else None


def _tier_table(found: list[Row], customers: Any) -> Html:
    heads = [Head("Tier"), *[Head(name, True) for name in ("Customers", "Share", "Assets a customer", "Mean score")]]
    rows = [
        [
            title(row["tier"]),
            count(row["customers"]),
            percent(ratio(row["customers"], customers)),
            amount(ratio(row["assets"], row["customers"])),
            f"{ratio(row['score'], row['customers']) or 0:.1f}",
        ]
        for row in found
    ]
    return table("Customers, assets and value score by tier", heads, rows)


def _reasons(rows: list[Row]) -> Html:
    heads = [Head("Tier"), Head("Reason"), Head("Customers", True)]
    ordered = sorted(rows, key=lambda row: (int(row["tier_rank"]), -int(row["customers"])))
    lines = [[title(row["tier"]), plain(row["reason_code"]), count(row["customers"])] for row in ordered]
    return folded("What qualified for each tier", table("Customers by tier and reason", heads, lines))


def _migration_card(figures: Figures) -> Html:
    moves = figures["migration"]
    if not moves or figures.previous is None:
        return remark("Movement between tiers", "There is no earlier slice to compare with.")
    by_pair = {(row["from_tier"], row["to_tier"]): row for row in moves}
    cells = [
        _move(by_pair[source, target], source, target)
        for source in (*TIERS, OUTSIDE)
        for target in (*TIERS, OUTSIDE)
        if (source, target) in by_pair
    ]
    rank = {tier: place for place, tier in enumerate(TIERS)}
    inside = [row for row in moves if OUTSIDE not in (row["from_tier"], row["to_tier"])]
    up = sum(int(row["customers"]) for row in inside if rank[row["to_tier"]] < rank[row["from_tier"]])
    down = sum(int(row["customers"]) for row in inside if rank[row["to_tier"]] > rank[row["from_tier"]])
    came = sum(int(row["customers"]) for row in moves if row["from_tier"] == OUTSIDE)
    left = sum(int(row["customers"]) for row in moves if row["to_tier"] == OUTSIDE)
    index = next((row["mobility_index"] for row in moves if row["mobility_index"] is not None), None)
    words = f"{count(up)} moved up, {count(down)} down; {count(came)} are new, {count(left)} left. "
    words += f"Mobility index {NONE if index is None else f'{float(index):.3f}'} (0: nobody moved)."
    since = day(figures.previous)
    return card(
        "Movement between tiers",
        heat(f"Share of customers by tier on {since} and tier now", cells),
        sankey(f"Customers from their tier on {since} to their tier now", _flows(by_pair)),
        h("p", words),
        note=f"Row: tier on {since}. Column: tier now. Share of those of the row who stayed with the bank.",
    )


def _flows(known: dict[tuple[str, str], Row]) -> list[Flow]:
    """Every move with someone in it, best tier first; up and down in two colours, who comes and goes beneath."""
    rank = {tier: place for place, tier in enumerate((*TIERS, OUTSIDE))}
    flows = []
    for (source, target), row in sorted(known.items(), key=lambda item: (rank[item[0][0]], rank[item[0][1]])):
        names = ("New" if source == OUTSIDE else title(source), "Left" if target == OUTSIDE else title(target))
        fill = "--muted" if source == target else "--above" if rank[target] < rank[source] else "--below"
        tip = f"{names[0]} to {names[1]}: {plural(int(row['customers']), 'customer')}"
        flows.append(Flow(*names, float(row["customers"]), tip, f"var({fill})"))
    return flows


def _move(row: Row, source: str, target: str) -> Cell:
    names = {tier: title(tier) for tier in TIERS} | {OUTSIDE: "Left" if target == OUTSIDE else "New"}
    share = row["probability"]
    text = NONE if not row["customers"] else count(row["customers"]) if share is None else whole_percent(share)
    tip = f"{names[source]} to {names[target]}: {plural(int(row['customers']), 'customer')}"
    column = "Left" if target == OUTSIDE else title(target)
    weight = float(share) if share else None
    return Cell(column, names[source], weight, text, tip + (f", {percent(share)}" if share is not None else ""))


SECTIONS = (
    Section(
        anchor="tiers",
        name="Tiers",
        place=10,
        draw=tiers_section,
        figures=FIGURES,
        tiles=tier_tiles,
        glossary={
            "Assets": "Average deposits of 30 days plus investments held, in account currency.",
            "Value score": "0 to 100 points from recency, frequency, amount and assets; relative to the customers of "
            "the slice.",
            "Tier": "Diamond, VIP, growing or ordinary: the best tier whose threshold of assets or score is met.",
            "Mobility index": "Shorrocks: 0 when nobody changes tier; 1 when the earlier tier says nothing about the "
            "present one.",
        },
    ),
)
