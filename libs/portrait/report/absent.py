"""What a run left out, and because of which feed: read off the contracts and the tables that exist."""

from __future__ import annotations

from dataclasses import dataclass

from portrait.contracts import Catalogue


@dataclass(frozen=True)
class LeftOut:
    """A feed that the bank does not deliver: tables that need it, and tables that were computed without it."""

    feed: str
    tables: tuple[str, ...]
    poorer: tuple[str, ...]


def left_out(catalogue: Catalogue, *, present: set[str]) -> list[LeftOut]:
    """One entry per absent feed, in order of name; `present` are the feeds that were ever ingested.

    A feed that no gold table needs or uses, through others too, is missed by nobody and has no entry.
    """
    absent = sorted(set(catalogue.feeds) - present)
    entries = [_of(catalogue, feed) for feed in absent if catalogue.is_read(f"bronze.{feed}")]
    return [entry for entry in entries if entry.tables or entry.poorer]


def _of(catalogue: Catalogue, feed: str) -> LeftOut:
    gone = {f"raw.{feed}"}
    # Contracts come in layer order, but a table may read one of its own layer: repeat until nothing is added.
    while more := {c.id for c in catalogue if c.id not in gone and gone & set(_exact(c.reads))}:
        gone |= more
    tables = tuple(c.id for c in catalogue if c.id in gone and c.layer not in ("raw", "bronze"))
    poorer = tuple(c.id for c in catalogue if c.id not in gone and gone & set(_exact(c.reads_optional)))
    return LeftOut(feed, tables, poorer)


def _exact(names: list[str]) -> list[str]:
    """Inputs by name: `gold.*` means whatever is there, and misses nothing."""
    return [name for name in names if not name.endswith("*")]
