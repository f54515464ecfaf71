"""Every chart is a query that Spark accepts over a table of the contract's columns: functions, types, grouping."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from portrait.run.suite import load_suite
from portrait.superset import Declaration, load_declaration

CHECKOUT = Path(__file__).resolve().parents[2]
CATALOGUE = load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")
SHIPPED = load_declaration(CHECKOUT / "conf", CATALOGUE)


def analyse(spark: SparkSession, declaration: Declaration, name: str) -> list[str]:
    """The columns of a chart's query; Spark resolves it without reading a row."""
    chart = declaration.charts[name]
    metrics = declaration.datasets[chart.dataset].metrics
    table = CATALOGUE.table(chart.dataset)
    nothing = spark.createDataFrame([], table.struct_type)
    wanted = ", ".join([*chart.by, *(f"{metrics[metric].sql} AS {metric}" for metric in chart.metrics)])
    grouped = f" GROUP BY {', '.join(chart.by)}" if chart.by else ""
    return spark.sql(
        f"SELECT {wanted} FROM {{nothing}} WHERE {chart.where or 'true'}{grouped}", nothing=nothing
    ).columns


@pytest.mark.parametrize("name", SHIPPED.charts)
def test_a_chart_is_a_query_of_spark(spark: SparkSession, name: str) -> None:
    chart = SHIPPED.charts[name]
    assert analyse(spark, SHIPPED, name) == [*chart.by, *chart.metrics]


def test_a_function_that_spark_does_not_know_is_seen(spark: SparkSession, tmp_path: Path) -> None:
    text = (CHECKOUT / "conf" / "superset.yml").read_text(encoding="utf-8")
    (tmp_path / "superset.yml").write_text(text.replace("sql: avg(z)", "sql: average(z)"), encoding="utf-8")
    with pytest.raises(AnalysisException, match="average"):
        analyse(spark, load_declaration(tmp_path, CATALOGUE), "group_profile")
