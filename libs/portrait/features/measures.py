"""What a file of `conf/features` may say, and which words fit together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from portrait.errors import ConfigurationError
from portrait.features.feature import CODED
from portrait.features.sources import BALANCE_AGGREGATES, QUOTIENTS, feature_sources
from portrait.features.windows import WindowName
from portrait.settings import Strict

Aggregate = Literal[
    "count", "sum", "min", "max", "average", "days_since_last", "days_since_first", "distinct_days", "distinct_months",
    "balance_last", "balance_average", "balance_lowest", "balance_highest", "overdrawn_days", "ratio", "share",
    "count_distinct", "trend", "streak", "entropy",
]  # fmt: skip

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
# Values become parts of column names and of SQL text, so they may hold nothing that SQL would read otherwise.
Value = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
Values = Annotated[list[Value], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]

COLUMNS = CODED | {"merchant_id", "counterparty_bank", "counterparty_account"}
"""Columns of silver.transactions of which different values can be counted."""
_OF_AMOUNT = frozenset({"sum", "min", "max", "average"})
# Windows by aggregate. A set of days or months is one BIGINT used as 63 bits, counted back from as_of.
_MONTHS = ("1cm", "3cm", "6cm", "12cm")
_WINDOWS = {
    "distinct_days": ("7d", "30d", "mtd", "1cm"),
    "distinct_months": ("30d", "90d", "180d", "365d", "mtd", *_MONTHS),
    "streak": _MONTHS,
    "trend": _MONTHS[1:],  # of one month there is none
}


class Measure(Strict):
    """An aggregate of a source, filtered by `where`, split by `by`; without `windows` as it stands at as_of.

    A ratio or share divides other features: with `windows`, `of` and `over` name measures, else features. An entropy is
    that of the values of `across`.
    """

    measure: Name
    aggregate: Aggregate
    description: str = Field(min_length=10)
    of: Name | None = None
    over: Name | None = None
    where: dict[str, Values] = {}
    by: dict[str, Values] = Field(default={}, max_length=1)
    across: dict[str, Values] = Field(default={}, max_length=1)
    windows: list[WindowName] = []
    classification: Literal["public", "internal", "personal", "sensitive"] = "internal"


def _known_source(name: str) -> str:
    if name not in feature_sources():
        raise ValueError(f"there is no feature source '{name}'; there are {', '.join(feature_sources())}")
    return name


class FeatureFile(Strict):
    """One file of `conf/features`: a source, named sets of values, measures."""

    source: Annotated[str, AfterValidator(_known_source)]
    value_sets: dict[Name, Values] = {}
    measures: list[Measure] = Field(min_length=1)


def check_measure(source: str, measure: Measure, where: str) -> None:
    """Raise ConfigurationError where words of a declaration do not fit the source or each other."""
    shape = feature_sources()[source].shape
    check_known(measure.aggregate, shape.aggregates, "aggregate", source, where)
    for dimension in [*measure.where, *measure.by, *measure.across]:
        check_known(dimension, shape.dimensions, "dimension", source, where)
    if measure.aggregate in QUOTIENTS:
        _check_quotient(measure, where)
        return
    if measure.over is not None:
        raise ConfigurationError(
            f"the aggregate '{measure.aggregate}' has no 'over'",
            where=where,
            remedy="only a ratio or share has 'over'",
        )
    _check_across(measure, where)
    distinct = measure.aggregate == "count_distinct"
    if measure.of is not None:
        allowed, what = (COLUMNS, "column to count") if distinct else (shape.amounts, "amount")
        check_known(measure.of, allowed, what, source, where)
    either = measure.aggregate in {"trend", "entropy"}
    if not either and (measure.aggregate in _OF_AMOUNT or distinct) != (measure.of is not None):
        raise ConfigurationError(
            f"'of' does not fit the aggregate '{measure.aggregate}'",
            where=where,
            remedy="sum, min, max and average need 'of: <amount>', count_distinct 'of: <column>', trend and "
            "entropy may have an amount, the others have none",
        )
    _check_windows(measure, where)


def _check_across(measure: Measure, where: str) -> None:
    if (measure.aggregate == "entropy") != bool(measure.across):
        raise ConfigurationError(
            f"'across' does not fit the aggregate '{measure.aggregate}'",
            where=where,
            remedy="an entropy needs 'across: {<dimension>: <values>}', the other aggregates have none",
        )
    if set(measure.across) & {*measure.where, *measure.by} or (measure.of == "signed_amount" and measure.across):
        raise ConfigurationError(
            "an entropy is of parts of a whole",
            where=where,
            remedy="leave the dimension of 'across' out of 'where' and 'by', and use 'amount', which has no sign",
        )


def _check_quotient(measure: Measure, where: str) -> None:
    is_share = measure.aggregate == "share"
    if measure.of is None or (measure.over is None and not (is_share and measure.by)):
        raise ConfigurationError(
            f"a {measure.aggregate} needs what is divided and by what",
            where=where,
            remedy="give 'of' and 'over'; a share with 'by' is over 'of' itself where 'over' is not given",
        )
    if measure.where or measure.across or (measure.by and not is_share):
        raise ConfigurationError(
            f"a {measure.aggregate} divides declared features and has no conditions of its own",
            where=where,
            remedy="write 'where' at the measures that it divides; only a share has 'by'",
        )


def _check_windows(measure: Measure, where: str) -> None:
    widest = _WINDOWS.get(measure.aggregate)
    if widest is not None and not (measure.windows and set(measure.windows) <= set(widest)):
        raise ConfigurationError(
            f"'{measure.aggregate}' has no such window", where=where, remedy=f"windows: {', '.join(widest)}"
        )
    if measure.aggregate == "count_distinct" and (not measure.windows or "life" in measure.windows):
        raise ConfigurationError(
            "different values are counted in windows that have a beginning",
            where=where,
            remedy="give windows of days or months: each day's run reads the bookings of the widest",
        )
    windowed = measure.aggregate not in {"balance_last", "days_since_last", "days_since_first"}
    needs = measure.aggregate in BALANCE_AGGREGATES and windowed
    if (measure.windows and not windowed) or (needs and (not measure.windows or "life" in measure.windows)):
        raise ConfigurationError(
            f"the windows do not fit the aggregate '{measure.aggregate}'",
            where=where,
            remedy="what stands at as_of has no window; an average, lowest or highest balance has days, months or mtd",
        )


def check_known(name: str, known: frozenset[str], what: str, source: str, where: str) -> None:
    """Raise ConfigurationError for a word that the source does not have."""
    if name not in known:
        raise ConfigurationError(
            f"the source '{source}' has no {what} '{name}'",
            where=where,
            remedy=f"known: {', '.join(sorted(known)) or 'none'}",
        )
