"""The target group index is one formula, of numbers and of columns."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.spark.target_group import target_group_index, target_group_index_by_row

# By hand: 8.9 % against 6.6 %; 100 (3 + 20 x .3) / (24 x .3); as common as among all; nobody in the group.
CASES = [
    (89, 1000, 0.066, 0.0, 134.848485),
    (3, 4, 0.3, 20.0, 125.0),
    (5, 50, 0.1, 7.0, 100.0),
    (0, 30, 0.5, 10.0, 25.0),
]


@pytest.mark.parametrize(("having", "size", "overall", "smoothing", "expected"), CASES)
def test_index_of_a_group(having: int, size: int, overall: float, smoothing: float, expected: float) -> None:
    assert target_group_index(having, size, overall=overall, smoothing=smoothing) == pytest.approx(expected)


def test_nobody_has_it_or_nobody_is_there() -> None:
    assert target_group_index(0, 10, overall=0.0, smoothing=5) is None
    assert target_group_index(0, 0, overall=0.5, smoothing=0) is None


def test_index_by_row_is_that_of_numbers(spark: SparkSession) -> None:
    smoothing = 20.0
    cases = [*CASES, (0, 10, 0.0, smoothing, None)]
    rows = spark.createDataFrame([case[:3] for case in cases], "having int, size int, overall double")
    index = target_group_index_by_row(F.col("having"), F.col("size"), overall=F.col("overall"), smoothing=smoothing)
    found = [row["index"] for row in rows.select(index.alias("index")).collect()]
    assert found == [target_group_index(*case[:2], overall=case[2], smoothing=smoothing) for case in cases]
