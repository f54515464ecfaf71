"""What a feature is, for whoever asks why a customer has a number: declaration, SQL, lineage, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from portrait.contracts import Contract
from portrait.features.bookings import booking_sums
from portrait.features.feature import Feature, FeatureSet
from portrait.features.passes import passes
from portrait.features.values import as_declared
from portrait.features.windows import months_of

_LONG = 3653  # days: the passes of ten years of history; a short one may have fewer


@dataclass(frozen=True)
class Explanation:
    """One feature at a business date. `sql` is None where the source is not one table of events."""

    declared: str
    meaning: str
    sql: str | None
    computed: tuple[str, ...]
    lineage: str
    cost: str


def explain(feature: Feature, features: FeatureSet, *, bookings: Contract, as_of: date) -> Explanation:
    """What `feature` is at `as_of`; `bookings` is the contract of silver.transactions.

    `sql` can be run as it stands and gives the feature of every customer with bookings, or, of a quotient, in the
    slice; `computed` are the expressions that the job runs for it.
    """
    leaves = list(feature.leaves())
    booked = [leaf for leaf in leaves if leaf.source == "transactions" and not leaf.is_of_text]
    cost, computed = _bookings_cost(booked, features, bookings, as_of) if booked else ([], [])
    for source, table in {leaf.source: leaf.table for leaf in leaves if leaf.source != "transactions"}.items():
        cost.append(f"one of {len(features.aggregates(source))} features of one scan of {table}")
    for column in dict.fromkeys(leaf.of for leaf in leaves if leaf.is_of_text):
        same = sum(other.of == column for other in features.of_text())
        cost.append(
            f"a scan of silver.transactions over its window on every run, and a shuffle of one row per customer and "
            f"{column}, for all {same} feature(s) that count it"
        )
    if feature.is_derived:
        hidden = [leaf.name for leaf in leaves if leaf.name.startswith("_")]
        own = f"{', '.join(hidden)} computed for it alone" if hidden else "nothing that is not computed anyway"
        cost.insert(0, f"one expression per customer, over {own}")
        computed.append(f"in the slice: {as_declared(feature, available=True)}")
    sql = plain_sql(feature, as_of) if feature.parts or feature.source == "transactions" else None
    return Explanation(feature.declared, feature.description, sql, tuple(computed), _lineage(feature), "; ".join(cost))


def _lineage(feature: Feature) -> str:
    """The tables and features that it comes from, a line per part."""
    column = f"gold.customer_features.{feature.name}"
    if not feature.parts:
        table = feature.table
        if feature.source == "transactions" and not feature.is_of_text:
            table += " -> silver.customer_daily"
        return f"{table} -> {column}"
    return "\n".join(f"{_lineage(part).replace('gold.customer_features._', '_')} -> {column}" for part in feature.parts)


def _bookings_cost(
    leaves: Sequence[Feature], features: FeatureSet, bookings: Contract, as_of: date
) -> tuple[list[str], list[str]]:
    """What computing some features of bookings costs beside all others, and by which expressions it is done."""
    aggregated = features.aggregates("transactions")
    names = {leaf.name for leaf in leaves}
    cost, computed = [], []
    for one in passes(aggregated, as_of=as_of, days=_LONG):
        sums = booking_sums(one.features, contract=bookings, as_of=as_of)
        found = [sql for item, sql in zip(one.features, sums.aggregates, strict=True) if item.name in names]
        if found:
            days = "all bookings" if one.first is None else f"the bookings since {one.first}"
            cost.append(
                f"{len(found)} of {len(one.features)} aggregates in a pass over {days} of silver.customer_daily"
            )
            computed += found
    cost.append(
        f"of five years of bookings or more, where the slice before is at most a month old, {_next_day(leaves)}"
    )
    return cost, computed


def _next_day(leaves: Sequence[Feature]) -> str:
    if all(leaf.is_additive and not leaf.name.startswith("_") for leaf in leaves):
        return "it is that value, plus what came and entered the window, less what left it"
    return "only the days of its window are read, or what came since"


def plain_sql(feature: Feature, as_of: date) -> str:
    """A feature of bookings, or a quotient of features, as anybody would write it; money in account currency."""
    if feature.aggregate in {"ratio", "share"}:
        part, whole = (item.name for item in feature.parts)
        return (
            f"select customer_id, try_cast({part} / nullif({whole}, 0) as {feature.physical_type}) as {feature.name}\n"
            f"from gold.customer_features\nwhere as_of = date'{as_of}'"
        )
    if feature.aggregate in {"streak", "entropy"}:
        inner, outer = (_months_sql if feature.aggregate == "streak" else _parts_sql)(feature, as_of)
        return f"select customer_id, {outer} as {feature.name}\nfrom ({inner})\ngroup by customer_id"
    return f"select customer_id, {_value(feature, as_of)} as {feature.name}\n{_of_bookings(feature, as_of)}"


def _of_bookings(feature: Feature, as_of: date, *further: str) -> str:
    window = feature.period(as_of)
    since = [f"booked_on >= date'{window.first}'"] if window.first else []
    tests = [*since, f"booked_on <= date'{window.last}'", "customer_id is not null", *_conditions(feature)]
    grouped = ", ".join(["customer_id", *further])
    return f"from silver.transactions\nwhere {' and '.join(tests)}\ngroup by {grouped}"


def _months_sql(feature: Feature, as_of: date) -> tuple[str, str]:
    """A bit per month in which there is a booking, the last complete one the lowest; how many ones it begins with."""
    months = f"bit_or(shiftleft(1L, {_months_back(feature, as_of)})) as months"
    ones = "bit_count(max(months) & ~(max(months) + 1))"
    return f"select customer_id, {months}\n{_of_bookings(feature, as_of)}", ones


def _parts_sql(feature: Feature, as_of: date) -> tuple[str, str]:
    """The sum or count of each value, and the entropy of these."""
    (dimension,) = {name for part in feature.parts for name, _ in part.where} - {name for name, _ in feature.where}
    values = tuple(value for part in feature.parts for value in dict(part.where)[dimension])
    whole = replace(feature, where=(*feature.where, (dimension, values)))
    each = "count(*)" if feature.of is None else f"sum({feature.of})"
    inner = f"select customer_id, {dimension}, {each} as n\n{_of_bookings(whole, as_of, dimension)}"
    return inner, f"cast(ln(sum(n)) - sum(n * ln(n)) / sum(n) as {feature.physical_type})"


def _months_back(feature: Feature, as_of: date) -> str:
    last = feature.period(as_of).last
    return f"{last.year * 12 + last.month} - year(booked_on) * 12 - month(booked_on)"


def _conditions(feature: Feature) -> Sequence[str]:
    return [f"{dimension} in ({', '.join(repr(value) for value in values)})" for dimension, values in feature.where]


def _value(feature: Feature, as_of: date) -> str:
    match feature.aggregate:
        case "count":
            return "count(*)"
        case "sum" | "min" | "max":
            return f"{feature.aggregate}({feature.of})"
        case "average":
            return f"cast(sum({feature.of}) / count(*) as decimal(18,2))"
        case "trend":
            months = months_of(feature.window) or 0
            moment = f"sum(({months - 1} - 2 * ({_months_back(feature, as_of)})) * {feature.of or 1})"
            divisor = months * (months * months - 1) // 6
            return f"cast(cast({moment} as decimal(28,2)) / {divisor} as {feature.physical_type})"
        case "days_since_last":
            return f"datediff(date'{as_of}', max(booked_on))"
        case "days_since_first":
            return f"datediff(date'{as_of}', min(booked_on))"
        case "count_distinct":
            return f"count(distinct {feature.of})"
        case "distinct_days":
            return "count(distinct booked_on)"
        case _:
            return "count(distinct trunc(booked_on, 'MM'))"
