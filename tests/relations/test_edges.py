"""Edges of a day: what holds then and was known then; accounts that are shared or guaranteed; parents of companies."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.relations.edges import relation_edges
from portrait.capabilities.relations.policy import Edges, RelationsPolicy

DAY = date(2025, 3, 31)
RELATIONS = (
    "from_id string, to_id string, kind string, holds_from date, holds_to date, share decimal(9,6), "
    "valid_from timestamp, valid_to timestamp"
)
PARTIES = "account_id string, party_id string, role string, party_kind string, valid_from timestamp, valid_to timestamp"


def relation(one: str, other: str, kind: str, **more: Any) -> tuple[Any, ...]:
    known = {"holds_from": date(2020, 1, 1), "holds_to": None, "share": None, "known": datetime(2020, 1, 2)}
    row = {**known, "until": None, **more}
    return (one, other, kind, row["holds_from"], row["holds_to"], row["share"], row["known"], row["until"])


def edges(spark: SparkSession, relations: list[tuple[Any, ...]], **others: DataFrame) -> set[tuple[Any, ...]]:
    tables = {"relations": spark.createDataFrame(relations, RELATIONS), **others}
    found = relation_edges(tables, policy=RelationsPolicy(edges=Edges(most_sharing=3)), as_of=DAY)
    rows = found.select("from_id", "to_id", "kind", "share", "since", "source", "evidence").collect()
    assert len({tuple(row)[:3] for row in rows}) == len(rows)
    return {(row.from_id, row.to_id, row.kind, row.evidence) for row in rows}


def test_an_edge_holds_and_is_known_on_the_day(spark: SparkSession) -> None:
    found = edges(
        spark,
        [
            relation("a", "b", "parent"),
            relation("a", "c", "parent", holds_from=date(2025, 4, 1)),  # not yet
            relation("a", "d", "parent", holds_to=DAY),  # its last day was the day before
            relation("a", "e", "parent", holds_to=date(2025, 4, 1)),
            relation("a", "f", "parent", known=datetime(2025, 4, 1)),  # true, and learned too late
            relation("a", "g", "parent", until=datetime(2025, 3, 1)),  # withdrawn
        ],
    )
    assert found == {("a", "b", "parent", None), ("a", "e", "parent", None)}


def test_a_couple_is_one_edge_whoever_is_named_first(spark: SparkSession) -> None:
    found = edges(spark, [relation("b", "a", "spouse"), relation("a", "b", "spouse", holds_from=date(2021, 1, 1))])
    assert found == {("a", "b", "spouse", None)}


def test_holdings_of_a_pair_are_summed(spark: SparkSession) -> None:
    from decimal import Decimal

    rows = [
        relation("a", "b", "shareholder", share=Decimal("0.10")),
        relation("a", "b", "shareholder", share=Decimal("0.05"), holds_from=date(2022, 1, 1)),
    ]
    found = relation_edges(
        {"relations": spark.createDataFrame(rows, RELATIONS)}, policy=RelationsPolicy(), as_of=DAY
    ).collect()
    assert [(row.share, row.since) for row in found] == [(Decimal("0.150000"), date(2020, 1, 1))]


def test_accounts_tell_of_those_who_share_or_guarantee_them(spark: SparkSession) -> None:
    since = datetime(2020, 1, 1)
    rows = [
        ("x", "a", "owner", "person", since, None),
        ("x", "b", "user", "person", since, None),
        ("x", "g", "guarantor", "person", since, None),
        ("y", "a", "owner", "person", since, None),
        ("y", "b", "user", "person", since, datetime(2025, 1, 1)),  # no longer
        *[("z", name, "owner", "person", since, None) for name in "pqrs"],  # a club, not a household
    ]
    found = edges(spark, [], account_parties=spark.createDataFrame(rows, PARTIES))
    assert found == {("a", "b", "shared_account", "x"), ("g", "a", "guarantor", "x")}


def test_parents_of_companies_are_edges(spark: SparkSession) -> None:
    rows = [("s", "p", datetime(2020, 1, 1), None), ("q", None, datetime(2020, 1, 1), None)]
    companies = spark.createDataFrame(
        rows, "company_id string, parent_id string, valid_from timestamp, valid_to timestamp"
    )
    assert edges(spark, [], companies=companies) == {("p", "s", "parent_company", None)}


def test_a_group_needs_at_least_two_to_share_an_account() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        Edges(most_sharing=1)
