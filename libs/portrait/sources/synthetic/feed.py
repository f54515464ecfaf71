"""A feed of the synthetic bank that a capability brings, with what is planted in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pyspark.sql import DataFrame

from portrait.capability import modules_of_rooms
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.truth import Truth

Make = Callable[[DataFrame, Bank], DataFrame]


@dataclass(frozen=True)
class SyntheticFeed:
    """One feed that grows with the customers; `FEEDS` of a capability's synthetic.py has them."""

    name: str
    """The feed, as its contract in schemas/raw calls it."""
    rows: Make
    """Called with the customers (`bank.people`) and the bank: the columns of the feed, `day` (INT, from the start; less
    than 0: known before it) and `k`, the number of the customer. Deterministic: draw with `bank.draws`."""
    moment: str = "changed_at"
    """The column that says from when a record is: rows of a file are sorted by it."""
    truths: Mapping[str, Callable[[DataFrame, Bank], Truth]] = field(default_factory=dict)
    """Name to what is planted, for `truth/<name>`, which no job reads."""


def feeds_of_rooms() -> dict[str, SyntheticFeed]:
    """Name to feed, of all capabilities."""
    return {feed.name: feed for room in modules_of_rooms("synthetic") for feed in room.FEEDS}
