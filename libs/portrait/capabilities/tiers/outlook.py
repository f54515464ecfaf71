"""Cards of the section about tiers: what the policy has in store for customers, what they are worth, RFM segments."""

from __future__ import annotations

from datetime import date

from portrait.capabilities.tiers.policy import TIERS
from portrait.report.figures import Figures
from portrait.report.markup import Head, Html, card, h, table
from portrait.report.texts import NONE, amount, count, day, listing, percent, plural, ratio, title

TIER_ORDER = (*TIERS, "all")
STATES = ("settled", "below", "watch", "falling", "rising")


def outlook_card(figures: Figures) -> Html | None:
    """Customers by tier and watch state, and what the shadow policy would make of them; None without policies."""
    rows = figures["outlook"]
    if not rows:
        return None
    ranks = {row["tier"]: int(row["tier_rank"]) for row in rows}
    found = {(row["tier"], row["watch_state"]): int(row["customers"]) for row in rows}
    lines = [
        [title(tier), *[count(found.get((tier, state), 0)) for state in STATES]]
        for tier in sorted(ranks, key=lambda name: ranks[name])
    ]
    totals = {state: sum(found.get((tier, state), 0) for tier in ranks) for state in STATES}
    words = f"Next month {count(totals['rising'])} rise and {count(totals['falling'])} fall; "
    words += f"{count(totals['watch'])} more are on watch."
    elsewhere = sum(int(row["elsewhere"] or 0) for row in rows)
    if any(row["elsewhere"] is not None for row in rows):
        words += f" Under the policy computed beside, {plural(elsewhere, 'customer')} would be in another tier."
    heads = [Head("Tier"), *[Head(state.capitalize(), True) for state in STATES]]
    return card("Where tiers are heading", table("Customers by tier and watch state", heads, lines), h("p", words))


def levels_card(figures: Figures) -> Html | None:
    """The level of each tier and who reaches it; what qualifies nobody because of ties says so. None without levels."""
    rows = sorted(figures["levels"], key=lambda row: (TIER_ORDER.index(row["tier"]), row["criterion"]))
    if not rows:
        return None
    heads = [Head("Tier"), Head("Criterion"), *[Head(name, True) for name in ("Level", "Meant for", "Reached by", "")]]
    lines = [
        [
            title(row["tier"]),
            title(row["criterion"]),
            NONE if row["level"] is None else f"{float(row['level']):,.2f}",
            NONE if row["share"] is None else percent(row["share"]),
            percent(ratio(row["reached"], row["customers"])),
            "qualifies" if row["qualifies"] else h("span", "qualifies nobody", class_="bad"),
        ]
        for row in rows
    ]
    tied = [f"{title(row['tier'])} ({row['criterion']})" for row in rows if not row["qualifies"]]
    words = f"Too many customers have the same value: {listing(tied)} qualifies nobody in this slice." if tied else None
    return card(
        "Levels of the tiers",
        table("Level of each tier, and the share of account owners who reach it", heads, lines),
        h("p", words) if words else None,
        note="A quantile level that more account owners reach than it is meant for, beyond tie_tolerance of "
        "conf/tiers.yml, qualifies nobody.",
    )


def worth_card(figures: Figures) -> Html | None:
    """What a customer of each tier brings a month and is worth, with the interval; None without an earlier month."""
    rows = {row["tier"]: row for row in figures["worth"]}
    if not rows:
        return None
    heads = [Head("Tier"), *[Head(name, True) for name in ("Brings a month", "Is worth", "From", "To")]]
    lines = [
        [title(tier), f"{rows[tier]['margin']:,.2f}"]
        + [amount(rows[tier][name]) for name in ("value", "value_low", "value_high")]
        for tier in TIER_ORDER
        if tier in rows
    ]
    since = day(date.fromisoformat(next(iter(rows.values()))["previous_as_of"]))
    return card(
        "What a customer of a tier is worth",
        table("Value of a customer by tier, account currency", heads, lines),
        note=f"Discounted contribution while customers move between tiers as they did since {since}. "
        "From, to: 95 of 100 draws of these moves.",
    )


def segments_card(figures: Figures) -> Html | None:
    """Customers, assets, and how alive they are by RFM segment; None where there is none."""
    rows = figures["rfm"]
    if not rows:
        return None
    whole = sum(int(row["customers"]) for row in rows)
    heads = [Head("Segment"), *[Head(name, True) for name in ("Customers", "Share", "Assets a customer", "Alive")]]
    lines = [
        [
            title(row["rfm_segment"]),
            count(row["customers"]),
            percent(ratio(row["customers"], whole)),
            amount(ratio(row["assets"], row["customers"])),
            percent(row["alive"]),
        ]
        for row in sorted(rows, key=lambda row: (-int(row["customers"]), row["rfm_segment"]))
    ]
    return card(
        "Segments by recency, frequency and monetary",
        table("Customers by RFM segment", heads, lines),
        note="Alive: mean probability that the customer will initiate bookings again (BG/NBD).",
    )
