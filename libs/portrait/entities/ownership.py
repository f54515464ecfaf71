"""Who owns, uses and guarantees accounts at a business date: written once, for features, contribution and relations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC


@dataclass(frozen=True)
class People:
    """Persons and their accounts at a business date."""

    persons: DataFrame
    """One row per person and account, see `account_people`."""
    roles: DataFrame
    """One row per person and account opened by then, see `account_roles`."""

    @property
    def owners(self) -> DataFrame:
        """One row per account that has an owner: account_id, customer_id."""
        return owners_of(self.persons)


def people_of(account_parties: DataFrame, accounts: DataFrame, *, as_of: date, zone: str = UTC) -> People:
    """The persons of a bank at `as_of`; the inputs are whole SCD2 tables."""
    persons = account_people(account_parties, as_of=as_of, zone=zone)
    return People(persons, account_roles(persons, accounts=accounts, as_of=as_of, zone=zone))


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
    opened = opened_by(versions_at(accounts, as_of, zone=zone), opened="opened_on", closed="closed_on", as_of=as_of)
    account_facts = opened.select("account_id", "kind", "opened_on", "closed_on", "state")
    return people.join(account_facts, on="account_id", how="inner")


def owners_of(people: DataFrame) -> DataFrame:
    """One row per account that has an owner."""
    return people.where(F.col("role") == "owner").drop("role", "persons")


def opened_by(entity: DataFrame, *, opened: str, closed: str, as_of: date) -> DataFrame:
    """Rows opened by `as_of`, closings after it forgotten, with their state that day (the day of closing is open)."""
    known_closing = F.when(F.col(closed) <= F.lit(as_of), F.col(closed))
    return (
        entity.where(F.col(opened) <= F.lit(as_of))
        .withColumn(closed, known_closing)
        .withColumn("state", F.when(F.col(closed) < F.lit(as_of), "closed").otherwise("open"))
    )
