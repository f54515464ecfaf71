"""Draws follow their distributions, and nothing of the bank depends on how the rows are spread over partitions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank, people
from portrait.sources.synthetic.bookings import bookings
from portrait.sources.synthetic.draws import Draws, bounds_of, pick
from portrait.sources.synthetic.plan import GROUPS, TICKET
from portrait.sources.synthetic.possessions import holdings

BANK = Bank(customers=60, months=2, seed=5)


def _sum(frame: DataFrame) -> tuple[int, int]:
    """Rows, and an order-free digest: the sum of the rows' hashes."""
    hashed = frame.select(F.xxhash64(F.to_json(F.struct("*"))).cast("decimal(38,0)").alias("h"))
    count, total = hashed.agg(F.count("*"), F.sum("h")).first()
    return int(count), int(total)


@pytest.fixture(scope="module")
def once(spark: SparkSession) -> tuple[tuple[int, int], ...]:
    return _parts(people(spark, BANK))


def _parts(who: DataFrame) -> tuple[tuple[int, int], ...]:
    held = holdings(who, BANK)
    return _sum(who), _sum(held), _sum(bookings(who, held, BANK, BANK.last_day))


@pytest.mark.parametrize("partitions", [1, 7])
def test_partitions_change_nothing(spark: SparkSession, once: tuple[tuple[int, int], ...], partitions: int):
    assert _parts(people(spark, BANK).repartition(partitions, F.col("group_index"))) == once


def test_another_seed_is_another_bank(spark: SparkSession, once: tuple[tuple[int, int], ...]):
    assert _sum(people(spark, Bank(customers=60, months=2, seed=6))) != once[0]


def test_a_larger_bank_keeps_its_first_customers(spark: SparkSession, once: tuple[tuple[int, int], ...]):
    larger = people(spark, Bank(customers=100, months=2, seed=5))
    assert _sum(larger.where("k <= 60")) == once[0]


@pytest.mark.parametrize(
    ("drawn", "mean", "deviation"),
    [
        (lambda draws: draws.uniform("x", "id"), 0.5, 0.2887),
        (lambda draws: draws.normal("x", "id"), 0.0, 1.0),
        (lambda draws: draws.lognormal(0.5, "x", "id"), 1.0, 0.5329),  # sqrt(exp(0.25) - 1)
        (lambda draws: draws.whole(10, "x", "id"), 4.5, 2.8723),
    ],
)
def test_mean_and_deviation(spark: SparkSession, drawn: Callable[[Draws], Column], mean: float, deviation: float):
    row = spark.range(20_000).select(drawn(Draws(1)).alias("x")).agg(F.avg("x"), F.stddev("x")).first()
    assert row is not None
    assert tuple(row) == pytest.approx((mean, deviation), abs=0.03 * max(deviation, 1.0))


def test_draws_of_two_names_are_independent(spark: SparkSession):
    draws = Draws(1)
    row = spark.range(20_000).select(F.corr(draws.uniform("a", "id"), draws.uniform("b", "id"))).first()
    assert row is not None
    assert abs(row[0]) < 0.02


def test_a_choice_follows_its_weights(spark: SparkSession):
    chosen = spark.range(20_000).select(Draws(1).choice({"a": 1, "b": 2, "c": 5}, "x", "id").alias("x"))
    counts = {row["x"]: row["count"] / 20_000 for row in chosen.groupBy("x").count().collect()}
    assert counts == pytest.approx({"a": 0.125, "b": 0.25, "c": 0.625}, abs=0.015)


def test_bounds_rise_to_one(spark: SparkSession):
    weights = F.array(F.lit(1.0), F.lit(1.0), F.lit(2.0))
    row = spark.range(1).select(bounds_of(weights)).first()
    assert row is not None
    assert row[0] == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(("u", "expected"), [(0.0, "a"), (0.2499, "a"), (0.25, "b"), (0.5, "c"), (0.999, "c")])
def test_picking_by_bounds(spark: SparkSession, u: float, expected: str):
    row = spark.range(1).select(pick(["a", "b", "c"], [F.lit(0.25), F.lit(0.5), F.lit(1.0)], F.lit(u))).first()
    assert row is not None
    assert row[0] == expected


def test_group_shares_sum_to_one():
    assert sum(group.share for group in GROUPS) == pytest.approx(1.0)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_weights_of_a_group_sum_to_one(group):
    assert sum(group.spends_on) == pytest.approx(100)
    assert sum(group.pays_by) == pytest.approx(1.0)
    assert sum(group.banks_by) == pytest.approx(1.0)
    assert sum(group.kinds) == pytest.approx(1.0)


def test_a_category_has_a_ticket():
    assert {len(group.spends_on) for group in GROUPS} == {len(TICKET)}
