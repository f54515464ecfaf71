"""The section about advice: what to offer to which group, and on which figures that rests."""

from __future__ import annotations

from portrait.contracts import Catalogue
from portrait.report.figures import Figure, Figures, Row, whole_slice
from portrait.report.markup import Head, Html, card, folded, h, section, table
from portrait.report.section import Section
from portrait.report.texts import count, percent, plain, plural, title

_SHOWN = 3
"""Pieces of advice of a group that are shown before the table of all."""


def advice_section(figures: Figures, catalogue: Catalogue) -> Html:
    """A card for each group with the strongest advice, and the table of what groups buy more than others do."""
    anchor, name = "advice", "Advice"
    if not figures.has("advice"):
        return section(anchor, name, "Behaviour of groups was not looked at for this day.")
    rows = sorted(figures["advice"], key=lambda row: (row["group_id"], row["advice"], row["category"]))
    judged = figures["behaviour"]
    told = [row for row in judged if row["is_significant"]]
    groups = list(dict.fromkeys(row["group_id"] for row in rows))
    lead = (
        f"{plural(len(rows), 'piece')} of advice for {plural(len(groups), 'group')}. "
        f"{count(len(told))} of {count(len(judged))} shares differ from those of all others, "
        "of which at most 5 % are expected to be chance."
    )
    cards = [_group([row for row in rows if row["group_id"] == group]) for group in groups]
    return section(anchor, name, lead, *cards, _telling(told))


def _group(rows: list[Row]) -> Html:
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row["advice"], row)
    shown = list(first.values())[:_SHOWN]
    words = [
        h(
            "li",
            h("b", row["wording"]),
            h("p", f"{_capitalized(row['moment'])}, by {row['channel']}; product: {plain(row['product_kind'])}."),
            h("p", f"Evidence: {row['evidence']}. Expected effect: {row['expected_effect']}.", class_="note"),
        )
        for row in shown
    ]
    heads = [Head("Advice"), Head("Category"), Head("When"), Head("Evidence")]
    lines = [[row["title"], row["category"], row["moment"], row["evidence"]] for row in rows]
    small = rows[0]["remark"]
    return card(
        f"{rows[0]['group_id']} {rows[0]['group_name']}",
        h("ul", *words, class_="people"),
        folded(f"All {len(rows)}", table("Advice for the group", heads, lines)),
        wide=True,
        note=f"{count(rows[0]['customers'])} customers; a control group takes {count(rows[0]['control_size'])} per arm"
        + (f": {small}." if small else "."),
    )


def _capitalized(words: str) -> str:
    return words[:1].upper() + words[1:]


def _telling(rows: list[Row]) -> Html | None:
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: (-float(row["tgi"]), row["group_id"], row["category"]))
    heads = [Head("Group"), Head("Category"), Head("Share", True), Head("TGI", True), Head("95 % interval", True)]
    lines = [
        [
            str(row["group_id"]),
            title(row["category"]),
            percent(row["share"]),
            f"{float(row['tgi']):.0f}",
            f"{float(row['tgi_low']):.0f} to {float(row['tgi_high']):.0f}",
        ]
        for row in rows
    ]
    return card("Where groups differ", folded("All differences", table("Shares of buyers", heads, lines)), wide=True)


SECTIONS = (
    Section(
        anchor="advice",
        name="Advice",
        place=27,
        draw=advice_section,
        figures={
            "advice": Figure("gold.group_advice", whole_slice),
            "behaviour": Figure("gold.group_behaviour", whole_slice),
        },
        glossary={
            "Share of wallet": "Spending seen here, as a share of it and what leaves for other banks; an upper bound.",
            "Lift of a basket": "How much more often two categories are bought in one week than chance gives.",
        },
    ),
)
