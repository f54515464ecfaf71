"""What a feature is, for whoever asks why a customer has a number: declaration, SQL, lineage, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portrait.contracts import Contract
from portrait.features.bookings import booking_plan
from portrait.features.declaration import Feature, FeatureSet


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

    `sql` can be run as it stands and gives the feature of every customer with bookings; `computed` are the expressions
    that the job runs for it.
    """
    of_source = features.of_source(feature.source)
    table = f"silver.{feature.source}"
    lineage = f"{table} -> gold.customer_features.{feature.name}"
    if feature.source != "transactions":
        cost = f"one of {len(of_source)} features of one scan of {table}"
        return Explanation(feature.declared, feature.description, None, (), lineage, cost)
    table = "silver.customer_daily"
    lineage = f"silver.transactions -> {table} -> gold.customer_features.{feature.name}"
    plan = booking_plan(of_source, contract=bookings, as_of=as_of)
    place = of_source.index(feature)
    grouped, rolled = plan.grouped[plan.base_of[place]], plan.rolled[place]
    others = plan.base_of.count(plan.base_of[place]) - 1
    cost = (
        f"one scan of {table} for all {len(of_source)} features; of its {len(plan.grouped)} aggregates by customer and "
        f"bucket of age this feature reads one, as {others} other feature(s) do; where the slice before is at most a "
        f"month old, {_next_day(feature)}"
    )
    computed = (
        f"by customer and bucket: {grouped}",
        f"by customer: {rolled}",
    )
    return Explanation(feature.declared, feature.description, plain_sql(feature, as_of), computed, lineage, cost)


def _next_day(feature: Feature) -> str:
    if feature.is_additive:
        return "it is that value, plus what came and entered the window, less what left it"
    return "only the days of its window are read, or what came since"


def plain_sql(feature: Feature, as_of: date) -> str:
    """A feature of bookings as anybody would write it; money in account currency."""
    tests = [f"booked_on <= date'{as_of}'", "customer_id is not null", *_conditions(feature)]
    days = feature.days(as_of)
    if days is not None:
        tests.append(f"booked_on > date'{as_of}' - interval {days} days")
    return (
        f"select customer_id, {_value(feature, as_of)} as {feature.name}\n"
        f"from silver.transactions\nwhere {' and '.join(tests)}\ngroup by customer_id"
    )


def _conditions(feature: Feature) -> Sequence[str]:
    return [f"{dimension} in ({', '.join(repr(value) for value in values)})" for dimension, values in feature.where]


def _value(feature: Feature, as_of: date) -> str:
    match feature.aggregate:
        case "count":
            return "count(*)"
        case "sum" | "max":
            return f"{feature.aggregate}({feature.of})"
        case "days_since_last":
            return f"datediff(date'{as_of}', max(booked_on))"
        case "days_since_first":
            return f"datediff(date'{as_of}', min(booked_on))"
        case "distinct_days":
            return "count(distinct booked_on)"
        case _:
            return "count(distinct trunc(booked_on, 'MM'))"
