"""Declared features of bookings: one row scanned, some sums of small integers added up, whatever the declarations.

What is scanned is silver.customer_daily: a row stands for `bookings` equal bookings. Features are computed in few
passes over it, one aggregate by customer each: see `passes`.

Whether a booking counts for a feature is a bit: for each dimension a table tells, by value, which conditions a booking
of that value still meets, and its day tells which windows it is in. Their AND is the set of features that the booking
counts for. Testing one is a single AND, and no text is read. Tried against other plans: docs/decisions/0002.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.entities.daily import net
from portrait.entities.kinds import CAPACITY, place_of
from portrait.entities.kinds import places as places_of
from portrait.entities.money import UNKNOWN, exact_sum, parts_of, settled_sql
from portrait.features.feature import Conditions, Feature
from portrait.features.passes import Pass, passes
from portrait.features.windows import Period, last_complete_month, spans
from portrait.spark.joins import side_by_side

_WORD = 63  # features in one BIGINT: its sign bit stays clear

Slot = tuple[Conditions, str | None]
"""What a bit stands for: conditions and a window."""


@dataclass(frozen=True)
class Cell:
    """Bookings that all windows treat alike: SQL that tells them, and how often each window counts them: 1, 0, -1."""

    test: str
    weights: Mapping[str | None, int]


@dataclass(frozen=True)
class Care:
    """What is known of the amounts of bookings, so that no more is computed than that asks for."""

    exact: bool = False
    """Sums may pass what BIGINT can hold: they are made in two parts, and one that DECIMAL(18,2) cannot hold is
    UNKNOWN. Otherwise Spark stops at such a sum."""
    gaps: bool = False
    """Some amounts are NULL, unknown: whatever would count one of them is UNKNOWN."""


PLAIN = Care()


@dataclass(frozen=True)
class Sums:
    """One pass as SQL: columns computed of a booking, columns computed of those, and an aggregate a feature.

    `settled`, if any: the features out of the aggregates, exact sums brought to BIGINT. A step of its own, so that the
    plan has each aggregate once.
    """

    encoded: tuple[str, ...]
    counted: tuple[str, ...]
    aggregates: tuple[str, ...]
    settled: tuple[str, ...] = ()


def aggregate_bookings(
    daily: DataFrame,
    *,
    contract: Contract,
    features: Sequence[Feature],
    as_of: date,
    days: int | None = None,
    care: Care = PLAIN,
) -> DataFrame:
    """One row per customer with bookings in the widest window up to `as_of`, with the features; money in minor units.

    `daily`: silver.customer_daily; `contract`: that of silver.transactions, which says what kind_code means. A booking
    counts for the owner of its day; one without a known owner counts for nobody. `days`: how long the history is, to
    choose the passes; None: it is looked up, in a small query of its own.
    """
    past = daily.where(F.col("booked_on") <= F.lit(as_of))
    chosen = passes(features, as_of=as_of, days=_days_until(as_of, daily) if days is None else days)
    parts = [past] if all(feature.is_additive for feature in features) else net(past)
    # Who had bookings taken back is in the second part only, all others in the first.
    return reduce(DataFrame.unionByName, [_in_passes(part, chosen, contract, as_of, care) for part in parts])


def _days_until(as_of: date, daily: DataFrame) -> int:
    oldest = daily.agg(F.min("booked_year").alias("year")).collect()[0]["year"]
    return 0 if oldest is None else (as_of - date(oldest, 1, 1)).days + 1


def _in_passes(daily: DataFrame, chosen: Sequence[Pass], contract: Contract, as_of: date, care: Care) -> DataFrame:
    frames = []
    for one in chosen:
        since = daily if one.first is None else daily.where(F.col("booked_on") >= F.lit(one.first))
        frames.append(add_up(since, booking_sums(one.features, contract=contract, as_of=as_of, care=care)))
    # The first pass has the days of all others, and so their customers.
    return side_by_side(*frames)


def add_up(bookings: DataFrame, sums: Sums) -> DataFrame:
    """One row per customer: what one pass says of the bookings (rows of silver.customer_daily)."""
    counted = bookings.selectExpr(*sums.encoded).selectExpr(*sums.counted)
    added_up = counted.groupBy("customer_id").agg(*map(F.expr, sums.aggregates))
    return added_up.selectExpr("customer_id", *sums.settled) if sums.settled else added_up


def booking_sums(features: Sequence[Feature], *, contract: Contract, as_of: date, care: Care = PLAIN) -> Sums:
    """The SQL of some features at a business date."""
    windows = {feature.window: feature.period(as_of) for feature in features}
    # The latest first, so that where it begins tells a span from those after it. The last one are the days to come.
    cells = [
        Cell(
            f"booked_on >= date'{span.first}'" if span.first else "true",
            {window: int(span.within(period)) for window, period in windows.items()},
        )
        for span in spans({Period(None, as_of), *windows.values()})[-2::-1]
    ]
    return sums_of(features, contract=contract, cells=cells, as_of=as_of, care=care)


def sums_of(
    features: Sequence[Feature], *, contract: Contract, cells: Sequence[Cell], as_of: date, care: Care = PLAIN
) -> Sums:
    """The SQL of some features, where the first of `cells` that a booking meets is its own."""
    slots = list(dict.fromkeys((feature.where, feature.window) for feature in features))
    words = [slots[start : start + _WORD] for start in range(0, len(slots), _WORD)]
    months_ago = f"{as_of.year * 12 + as_of.month} - year(booked_on) * 12 - month(booked_on)"
    columns = sorted({feature.of or "" for feature in features if feature.aggregate == "count_distinct"})
    values = {
        "age": f"datediff(date'{as_of}', booked_on)",
        "months_ago": months_ago,
        "months_back": f"{months_ago} - {_months_open(as_of)}",
        **_totals(exact=care.exact),
        **{f"{column}_bit": f"shiftleft(1L, {place_of(column)})" for column in columns},
    }
    meets = {f"conditions_{place}": _conditions_met(word, contract) for place, word in enumerate(words)}
    encoded = [f"{sql} as {name}" for name, sql in {**meets, **values}.items()]
    plus = {f"plus_{place}": _mask(word, cells, 1) for place, word in enumerate(words)}
    minus = {f"minus_{place}": _mask(word, cells, -1) for place, word in enumerate(words)}
    masked = [
        f"conditions_{name.split('_')[1]} & {mask} as {name}" for name, mask in (plus | minus).items() if mask != "0L"
    ]
    kept = ("customer_id", "bookings", "amount_minor")
    tests = {slot: _tests(place, minus[f"minus_{place // _WORD}"] != "0L") for place, slot in enumerate(slots)}
    aggregates = {
        feature.name: _aggregate(feature, *tests[feature.where, feature.window], exact=care.exact)
        for feature in features
    }
    if care.gaps:
        aggregates |= {
            feature.name: f"if({_counts_gap(slots.index((feature.where, feature.window)))}, {UNKNOWN}L, "
            f"{aggregates[feature.name]})"
            for feature in features
            if feature.is_of_money
        }
    settled = [
        f"{settled_sql(feature.name)} as {feature.name}"
        if feature.of and feature.aggregate in {"sum", "moment"}
        else feature.name
        for feature in features
    ]
    named = tuple(f"{sql} as {name}" for name, sql in aggregates.items())
    return Sums(("*", *encoded), (*kept, *values, *masked), named, tuple(settled) if care.exact else ())


def _totals(*, exact: bool) -> dict[str, str]:
    """What a row of equal bookings adds to a sum, by column."""
    signed = f"if({place_of('direction')} = 0, amount_minor, -amount_minor)"
    if not exact:
        return {"amount_total": "amount_minor * bookings", "signed_amount_total": f"{signed} * bookings"}
    amount, net_amount = parts_of("amount_minor", "bookings"), parts_of(signed, "bookings")
    return {
        **dict(zip(("amount_high", "amount_low"), amount, strict=True)),
        **dict(zip(("signed_amount_high", "signed_amount_low"), net_amount, strict=True)),
    }


def _counts_gap(place: int) -> str:
    """SQL: whether an unknown amount is among what a slot counts. Equal aggregates are computed once."""
    word, bit = place // _WORD, 1 << place % _WORD
    return f"(bit_or(if(amount_minor is null, plus_{word}, 0L)) & {bit}L) != 0"


def _conditions_met(word: Sequence[Slot], contract: Contract) -> str:
    """SQL of the set of slots whose conditions a booking meets: for each dimension a table by value, joined by AND."""
    sets = [
        f"element_at({_bits_of(dimension, word, contract)}, cast({place_of(dimension)} + 1 as int))"
        for dimension in CAPACITY
    ]
    return " & ".join(sets)


def _bits_of(dimension: str, word: Sequence[Slot], contract: Contract) -> str:
    """For every value of a dimension the slots that allow it, as an array in the order of the values' numbers."""
    names = {place: value for value, place in places_of(contract, dimension).items()}
    sets = []
    for place in range(CAPACITY[dimension]):
        met = [dict(where).get(dimension) for where, _ in word]
        sets.append(sum(1 << bit for bit, values in enumerate(met) if values is None or names.get(place) in values))
    return f"array({', '.join(f'{bits}L' for bits in sets)})"


def _mask(word: Sequence[Slot], cells: Sequence[Cell], weight: int) -> str:
    """SQL of the set of slots for whose window a booking counts `weight` times, by its cell."""
    masks = [sum(1 << bit for bit, (_, window) in enumerate(word) if cell.weights[window] == weight) for cell in cells]
    if len(set(masks)) == 1:
        return f"{masks[0]}L"
    branches = " ".join(f"when {cell.test} then {mask}L" for cell, mask in zip(cells, masks, strict=True))
    return f"case {branches} else 0L end"


def _tests(place: int, has_minus: bool) -> tuple[str, str | None]:
    word, bit = place // _WORD, 1 << place % _WORD
    return f"(plus_{word} & {bit}L) != 0", f"(minus_{word} & {bit}L) != 0" if has_minus else None


def _aggregate(feature: Feature, test: str, minus: str | None, *, exact: bool) -> str:
    of = feature.of

    def counted(total: str) -> str:
        value = f"{total} * months_back" if feature.aggregate == "moment" else total
        return f"if({test}, {value}, {f'if({minus}, -{value}, 0L)' if minus else '0L'})"

    match feature.aggregate:
        case "count" | "sum" | "moment":
            if exact and of:
                return exact_sum(counted(f"{of}_high"), counted(f"{of}_low"))
            return f"sum({counted(f'{of}_total' if of else 'bookings')})"
        case "min":
            return f"min(if({test}, {of}_minor, null))"
        case "max":
            return f"max(if({test}, {of}_minor, 0L))"
        case "days_since_last":
            return f"min(if({test}, age, null))"
        case "days_since_first":
            return f"max(if({test}, age, null))"
        # One bit per day, month or value: exact, and added up by OR where count(distinct) would multiply the rows.
        # Their windows are short enough for the 63 bits of a BIGINT.
        case "count_distinct":  # the bit of number 0 stands for null
            return f"bit_count(bit_or(if({test}, {of}_bit, 0L)) & -2L)"
        case "distinct_days":
            return f"bit_count({_set_of('age', test)})"
        case "distinct_months":
            return f"bit_count({_set_of('months_ago', test)})"
        case _:
            # The lowest bit is the last complete month; one more turns the ones that it begins with into zeros.
            months = _set_of("months_back", test)
            return f"bit_count({months} & ~({months} + 1L))"


def _set_of(bit: str, test: str) -> str:
    return f"bit_or(if({test}, shiftleft(1L, {bit}), 0L))"


def _months_open(as_of: date) -> int:
    """How many months before that of `as_of` the last complete one is: 0 on the last day of a month, else 1."""
    return 0 if last_complete_month(as_of) == as_of else 1
