"""Rooms: how the kit finds business capabilities without knowing them.

A room is a folder `portrait/capabilities/<name>/`. Its `__init__.py` has `CAPABILITY`; what else it brings is in
modules whose names are the same in every room, and each is imported only by who asks for it:

| module | has | asked for by |
| --- | --- | --- |
| `policy.py` | `POLICIES`: file of conf/ to the function that reads and checks it | the checks before Spark starts |
| `policy.py` | `COLUMNS`: table to the columns that files of conf/ add to it, by `conf` | who loads declarations |
| `feature_source.py` | `SOURCES`: tables of facts from which features are declared | files of features |
| `events.py` | `EVENTS`: feature source to what makes events of it | features |
| `report.py` | `SECTIONS`: parts of the report | the report |
| `synthetic.py` | `FEEDS`: feeds of the synthetic bank, with planted truth | `portrait land synthetic` |
| `readers.py` | `label_readers`: who reads labels, beside labels themselves | label files |
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from portrait.errors import ConfigurationError
from portrait.ordering import in_order

ROOMS = "portrait.capabilities"


@dataclass(frozen=True)
class Capability:
    """The face of a room: what there is to know of it before anything of it is imported."""

    name: str
    """Its folder in every tree."""
    title: str
    """What it answers, in a line."""
    uses: tuple[str, ...] = ()
    """Other rooms whose modules it imports."""
    commands: Mapping[str, str] = field(default_factory=dict)
    """Command to `module:attribute` in the room: `{"tiers": "commands:tiers"}`."""
    explain: Mapping[str, str] = field(default_factory=dict)
    """Section of `portrait explain` to the table whose rows of a customer it shows."""


@cache
def capabilities() -> tuple[Capability, ...]:
    """All rooms, those that others use first, else by name.

    Raises ConfigurationError for a room that uses one that is not there, or itself through others.
    """
    folder = import_module(ROOMS).__path__
    names = sorted(item.name for item in pkgutil.iter_modules(folder) if item.ispkg)
    rooms = {name: _face(name) for name in names}
    for room in rooms.values():
        if unknown := sorted(set(room.uses) - set(rooms)):
            raise ConfigurationError(
                f"the capability '{room.name}' uses '{unknown[0]}', which does not exist",
                where=f"{ROOMS}.{room.name}",
                remedy=f"capabilities: {', '.join(rooms)}",
            )
    order = in_order(
        {name: room.uses for name, room in rooms.items()},
        circle=lambda path: ConfigurationError(
            f"capabilities use each other in a circle: {path}", where=ROOMS, remedy="move what both need into the kit"
        ),
    )
    return tuple(rooms[name] for name in order)


def _face(name: str) -> Capability:
    face = getattr(import_module(f"{ROOMS}.{name}"), "CAPABILITY", None)
    if not isinstance(face, Capability) or face.name != name:
        raise ConfigurationError(
            f"the folder '{name}' is not a capability",
            where=f"{ROOMS}.{name}",
            remedy=f'its __init__.py needs CAPABILITY = Capability(name="{name}", title=...)',
        )
    return face


def modules_of_rooms(name: str) -> Iterator[ModuleType]:
    """The module `name` of every room that has one, in the order of rooms."""
    for place in places_of_rooms(name):
        yield import_module(place)


def places_of_rooms(name: str) -> list[str]:
    """The full names of these modules; nothing but the faces is imported."""
    places = [f"{ROOMS}.{room.name}.{name}" for room in capabilities()]
    return [place for place in places if find_spec(place) is not None]
