"""What each source says about customers at a business date, in the shape the compiler reads.

Entities come as all their versions; the cut at the end of `as_of` is made here, once, so that no caller can forget it.
`zone`, the bank's, says where that day ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.entities.currencies import Conversion
from portrait.entities.money import to_minor
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC
from portrait.spark.days import day_of

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


def account_people(account_parties: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per person and account at `as_of`: account_id, customer_id, role, persons.

    An account has one owner, so that money counts once: of several the one with the least id, the others are users.
    `persons` is `several` where the account has an owner or user beside this person, else `one`.
    """
    persons = versions_at(account_parties, as_of, zone=zone).where(F.col("party_kind") == "person")
    of_account = Window.partitionBy("account_id")
    is_owner = F.col("role") == "owner"
    owner = F.min(F.when(is_owner, F.col("party_id"))).over(of_account)
    disposing = F.count_if(F.col("role").isin("owner", "user")).over(of_account)
    return persons.select(
        "account_id",
        F.col("party_id").alias("customer_id"),
        F.when(is_owner & (F.col("party_id") != owner), "user").otherwise(F.col("role")).alias("role"),
        F.when(disposing > 1, "several").otherwise("one").alias("persons"),
    )


def account_roles(people: DataFrame, *, accounts: DataFrame, as_of: date, zone: str = UTC) -> DataFrame:
    """One row per person and account opened by `as_of`: those columns, kind, opened_on, closed_on, state.

    `state` is `open` until the end of the day of closing; a closing that lies after `as_of` is not yet known of.
    """
    opened = _standing(versions_at(accounts, as_of, zone=zone), opened="opened_on", closed="closed_on", as_of=as_of)
    known = opened.select("account_id", "kind", "opened_on", "closed_on", "state")
    return people.join(known, on="account_id", how="inner")


def owners_of(people: DataFrame) -> DataFrame:
    """One row an account that has an owner."""
    return people.where(F.col("role") == "owner").drop("role", "persons")


def account_events(roles: DataFrame, *, as_of: date) -> DataFrame:
    """Openings of accounts by the people who own, use or guarantee them."""
    return roles.select("customer_id", "role", "persons", "kind", "state", _age("opened_on", as_of))


def company_events(account_parties: DataFrame, *, companies: DataFrame | None) -> DataFrame:
    """One row or more per company that the bank ever named, as party of an account or in the feed: customer_id, age.

    Cards and products name their holder without saying whether it is a person.
    """
    named = account_parties.where(F.col("party_kind") == "company").select("party_id")
    if companies is not None:
        named = named.unionByName(companies.select(F.col("company_id").alias("party_id")))
    return named.select(F.col("party_id").alias("customer_id"), F.lit(0).alias("age"))


def card_events(cards: DataFrame, *, owners: DataFrame, as_of: date, zone: str = UTC) -> DataFrame:
    """Cards issued by `as_of`; a card without a holder of its own is the account owner's.

    `account` is `own` where the holder owns the account that the card draws on, else `other`.
    """
    issued = _standing(versions_at(cards, as_of, zone=zone), opened="issued_on", closed="closed_on", as_of=as_of)
    owned = issued.withColumnRenamed("customer_id", "holder_id").join(owners, on="account_id", how="left")
    return owned.select(
        F.coalesce("holder_id", "customer_id").alias("customer_id"),
        F.when(F.coalesce("holder_id", "customer_id").eqNullSafe(F.col("customer_id")), "own")
        .otherwise("other")
        .alias("account"),
        "type",
        "state",
        _age("issued_on", as_of),
        to_minor(F.col("credit_limit")).alias("credit_limit_minor"),
    )


def loan_events(loans: DataFrame, *, owners: DataFrame, as_of: date, zone: str = UTC) -> DataFrame:
    """Loans granted by `as_of`, with the status only where the bank knew it by then.

    `state` is `open` until the last instalment is due, or until a status says that the contract is finished (A, B).
    """
    granted = versions_at(loans, as_of, zone=zone).where(F.col("granted_on") <= F.lit(as_of))
    known = granted.withColumn("status", F.when(F.col("status_on") <= F.lit(as_of), F.col("status")))
    running = (F.add_months("granted_on", F.col("months")) > F.lit(as_of)) & ~F.coalesce(
        F.col("status").isin("A", "B"), F.lit(False)
    )
    return known.join(owners, on="account_id", how="inner").select(
        "customer_id",
        "status",
        F.when(F.coalesce(running, F.lit(True)), "open").otherwise("finished").alias("state"),
        _age("granted_on", as_of),
        to_minor(F.col("amount")).alias("amount_minor"),
        to_minor(F.col("instalment")).alias("instalment_minor"),
    )


def holding_events(holdings: DataFrame, *, products: DataFrame | None, as_of: date, zone: str = UTC) -> DataFrame:
    """Products taken by `as_of`; without the product list there is no `kind`, and what asks for it stays unknown."""
    taken = _standing(versions_at(holdings, as_of, zone=zone), opened="opened_on", closed="closed_on", as_of=as_of)
    kinds = [] if products is None else ["kind"]
    if products is not None:
        taken = taken.join(
            versions_at(products, as_of, zone=zone).select("product_id", "kind"), on="product_id", how="left"
        )
    return taken.select(
        "customer_id",
        "state",
        *kinds,
        _age("opened_on", as_of),
        to_minor(F.col("amount")).alias("amount_minor"),
    )


def contact_events(contacts: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Customers whom campaigns chose by the end of `as_of`: contacted (`arm` treated) or held back (control)."""
    chosen = _newest(contacts, "contact_id", "customer_id", "arm", "channel", at="sent_at", as_of=as_of, zone=zone)
    return chosen.select("customer_id", "arm", "channel", "age")


def response_events(responses: DataFrame, *, as_of: date, zone: str = UTC) -> DataFrame:
    """Answers to campaigns by the end of `as_of`."""
    answers = _newest(responses, "response_id", "customer_id", "kind", "amount", at="at", as_of=as_of, zone=zone)
    return answers.select("customer_id", "kind", "age", to_minor(F.col("amount")).alias("amount_minor"))


def _newest(bronze: DataFrame, key: str, *columns: str, at: str, as_of: date, zone: str) -> DataFrame:
    """One row a delivered event, of a record that came again the newest, with its age; none of a later day."""
    record = F.max(F.struct("_run", at, *columns)).alias("record")
    happened = bronze.groupBy(key).agg(record).select("record.*").where(day_of(at, zone) <= F.lit(as_of))
    return happened.withColumn("day", day_of(at, zone)).withColumn("age", _age("day", as_of))


def _standing(entity: DataFrame, *, opened: str, closed: str, as_of: date) -> DataFrame:
    """Rows opened by `as_of`, closings after it forgotten, with their state that day (the day of closing is open)."""
    known_closing = F.when(F.col(closed) <= F.lit(as_of), F.col(closed))
    return (
        entity.where(F.col(opened) <= F.lit(as_of))
        .withColumn(closed, known_closing)
        .withColumn("state", F.when(F.col(closed) < F.lit(as_of), "closed").otherwise("open"))
    )


def _age(day: str, as_of: date) -> Column:
    return F.date_diff(F.lit(as_of), day).alias("age")
