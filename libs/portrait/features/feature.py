"""One declared feature: what it aggregates or divides, over which window, and what its values are."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date

from portrait.contracts import Column
from portrait.features.sources import feature_sources
from portrait.features.windows import Period, period

Conditions = tuple[tuple[str, tuple[str, ...]], ...]
"""Dimensions with the values that count."""

DERIVED = frozenset({"average", "ratio", "share", "trend", "entropy"})
"""Aggregates that are computed in the last projection, out of other features."""

CODED = frozenset({"type", "channel", "category"})
"""Columns of silver.transactions whose values are numbers in silver.customer_daily."""

_DAYS = frozenset({"days_since_last", "days_since_first"})
_MONEY = frozenset(
    {"sum", "min", "max", "average", "balance_last", "balance_average", "balance_lowest", "balance_highest"}
)
_OF_BALANCES = frozenset({"overdrawn_days"})
_TYPES = {"ratio": "DECIMAL(18,6)", "share": "DECIMAL(7,6)", "trend": "DECIMAL(18,6)", "entropy": "DECIMAL(9,6)"}


@dataclass(frozen=True)
class Feature:
    """One column of gold.customer_features: a measure at one value of its dimension and over one window."""

    name: str
    source: str
    aggregate: str
    of: str | None
    where: Conditions
    window: str | None = None
    description: str = ""
    classification: str = "internal"
    declared: str = ""
    """File and line of the declaration."""
    parts: tuple[Feature, ...] = ()
    """What a derived feature is computed from, in this order.

    An average: sum, count. A ratio or share: what is divided, by what. A trend: sum or count, and the same with each
    booking counted as often as its month lies before the last complete one. An entropy: the sum or count of each value.
    """

    @property
    def table(self) -> str:
        """The table that its source is."""
        return feature_sources()[self.source].table

    @property
    def physical_type(self) -> str:
        """DECIMAL(18,2) for money, INT for days since an event, BIGINT for counts, six decimals for quotients."""
        if self.is_money:
            return "DECIMAL(18,2)"
        return _TYPES.get(self.aggregate, "INT" if self.aggregate in _DAYS else "BIGINT")

    @property
    def is_money(self) -> bool:
        """Whether it is computed in minor units."""
        return self.aggregate in _MONEY or (self.aggregate == "trend" and self.of is not None)

    @property
    def is_of_money(self) -> bool:
        """Whether it is unknown where an amount that it counts is: money, parts of it, days that a balance decides."""
        return self.is_money or (self.aggregate == "moment" and self.of is not None) or self.aggregate in _OF_BALANCES

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number, as money is in minor units."""
        return self.is_money or self.physical_type in {"INT", "BIGINT"}

    @property
    def is_derived(self) -> bool:
        """Whether it is computed from other features, and not from events."""
        return self.aggregate in DERIVED

    @property
    def is_additive(self) -> bool:
        """Whether the values of two sets of bookings add up to that of both together."""
        return self.aggregate in {"count", "sum"}

    @property
    def is_of_text(self) -> bool:
        """Whether it asks for a column that silver.customer_daily does not have."""
        return self.aggregate == "count_distinct" and self.of not in CODED

    @property
    def is_endless(self) -> bool:
        """Whether its window has no beginning."""
        return self.window in (None, "life")

    @property
    def empty_is_zero(self) -> bool:
        """Whether 'nothing happened' is the number 0; days since what never happened, and the least of it, are NULL."""
        never = self.aggregate in _DAYS or self.aggregate in {"min", "average", "ratio", "share", "entropy"}
        return not never

    @property
    def identity(self) -> Hashable:
        """What it measures, whatever it is called and however its conditions are written."""
        conditions = frozenset((dimension, frozenset(values)) for dimension, values in self.where)
        return self.source, self.aggregate, self.of, conditions, self.window

    def leaves(self) -> Iterator[Feature]:
        """What has to be aggregated for it: itself, or the leaves of its parts."""
        if not self.is_derived:
            yield self
        for part in self.parts:
            yield from part.leaves()

    def period(self, as_of: date) -> Period:
        """The days of its window at a date; all days up to it where it has none."""
        return period(self.window, as_of)

    @property
    def column(self) -> Column:
        """The column of the contract."""
        return Column(
            name=self.name,
            physical_type=self.physical_type,
            description=self.description,
            classification=self.classification,
            # Nothing is 0 in these: NULL for one customer and not for all is a number that did not fit.
            unknown_when="true" if self.is_of_money and self.empty_is_zero else None,
        )

    @property
    def meaning(self) -> str:
        """Unit, and the meaning of 0 and NULL, in words."""
        absent = "NULL when the feed is absent"
        match self.aggregate:
            case "average" | "min":
                return f"Account currency; NULL when nothing happened or {absent[5:]}."
            case "ratio":
                return "Quotient; NULL when what it is divided by is 0, or either of the two is unknown."
            case "trend":
                unit = "Account currency" if self.is_money else "Number"
                return f"{unit} by which a month differs from the one before; months without bookings count as 0."
            case "entropy":
                return "Nats: 0 when all is one value, ln(n) when n values are alike; NULL when nothing happened."
            case "share":
                return "Between 0 and 1; NULL when the whole is 0 or unknown."
        if self.aggregate in _DAYS:
            return "Days; NULL when it never happened or the feed is absent."
        return f"{'Account currency' if self.is_money else 'Number'}; 0 when nothing happened, {absent}."


@dataclass(frozen=True)
class FeatureSet:
    """Every declared feature, in the order of files and lines."""

    features: tuple[Feature, ...]

    def of_source(self, source: str) -> list[Feature]:
        """The features that are declared for one source."""
        return [feature for feature in self.features if feature.source == source]

    def aggregates(self, source: str) -> list[Feature]:
        """What has to be aggregated of one source: features that are no others' quotient, and parts of those that are.

        Among the parts are some that nobody declared; they are computed and not published. Not among them are those
        that silver.customer_daily cannot tell.
        """
        leaves = (leaf for feature in self.features for leaf in feature.leaves() if leaf.source == source)
        return list({leaf.name: leaf for leaf in leaves if not leaf.is_of_text}.values())

    def of_text(self) -> list[Feature]:
        """What has to be counted in silver.transactions itself."""
        leaves = (leaf for feature in self.features for leaf in feature.leaves() if leaf.is_of_text)
        return list({leaf.name: leaf for leaf in leaves}.values())

    def columns(self) -> list[Column]:
        """Columns for `Catalogue.with_columns("gold.customer_features", ...)`."""
        return [feature.column for feature in self.features]
