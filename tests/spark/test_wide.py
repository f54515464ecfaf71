"""Frames side by side."""

from __future__ import annotations

from pyspark.sql import SparkSession

from portrait.spark.joins import side_by_side


def test_columns_of_all_frames_stand_beside_each_other(spark: SparkSession) -> None:
    first = spark.createDataFrame([("anna", 1, None), ("ben", 2, "x")], "customer_id string, a int, b string")
    second = spark.createDataFrame([("ben", 5), ("carl", 6)], "customer_id string, c int")
    third = spark.createDataFrame([("anna", 7)], "customer_id string, d int")
    wide = side_by_side(first, second, third)
    assert wide.columns == ["customer_id", "a", "b", "c", "d"]
    assert sorted(tuple(row) for row in wide.collect()) == [("anna", 1, None, None, 7), ("ben", 2, "x", 5, None)]


def test_a_frame_without_columns_of_its_own_only_says_who_is_there(spark: SparkSession) -> None:
    people = spark.createDataFrame([("anna",), ("ben",)], "customer_id string")
    known = spark.createDataFrame([("ben", 5)], "customer_id string, c int")
    wide = side_by_side(people, known)
    assert sorted(tuple(row) for row in wide.collect()) == [("anna", None), ("ben", 5)]
