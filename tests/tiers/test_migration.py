"""Migration between two slices: counts, probabilities, Shorrocks."""

from __future__ import annotations

from datetime import date

import pytest
from pyspark.sql import Row, SparkSession

from portrait.capabilities.tiers.migration import (
    OUTSIDE,
    expected_customers,
    groups_of_both,
    mobility,
    moves_by,
    tier_migration,
)

BEFORE, NOW = date(2023, 12, 31), date(2024, 1, 31)
TIERS = "as_of date, customer_id string, tier string"


def migrate(spark: SparkSession, before: dict[str, str], now: dict[str, str]) -> dict[tuple[str, str], Row]:
    frames = [
        spark.createDataFrame([(day, customer, tier) for customer, tier in slice_.items()], TIERS)
        for day, slice_ in ((NOW, now), (BEFORE, before))
    ]
    return {(row.from_tier, row.to_tier): row for row in tier_migration(*frames, as_of=NOW).collect()}


# vip: 3 stay, 1 down. growing: 1 up, 1 stays. diamond: 1 stays. One leaves from growing, two enter as ordinary.
WAS = {
    "v1": "vip",
    "v2": "vip",
    "v3": "vip",
    "v4": "vip",
    "g1": "growing",
    "g2": "growing",
    "g3": "growing",
    "d": "diamond",
}
IS = {"v1": "vip", "v2": "vip", "v3": "vip", "v4": "growing", "g1": "vip", "g2": "growing", "d": "diamond",
      "n1": "ordinary", "n2": "ordinary"}  # fmt: skip


def test_probabilities_by_hand(spark: SparkSession) -> None:
    moves = migrate(spark, WAS, IS)
    found = {
        pair: moves[pair].probability
        for pair in [("vip", "vip"), ("vip", "growing"), ("growing", "vip"), ("vip", "diamond")]
    }
    assert found == {("vip", "vip"): 0.75, ("vip", "growing"): 0.25, ("growing", "vip"): 0.5, ("vip", "diamond"): 0.0}


def test_mobility_by_hand(spark: SparkSession) -> None:
    # Three tiers have someone: trace = 1 + .75 + .5; (3 - 2.25) / 2.
    assert {row.mobility_index for row in migrate(spark, WAS, IS).values()} == {0.375}


def test_nobody_disappears(spark: SparkSession) -> None:
    moves = migrate(spark, WAS, IS)
    assert moves["growing", OUTSIDE].customers == 1
    assert moves[OUTSIDE, "ordinary"].customers == 2
    assert sum(row.customers for (start, _), row in moves.items() if start != OUTSIDE) == len(WAS)
    assert sum(row.customers for (_, end), row in moves.items() if end != OUTSIDE) == len(IS)


def test_every_pair_has_a_row_and_rows_of_the_matrix_sum_to_one(spark: SparkSession) -> None:
    moves = migrate(spark, WAS, IS)
    assert len(moves) == 24
    for tier in ("diamond", "vip", "growing"):
        total = sum(row.probability for (start, end), row in moves.items() if start == tier and end != OUTSIDE)
        assert total == pytest.approx(1.0)
    assert {row.probability for (start, _), row in moves.items() if start in ("ordinary", OUTSIDE)} == {None}


def test_nobody_moving_is_no_mobility_and_one_tier_has_no_index(spark: SparkSession) -> None:
    assert {row.mobility_index for row in migrate(spark, WAS, WAS).values()} == {0.0}
    assert {row.mobility_index for row in migrate(spark, {"a": "vip"}, {"a": "growing"}).values()} == {None}


def test_without_a_slice_before_there_is_no_matrix(spark: SparkSession) -> None:
    assert migrate(spark, {}, IS) == {}


def test_moves_by_group_add_up_to_all(spark: SparkSession) -> None:
    now, before = (
        spark.createDataFrame([(day, customer, tier) for customer, tier in slice_.items()], TIERS)
        for day, slice_ in ((NOW, IS), (BEFORE, WAS))
    )
    groups = spark.createDataFrame([("v1", 7), ("v4", 7), ("g1", 7), ("n1", 7)], "customer_id string, group int")
    rows = moves_by(now, before, groups).collect()
    found = {(row.group, row.from_tier, row.to_tier): row.customers for row in rows}
    assert {key: count for key, count in found.items() if key[0] == "7"} == {
        ("7", "vip", "vip"): 1,
        ("7", "vip", "growing"): 1,
        ("7", "growing", "vip"): 1,
        ("7", OUTSIDE, "ordinary"): 1,
    }
    assert sum(found.values()) == len(WAS) + 2
    assert {row.group for row in moves_by(now, before).collect()} == {"none"}


def test_who_left_counts_in_the_group_where_they_were(spark: SparkSession) -> None:
    layout = "customer_id string, group string"
    now = spark.createDataFrame([("v1", "here"), ("v2", "moved")], layout)
    before = spark.createDataFrame([("v2", "here"), ("g3", "there")], layout)
    found = {(row.customer_id, row.group) for row in groups_of_both(now, before).collect()}
    assert found == {("v1", "here"), ("v2", "moved"), ("g3", "there")}


MOVES = {("vip", "vip"): 3, ("vip", "growing"): 1, ("growing", "vip"): 1, ("growing", "growing"): 1,
         ("growing", OUTSIDE): 1, ("diamond", "diamond"): 1, (OUTSIDE, "ordinary"): 2}  # fmt: skip


def test_the_index_of_counts_is_that_of_the_table(spark: SparkSession) -> None:
    assert mobility(MOVES) == {row.mobility_index for row in migrate(spark, WAS, IS).values()}.pop() == 0.375
    assert mobility({("vip", "growing"): 4}) is None


def test_expected_customers_by_hand() -> None:
    # Now: diamond 1, vip 3 + 1, growing 1 + 1, ordinary 2 new. growing: a third each to vip, growing, outside.
    assert expected_customers(MOVES, steps=0) == {"diamond": 1, "vip": 4, "growing": 2, "ordinary": 2, OUTSIDE: 0}
    once = expected_customers(MOVES, steps=1)
    expected = {"diamond": 1, "vip": 3 + 2 / 3, "growing": 1 + 2 / 3, "ordinary": 2, OUTSIDE: 2 / 3}
    assert once == pytest.approx(expected)
    twice = expected_customers(MOVES, steps=2)
    assert twice["vip"] == pytest.approx((3 + 2 / 3) * 3 / 4 + (1 + 2 / 3) / 3)
    assert sum(twice.values()) == pytest.approx(9)
