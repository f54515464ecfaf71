"""The neighbourhood of a customer: who is around, why, and a drawing of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

Row = Mapping[str, Any]
_WORDS: Final = {
    "spouse": "{a} and {b} are married",
    "parent": "{a} is a parent of {b}",
    "employer": "{a} employs {b}",
    "shareholder": "{a} owns {share} of {b}",
    "subsidiary": "{a} owns {share} of {b}, its subsidiary",
    "voter": "{a} holds {share} of the votes of {b}",
    "guarantor": "{a} guarantees for {b}",
    "parent_company": "{a} is the parent company of {b}",
    "shared_account": "{a} and {b} share an account",
}
_UNDIRECTED: Final = ("spouse", "shared_account")
_NODE, _RING, _MARGIN = 62, 190, 110  # pixels: half the width of a name, between two rings, around the outer one


@dataclass(frozen=True)
class Neighbourhood:
    """Everybody within some steps of one customer, and the edges between them."""

    centre: str
    steps: Mapping[str, int]
    """Everybody to the steps from the centre, which has 0."""
    edges: Sequence[Row]
    """Rows of gold.relation_edges, each once, in order."""


def around(centre: str, edges: Sequence[Row], *, depth: int, most: int) -> Neighbourhood:
    """Who is within `depth` steps over the edges, at most so many: nearer ones first, then by name."""
    near: dict[str, set[str]] = {}
    for edge in edges:
        near.setdefault(edge["from_id"], set()).add(edge["to_id"])
        near.setdefault(edge["to_id"], set()).add(edge["from_id"])
    steps, outer = {centre: 0}, [centre]
    for step in range(1, depth + 1):
        reached = sorted({other for member in outer for other in near.get(member, ())} - steps.keys())
        outer = reached[: max(most - len(steps), 0)]
        steps |= dict.fromkeys(outer, step)
    inside = [edge for edge in edges if edge["from_id"] in steps and edge["to_id"] in steps]
    order = sorted(inside, key=lambda edge: (_nearest(edge, steps), edge["kind"], edge["from_id"], edge["to_id"]))
    return Neighbourhood(centre, steps, order)


def _nearest(edge: Row, steps: Mapping[str, int]) -> int:
    return min(steps[edge["from_id"]], steps[edge["to_id"]])


def explained(edge: Row) -> str:
    """An edge in words: what it is, since when, and which source says so."""
    share = "an unknown share" if edge["share"] is None else f"{float(edge['share']):.2%}"
    text = _WORDS[edge["kind"]].format(a=edge["from_id"], b=edge["to_id"], share=share)
    since = f" since {edge['since']}" if edge["since"] is not None else ""
    accounts = f", account {edge['evidence']}" if edge["evidence"] else ""
    return f"{text}{since} ({edge['source']}{accounts})"


def drawing(found: Neighbourhood, *, title: str) -> str:
    """The neighbourhood as an SVG document: the customer in the middle, others on rings by their steps."""
    rings = max(found.steps.values())
    places = _places(found)
    reach = max((math.hypot(x, y) for x, y in places.values()), default=0.0) + _MARGIN
    lines, labels = [], []
    for pair, edges in _by_pair(found.edges).items():
        (x1, y1), (x2, y2) = (places[member] for member in pair)
        tip = escape("; ".join(explained(edge) for edge in edges))
        arrow = "" if all(edge["kind"] in _UNDIRECTED for edge in edges) else ' marker-end="url(#to)"'
        end_x, end_y = _before_node(x1, y1, x2, y2)
        lines.append(
            f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{end_x:.0f}" y2="{end_y:.0f}"{arrow}><title>{tip}</title></line>'
        )
        words = escape(", ".join(_short(edge) for edge in edges))
        labels.append(f'<text x="{(x1 + x2) / 2:.0f}" y="{(y1 + y2) / 2 - 4:.0f}" class="tie">{words}</text>')
    nodes = [_node(member, *places[member], centre=member == found.centre) for member in found.steps]
    size = f"{-reach:.0f} {-reach:.0f} {2 * reach:.0f} {2 * reach:.0f}"
    described = escape(f"{title}: {len(found.steps) - 1} others within {rings} steps, {len(found.edges)} edges")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" width="{2 * reach:.0f}" role="img">',
            f"<title>{described}</title>",
            "<style>text{font:12px sans-serif;text-anchor:middle;fill:#1a1a1a}.tie{font-size:10px;fill:#555}"
            "line{stroke:#888;stroke-width:1.2}rect{fill:#eef3fa;stroke:#4a6fa5}.me rect{fill:#4a6fa5}"
            ".me text{fill:#fff}</style>",
            '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#888"/></marker></defs>',
            *lines,
            *labels,
            *nodes,
            "</svg>\n",
        ]
    )


def _places(found: Neighbourhood) -> dict[str, tuple[float, float]]:
    """Where everybody stands: on a ring by the steps, wide enough that names do not overlap."""
    places: dict[str, tuple[float, float]] = {}
    radius = 0.0
    for step in range(max(found.steps.values()) + 1):
        members = [member for member, at in found.steps.items() if at == step]
        radius = 0.0 if step == 0 else max(radius + _RING, len(members) * _NODE * 2.2 / (2 * math.pi))
        for place, member in enumerate(members):
            angle = 2 * math.pi * place / max(len(members), 1) - math.pi / 2
            places[member] = (radius * math.cos(angle), radius * math.sin(angle))
    return places


def _by_pair(edges: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    pairs: dict[tuple[str, str], list[Row]] = {}
    for edge in edges:
        forth, back = (edge["from_id"], edge["to_id"]), (edge["to_id"], edge["from_id"])
        pairs.setdefault(back if back in pairs else forth, []).append(edge)
    return pairs


def _before_node(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float]:
    """The end of a line at the edge of the box around its second end."""
    across, down = x2 - x1, y2 - y1
    hits = [half / abs(side) for half, side in ((_NODE, across), (13, down)) if side]
    share = max(1 - min(hits, default=0.0), 0.0)
    return x1 + across * share, y1 + down * share


def _node(member: str, x: float, y: float, *, centre: bool) -> str:
    name = member if len(member) <= 16 else member[:15] + "…"
    box = f'<rect x="{x - _NODE:.0f}" y="{y - 13:.0f}" width="{2 * _NODE}" height="26" rx="6"/>'
    text = f'<text x="{x:.0f}" y="{y + 4:.0f}">{escape(name)}</text>'
    return f"<g{' class=' + chr(34) + 'me' + chr(34) if centre else ''}>{box}{text}<title>{escape(member)}</title></g>"


def _short(edge: Row) -> str:
    name = edge["kind"].replace("_", " ")
    return name if edge["share"] is None else f"{name} {float(edge['share']):.0%}"
