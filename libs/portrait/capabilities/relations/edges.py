"""Who is related to whom on a day, as the bank knew it on that day, with the evidence of every edge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Final

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.relations.policy import RelationsPolicy
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC

OWNING: Final = ("shareholder", "subsidiary", "voter")
"""Kinds of edges that have a share."""
_UNDIRECTED = ("spouse",)
_EVIDENCE = 5  # accounts that are named per edge


def relation_edges(
    tables: Mapping[str, DataFrame], *, policy: RelationsPolicy, as_of: date, zone: str = UTC
) -> DataFrame:
    """gold.relation_edges: one row per pair and kind. `tables` by name without the layer, whole SCD2 tables: relations,
    and where the bank delivers them companies and account_parties.

    An edge is there when it holds at the end of `as_of` and the bank knew of it then. Of an account with more than
    `most_sharing` persons nobody is taken to share it with the others.
    """
    parts = [_delivered(tables["relations"], as_of=as_of, zone=zone)]
    if "companies" in tables:
        parts.append(_parents(tables["companies"], as_of=as_of, zone=zone))
    if "account_parties" in tables:
        parties = versions_at(tables["account_parties"], as_of, zone=zone)
        parts += [_guarantees(parties), _shared(parties, most=policy.edges.most_sharing)]
    together = reduce(DataFrame.unionByName, parts).where("from_id <> to_id")
    return together.groupBy("from_id", "to_id", "kind").agg(
        F.lit(as_of).alias("as_of"),
        F.sum("share").cast("decimal(9,6)").alias("share"),
        F.min("since").alias("since"),
        F.array_join(F.array_sort(F.collect_set("source")), ", ").alias("source"),
        F.nullif(F.array_join(F.slice(F.array_sort(F.collect_set("evidence")), 1, _EVIDENCE), ", "), F.lit("")).alias(
            "evidence"
        ),
    )


def _delivered(relations: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    """The feed's relations; a spouse stands once, from the lesser of the two to the other."""
    day = F.lit(as_of)
    holds = (F.col("holds_from") <= day) & (F.col("holds_to").isNull() | (F.col("holds_to") > day))
    swapped = F.col("kind").isin(*_UNDIRECTED) & (F.col("from_id") > F.col("to_id"))
    return versions_at(relations, as_of, zone=zone).where(holds).select(
        F.when(swapped, F.col("to_id")).otherwise(F.col("from_id")).alias("from_id"),
        F.when(swapped, F.col("from_id")).otherwise(F.col("to_id")).alias("to_id"),
        "kind",
        F.when(F.col("kind").isin(*OWNING), F.col("share")).alias("share"),
        F.col("holds_from").alias("since"),
        F.lit("relations").alias("source"),
        F.lit(None).cast("string").alias("evidence"),
    )  # fmt: skip


def _parents(companies: DataFrame, *, as_of: date, zone: str) -> DataFrame:
    listed = versions_at(companies, as_of, zone=zone).where("parent_id is not null")
    return _without_share(listed, "parent_id", "company_id", "parent_company", "companies", "cast(null as string)")


def _guarantees(parties: DataFrame) -> DataFrame:
    """Who guarantees an account, and its owners."""
    guarantors = parties.where("role = 'guarantor'").select("account_id", F.col("party_id").alias("guarantor"))
    owners = parties.where("role = 'owner'").select("account_id", "party_id")
    both = guarantors.join(owners, on="account_id", how="inner")
    return _without_share(both, "guarantor", "party_id", "guarantor", "account_parties", "account_id")


def _shared(parties: DataFrame, *, most: int) -> DataFrame:
    """Pairs of persons who own or use the same account."""
    persons = parties.where("role in ('owner', 'user') and party_kind = 'person'")
    on_account = Window.partitionBy("account_id")
    some = persons.select("account_id", "party_id", F.count("*").over(on_account).alias("persons"))
    few = some.where(F.col("persons").between(2, most)).drop("persons")
    other = few.select("account_id", F.col("party_id").alias("other_id"))
    pairs = few.join(other, on="account_id", how="inner").where("party_id < other_id")
    return _without_share(pairs, "party_id", "other_id", "shared_account", "account_parties", "account_id")


def _without_share(rows: DataFrame, source: str, target: str, kind: str, table: str, evidence: str) -> DataFrame:
    return rows.select(
        F.col(source).alias("from_id"),
        F.col(target).alias("to_id"),
        F.lit(kind).alias("kind"),
        F.lit(None).cast("decimal(9,6)").alias("share"),
        F.lit(None).cast("date").alias("since"),
        F.lit(table).alias("source"),
        F.expr(evidence).alias("evidence"),
    )
