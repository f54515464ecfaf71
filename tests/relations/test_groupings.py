"""Groups keep their id while most of their members stay together; what became of them is logged."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.relations.components import groups_of_few
from portrait.capabilities.relations.groupings import group_events, grouped_members, ties_of
from portrait.capabilities.relations.policy import Groups, RelationsPolicy

BEFORE, NOW = date(2025, 2, 28), date(2025, 3, 31)
POLICY = RelationsPolicy()


def no_members(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([], "kind string, member_id string, group_id string, members bigint")


def families(spark: SparkSession, couples: str, before: DataFrame | None = None, day: date = NOW) -> DataFrame:
    """Groups of couples, written `ab cd`; everybody is one letter."""
    rows = [("family", pair[0], pair[1], "spouse", date(2020, 1, 1)) for pair in couples.split()]
    ties = spark.createDataFrame(rows, "group_kind string, from_id string, to_id string, tie string, since date")
    found = grouped_members(ties, before or no_members(spark), policy=POLICY, as_of=day)
    return found.localCheckpoint()


def ids(groups: DataFrame) -> dict[str, str]:
    """Members of a group, sorted, to its id."""
    found: dict[str, list[str]] = {}
    for row in groups.collect():
        found.setdefault(row.group_id, []).append(row.member_id)
    return {"".join(sorted(members)): group for group, members in found.items()}


def events(now: DataFrame, before: DataFrame) -> set[tuple[str, str, str, int]]:
    """Event, the group and the other one by their members before (or now), and how many moved."""
    names = {group: members for members, group in ids(before).items()}
    names = {**{group: members for members, group in ids(now).items()}, **names, "": ""}
    rows = group_events(now, before, as_of=NOW).collect()
    return {(row.event, names[row.group_id], names[row.other_group_id], row.moved) for row in rows}


def test_a_group_keeps_its_id_while_it_grows_and_shrinks(spark: SparkSession) -> None:
    before = families(spark, "ab bc de", day=BEFORE)
    now = families(spark, "ab ef ed", before)
    assert ids(now)["ab"] == ids(before)["abc"]
    assert ids(now)["def"] == ids(before)["de"]
    assert events(now, before) == {("shrunk", "abc", "", 1), ("grown", "de", "", 1)}


def test_of_a_merger_the_larger_id_is_left(spark: SparkSession) -> None:
    before = families(spark, "ab bc de", day=BEFORE)
    now = families(spark, "ab bc cd de", before)
    assert ids(now) == {"abcde": ids(before)["abc"]}
    assert events(now, before) == {("merged", "de", "abc", 2)}


def test_of_a_split_the_majority_keeps_the_id(spark: SparkSession) -> None:
    before = families(spark, "ab bc cd de", day=BEFORE)
    now = families(spark, "ab bc de", before)
    kept, new = ids(now)["abc"], ids(now)["de"]
    assert kept == ids(before)["abcde"]
    assert new not in ids(before).values()
    assert events(now, before) == {("split", "de", "abcde", 2)}


def test_of_an_even_split_nobody_keeps_the_id(spark: SparkSession) -> None:
    before = families(spark, "ab bc cd", day=BEFORE)
    now = families(spark, "ab cd", before)
    assert ids(before)["abcd"] not in ids(now).values()
    assert events(now, before) == {("split", "ab", "abcd", 2), ("split", "cd", "abcd", 2)}


def test_groups_are_formed_and_dissolved(spark: SparkSession) -> None:
    before, now = families(spark, "ab", day=BEFORE), None
    now = families(spark, "cd", before)
    assert events(now, before) == {("formed", "cd", "", 2), ("dissolved", "ab", "", 2)}


def test_the_same_members_give_the_same_rows_whatever_the_layout(spark: SparkSession) -> None:
    one, other = families(spark, "ab bc de"), families(spark.newSession(), "de cb ba")
    assert ids(one) == ids(other)


def test_few_ties_on_the_driver_are_the_groups_that_spark_finds(spark: SparkSession) -> None:
    pairs = [(f"m{n * n % 97}", f"m{(n * 7 + 3) % 89}") for n in range(60)] + [("z", "z")]
    edges = spark.createDataFrame(pairs, "left string, right string")
    few = {tuple(row) for row in groups_of_few(edges, policy=POLICY).collect()}
    many = RelationsPolicy(groups=Groups(most_on_driver=59))
    assert few == {tuple(row) for row in groups_of_few(edges, policy=many).collect()}
    assert len({group for _, group in few}) > 3
    none = spark.createDataFrame([], "left string, right string")
    assert groups_of_few(none, policy=POLICY).isEmpty()


def test_a_member_says_why_it_belongs(spark: SparkSession) -> None:
    rows = {row.member_id: row for row in families(spark, "ab bc").collect()}
    assert [(rows[m].ties, rows[m].tie, rows[m].tied_to, rows[m].members) for m in "abc"] == [
        (1, "spouse", "b", 3), (2, "spouse", "a", 3), (1, "spouse", "b", 3),
    ]  # fmt: skip


def test_which_ties_make_which_group(spark: SparkSession) -> None:
    edges = spark.createDataFrame(
        [("a", "b", "spouse"), ("a", "c", "guarantor"), ("E", "F", "parent_company"), ("E", "a", "employer")],
        "from_id string, to_id string, kind string",
    ).selectExpr("*", "cast(null as date) since")
    owned = spark.createDataFrame(
        [("a", "E", True), ("b", "F", False)], "owner_id string, company_id string, controls boolean"
    )
    found = {(r.group_kind, r.from_id, r.to_id) for r in ties_of(edges, owned, policy=POLICY).collect()}
    assert found == {
        ("family", "a", "b"), ("connected", "a", "c"), ("company", "a", "E"), ("connected", "a", "E"),
        ("company", "E", "F"), ("connected", "E", "F"),
    }  # fmt: skip
