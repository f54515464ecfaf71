"""How the records of a file are laid out, and a sample of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Field:
    """A column of a file of fixed width: its places, 1-based, both included."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Layout:
    """The format of a file, as a mapping states it."""

    type: str
    """csv, fixed_width, jsonl, parquet or xlsx."""
    encoding: str = "UTF-8"
    delimiter: str = ","
    quote: str | None = '"'
    header: bool = True
    skip_lines: int = 0
    names: tuple[str, ...] = ()
    """Names that the file does not give itself."""
    fields: tuple[Field, ...] = ()
    sheet: str | None = None
    """The sheet of a workbook that has more than one."""
    trailer: str | None = None
    """A regular expression of the last line, with the group `records` where it says how many there are."""
    decimal: str = "."
    thousands: str = ""
    nulls: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """What a person should look at."""


@dataclass(frozen=True)
class Sample:
    """The first records of a file, as texts by column."""

    path: Path
    layout: Layout
    columns: dict[str, list[str | None]] = field(repr=False)
    whole: bool = True
    """Whether it is all of the file."""
    unnamed: frozenset[str] = frozenset()
    """Columns that the header leaves without a name, as data frames do with row numbers."""

    @property
    def names(self) -> list[str]:
        """The columns in their order."""
        return list(self.columns)

    @property
    def rows(self) -> int:
        """How many records were read."""
        return len(next(iter(self.columns.values()), []))


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, those that are empty or repeated with a number."""
    seen: dict[str, int] = {}
    found = []
    for place, name in enumerate(names, 1):
        bare = name.strip() or f"column_{place}"
        seen[bare] = seen.get(bare, 0) + 1
        found.append(bare if seen[bare] == 1 else f"{bare}_{seen[bare]}")
    return found
