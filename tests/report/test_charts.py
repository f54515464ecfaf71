"""Charts as inline SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from portrait.report.charts import Bar, Cell, bars, heat
from portrait.report.markup import Html
from portrait.report.sankey import Flow, sankey

NASTY = '<script>alert("1")</script> & Söhne'
BARS = [Bar("Diamond", 2, "2 · 1.0 %"), Bar(NASTY, 18, "18 · 9.0 %", inner=6)]
CELLS = [
    Cell("1", "balance", 0.9, "+1.8", "Savers: balance"),
    Cell("2", "balance", -0.4, "−0.8", "Students: balance"),
    Cell("1", "a feature with a long name", None, "–", "nothing"),
    Cell("2", "a feature with a long name", 0.1, "+0.2", "a little"),
]


FLOWS = [
    Flow("Vip", "Vip", 30, "Vip to Vip: 30", "var(--muted)"),
    Flow("Vip", NASTY[:8], 10, "down", "var(--below)"),
    Flow("New", "Vip", 60, "New to Vip: 60", "var(--above)"),
    Flow("New", "Nobody", 0, "nobody", "var(--above)"),
]


@pytest.fixture(scope="module", params=["bars", "heat", "sankey"])
def chart(request: pytest.FixtureRequest) -> Html:
    made = {
        "bars": lambda: bars("Customers by tier", BARS),
        "heat": lambda: heat("Profile", CELLS, wide=True),
        "sankey": lambda: sankey("Profile", FLOWS),
    }
    return made[request.param]()


def svgs(chart: Html) -> list[ET.Element]:
    return list(ET.fromstring(chart).iter("svg"))


def test_a_chart_is_drawn_for_phone_and_desk(chart: Html) -> None:
    assert [svg.get("class") for svg in svgs(chart)] == ["phone", "desk"]


def test_a_chart_fits_its_card(chart: Html) -> None:
    phone, desk = (float(svg.get("viewBox", "").split()[2]) for svg in svgs(chart))
    assert phone <= 313
    assert desk <= 1032


def test_a_chart_says_what_it_is(chart: Html) -> None:
    for svg in svgs(chart):
        assert svg.get("role") == "img"
        assert svg.get("aria-label") in ("Customers by tier", "Profile")


def test_a_chart_loads_nothing_and_names_no_font(chart: Html) -> None:
    assert not re.search(r"https?:|xlink|href=|url\(|font-family|<style|<script", chart)


def test_colours_come_from_the_page(chart: Html) -> None:
    fills = {fill for fill in re.findall(r'(?:fill|stroke)="([^"]*)"', chart) if fill != "none"}
    assert fills
    assert all(fill.startswith("var(--") for fill in fills), fills


def test_names_from_the_data_stay_text() -> None:
    chart = bars("Products", BARS)
    assert "<script>" not in chart
    titles = [title.text for title in ET.fromstring(chart).iter("title")]
    assert f"{NASTY}: 18 · 9.0 %" in titles


def test_bar_lengths_are_in_proportion() -> None:
    (phone,) = svgs(bars("x", [Bar("half", 5, "5"), Bar("all", 10, "10")], small=True))
    paths = [path for path in phone.iter("path") if path.find("title") is not None and path.get("opacity") is None]
    ends = {path.find("title").text: _right(path.get("d", "")) for path in paths}  # type: ignore[union-attr]
    assert ends["half: 5"] == pytest.approx(ends["all: 10"] / 2, abs=0.5)


def _right(path: str) -> float:
    return max(float(number) for number in re.findall(r"([\d.]+),", path))


def test_above_and_below_the_average_have_different_colours() -> None:
    fills = {
        title: path.get("fill")
        for path in svgs(heat("Profile", CELLS))[1].iter("path")
        if (title := path.findtext("title"))
    }
    assert fills["Savers: balance"] == "var(--above)"
    assert fills["Students: balance"] == "var(--below)"


def test_ribbons_and_nodes_are_as_high_as_their_number() -> None:
    heights = {
        path.findtext("title"): _height(path.get("d", "")) for path in svgs(sankey("Moves", FLOWS))[1].iter("path")
    }
    assert "nobody" not in heights
    whole = 190.0  # pixels of 100
    for tip, share in {
        "Vip to Vip: 30": 0.3,
        "down": 0.1,
        "New to Vip: 60": 0.6,
        "New: 60": 0.6,
        "Vip: 90": 0.9,
    }.items():
        assert heights[tip] == pytest.approx(share * whole, abs=0.1), tip


def _height(path: str) -> float:
    """Of the end on the left: of a ribbon its first and last point, of a node the height that it is drawn with."""
    if node := re.search(r"v([\d.]+)", path):
        return float(node.group(1))
    points = [tuple(map(float, pair.split(","))) for pair in re.findall(r"[\d.]+,[\d.]+", path)]
    return points[-1][1] - points[0][1]


def test_no_flows_are_no_error() -> None:
    assert svgs(sankey("Nothing", []))


def test_no_bars_are_no_error() -> None:
    assert svgs(bars("Nothing", []))
