"""What each source says about customers at a business date, in the shape the compiler reads: customer_id, age in days,
the dimensions as text, every amount as BIGINT `<amount>_minor`.

Entities come as all their versions; the cut at the end of `as_of` is made here, once, so that no caller can forget it.
`zone`, the bank's, says where that day ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.entities.currencies import Conversion
from portrait.entities.money import to_minor
from portrait.entities.ownership import People, opened_by
from portrait.entities.versions import as_of as versions_at
from portrait.features.population import OWNER
from portrait.settings import UTC
from portrait.spark.days import day_of

Tables = Mapping[str, DataFrame]
"""Tables by name without the layer; those that the bank does not deliver are not in it."""

Events = Callable[..., DataFrame]
"""Called with (tables, people, *, as_of, zone); one row per event, as the compiler reads it."""

_IN_ACCOUNT_CURRENCY = {"loans": ("amount", "instalment"), "cards": ("credit_limit",)}


def in_one_currency(sources: Mapping[str, DataFrame], *, conversion: Conversion, as_of: date) -> dict[str, DataFrame]:
    """The sources with amounts of balances, loans and cards in the reporting currency, at the rate of `as_of`.

    Holdings, responses and costs are in the currency of the bank already; bookings are converted one by one.
    """
    changed = dict(sources)
    if "balances" in changed:
        changed["balances"] = conversion.standing(changed["balances"], "balance_minor", as_of=as_of)
    for source, columns in _IN_ACCOUNT_CURRENCY.items():
        if source in changed:
            changed[source] = conversion.amounts(changed[source], *columns, as_of=as_of)
    return changed


def account_events(tables: Tables, people: People, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Openings of accounts by the people who own, use or guarantee them."""
    return people.roles.select("customer_id", "role", "persons", "kind", "state", age_in_days("opened_on", as_of))


def company_events(tables: Tables, people: People, *, as_of: date, zone: str = UTC) -> DataFrame:
    """One row or more per company that the bank ever named, as party of an account or in the feed: customer_id, age.

    Cards and products name their holder without saying whether it is a person.
    """
    named = tables["account_parties"].where(F.col("party_kind") == "company").select("party_id")
    if "companies" in tables:
        named = named.unionByName(tables["companies"].select(F.col("company_id").alias("party_id")))
    return named.select(F.col("party_id").alias("customer_id"), F.lit(0).alias("age"))


def card_events(tables: Tables, people: People, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Cards issued by `as_of`; a card without a holder of its own is the account owner's.

    `account` is `own` where the holder owns the account that the card draws on, else `other`.
    """
    issued = opened_by(
        versions_at(tables["cards"], as_of, zone=zone), opened="issued_on", closed="closed_on", as_of=as_of
    )
    owned = issued.withColumnRenamed("customer_id", "holder_id").join(people.owners, on="account_id", how="left")
    return owned.select(
        F.coalesce("holder_id", "customer_id").alias("customer_id"),
        F.when(F.coalesce("holder_id", "customer_id").eqNullSafe(F.col("customer_id")), "own")
        .otherwise("other")
        .alias("account"),
        "type",
        "state",
        age_in_days("issued_on", as_of),
        to_minor(F.col("credit_limit")).alias("credit_limit_minor"),
    )


def loan_events(tables: Tables, people: People, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Loans granted by `as_of`, with the status only where the bank knew it by then.

    `state` is `open` until the last instalment is due, or until a status says that the contract is finished (A, B).
    """
    granted = versions_at(tables["loans"], as_of, zone=zone).where(F.col("granted_on") <= F.lit(as_of))
    loans = granted.withColumn("status", F.when(F.col("status_on") <= F.lit(as_of), F.col("status")))
    running = (F.add_months("granted_on", F.col("months")) > F.lit(as_of)) & ~F.coalesce(
        F.col("status").isin("A", "B"), F.lit(False)
    )
    return loans.join(people.owners, on="account_id", how="inner").select(
        "customer_id",
        "status",
        F.when(F.coalesce(running, F.lit(True)), "open").otherwise("finished").alias("state"),
        age_in_days("granted_on", as_of),
        to_minor(F.col("amount")).alias("amount_minor"),
        to_minor(F.col("instalment")).alias("instalment_minor"),
    )


def holding_events(tables: Tables, people: People, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Products taken by `as_of`; without the product list there is no `kind`, and what asks for it stays unknown."""
    taken = opened_by(
        versions_at(tables["holdings"], as_of, zone=zone), opened="opened_on", closed="closed_on", as_of=as_of
    )
    kinds = ["kind"] if "products" in tables else []
    if kinds:
        taken = taken.join(
            versions_at(tables["products"], as_of, zone=zone).select("product_id", "kind"), on="product_id", how="left"
        )
    return taken.select(
        "customer_id",
        "state",
        *kinds,
        age_in_days("opened_on", as_of),
        to_minor(F.col("amount")).alias("amount_minor"),
    )


def contact_events(tables: Tables, people: People | None = None, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Customers whom campaigns chose by the end of `as_of`: contacted (`arm` treated) or held back (control)."""
    columns = ("customer_id", "arm", "channel")
    chosen = newest_records(tables["contacts"], "contact_id", *columns, at="sent_at", as_of=as_of, zone=zone)
    return chosen.select("customer_id", "arm", "channel", "age")


def response_events(tables: Tables, people: People | None = None, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Answers to campaigns by the end of `as_of`."""
    columns = ("customer_id", "kind", "amount")
    answers = newest_records(tables["responses"], "response_id", *columns, at="at", as_of=as_of, zone=zone)
    return answers.select("customer_id", "kind", "age", to_minor(F.col("amount")).alias("amount_minor"))


EVENTS: dict[str, Events] = {
    "accounts": account_events,
    "cards": card_events,
    "loans": loan_events,
    "holdings": holding_events,
    "contacts": contact_events,
    "responses": response_events,
}


def newest_records(bronze: DataFrame, key: str, *columns: str, at: str, as_of: date, zone: str) -> DataFrame:
    """One row per delivered event, of a record that came again the newest, with its age; none of a later day."""
    record = F.max(F.struct("_run", at, *columns)).alias("record")
    happened = bronze.groupBy(key).agg(record).select("record.*").where(day_of(at, zone) <= F.lit(as_of))
    return happened.withColumn("day", day_of(at, zone)).withColumn("age", age_in_days("day", as_of))


def age_in_days(day: str, as_of: date) -> Column:
    """`age`: days from a DATE column to `as_of`."""
    return F.date_diff(F.lit(as_of), day).alias("age")


def is_owner(columns: Collection[str]) -> Column:
    """Whether a row is of the customers by whom all are judged: those who own an account; all of an earlier build."""
    return F.coalesce(F.col("relationship") == OWNER, F.lit(True)) if "relationship" in columns else F.lit(True)
