"""The two kinds of chart of the report, each drawn twice: for a phone and for a desk. CSS shows the one that fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from portrait.report.markup import Html, h
from portrait.report.svg import inline_svg

PHONE, HALF, FULL = 311, 484, 1030
"""Widths in CSS pixels that a card leaves for a chart: at 375 px, in half and in the full width of a desk."""

Drawing = alt.LayerChart | alt.FacetChart  # what Altair's layer() says it gives

CHARACTER = 7.4
"""Width of a character of 13 px, generously: the reader's font is not known here."""


@dataclass(frozen=True)
class Bar:
    """A bar: `inner` of `value` is drawn dark, the rest light; all of it is dark when `inner` is None."""

    label: str
    value: float
    text: str
    inner: float | None = None
    accent: str = "accent"


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map; `weight` -1..1 is the depth of its colour, with its sign. None: an empty cell."""

    x: str
    y: str
    weight: float | None
    text: str
    tip: str


def bars(label: str, rows: Sequence[Bar], *, top: float | None = None, small: bool = False) -> Html:
    """Horizontal bars in the order given, each with its figure; `top` is the value of a full bar.

    `small` bars look alike on phone and desk, where three such panels stand side by side.
    """
    limit = top or max((row.value for row in rows), default=0.0) or 1.0
    if small:
        return h("figure", inline_svg(_bars_phone(rows, limit), label=label, css_class="small"))
    return _figure(
        inline_svg(_bars_phone(rows, limit), label=label, css_class="phone"),
        inline_svg(_bars_desk(rows, limit, HALF), label=label, css_class="desk"),
    )


def heat(label: str, cells: Sequence[Cell], *, wide: bool = False, columns: dict[str, str] | None = None) -> Html:
    """A heat map, rows and columns in the order of the cells; `columns` are longer headings for a desk.

    Cells that are above get the accent colour, those below the other one, both laid over the page's own ground, so that
    the figures in them stay readable in light and dark.
    """
    return _figure(
        inline_svg(_heat_phone(cells), label=label, css_class="phone"),
        inline_svg(_heat_desk(cells, FULL if wide else HALF, columns or {}), label=label, css_class="desk"),
    )


def _figure(phone: Html, desk: Html) -> Html:
    return h("figure", phone, desk)


def _bars_data(rows: Sequence[Bar], limit: float) -> alt.InlineData:
    # Vega lays bars of one label on top of each other: blanks without width tell them apart.
    labels = [row.label for row in rows]
    values = [
        {
            "label": row.label + "\N{ZERO WIDTH SPACE}" * labels[:place].count(row.label),
            "value": row.value,
            "inner": row.value if row.inner is None else row.inner,
            "limit": limit,
            "text": row.text,
            "tip": f"{row.label}: {row.text}",
            "none": "",
            "fill": f"var(--{row.accent})",
        }
        for place, row in enumerate(rows)
    ]
    return alt.InlineData(values=values)


def _bars_phone(rows: Sequence[Bar], limit: float) -> Drawing:
    """Name and figure on one line, the bar below them: a long name takes nothing from the bar."""
    base = alt.Chart(_bars_data(rows, limit)).encode(y=alt.Y("label:N", sort=None, axis=None))
    x = alt.Scale(domain=[0, limit], range=[0, PHONE])
    room = PHONE - max((len(row.text) for row in rows), default=0) * CHARACTER - 24
    name = base.mark_text(align="left", baseline="middle", dy=-8, limit=room).encode(
        x=alt.value(0), text=alt.Text("label:N")
    )
    figure = base.mark_text(align="right", baseline="middle", dy=-8).encode(x=alt.value(PHONE), text=alt.Text("text:N"))
    layers = alt.layer(*_shapes(base, x, size=9, offset=9), name, figure)
    return layers.properties(width=PHONE, height=alt.Step(38), padding={"left": 1, "right": 1, "top": 0, "bottom": 2})


def _bars_desk(rows: Sequence[Bar], limit: float, total: int) -> Drawing:
    """Names in a column on the left, figures in one on the right."""
    names = min(250.0, max((len(row.label) for row in rows), default=0) * CHARACTER + 8)
    figures = max((len(row.text) for row in rows), default=0) * CHARACTER + 12
    width = total - names - figures
    base = alt.Chart(_bars_data(rows, limit)).encode(y=alt.Y("label:N", sort=None, axis=None))
    x = alt.Scale(domain=[0, limit], range=[0, width])
    left = base.mark_text(align="left", baseline="middle", limit=0.88 * names)
    name = left.encode(x=alt.value(-names), text=alt.Text("label:N"))
    right = base.mark_text(align="right", baseline="middle")
    figure = right.encode(x=alt.value(width + figures), text=alt.Text("text:N"))
    padding = {"left": names, "right": figures, "top": 0, "bottom": 2}
    layers = alt.layer(*_shapes(base, x, size=16, offset=0), name, figure)
    return layers.properties(width=width, height=alt.Step(30), padding=padding, autosize="none")


def _shapes(base: alt.Chart, x: alt.Scale, *, size: int, offset: int) -> list[alt.Chart]:
    """A track to the limit, the light bar and the dark one."""

    def shape(value: str, fill: Any, opacity: float, tip: str = "none:N") -> alt.Chart:
        mark = base.mark_bar(size=size, yOffset=offset, cornerRadius=2, opacity=opacity)
        end = alt.X(f"{value}:Q", scale=x, axis=None, stack=None)
        chart: alt.Chart = mark.encode(x=end, fill=fill, description=alt.Description(tip))
        return chart

    fill = alt.Fill("fill:N", scale=None, legend=None)
    return [
        shape("limit", alt.value("var(--track)"), 1.0),
        shape("value", fill, 0.4, tip="tip:N"),
        shape("inner", fill, 1.0, tip="tip:N"),
    ]


def _heat_desk(cells: Sequence[Cell], total: int, columns: dict[str, str]) -> Drawing:
    """Names of the rows in a column on the left."""
    names = min(260.0, max((len(cell.y) for cell in cells), default=0) * CHARACTER + 8)
    layers, top = _heat_layers(cells, columns, gap=0.08, size=12)
    side = _names(cells).mark_text(align="left", baseline="middle", limit=0.88 * names)
    side = side.encode(x=alt.value(-names), y=_band("y", 0.08), text=alt.Text("y:N"))
    padding = {"left": names, "right": 0, "top": top, "bottom": 2}
    drawing = alt.layer(*layers, side)
    return drawing.properties(width=total - names, height=alt.Step(30), padding=padding, autosize="none")


def _heat_phone(cells: Sequence[Cell]) -> Drawing:
    """Short names beside their row, long ones above it: the cells keep their width."""
    names = max((len(cell.y) for cell in cells), default=0) * CHARACTER
    if names <= 70:
        layers, top = _heat_layers(cells, {}, gap=0.08, size=11)
        side = _names(cells).mark_text(align="left", baseline="middle", fontSize=12)
        side = side.encode(x=alt.value(-names), y=_band("y", 0.08), text=alt.Text("y:N"))
        padding = {"left": names, "right": 0, "top": top, "bottom": 2}
        drawing = alt.layer(*layers, side)
        return drawing.properties(width=PHONE - names, height=alt.Step(30), padding=padding, autosize="none")
    layers, top = _heat_layers(cells, {}, gap=0.44, size=11, above=20)
    over = _names(cells).mark_text(align="left", baseline="middle", dy=-23, limit=PHONE)
    over = over.encode(x=alt.value(0), y=_band("y", 0.44), text=alt.Text("y:N"))
    padding = {"left": 0, "right": 0, "top": top + 20, "bottom": 2}
    drawing = alt.layer(*layers, over)
    return drawing.properties(width=PHONE, height=alt.Step(48), padding=padding, autosize="none")


def _band(field: str, gap: float) -> alt.Y:
    return alt.Y(f"{field}:N", sort=None, axis=None, scale=alt.Scale(paddingInner=gap, paddingOuter=0))


def _names(cells: Sequence[Cell]) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=[{"y": name} for name in dict.fromkeys(cell.y for cell in cells)]))


def _heat_layers(
    cells: Sequence[Cell], columns: dict[str, str], *, gap: float, size: int, above: int = 0
) -> tuple[list[alt.Chart], int]:
    """Cells, their figures and the headings of the columns; and the height of the headings."""
    heads = {cell.x: columns.get(cell.x, cell.x).split("\n") for cell in cells}
    lines = max((len(head) for head in heads.values()), default=1)
    padded = [{"x": x, "head": [""] * (lines - len(head)) + head} for x, head in heads.items()]
    values = [
        {
            "x": cell.x,
            "y": cell.y,
            "depth": 0.06 + 0.64 * min(1.0, abs(cell.weight)) if cell.weight is not None else 0.0,
            "fill": "var(--below)" if (cell.weight or 0) < 0 else "var(--above)",
            "text": cell.text,
            "tip": cell.tip,
        }
        for cell in cells
    ]
    x = alt.X("x:N", sort=None, axis=None, scale=alt.Scale(paddingInner=0.04, paddingOuter=0))
    base = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=_band("y", gap))
    rects = base.mark_rect(cornerRadius=2).encode(
        fill=alt.Fill("fill:N", scale=None, legend=None),
        fillOpacity=alt.FillOpacity("depth:Q", scale=None, legend=None),
        description=alt.Description("tip:N"),
    )
    texts = base.mark_text(baseline="middle", fontSize=size).encode(text=alt.Text("text:N"))
    head = alt.Chart(alt.InlineData(values=padded)).mark_text(
        align="center", baseline="bottom", fontSize=size, lineHeight=15, dy=-15 * (lines - 1), color="var(--muted)"
    )
    head = head.encode(x=x, y=alt.value(-6 - above), text=alt.Text("head:N"))
    return [rects, texts, head], 15 * lines + 10
