"""Commands about relations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from portrait.capabilities.relations.neighbourhood import Neighbourhood, around, drawing, explained
from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.errors import PortraitError
from portrait.lake.selection import Selection
from portrait.settings import Settings

_EDGES, _GROUPS, _EXPOSURE = "gold.relation_edges", "gold.relation_groups", "gold.group_exposure"


@with_settings
def relations_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer or company.")],
    as_of: OptionalAsOf = None,
    depth: Annotated[int, typer.Option(min=1, max=4, help="Steps from the customer.")] = 1,
    most: Annotated[int, typer.Option(min=2, max=500, help="Customers and companies at most.")] = 60,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw the neighbourhood to a file.")] = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Who a customer is related to, each relation explained, and the groups and exposure that follow from it.

    Example: portrait relations C000000017 --depth 2 --svg family.svg
    """
    with looking(settings, target) as opened:
        day, edges = opened.slice_at(_EDGES, as_of)
        found = around(customer, _edges(edges, customer, depth=depth, most=most), depth=depth, most=most)
        _, groups = opened.slice_at(_GROUPS, day)
        member_of = groups.where("member_id", "=", customer).rows()
        exposure: list[dict[str, Any]] = []
        if opened.has(_EXPOSURE):
            _, lent = opened.slice_at(_EXPOSURE, day)
            exposure = lent.where("group_id", "in", [customer, *(row["group_id"] for row in member_of)]).rows()
    if not found.edges:
        raise PortraitError(
            f"nobody is related to '{customer}' on {day}",
            where=_EDGES,
            remedy="check the id, or ask for another day with --as-of",
        )
    columns = ["from_id", "to_id", "kind", "share", "since", "explanation"]
    rows = [[*(edge[name] for name in columns[:-1]), explained(edge)] for edge in found.edges]
    emit(columns, rows, output, title=f"Relations around {customer} on {day}")
    if svg is not None:
        svg.write_text(drawing(found, title=f"Relations around {customer} on {day}"), encoding="utf-8")
    if output is Format.table:
        for line in _groups(found, member_of, exposure):
            console.print(f"  {line}", markup=False, soft_wrap=True)
        if svg is not None:
            console.print(f"  drawn to {svg}", markup=False)


def _edges(edges: Selection, customer: str, *, depth: int, most: int) -> list[dict[str, Any]]:
    """The edges of everybody within `depth` steps; of the last step only those that lead back."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    known, outer = {customer}, {customer}
    for _ in range(depth):
        for side in ("from_id", "to_id"):
            for row in edges.where(side, "in", sorted(outer)).rows():
                found[row["from_id"], row["to_id"], row["kind"]] = row
        reached = {row[side] for row in found.values() for side in ("from_id", "to_id")}
        outer = set(sorted(reached - known)[: max(most - len(known), 0)])
        known |= outer
        if not outer:
            break
    return list(found.values())


def _groups(found: Neighbourhood, member_of: list[dict[str, Any]], exposure: list[dict[str, Any]]) -> list[str]:
    """A line per group of the customer, and one for the customer alone, with what the bank has lent."""
    lent = {(row["kind"], row["group_id"]): row for row in exposure}
    lines = []
    for kind, group, members in [
        ("customer", found.centre, 1),
        *sorted((row["kind"], row["group_id"], row["members"]) for row in member_of),
    ]:
        row = lent.get((kind, group))
        owes = (
            "nothing lent" if row is None else f"exposure {'unknown' if row['exposure'] is None else row['exposure']}"
        )
        limit = "" if row is None or row["state"] is None else f", limit: {row['state']} ({row['limit_use']:.0%} used)"
        lines.append(f"{kind} {group}: {members} member{'s' if members != 1 else ''}, {owes}{limit}")
    return lines
