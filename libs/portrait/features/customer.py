"""gold.customer_features: who the customer is, and every declared feature, in one row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capability import modules_of_rooms
from portrait.contracts import Contract
from portrait.entities.ownership import owners_of, people_of
from portrait.entities.versions import as_of as versions_at
from portrait.features.balances import aggregate_balances
from portrait.features.bookings import PLAIN, Care, aggregate_bookings
from portrait.features.compiler import aggregate_events
from portrait.features.distinct import count_distinct
from portrait.features.facts import EVENTS, Events, company_events
from portrait.features.feature import FeatureSet
from portrait.features.population import EVERYBODY, MEASURES, Population, membership, relationship
from portrait.features.sliding import Earlier, slide_bookings
from portrait.features.values import as_declared
from portrait.settings import UTC
from portrait.spark.joins import side_by_side

REQUIRED = ("customer_daily", "balances", "accounts", "account_parties", "customers")
"""Tables without which there are no features."""


def customer_features(
    tables: Mapping[str, DataFrame],
    *,
    features: FeatureSet,
    as_of: date,
    bookings: Contract,
    earlier: Earlier | None = None,
    population: Population = EVERYBODY,
    care: Care = PLAIN,
    zone: str = UTC,
) -> DataFrame:
    """One row per customer with an open relationship at `as_of` that `population` counts (see `population`).

    Parties are owners and users of accounts that were opened by `as_of` and not closed before it; who holds an open
    card, loan or product belongs to the slice as well, companies do not. `tables` by name without the layer: REQUIRED,
    and those of `feature_sources` that the bank delivers, with `products` (kinds of holdings) and `companies`; without
    `transactions`, features that count merchants or counterparties are unknown. `bookings`: the contract of
    silver.transactions, which says what kind_code means. With `earlier`, features of bookings slide from that slice:
    the same values for less work. Silver tables are whole SCD2 tables, bronze ones feeds as delivered; nothing later
    than `as_of`, a day of `zone`, shows. Money is in account currency and belongs to the owner: flows to the owner on
    the booking day, balances to the owner at `as_of`; who owns nothing has 0, and NULL for days since what never
    happened. An attribute that the bank
    does not know is NULL, and so is every feature of a source that is absent; where a source is present and nothing
    happened, counts and amounts are 0 and days since the event NULL. An amount that DECIMAL(18,2) cannot hold is NULL,
    as is what is made of it. Spark stops at a sum that passes BIGINT, unless `care` says that sums are exact: then
    nothing slides. Where it says that amounts have gaps, features of these bookings are NULL too.
    """
    people = people_of(tables["account_parties"], tables["accounts"], as_of=as_of, zone=zone)
    delivered = {
        name: events(tables, people, as_of=as_of, zone=zone)
        for name, events in event_sources().items()
        if name in tables
    }
    if "cards" in tables or "holdings" in tables:
        delivered["companies"] = company_events(tables, people, as_of=as_of, zone=zone)
    measured = [feature for source in delivered for feature in features.aggregates(source)]
    related = aggregate_events(delivered, features=(*MEASURES, *measured), as_of=as_of, exact=care.exact)
    members = related.where(membership(related.columns, population=population))
    parts = [members, _attributes(tables["customers"], as_of=as_of, zone=zone)]
    if declared := features.aggregates("transactions"):
        daily = tables["customer_daily"]
        if earlier is None or care != PLAIN:
            booked = aggregate_bookings(daily, contract=bookings, features=declared, as_of=as_of, care=care)
        else:
            ids = members.select("customer_id")
            booked = slide_bookings(
                daily, earlier=earlier, customers=ids, contract=bookings, features=declared, as_of=as_of
            )
        parts.append(booked)
    if "transactions" in tables and (declared := features.of_text()):
        parts.append(count_distinct(tables["transactions"], features=declared, as_of=as_of))
    if declared := features.aggregates("balances"):
        owned, balances = owners_of(people.roles), tables["balances"]
        parts.append(aggregate_balances(balances, owners=owned, features=declared, as_of=as_of, exact=care.exact))
    wide = side_by_side(*parts)
    return wide.selectExpr(
        f"date'{as_of}' as as_of",
        "customer_id",
        "tenure_days",
        f"{relationship()} as relationship",
        *ATTRIBUTES,
        *[
            as_declared(feature, available=all(leaf.name in wide.columns for leaf in feature.leaves()))
            for feature in features.features
        ],
    )


def event_sources() -> dict[str, Events]:
    """Feature source to what makes events of it: those of the kit, then those of capabilities."""
    of_rooms = {name: events for room in modules_of_rooms("events") for name, events in room.EVENTS.items()}
    return {**EVENTS, **of_rooms}


ATTRIBUTES = (
    "age_years", "gender", "region_id", "residence", "occupation", "education", "marital_status", "children",
    "declared_income", "risk_level", "risk_assessed_on", "consent_marketing",
)  # fmt: skip


def _attributes(customers: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    """One row per customer: what the bank knew about the person at `as_of`."""
    versions = versions_at(customers, as_of, zone=zone)
    assessed = F.coalesce(F.col("risk_assessed_on") <= F.lit(as_of), F.lit(True))
    derived: dict[str, Column] = {
        "age_years": _full_years(F.col("birth_date"), as_of),
        "risk_level": F.when(assessed, F.col("risk_level")),
        "risk_assessed_on": F.when(assessed, F.col("risk_assessed_on")),
    }
    return versions.select(
        "customer_id", *[derived[name].alias(name) if name in derived else F.col(name) for name in ATTRIBUTES]
    )


def _full_years(birth: Column, as_of: date) -> Column:
    """Birthdays that have passed; who was born on 29 February has it on 1 March of common years."""
    birthday_to_come = F.month(birth) * 100 + F.dayofmonth(birth) > as_of.month * 100 + as_of.day
    years = F.lit(as_of.year) - F.year(birth) - F.when(birthday_to_come, 1).otherwise(0)
    return F.when(birth <= F.lit(as_of), years).cast("int")
