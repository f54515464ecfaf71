"""Declared features of bookings as two aggregates over small integers: one row scanned once, whatever the declarations.

1. Every booking falls into one bucket of days; buckets end where some window begins or ends, so that a window is a run
   of buckets. Per customer and bucket each base aggregate (conditions, aggregate, amount) is computed once, not once
   a window.
2. Per customer the buckets of each window are added up, or their largest, smallest, union taken.

What is scanned is silver.customer_daily: a row stands for `bookings` equal bookings.

Conditions are bits: for each dimension a table tells, by value, which conditions a booking of that value still meets;
their AND over the dimensions is the set of conditions that the booking meets. Testing one is a single AND, and no text
is read. Tried against one conditional aggregate a feature and against Arrow kernels: docs/decisions/0002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.entities.daily import net
from portrait.entities.kinds import CAPACITY, place_of
from portrait.entities.kinds import places as places_of
from portrait.features.feature import Conditions, Feature
from portrait.features.windows import Period, Span, last_complete_month, months_of, spans

_WORD = 63  # conditions in one BIGINT: its sign bit stays clear

Base = tuple[Conditions, str, str | None]
"""What is aggregated once for all windows: conditions, aggregate, amount."""


@dataclass(frozen=True)
class BookingPlan:
    """The two aggregates as SQL: `grouped` by customer_id and bucket, `rolled` by customer_id.

    `encoded` are the columns that `grouped` reads. `base_of`: which expression of `grouped` each expression of `rolled`
    reads, by place. Of bookings that do not meet `recent` (SQL) only `lasting` is computed instead of `grouped`.
    """

    encoded: tuple[str, ...]
    grouped: tuple[str, ...]
    rolled: tuple[str, ...]
    base_of: tuple[int, ...]
    recent: str = "true"
    lasting: tuple[str, ...] = ()


def aggregate_bookings(daily: DataFrame, *, contract: Contract, features: Sequence[Feature], as_of: date) -> DataFrame:
    """One row a customer with bookings up to `as_of`, with the declared features; money in minor units.

    `daily`: silver.customer_daily; `contract`: that of silver.transactions, which says what kind_code means. A booking
    counts for the owner of its day; one without a known owner counts for nobody.
    """
    plan = booking_plan(features, contract=contract, as_of=as_of)
    past = daily.where(F.col("booked_on") <= F.lit(as_of))
    return two_aggregates([past] if all(feature.is_additive for feature in features) else net(past), plan)


def two_aggregates(parts: Sequence[DataFrame], plan: BookingPlan) -> DataFrame:
    """One row a customer: what the plan says of the bookings of all parts."""
    grouped = [_first_aggregate(part.where(plan.recent), plan.encoded, plan.grouped) for part in parts]
    if plan.lasting:
        older = [part.where(f"not ({plan.recent})") for part in parts]
        grouped += [_first_aggregate(part, plan.encoded, plan.lasting) for part in older]
    buckets = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), grouped)
    # Few wide rows are sent once; left to itself, Spark would first make wider ones out of what each task has.
    return buckets.repartition("customer_id").groupBy("customer_id").agg(*map(F.expr, plan.rolled))


def _first_aggregate(daily: DataFrame, encoded: Sequence[str], grouped: Sequence[str]) -> DataFrame:
    return daily.selectExpr(*encoded).groupBy("customer_id", "bucket").agg(*map(F.expr, grouped))


def booking_plan(features: Sequence[Feature], *, contract: Contract, as_of: date) -> BookingPlan:
    """The SQL for some features at a business date."""
    buckets = buckets_of(features, as_of)
    bases = base_aggregates(features)
    rolled = [f"{_roll(feature, bases[base_of(feature)], buckets, as_of)} as {feature.name}" for feature in features]
    months_ago = f"{as_of.year * 12 + as_of.month} - year(booked_on) * 12 - month(booked_on)"
    ages = (
        f"datediff(date'{as_of}', booked_on) as age",
        f"{months_ago} as months_ago",
        f"{months_ago} - {_months_open(as_of)} as months_back",
    )
    columns = sorted({feature.of or "" for feature in features if feature.aggregate == "count_distinct"})
    bits = [f"shiftleft(1L, {place_of(column)}) as {column}_bit" for column in columns]
    plan = plan_of(features, contract=contract, bucket=_bucket(buckets), rolled=rolled, further=(*ages, *bits))
    endless = {bases[base_of(feature)] for feature in features if feature.is_endless}
    firsts = [first for feature in features if (first := feature.period(as_of).first)]
    if not firsts or not endless:
        return plan
    # Beyond all windows lies most of a long history, and only what has no window is asked of it.
    lasting = tuple(text for name, text in zip(bases.values(), plan.grouped, strict=True) if name in endless)
    return replace(plan, recent=f"booked_on >= date'{min(firsts)}'", lasting=lasting)


def buckets_of(features: Sequence[Feature], as_of: date) -> Sequence[Span]:
    """The days up to `as_of`, cut where some window begins or ends that is not told by bits, the latest first."""
    cut = {feature.period(as_of) for feature in features if bits_of_window(feature, as_of) is None}
    windows = {Period(None, as_of), *cut}
    return spans(windows)[-2::-1]  # the last are the days to come


def base_of(feature: Feature) -> Base:
    """What is aggregated for a feature before its window is considered."""
    aggregate = "distinct_months" if feature.aggregate == "streak" else feature.aggregate
    return feature.where, aggregate, feature.of


def base_aggregates(features: Sequence[Feature]) -> dict[Base, str]:
    """The name of each base aggregate that the features need, in their order."""
    return {base: f"base_{place}" for place, base in enumerate(dict.fromkeys(map(base_of, features)))}


def plan_of(
    features: Sequence[Feature],
    *,
    contract: Contract,
    bucket: str,
    rolled: Sequence[str],
    further: Sequence[str] = (),
) -> BookingPlan:
    """A plan whose buckets are told by the SQL `bucket`, and added up by the SQL `rolled` of each feature."""
    bases = base_aggregates(features)
    conditions = list(dict.fromkeys(where for where, _, _ in bases))
    tests = {where: _test(place) for place, where in enumerate(conditions)}
    encoded = (
        "customer_id",
        f"{bucket} as bucket",
        *_condition_words(conditions, contract),
        *further,
        "bookings",
        "amount_minor",
        "amount_minor * bookings as amount_total",
        f"if({place_of('direction')} = 0, amount_minor, -amount_minor) * bookings as signed_amount_total",
    )
    grouped = tuple(
        f"{_base_aggregate(aggregate, of, tests[where])} as {name}" for (where, aggregate, of), name in bases.items()
    )
    places = list(bases)
    return BookingPlan(encoded, grouped, tuple(rolled), tuple(places.index(base_of(feature)) for feature in features))


def _bucket(buckets: Sequence[Span]) -> str:
    """SQL of the number of the bucket that a booking's day is in; buckets come latest first, the last has no begin."""
    branches = " ".join(f"when booked_on >= date'{span.first}' then {place}" for place, span in enumerate(buckets[:-1]))
    return f"case {branches} else {len(buckets) - 1} end" if branches else "0"


def _condition_words(conditions: Sequence[Conditions], contract: Contract) -> list[str]:
    """The sets of conditions that a booking meets, as columns conditions_0, conditions_1, ... of 63 bits each."""
    words = []
    for start in range(0, len(conditions), _WORD):
        word = conditions[start : start + _WORD]
        tables = [_bits_of(dimension, word, contract) for dimension in CAPACITY]
        sets = [
            f"element_at({table}, cast({place_of(dimension)} + 1 as int))"
            for dimension, table in zip(CAPACITY, tables, strict=True)
        ]
        words.append(f"{' & '.join(sets)} as conditions_{start // _WORD}")
    return words


def _bits_of(dimension: str, word: Sequence[Conditions], contract: Contract) -> str:
    """For every value of a dimension the conditions that it meets, as an array in the order of the values' numbers."""
    names = {place: value for value, place in places_of(contract, dimension).items()}
    sets = []
    for place in range(CAPACITY[dimension]):
        met = [dict(where).get(dimension) for where in word]
        sets.append(sum(1 << bit for bit, values in enumerate(met) if values is None or names.get(place) in values))
    return f"array({', '.join(f'{bits}L' for bits in sets)})"


def _test(place: int) -> str:
    return f"(conditions_{place // _WORD} & {1 << place % _WORD}L) != 0"


def _base_aggregate(aggregate: str, of: str | None, test: str) -> str:
    match aggregate:
        case "count":
            return f"sum(if({test}, bookings, 0))"
        case "sum":
            return f"sum(if({test}, {of}_total, 0L))"
        case "moment":
            return f"sum(if({test}, {f'{of}_total' if of else 'bookings'} * months_back, 0L))"
        case "min":
            return f"min(if({test}, {of}_minor, null))"
        case "max":
            return f"max(if({test}, {of}_minor, 0L))"
        case "days_since_last":
            return f"min(if({test}, age, null))"
        case "days_since_first":
            return f"max(if({test}, age, null))"
        case "count_distinct":
            return f"bit_or(if({test}, {of}_bit, 0L))"
        case _:
            # One bit a day or month: exact, and additive where count(distinct) would multiply the rows.
            # Windows that have bits are short; what is older has no bit and is in no such window.
            bit = "age" if aggregate == "distinct_days" else "months_ago"
            return f"bit_or(if({test} and {bit} < {_WORD}, shiftleft(1L, {bit}), 0L))"


def _months_open(as_of: date) -> int:
    """How many months before that of `as_of` the last complete one is: 0 on the last day of a month, else 1."""
    return 0 if last_complete_month(as_of) == as_of else 1


def bits_of_window(feature: Feature, as_of: date) -> int | None:
    """The bits of a set of days or months that are in the window; None: bits do not tell."""
    window, months = feature.period(as_of), months_of(feature.window)
    if feature.aggregate == "distinct_days" and window.first is not None:
        least, length = (as_of - window.last).days, (window.end - window.first).days
    elif feature.aggregate in {"distinct_months", "streak"} and months is not None:
        least, length = _months_open(as_of), months
    else:
        return None
    return ((1 << length) - 1) << least


def _roll(feature: Feature, base: str, buckets: Sequence[Span], as_of: date) -> str:
    mask = bits_of_window(feature, as_of)
    if feature.aggregate == "streak":
        # The lowest bit is the last complete month; one more turns the ones that it begins with into zeros.
        months = f"shiftright(bit_or({base}) & {mask}L, {_months_open(as_of)})"
        return f"bit_count({months} & ~({months} + 1L))"
    if mask is not None:
        return f"bit_count(bit_or({base}) & {mask}L)"
    window = feature.period(as_of)
    places = [place for place, span in enumerate(buckets) if span.within(window)]
    if len(places) == len(buckets):
        inside = "true"
    else:
        inside = f"bucket between {places[0]} and {places[-1]}" if places[0] else f"bucket <= {places[-1]}"
    match feature.aggregate:
        case "count" | "sum" | "moment":
            return f"sum(if({inside}, {base}, 0L))"
        case "max":
            return f"max(if({inside}, {base}, 0L))"
        case "min" | "days_since_last":
            return f"min(if({inside}, {base}, null))"
        case "days_since_first":
            return f"max(if({inside}, {base}, null))"
        case "count_distinct":  # the bit of number 0 stands for null
            return f"bit_count(bit_or(if({inside}, {base}, 0L)) & -2L)"
        case _:
            return f"bit_count(bit_or(if({inside}, {base}, 0L)))"
