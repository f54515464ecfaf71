"""Halves of a minor unit are rounded in one way, in columns and in SQL."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.entities.money import rounded, rounded_sql


def test_halves_go_away_from_zero(spark: SparkSession) -> None:
    expected = {"2.5": 3, "-2.5": -3, "3.5": 4, "2.499999": 2, "-0.5": -1, "0.49": 0}
    rows = spark.createDataFrame([(text,) for text in expected], "text string")
    exact = F.col("text").cast("decimal(20,6)")
    both = rows.select(
        "text", rounded(exact).alias("column"), F.expr(rounded_sql("cast(text as decimal(20,6))")).alias("sql")
    )
    assert both.schema["column"].dataType.simpleString() == "decimal(38,0)"
    for row in both.collect():
        assert (row["column"], row["sql"]) == (Decimal(expected[row["text"]]),) * 2
