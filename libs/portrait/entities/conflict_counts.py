"""How many records of the bank conflict with another of their key: for those who look, and for the end of a run."""

from __future__ import annotations

from datetime import date
from typing import TypedDict

from portrait.lake import Reader
from portrait.lake.selection import values_of

CONFLICTS = "ops.conflicts"


class ConflictCount(TypedDict):
    """Conflicts of a feed for one reason."""

    feed: str
    why: str
    records: int
    new: int
    """Of records that the asked run took in."""
    day: date | None
    """The newest day of a record that conflicts."""


def conflict_counts(reader: Reader, *, run: int | None = None) -> list[ConflictCount]:
    """Conflicts by feed and why, in this order; `run`: whose records are new."""
    if not reader.has(CONFLICTS):
        return []
    rows = reader.read(CONFLICTS).read(["feed", "why", "run", "day"])
    counted: dict[tuple[str, str], ConflictCount] = {}
    for feed, why, by, day in zip(*(values_of(rows.column(name)) for name in rows.column_names), strict=True):
        known = counted.setdefault((feed, why), ConflictCount(feed=feed, why=why, records=0, new=0, day=None))
        known["records"] += 1
        known["new"] += by is not None and by == run
        known["day"] = max((item for item in (known["day"], day) if item is not None), default=None)
    return [counted[key] for key in sorted(counted)]
