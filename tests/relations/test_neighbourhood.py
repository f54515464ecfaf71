"""The neighbourhood of a customer: who is in it, every edge in words, and a drawing that any SVG reader takes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

from portrait.capabilities.relations.neighbourhood import around, drawing, explained

SVG = "{http://www.w3.org/2000/svg}"


def edge(one: str, other: str, kind: str = "parent", **more: Any) -> dict[str, Any]:
    row = {"share": None, "since": date(2020, 1, 1), "source": "relations", "evidence": None, **more}
    return {"from_id": one, "to_id": other, "kind": kind, **row}


EDGES = [edge("a", "b", "spouse"), edge("b", "c"), edge("c", "d"), edge("x", "y")]


def test_steps_are_counted_over_edges_of_any_direction() -> None:
    found = around("a", EDGES, depth=2, most=10)
    assert found.steps == {"a": 0, "b": 1, "c": 2}
    assert [(e["from_id"], e["to_id"]) for e in found.edges] == [("a", "b"), ("b", "c")]


def test_nearer_ones_come_first_where_there_are_too_many() -> None:
    assert around("a", EDGES, depth=3, most=3).steps == {"a": 0, "b": 1, "c": 2}


def test_edges_in_words() -> None:
    assert explained(edge("a", "b", "spouse")) == "a and b are married since 2020-01-01 (relations)"
    owns = edge("a", "E", "shareholder", share=Decimal("0.25"), since=None)
    assert explained(owns) == "a owns 25.00% of E (relations)"
    shared = edge("a", "b", "shared_account", since=None, source="account_parties", evidence="A1")
    assert explained(shared) == "a and b share an account (account_parties, account A1)"


def test_the_drawing_has_everybody_once_and_every_edge_explained() -> None:
    twice = [*EDGES, edge("a", "b", "shared_account")]
    root = ElementTree.fromstring(drawing(around("a", twice, depth=3, most=10), title="Around a"))
    names = [node.find(f"{SVG}title").text for node in root.iter(f"{SVG}g")]  # type: ignore[union-attr]
    assert sorted(str(name) for name in names) == ["a", "b", "c", "d"]
    lines = list(root.iter(f"{SVG}line"))
    assert len(lines) == 3
    assert "share an account" in str(lines[0].find(f"{SVG}title").text)  # type: ignore[union-attr]


def test_names_from_the_data_cannot_break_the_drawing() -> None:
    found = around("<a&b>", [edge("<a&b>", '"c"')], depth=1, most=5)
    root = ElementTree.fromstring(drawing(found, title='x" & <y>'))
    assert {node.find(f"{SVG}title").text for node in root.iter(f"{SVG}g")} == {"<a&b>", '"c"'}  # type: ignore[union-attr]
