"""A section of the report: what it needs, how it draws, and the terms that it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from portrait.contracts import Catalogue
from portrait.report.figures import Figure, Figures
from portrait.report.markup import Html


class Tile(NamedTuple):
    """A key figure on top of the report: its name, the figure, what to compare it with."""

    name: str
    figure: str
    against: str


def _no_tiles(figures: Figures) -> list[Tile]:
    return []


@dataclass(frozen=True)
class Section:
    """One section of the page; a capability has its own in `SECTIONS` of its report.py."""

    anchor: str
    """The id in the page, unique."""
    name: str
    """The heading, and the entry in the navigation."""
    place: int
    """Sections are in this order: tiers 10, groups 20, labels 30, recommendations 40."""
    draw: Callable[[Figures, Catalogue], Html]
    """Draws it from figures, also where none of them is there: the section then says so."""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """Name to figure; names are unique over all sections, and any section may use those of others."""
    tiles: Callable[[Figures], list[Tile]] = _no_tiles
    glossary: Mapping[str, str] = field(default_factory=dict)
