"""The section about core groups: which group carries each population's value, how it was found, what the plan did."""

from __future__ import annotations

from portrait.contracts import Catalogue
from portrait.report.figures import Figure, Figures, Row, whole_slice
from portrait.report.markup import Head, Html, card, folded, h, section, table
from portrait.report.section import Section, Tile
from portrait.report.texts import NONE, amount, count, percent, plural

_SCORE = "Lift x lift x cohesion x stability, to the power of 1/4, of groups that passed the gates."


def core_group_section(figures: Figures, catalogue: Catalogue) -> Html:
    """A card for each population: its groups by core score, the rule of the core group, the steps, the effect."""
    if not figures.has("core_steps") or not figures["core_steps"]:
        return section("core_group", "Core group", "Core groups were not looked for on this day.")
    populations = list(dict.fromkeys(row["population"] for row in sorted(figures["core_steps"], key=_by_population)))
    found = [row for row in figures["core_groups"] if row["core_rank"] == 1]
    lead = f"{plural(len(found), 'core group')} in {plural(len(populations), 'population')}."
    for row in sorted(found, key=_by_population):
        lead += (
            f" {row['population'].capitalize()}: {row['group_name']}, {percent(row['size_share'])} of the customers "
            f"with {percent(row['value_share'])} of the contribution."
        )
    return section("core_group", "Core group", lead, *[_population(figures, name) for name in populations])


def _by_population(row: Row) -> tuple[str, int]:
    return row["population"], int(row.get("step") or row.get("group_id") or 0)


def _population(figures: Figures, name: str) -> Html:
    groups = [row for row in figures["core_groups"] if row["population"] == name]
    groups.sort(key=lambda row: (row["core_rank"] or 1_000, row["group_id"]))
    steps = sorted((row for row in figures["core_steps"] if row["population"] == name), key=_by_population)
    core = next((row for row in groups if row["core_rank"] == 1), None)
    heads = [
        Head("Group"),
        Head("Customers", True),
        Head("Lift", True),
        Head("Stability", True),
        Head("Score", True),
        Head(""),
    ]
    lines = [
        [
            f"{row['group_id']} {row['group_name']}",
            count(row["customers"]),
            _two(row["lift"]),
            _two(row["jaccard"]),
            _two(row["core_score"]),
            "core group" if row["core_rank"] == 1 else row["failed_gates"] or f"rank {row['core_rank']}",
        ]
        for row in groups
    ]
    taken = [
        [f"{row['step']} {row['name']}", "passed" if row["passed"] else "failed", row["reason"] or "nothing to note"]
        for row in steps
    ]
    said = "No group passed the gates." if core is None else _rule(core)
    return card(
        name.capitalize(),
        h("p", said),
        h("p", _effect(core)) if core is not None else None,
        table("Groups by core score", heads, lines) if lines else None,
        folded("The five steps", table("Steps and gates", [Head("Step"), Head(""), Head("")], taken)),
        wide=True,
        note=_SCORE,
    )


def _rule(core: Row) -> str:
    if core["rule"] is None:
        return f"Core group: {core['group_name']}. No rule over labels finds it."
    return (
        f"Core group: {core['group_name']}. Rule: {core['rule']}. "
        f"It selects {_share(core['rule_recall'])} of the group; "
        f"{_share(core['rule_precision'])} of those it selects are in it."
    )


def _effect(core: Row) -> str:
    if core["served_before"] is None:
        return f"Plan {core['plan']}: nobody was served before this slice, so there is no effect yet."
    if core["contribution_effect"] is None:
        return f"Plan {core['plan']}: too few customers in an arm to measure an effect."
    effect, low, high = (amount(core[f"contribution_{name}"]) for name in ("effect", "low", "high"))
    kept, least, most = (percent(core[f"retention_{name}"]) for name in ("effect", "low", "high"))
    return (
        f"Plan {core['plan']}, {count(core['served_before'])} served against {count(core['control_before'])} of the "
        f"control group since the slice before: contribution {effect} per customer (95 % interval {low} to {high}), "
        f"share that stayed {kept} higher ({least} to {most})."
    )


def _two(number: float | None) -> str:
    return NONE if number is None else f"{float(number):.2f}"


def _share(number: float | None) -> str:
    return NONE if number is None else percent(number)


def core_group_tiles(figures: Figures) -> list[Tile]:
    """The share of the bank's contribution that the core group has."""
    rows = figures["core_groups"] if figures.has("core_groups") else []
    core = next((row for row in rows if row["core_rank"] == 1 and row["population"] == "bank"), None)
    if core is None:
        return []
    return [
        Tile("Core group", percent(core["value_share"]), f"of contribution, {percent(core['size_share'])} of customers")
    ]


SECTIONS = (
    Section(
        anchor="core_group",
        name="Core group",
        place=25,
        draw=core_group_section,
        figures={
            "core_groups": Figure("gold.core_group_summary", whole_slice),
            "core_steps": Figure("gold.core_group_steps", whole_slice),
        },
        tiles=core_group_tiles,
        glossary={
            "Core group": "The group with the highest core score among those that pass all gates.",
            "Lift": "Mean contribution in a group, divided by the mean of its population.",
        },
    ),
)
