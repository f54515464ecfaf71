"""Sources of features: tables with facts about customers.

A capability adds one in `SOURCES` of its feature_source.py, and what makes events of it in `EVENTS` of its events.py.
Nothing of Spark is imported here: files of conf/features are checked before it starts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from portrait.capability import modules_of_rooms

QUOTIENTS = frozenset({"ratio", "share"})
EVENT_AGGREGATES = frozenset({"count", "sum", "min", "max", "average", "days_since_last", "days_since_first"})
DAY_AGGREGATES = frozenset({"distinct_days", "distinct_months"})
BALANCE_AGGREGATES = frozenset(
    {"balance_last", "balance_average", "balance_lowest", "balance_highest", "overdrawn_days"}
)


@dataclass(frozen=True)
class Shape:
    """What a source offers to declarations: columns to filter and split by, amounts to add up, ways to add up."""

    dimensions: frozenset[str]
    amounts: frozenset[str]
    aggregates: frozenset[str]


def event_shape(dimensions: Collection[str], amounts: Collection[str] | None = None) -> Shape:
    """The shape of a source whose rows are events: they are counted, added up, and have an age."""
    return Shape(frozenset(dimensions), frozenset(amounts or ()), EVENT_AGGREGATES | QUOTIENTS)


@dataclass(frozen=True)
class FeatureSource:
    """A table from which features are declared."""

    name: str
    """What `source` says in a file of conf/features; the name of the table, without the layer."""
    table: str
    """The table, with the layer. One of bronze is read as the bank delivered it: what happened once has no versions."""
    shape: Shape


def _of_events(name: str, table: str, dimensions: set[str], amounts: set[str] | None = None) -> FeatureSource:
    return FeatureSource(name, table, event_shape(dimensions, amounts))


_BOOKINGS = Shape(
    frozenset({"direction", "type", "channel", "category"}),
    frozenset({"amount", "signed_amount"}),
    EVENT_AGGREGATES | DAY_AGGREGATES | QUOTIENTS | {"count_distinct", "trend", "streak", "entropy"},
)
_BALANCES = Shape(frozenset({"kind"}), frozenset({"balance"}), BALANCE_AGGREGATES | QUOTIENTS)
KIT = (
    FeatureSource("transactions", "silver.transactions", _BOOKINGS),
    FeatureSource("balances", "silver.balances", _BALANCES),
    _of_events("accounts", "silver.accounts", {"kind", "role", "state", "persons"}),
    _of_events("cards", "silver.cards", {"type", "state", "account"}, {"credit_limit"}),
    _of_events("loans", "silver.loans", {"status", "state"}, {"amount", "instalment"}),
    _of_events("holdings", "silver.holdings", {"kind", "state"}, {"amount"}),
    _of_events("contacts", "bronze.contacts", {"arm", "channel"}),
    _of_events("responses", "bronze.responses", {"kind"}, {"amount"}),
)


@cache
def feature_sources() -> dict[str, FeatureSource]:
    """Name to source: those of the kit, then those of capabilities."""
    of_rooms = [source for room in modules_of_rooms("feature_source") for source in room.SOURCES]
    return {source.name: source for source in (*KIT, *of_rooms)}
