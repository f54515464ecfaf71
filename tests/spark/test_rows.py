"""Rows of the driver as a frame: every type that contracts use, missing values, and no Python worker."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from portrait.spark.frames import frame_of

SCHEMA = (
    "id string not null, n int, big bigint, amount decimal(18,2), share double, yes boolean, day date, at timestamp, "
    "names array<string>, facts map<string,string>, pair struct<a: string, b: double>"
)
FULL = (
    "x", 1, 2, Decimal("3.5"), 4, True, date(2025, 1, 2), datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
    ("p", None), {"k": "v", "l": None}, ("q", 6.5),
)  # fmt: skip
EMPTY = ("y", *[None] * 10)


def test_every_type_comes_back_as_it_went_in(spark: SparkSession) -> None:
    frame = frame_of(spark, [FULL, EMPTY], SCHEMA)
    assert frame.schema == spark.createDataFrame([], SCHEMA).schema
    # What Spark itself makes of the same rows, and what they are.
    assert (
        frame.collect() == spark.createDataFrame([FULL, EMPTY], SCHEMA.replace("share double", "share int")).collect()
    )
    first = frame.selectExpr("amount", "cast(at as string) as at", "facts['k'] as fact", "pair.b as b").head()
    assert first is not None
    assert tuple(first) == (Decimal("3.50"), "2025-01-02 03:04:05", "v", 6.5)


def test_it_is_one_partition_of_the_plan_itself(spark: SparkSession) -> None:
    frame = frame_of(spark, [FULL] * 9, SCHEMA)
    assert frame.rdd.getNumPartitions() == 1
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert "LocalTableScan" in plan
    assert "ExistingRDD" not in plan


def test_no_rows_are_an_empty_frame(spark: SparkSession) -> None:
    assert frame_of(spark, [], SCHEMA).collect() == []


def test_a_missing_value_is_refused_where_one_is_required(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="no value in required columns: id"):
        frame_of(spark, [(None, *EMPTY[1:])], SCHEMA)
