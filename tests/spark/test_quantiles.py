"""Quantiles: bounded, layout-free, within the promised error."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.spark.quantiles import on_grid, quantiles


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, 0.0),
        (0.29, 0.29),
        (37.0, 37.0),
        (1.13, 1.13),
        (123456.78, 123400.0),
        (-123456.0, -123500.0),
        (365.0, 365.0),
    ],
)
def test_a_value_is_rounded_down_to_its_first_four_digits(spark: SparkSession, value: float, expected: float) -> None:
    row = spark.createDataFrame([(value,)], "x double").select(on_grid(F.col("x"), digits=4).alias("g")).first()
    assert row.g == pytest.approx(expected, rel=1e-12)


def test_small_integers_get_the_exact_interpolated_percentile(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(n,) for n in range(1, 11)], "x int")
    row = frame.agg(quantiles(F.col("x"), [0.2, 0.5, 0.8], digits=4).alias("q")).first()
    assert row.q == pytest.approx([2.8, 5.5, 8.2])


def test_the_error_stays_below_one_unit_of_the_last_digit(spark: SparkSession) -> None:
    values = np.random.default_rng(5).lognormal(10, 2, 4_000)
    frame = spark.createDataFrame([(float(v),) for v in values], "x double")
    got = frame.agg(quantiles(F.col("x"), [0.01, 0.5, 0.99], digits=4).alias("q")).first().q
    exact = np.quantile(values, [0.01, 0.5, 0.99])
    assert np.all(np.abs(np.array(got) - exact) <= 1e-3 * exact)


def test_the_layout_does_not_matter(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(float((n * 7919) % 10_007) ** 1.7,) for n in range(5_000)], "x double")
    shares = [0.01, 0.2, 0.4, 0.99]
    found = [
        tuple(frame.repartition(parts).agg(quantiles(F.col("x"), shares, digits=4).alias("q")).first().q)
        for parts in (1, 7)
    ]
    assert found[0] == found[1]


def test_no_value_gives_null(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(None,)], "x double")
    assert frame.agg(quantiles(F.col("x"), [0.5], digits=4).alias("q")).first().q is None
