"""Flows between two columns of nodes (a Sankey diagram), drawn as ribbons whose height is their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import altair as alt

from portrait.report.charts import CHARACTER, HALF, PHONE, Drawing
from portrait.report.markup import Html, h
from portrait.report.svg import inline_svg

_HEIGHT = 190.0
"""Pixels of all flows together."""
_SLOT, _GAP, _NODE = 17.0, 7.0, 7.0
"""Least height of a node with its name, space between two, and width of a node."""
_POINTS = 16
"""Straight pieces of which a ribbon is made."""


@dataclass(frozen=True)
class Flow:
    """So many go from a node on the left to one on the right; `fill` names a colour of the page's style sheet."""

    source: str
    target: str
    value: float
    tip: str
    fill: str


def sankey(label: str, flows: Sequence[Flow]) -> Html:
    """Nodes in the order in which flows name them; nothing is drawn for a flow of 0. Each side adds up to all."""
    some = [flow for flow in flows if flow.value > 0]
    drawn = [(_drawing(some, width), css_class) for width, css_class in ((PHONE, "phone"), (HALF, "desk"))]
    return h("figure", *[inline_svg(drawing, label=label, css_class=css_class) for drawing, css_class in drawn])


@dataclass(frozen=True)
class _Node:
    """A node of one side, in pixels from above."""

    name: str
    value: float
    top: float
    size: float


def _side(flows: Sequence[Flow], end: str, scale: float) -> dict[str, _Node]:
    """The nodes on one side by name; a thin one stands in the middle of the room for its name."""
    totals: dict[str, float] = {}
    for flow in flows:
        totals[getattr(flow, end)] = totals.get(getattr(flow, end), 0.0) + flow.value
    nodes, at = {}, 0.0
    for name, value in totals.items():
        room = max(value * scale, _SLOT)
        nodes[name] = _Node(name, value, at + (room - value * scale) / 2, value * scale)
        at += room + _GAP
    return nodes


def _drawing(flows: Sequence[Flow], width: int) -> Drawing:
    scale = _HEIGHT / (sum(flow.value for flow in flows) or 1.0)
    # Names keep the order of all nodes on either side, also of those that no flow on that side touches first.
    order = list(dict.fromkeys([flow.source for flow in flows] + [flow.target for flow in flows]))
    by_target = sorted(flows, key=lambda flow: order.index(flow.target))
    left, right = _side(flows, "source", scale), _side(by_target, "target", scale)
    height = ceil(
        max((node.top + max(node.size, _SLOT) for side in (left, right) for node in side.values()), default=0)
    )
    margin = max((len(name) for name in order), default=0) * CHARACTER + _NODE + 6
    x = alt.Scale(domain=[0, 1], range=[margin, width - margin])
    y = alt.Scale(domain=[0, height], range=[0, height])
    layers = [_ribbons(flows, left, right, scale, x, y)]
    for nodes, edge, outwards in ((left, margin, -1), (right, width - margin, 1)):
        layers += _nodes(list(nodes.values()), edge, outwards, y)
    padding = {"left": 0, "right": 0, "top": 2, "bottom": 2}
    return alt.layer(*layers).properties(width=width, height=height, padding=padding, autosize="none")


def _ribbons(
    flows: Sequence[Flow], left: dict[str, _Node], right: dict[str, _Node], scale: float, x: alt.Scale, y: alt.Scale
) -> alt.Chart:
    values = []
    leave, arrive = ({name: node.top for name, node in side.items()} for side in (left, right))
    for number, flow in enumerate(flows):
        size, start, end = flow.value * scale, leave[flow.source], arrive[flow.target]
        leave[flow.source], arrive[flow.target] = start + size, end + size
        for point in range(_POINTS + 1):
            along = point / _POINTS
            top = start + (end - start) * along * along * (3 - 2 * along)
            values.append(
                {"flow": number, "x": along, "top": top, "bottom": top + size, "tip": flow.tip, "fill": flow.fill}
            )
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_area(opacity=0.45)
        .encode(
            x=alt.X("x:Q", scale=x, axis=None),
            y=alt.Y("top:Q", scale=y, axis=None, stack=None),
            y2=alt.Y2("bottom:Q"),
            detail="flow:N",
            fill=alt.Fill("fill:N", scale=None, legend=None),
            description=alt.Description("tip:N"),
        )
    )
    return chart


def _nodes(nodes: Sequence[_Node], edge: float, outwards: int, y: alt.Scale) -> list[alt.Chart]:
    values = [
        {"name": node.name, "tip": f"{node.name}: {node.value:,.0f}"}
        | {"top": node.top, "bottom": node.top + node.size, "middle": node.top + node.size / 2}
        for node in nodes
    ]
    base = alt.Chart(alt.InlineData(values=values))
    ends = sorted((edge, edge + outwards * _NODE))
    bars = base.mark_rect(fill="var(--accent)").encode(
        x=alt.value(ends[0]),
        x2=alt.value(ends[1]),
        y=alt.Y("top:Q", scale=y, axis=None),
        y2=alt.Y2("bottom:Q"),
        description=alt.Description("tip:N"),
    )
    names = base.mark_text(align="right" if outwards < 0 else "left", baseline="middle").encode(
        x=alt.value(edge + outwards * (_NODE + 5)), y=alt.Y("middle:Q", scale=y, axis=None), text=alt.Text("name:N")
    )
    return [bars, names]
