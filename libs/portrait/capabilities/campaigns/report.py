"""The section about campaigns: a panel per campaign with what it caused, its Qini curve and the funnel of contacts."""

from __future__ import annotations

import altair as alt

from portrait.contracts import Catalogue
from portrait.report.charts import HALF, PHONE, Bar, bars
from portrait.report.figures import MOST, Figure, Figures, Row, whole_slice
from portrait.report.markup import Head, Html, card, folded, h, remark, section, table
from portrait.report.section import Section, Tile
from portrait.report.svg import inline_svg
from portrait.report.texts import NONE, chance, count, percent, plain, plural

_FUNNEL = ("planned", "sent", "delivered", "failed", "withdrawn")
_SHOWN = 20  # campaigns with a panel of their own, the newest first
_HEIGHT = 180


def campaigns_section(figures: Figures, catalogue: Catalogue) -> Html:
    """What campaigns do on the day, and what each caused."""
    anchor, name = "campaigns", "Campaigns"
    effects = sorted(figures["campaign_effects"], key=lambda row: (row["starts_on"], row["campaign"]), reverse=True)
    states = figures["campaigns"]
    if not figures.has("campaigns") and not effects:
        return section(anchor, name, "Campaigns were not computed for this day.")
    running = [row for row in states if row["state"] == "running"]
    planned = sum(int(row["planned"]) for row in states)
    lead = (
        f"{plural(len(running), 'campaign')} of {len(states)} {'runs' if len(running) == 1 else 'run'}, with "
        f"{plural(planned, 'contact')} planned for the day; {plural(len(effects), 'read-out')}."
    )
    cards = [_state_card(row) for row in states if int(row["customers"])]
    cards += [remark(row["title"], f"Refused: {row['reason']}.") for row in states if row["state"] == "refused"]
    cards += [_effect_card(row) for row in effects[:_SHOWN]]
    return section(anchor, name, lead, *cards, _constraints_card(figures["campaign_constraints"]))


def _state_card(row: Row) -> Html:
    refused = sorted((row["refused"] or {}).items(), key=lambda item: -int(item[1]))
    rows = [Bar("contact planned", float(row["planned"]), count(row["planned"]))] if int(row["planned"]) else []
    rows += [Bar(plain(rule), float(number), count(number), inner=0.0) for rule, number in refused]
    note = (
        f"{count(row['customers'])} customers: {count(row['treated'])} treated, {count(row['control'])} control, "
        f"{count(row['universal_control'])} universal control."
    )
    return card(f"{row['title']}: the day", bars("Customers by decision of the day", rows), note=note)


def _effect_card(row: Row) -> Html:
    """A campaign with what it caused."""
    funnel = [Bar(plain(state), float(row[state]), count(row[state])) for state in _FUNNEL if int(row[state] or 0)]
    facts = [
        ["Customers", f"{count(row['treated'])} treated, {count(row['control'])} control"],
        ["Did it", f"{_share(row['treated_rate'])} treated, {_share(row['control_rate'])} control"],
        ["Caused", _interval(row, "effect", "effect_low", "effect_high")],
        ["With what was known before", _interval(row, "cuped_effect", "cuped_low", "cuped_high")],
        ["Sizes of the arms", NONE if row["srm_p"] is None else f"as planned, p {chance(float(row['srm_p']))}"],
    ]
    if row["state"] == "stopped":
        facts = facts[:1]
    told = [h("p", f"{row['verdict'][:1].upper()}{row['verdict'][1:]}.", class_="note")]
    if row["uplift_verdict"]:
        told.append(h("p", f"Heterogeneity: {row['uplift_verdict']} ({row['uplift_reason']}).", class_="note"))
    return card(
        f"{row['title']} ({row['campaign']})",
        *told,
        table(f"Effect of {row['campaign']}", [Head("Figure"), Head("Value")], facts),
        _curve(row) if row["qini_phi"] else None,
        folded("Contacts", bars("Contacts that reached each state", funnel)) if funnel else None,
    )


def _curve(row: Row) -> Html:
    """The Qini curve: takers that contacts of the first customers caused, against customers taken at random."""
    values = [
        {"phi": float(phi), "q": float(q), "line": line}
        for line, column in (("by uplift", "qini_gain"), ("at random", "qini_random"))
        for phi, q in zip(row["qini_phi"], row[column], strict=True)
    ]
    label = f"Qini curve of {row['campaign']}: coefficient {float(row['qini']):.4f}"
    drawn = []
    for width, css_class in ((PHONE, "phone"), (HALF, "desk")):
        base = alt.Chart(alt.InlineData(values=values), width=width - 60, height=_HEIGHT)
        lines = base.mark_line().encode(
            x=alt.X(
                "phi:Q",
                axis=alt.Axis(format="%", title="Share of customers, most moved first", titleColor="var(--ink)"),
            ),
            y=alt.Y("q:Q", axis=alt.Axis(title="Takers caused", titleColor="var(--ink)")),
            strokeDash=alt.StrokeDash("line:N", legend=None),
            color=alt.value("var(--accent)"),
        )
        drawn.append(inline_svg(alt.layer(lines), label=label, css_class=css_class))
    ratio = NONE if row["qini_ratio"] is None else f"{float(row['qini_ratio']):.2f}"
    text = (
        f"Qini coefficient {float(row['qini']):.4f} ({float(row['qini_low']):.4f} to {float(row['qini_high']):.4f}), "
        f"ratio {ratio}; of the response model {float(row['qini_response']):.4f}. Q = treated takers - control takers "
        "x treated / control among the first customers; coefficient = area above random / treated."
    )
    return h("figure", *drawn, h("figcaption", text, class_="note"))


def _constraints_card(rows: list[Row]) -> Html | None:
    if not rows:
        return None
    heads = [
        Head("Capacity"),
        Head("Unit"),
        Head("There was", True),
        Head("Used", True),
        Head("One more is worth", True),
    ]
    lines = [
        [row["name"], row["unit"], *[f"{float(row[key]):,.2f}" for key in ("capacity", "used", "shadow_price")]]
        for row in sorted(rows, key=lambda row: row["name"])
    ]
    return card("Capacities of the day", table("Capacities", heads, lines), wide=True)


def _share(value: object) -> str:
    return NONE if value is None else percent(float(str(value)))


def _interval(row: Row, middle: str, low: str, high: str) -> str:
    if row[middle] is None:
        return NONE
    return f"{float(row[middle]):+.2%} ({float(row[low]):+.2%} to {float(row[high]):+.2%})"


def campaign_tiles(figures: Figures) -> list[Tile]:
    """Campaigns that were read out for good, and how many had an effect."""
    final = [row for row in figures["campaign_effects"] if row["state"] == "final"]
    if not final:
        return []
    some = [row for row in final if row["p"] is not None and row["verdict"].startswith("the contacts caused")]
    return [Tile("Campaigns read out", count(len(final)), f"{count(len(some))} with an effect beyond chance")]


SECTIONS = (
    Section(
        anchor="campaigns",
        name="Campaigns",
        place=44,
        draw=campaigns_section,
        figures={
            "campaigns": Figure("gold.campaigns", whole_slice),
            "campaign_effects": Figure("gold.campaign_effects", lambda rows: whole_slice(rows).limit(MOST)),
            "campaign_constraints": Figure("gold.campaign_constraints", lambda rows: whole_slice(rows).limit(MOST)),
        },
        tiles=campaign_tiles,
        glossary={
            "Control": "Customers of a campaign whom a lot keeps from every contact, to measure what contacts cause.",
            "Qini": "How much more a ranking by uplift gains than contacts at random; docs/campaigns.md defines it.",
            "Shadow price": "What one more unit of a capacity would bring.",
        },
    ),
)
