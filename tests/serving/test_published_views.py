"""What the SQL server serves before and after the first publication of a lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.lake import Lake, Lease, publish
from portrait.quality import RuleResult, results_frame
from portrait.serving.server import PublishedViews
from portrait.serving.statements import Refused

pytestmark = pytest.mark.delta

AS_OF = date(2025, 1, 31)
KEYS = (
    Column("as_of", "DATE", required=True, key_position=1, partition_position=1),
    Column("customer_id", "STRING", required=True, key_position=2),
)


def test_a_server_waits_for_the_first_publication(spark: SparkSession, tmp_path: Path, schemas_dir: Path) -> None:
    tables = [
        contract_of(load_document(schemas_dir / "ops" / f"{name}.yml"))
        for name in ("table_versions", "publication", "quality_results")
    ]
    tables.append(Contract("gold.first", "Test table.", "One row.", KEYS, (), {"job": "test"}))
    catalogue = Catalogue({table.id: table for table in tables})
    views = PublishedViews(Lake(spark, tmp_path, catalogue))
    with pytest.raises(Refused, match="nothing is published yet"):
        views.bind("select * from published.first")
    assert spark.sql(views.bind("show tables").sql).collect() == []
    assert spark.sql(views.bind("select 1").sql).head()[0] == 1

    with Lease(tmp_path) as lease:
        lake = Lake(spark, tmp_path, catalogue, lease=lease)
        lake.replace("gold.first", spark.sql(f"select date '{AS_OF}' as_of, 'a' customer_id"), AS_OF)
        lake.complete("test", as_of=AS_OF, inputs={}, seconds=0.0)
        passed = RuleResult("gold.first", "key.unique", "error", True, 0, 1)
        lake.replace("ops.quality_results", results_frame(lake, [passed], as_of=AS_OF), AS_OF)
        publish(lake, as_of=AS_OF)
    spark.sql("drop database published cascade")  # a server does not share its session with the run that publishes

    assert spark.sql(views.bind("select customer_id from published.first").sql).head()[0] == "a"
    assert [row.tableName for row in spark.sql(views.bind("show tables").sql).collect()] == ["first"]
