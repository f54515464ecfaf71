"""Draws follow their distributions, and nothing of the bank depends on how the rows are spread over partitions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import scipy.stats
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank, people
from portrait.sources.synthetic.bookings import bookings
from portrait.sources.synthetic.draws import Draws, cumulated, pick, place
from portrait.sources.synthetic.plan import GROUPS, TICKET
from portrait.sources.synthetic.product_holdings import holdings

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
    return _sum(who), _sum(holdings(who, BANK)), _sum(bookings(who, BANK, BANK.last_day))


@pytest.mark.parametrize("partitions", [1, 2, 7])
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


def test_cumulated_weights(spark: SparkSession):
    row = spark.range(1).select(cumulated([F.lit(1.0), F.lit(1.0), F.lit(2.0)])).first()
    assert row is not None
    assert row[0] == [1.0, 2.0, 4.0]


PLACES = [(0.0, 0), (0.2499, 0), (0.25, 1), (0.5, 2), (0.999, 2)]


@pytest.mark.parametrize(("u", "expected"), PLACES)
def test_a_place_among_cumulated_weights(spark: SparkSession, u: float, expected: int):
    bounds = spark.range(1).select(F.array(F.lit(1.0), F.lit(2.0), F.lit(4.0)).alias("bounds"))
    row = bounds.select(place("bounds", 3, F.lit(u))).first()
    assert row is not None
    assert row[0] == expected


@pytest.mark.parametrize(("u", "expected"), [(u, "abc"[index]) for u, index in PLACES])
def test_picking_by_bounds(spark: SparkSession, u: float, expected: str):
    row = spark.range(1).select(pick(["a", "b", "c"], [F.lit(0.25), F.lit(0.5), F.lit(1.0)], F.lit(u))).first()
    assert row is not None
    assert row[0] == expected


def test_the_fisk_distribution_is_scipys(spark: SparkSession):
    drawn = spark.range(20_000).select(Draws(1).fisk(0.25, "x", "id").alias("x")).toPandas()["x"]
    # mean 1: the scale is sin(pi s) / (pi s)
    law = scipy.stats.fisk(4.0, scale=0.9003163161571061)
    assert scipy.stats.kstest(drawn, law.cdf).pvalue > 0.01


def test_the_pareto_distribution_is_scipys_and_cut_off(spark: SparkSession):
    drawn = spark.range(20_000).select(Draws(1).pareto(1.5, 8.0, "x", "id").alias("x")).toPandas()["x"]
    assert drawn.max() == 8.0
    assert (drawn == 8.0).mean() == pytest.approx(8.0**-1.5, abs=0.005)
    below = drawn[drawn < 8.0]
    law = scipy.stats.truncpareto(1.5, 8.0)
    assert scipy.stats.kstest(below, law.cdf).pvalue > 0.01


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
