"""`conf/features/*.yml` as objects: what is measured, of which source, by which value, over which window.

A file belongs to one source. A measure has one feature a window and, with `by`, one a value and window; the names are
`<measure>_<window>` and `<measure>_<dimension>_<value>_<window>`, as the interface fixes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from portrait.contracts import Catalogue, Column
from portrait.errors import ConfigurationError
from portrait.settings import Strict, line_of, load_yaml

Aggregate = Literal[
    "count", "sum", "max", "days_since_last", "days_since_first", "distinct_days", "distinct_months",
    "balance_last", "balance_average", "balance_lowest", "balance_highest", "overdrawn_days",
]  # fmt: skip
WindowName = Literal["7d", "30d", "90d", "180d", "365d", "mtd", "life"]

Conditions = tuple[tuple[str, tuple[str, ...]], ...]
"""Dimensions with the values that count."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
# Values become parts of column names and of SQL text, so they may hold nothing that SQL would read otherwise.
Value = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
Values = Annotated[list[Value], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]

EVENT_AGGREGATES = frozenset({"count", "sum", "max", "days_since_last", "days_since_first"})
DAY_AGGREGATES = frozenset({"distinct_days", "distinct_months"})
BALANCE_AGGREGATES = frozenset(
    {"balance_last", "balance_average", "balance_lowest", "balance_highest", "overdrawn_days"}
)
_DAYS = frozenset({"days_since_last", "days_since_first"})
_MONEY = frozenset({"sum", "max", "balance_last", "balance_average", "balance_lowest", "balance_highest"})
# A set of days or months is one BIGINT used as 63 bits: the widest window each of them can hold.
_BITS = {"distinct_days": ("7d", "30d", "mtd"), "distinct_months": ("30d", "90d", "180d", "365d", "mtd")}


@dataclass(frozen=True)
class Shape:
    """What a source offers to declarations: columns to filter and split by, amounts to add up, ways to add up."""

    dimensions: frozenset[str]
    amounts: frozenset[str]
    aggregates: frozenset[str]


SHAPES = {
    "transactions": Shape(
        frozenset({"direction", "type", "channel", "category"}),
        frozenset({"amount", "signed_amount"}),
        EVENT_AGGREGATES | DAY_AGGREGATES,
    ),
    "balances": Shape(frozenset({"kind"}), frozenset({"balance"}), BALANCE_AGGREGATES),
    "accounts": Shape(frozenset({"kind", "role", "state"}), frozenset(), EVENT_AGGREGATES),
    "cards": Shape(frozenset({"type", "state"}), frozenset({"credit_limit"}), EVENT_AGGREGATES),
    "loans": Shape(frozenset({"status", "state"}), frozenset({"amount", "instalment"}), EVENT_AGGREGATES),
    "holdings": Shape(frozenset({"kind", "state"}), frozenset({"amount"}), EVENT_AGGREGATES),
}


class Measure(Strict):
    """An aggregate of a source, filtered by `where`, split by `by`; without `windows` as it stands at as_of."""

    measure: Name
    aggregate: Aggregate
    description: str = Field(min_length=10)
    of: str | None = None
    where: dict[str, Values] = {}
    by: dict[str, Values] = Field(default={}, max_length=1)
    windows: list[WindowName] = []
    classification: Literal["public", "internal", "personal", "sensitive"] = "internal"


class FeatureFile(Strict):
    """One file of `conf/features`: a source, named sets of values, measures."""

    source: Literal["transactions", "balances", "accounts", "cards", "loans", "holdings"]
    value_sets: dict[Name, Values] = {}
    measures: list[Measure] = Field(min_length=1)


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

    @property
    def physical_type(self) -> str:
        """DECIMAL(18,2) for money, INT for days since an event, BIGINT for counts."""
        if self.aggregate in _MONEY:
            return "DECIMAL(18,2)"
        return "INT" if self.aggregate in _DAYS else "BIGINT"

    @property
    def is_money(self) -> bool:
        """Whether the aggregation runs in minor units."""
        return self.aggregate in _MONEY

    @property
    def is_additive(self) -> bool:
        """Whether the values of two sets of bookings add up to that of both together."""
        return self.aggregate in {"count", "sum"}

    @property
    def empty_is_zero(self) -> bool:
        """Whether 'nothing happened' is the number 0; days since what never happened are NULL."""
        return self.aggregate not in _DAYS

    def days(self, as_of: date) -> int | None:
        """Length of the window in days, `as_of` being its last; None reaches back without end."""
        if self.window is None or self.window == "life":
            return None
        return as_of.day if self.window == "mtd" else int(self.window.removesuffix("d"))

    @property
    def column(self) -> Column:
        """The column of the contract."""
        return Column(
            name=self.name,
            physical_type=self.physical_type,
            description=self.description,
            classification=self.classification,
        )


@dataclass(frozen=True)
class FeatureSet:
    """Every declared feature, in the order of files and lines."""

    features: tuple[Feature, ...]

    def of_source(self, source: str) -> list[Feature]:
        """The features that one source answers."""
        return [feature for feature in self.features if feature.source == source]

    def columns(self) -> list[Column]:
        """Columns for `Catalogue.with_columns("gold.customer_features", ...)`."""
        return [feature.column for feature in self.features]


def load_features(conf: Path) -> FeatureSet:
    """The declarations below `conf/features`.

    Raises ConfigurationError naming file, line and key for an unknown key, column, window or aggregate, for a name
    that stands twice, and when there is nothing to compute.
    """
    paths = sorted((conf / "features").glob("*.yml"))
    if not paths:
        raise ConfigurationError(
            "no features are declared",
            where=str(conf / "features"),
            remedy="add a .yml file, or check --conf",
        )
    features: dict[str, tuple[Feature, str]] = {}
    for path in paths:
        declared = load_yaml(path, FeatureFile)
        for position, measure in enumerate(declared.measures):
            where = f"{path}:{line_of(path, ('measures', position))} {measure.measure}"
            _check(declared, measure, where)
            for feature in _expand(declared, measure):
                if feature.name in features:
                    raise ConfigurationError(
                        f"the feature '{feature.name}' is declared twice",
                        where=f"{features[feature.name][1]} and {where}",
                        remedy="rename one measure, or remove one",
                    )
                features[feature.name] = (replace(feature, declared=where), where)
    return FeatureSet(tuple(feature for feature, _ in features.values()))


def check_values(features: FeatureSet, catalogue: Catalogue) -> None:
    """Raise ConfigurationError, with file and line, for a value that the source's column can never hold."""
    for feature in features.features:
        columns = {column.name: column for column in catalogue.table(f"silver.{feature.source}").columns}
        for dimension, values in feature.where:
            known = columns[dimension].enum if dimension in columns else ()
            for value in values:
                if known and value not in known:
                    _known(value, frozenset(known), f"value of '{dimension}' called", feature.source, feature.declared)


def _check(declared: FeatureFile, measure: Measure, where: str) -> None:
    shape = SHAPES[declared.source]
    _known(measure.aggregate, shape.aggregates, "aggregate", declared.source, where)
    for dimension in [*measure.where, *measure.by]:
        _known(dimension, shape.dimensions, "dimension", declared.source, where)
    if measure.of is not None:
        _known(measure.of, shape.amounts, "amount", declared.source, where)
    if (measure.aggregate in {"sum", "max"}) != (measure.of is not None):
        raise ConfigurationError(
            f"'of' does not fit the aggregate '{measure.aggregate}'",
            where=where,
            remedy="sum and max need 'of: <amount>', the other aggregates none",
        )
    widest = _BITS.get(measure.aggregate)
    if widest is not None and not (measure.windows and set(measure.windows) <= set(widest)):
        raise ConfigurationError(
            f"'{measure.aggregate}' has no such window", where=where, remedy=f"windows: {', '.join(widest)}"
        )
    windowed = measure.aggregate not in {"balance_last", "days_since_last", "days_since_first"}
    needs = measure.aggregate in BALANCE_AGGREGATES and windowed
    if (measure.windows and not windowed) or (needs and (not measure.windows or "life" in measure.windows)):
        raise ConfigurationError(
            f"the windows do not fit the aggregate '{measure.aggregate}'",
            where=where,
            remedy="what stands at as_of has no window; an average, lowest or highest balance has 7d to 365d or mtd",
        )


def _known(name: str, known: frozenset[str], what: str, source: str, where: str) -> None:
    if name not in known:
        raise ConfigurationError(
            f"the source '{source}' has no {what} '{name}'",
            where=where,
            remedy=f"known: {', '.join(sorted(known)) or 'none'}",
        )


def _expand(declared: FeatureFile, measure: Measure) -> list[Feature]:
    conditions = {key: _resolved(values, declared.value_sets) for key, values in measure.where.items()}
    splits: list[tuple[tuple[str, str], ...]] = [
        ((dimension, value),)
        for dimension, values in measure.by.items()
        for value in _resolved(values, declared.value_sets)
    ]
    windows: list[str | None] = [*measure.windows]
    return [
        _feature(declared.source, measure, conditions, split, window)
        for split in splits or [()]
        for window in windows or [None]
    ]


def _resolved(values: list[str], sets: dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for value in values for item in sets.get(value, [value])))


def _feature(
    source: str,
    measure: Measure,
    conditions: dict[str, tuple[str, ...]],
    split: tuple[tuple[str, str], ...],
    window: str | None,
) -> Feature:
    name = [
        measure.measure,
        *(f"{key}_{value.lower()}" for key, value in split),
        *([window] if window else []),
    ]
    feature = Feature(
        name="_".join(name),
        source=source,
        aggregate=measure.aggregate,
        of=measure.of,
        where=tuple((conditions | {key: (value,) for key, value in split}).items()),
        window=window,
        classification=measure.classification,
    )
    text = [measure.description.rstrip("."), *(f"{key} {value}" for key, value in split)]
    text += [_WINDOW_TEXT[window]] if window else []
    return replace(feature, description=f"{', '.join(text)}. {_MEANING[feature.physical_type]}")


_MEANING = {
    "DECIMAL(18,2)": "Account currency; 0 when nothing happened, NULL when the feed is absent.",
    "BIGINT": "Number; 0 when nothing happened, NULL when the feed is absent.",
    "INT": "Days; NULL when it never happened or the feed is absent.",
}
_WINDOW_TEXT = {
    **{f"{days}d": f"over the {days} days that end with as_of" for days in (7, 30, 90, 180, 365)},
    "mtd": "from the first of the month to as_of",
    "life": "since the beginning",
}
