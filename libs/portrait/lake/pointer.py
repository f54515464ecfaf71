"""What readers see: the rows of `ops.publication`, each a set of table versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

POINTER = "ops.publication"


@dataclass(frozen=True)
class Publication:
    """One row of the pointer table."""

    sequence: int
    run: int
    as_of: date
    action: str
    versions: dict[str, int]
    published_at: datetime
