"""What a feature is, for whoever asks why a customer has a number: declaration, SQL, lineage, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portrait.contracts import Contract
from portrait.features.bookings import booking_plan
from portrait.features.declaration import Feature, FeatureSet

READS = {
    "transactions": ("silver.transactions", ("customer_id", "booked_on", "kind_code", "amount_minor")),
    "balances": ("silver.balances", ("account_id", "from_day", "to_day", "balance_minor")),
    "accounts": ("silver.accounts", ("account_id", "kind", "opened_on", "closed_on")),
    "cards": ("silver.cards", ("account_id", "customer_id", "type", "issued_on", "closed_on", "credit_limit")),
    "loans": ("silver.loans", ("account_id", "granted_on", "months", "amount", "instalment", "status", "status_on")),
    "holdings": ("silver.holdings", ("customer_id", "product_id", "opened_on", "closed_on", "amount")),
}
"""Table and columns behind each source; all but transactions also read silver.account_parties, for the owner."""


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
    table, columns = READS[feature.source]
    of_source = features.of_source(feature.source)
    lineage = f"{table} ({', '.join(columns)}) -> gold.customer_features.{feature.name}"
    if feature.source != "transactions":
        cost = f"one of {len(of_source)} features of one scan of {table}"
        return Explanation(feature.declared, feature.description, None, (), lineage, cost)
    plan = booking_plan(of_source, contract=bookings, as_of=as_of)
    place = of_source.index(feature)
    grouped, rolled = plan.grouped[plan.base_of[place]], plan.rolled[place]
    others = plan.base_of.count(plan.base_of[place]) - 1
    cost = (
        f"one scan of {table} for all {len(of_source)} features; of its {len(plan.grouped)} aggregates by customer and "
        f"bucket of age this feature reads one, as {others} other feature(s) do"
    )
    computed = (
        f"by customer and bucket: {grouped}",
        f"by customer: {rolled}",
    )
    return Explanation(feature.declared, feature.description, plain_sql(feature, as_of), computed, lineage, cost)


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
