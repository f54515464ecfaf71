"""From an Altair chart to inline SVG: no script, no font and no address to load, colours taken from the page's CSS.

Why not embed Vega: its bundle alone is a megabyte, a mail preview or a locked-down reader shows nothing where scripts
are off, and light and dark would need two charts all the same. Every figure is printed beside its bar or in its cell;
what remains of tooltips are SVG titles, which browsers show without any script.
"""

from __future__ import annotations

import re

import altair as alt
import vl_convert

from portrait.report.markup import Html

_CONFIG = {
    "background": None,
    "view": {"stroke": None},
    "font": "sans-serif",
    "axis": {"domain": False, "ticks": False, "grid": False, "title": None, "labelColor": "var(--ink)"},
    "axisY": {"labelFontSize": 13, "labelPadding": 8, "labelLimit": 200},
    "axisX": {"labelFontSize": 12, "labelPadding": 6, "labelLimit": 200, "labelAngle": 0},
    "text": {"fontSize": 13, "color": "var(--ink)"},
}
_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])

_MARK = re.compile(
    r'<(path|text) aria-label="([^"]*)" role="graphics-symbol" aria-roledescription="[^"]*"([^>]*?)(/?)>'
)
_DROPPED = [
    re.compile(r'<path class="(?:background|foreground)"[^>]*/>'),
    re.compile(r' (?:aria-[a-z]+|role|class|font-family|stroke-miterlimit|pointer-events)="[^"]*"'),
    re.compile(r' opacity="1"'),
    re.compile(r"<g></g>"),
]
_LONG_DECIMALS = re.compile(r"(\d+\.\d\d)\d+")
_FRAME = re.compile(r'<svg [^>]*viewBox="0 0 ([\d.]+) ([\d.]+)">')


def inline_svg(chart: alt.LayerChart | alt.FacetChart, *, label: str, css_class: str) -> Html:
    """The chart as an `svg` element that scales to its container; `label` is what a screen reader says of it."""
    spec = chart.to_dict(validate=False)
    spec["config"] = _CONFIG
    svg = vl_convert.vegalite_to_svg(spec, vl_version=_VERSION)
    return Html(_framed(_slim(svg), label, css_class))


def _slim(svg: str) -> str:
    """Without what only Vega's own tools read; a mark's description becomes its title."""
    # A text mark repeats its bar: only shapes get a title.
    svg = _MARK.sub(lambda m: _with_title(*m.groups()), svg)
    head, _, body = svg.partition(">")
    for pattern in _DROPPED:
        body = pattern.sub("", body)
    while "<g></g>" in body:
        body = body.replace("<g></g>", "")
    return head + ">" + _LONG_DECIMALS.sub(r"\1", body.replace('px"', '"'))


def _with_title(tag: str, description: str, rest: str, closed: str) -> str:
    if tag == "path" and closed and description:
        return f"<path{rest}><title>{description}</title></path>"
    return f"<{tag}{rest}{closed}>"


def _framed(svg: str, label: str, css_class: str) -> str:
    found = _FRAME.search(svg)
    if found is None:
        raise ValueError("vl-convert's SVG has another frame than before: _FRAME in portrait.report.svg must follow it")
    width, height = found.groups()
    text = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    frame = f'<svg class="{css_class}" role="img" aria-label="{text}" viewBox="0 0 {width} {height}" width="{width}">'
    return frame + svg[found.end() :]
