"""Tables of layer ops stay few files, and nobody notices when they are merged."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from portrait.contracts import Catalogue, Column, Contract
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.ingest.ledger import FileCache
from portrait.lake import Lake, Lease, compact_records
from portrait.lake.log import most_small_files, newest_content, newest_version

pytestmark = pytest.mark.delta

AS_OF = date(2025, 1, 31)


def catalogue_of(schemas: Path) -> Catalogue:
    keys = (
        Column("as_of", "DATE", required=True, key_position=1, partition_position=1),
        Column("customer_id", "STRING", required=True, key_position=2),
    )
    tables = [contract_of(load_document(schemas / "ops" / f"{name}.yml")) for name in ("table_versions", "files")]
    tables.append(Contract("gold.first", "Test table.", "One row.", keys, (), {"job": "test"}))
    tables.append(Contract("ops.noted", "Test table.", "One row.", (Column("n", "BIGINT"),), (), {"job": "test"}))
    return Catalogue({table.id: table for table in tables})


def test_small_files_of_records_are_merged_and_nothing_else_changes(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path
) -> None:
    catalogue = catalogue_of(schemas_dir)
    with Lease(tmp_path) as lease:
        lake = Lake(spark, tmp_path, catalogue, lease=lease)
        lake.append("ops.noted", spark.sql("select 7L n"), note={"until": 7})
        for number in range(5):
            lake.complete(f"job{number}", as_of=AS_OF, inputs={"a": str(number)}, seconds=0.0)
        path = lake.path("ops.table_versions")
        version, rows = newest_version(path), lake.read("ops.table_versions").orderBy("job").collect()
        assert compact_records(lake, after=6) == []
        assert newest_version(path) == version, "below the threshold nothing is written"

        assert compact_records(lake, after=5) == ["ops.table_versions"]
        assert len(lake.read("ops.table_versions").inputFiles()) == 1
        assert lake.read("ops.table_versions").orderBy("job").collect() == rows
        assert newest_content(path) == version < newest_version(path)
        pinned = spark.read.format("delta").option("versionAsOf", version - 2).load(str(path))
        assert pinned.count() == 3
        assert compact_records(lake, after=2) == [], "one file is left: nothing to merge"

        lake.complete("job5", as_of=AS_OF, inputs={}, seconds=0.0)
        assert newest_content(path) == newest_version(path) == version + 2
        assert sorted(compact_records(lake, after=1)) == ["ops.noted", "ops.table_versions"]
        assert lake.note("ops.noted") == {"until": 7}
        # The same write once more is still known by its transaction id.
        lake.append("ops.noted", spark.sql("select 7L n"))
        assert lake.read("ops.noted").count() == 1
        for number in range(4):  # one file at a time: there is nothing to merge
            lake.overwrite("ops.noted", spark.sql(f"select {number}L n"), where=f"n > {-1 - number}")
        assert most_small_files(lake.path("ops.noted"), enough=100) == 1
    again = Lake(spark, tmp_path, catalogue)
    assert {job for job, _ in again.records.completions} == {f"job{number}" for number in range(6)}
    assert again.run_number == 2


def test_a_merged_ledger_still_belongs_to_its_cache(spark: SparkSession, tmp_path: Path, schemas_dir: Path) -> None:
    with Lease(tmp_path) as lease:
        lake = Lake(spark, tmp_path, catalogue_of(schemas_dir), lease=lease)
        lake.append("ops.files", spark.createDataFrame([], lake.catalogue.table("ops.files").struct_type))
        lake.register("ops.files")
        cache = FileCache(tmp_path / "_checkpoints" / "x.json", newest_content(lake.path("ops.files")), {})
        spark.sql("OPTIMIZE ops.files")
        assert cache.is_current(lake)
        lake.append("ops.files", spark.table("ops.files"), transaction=("another", 1))
        assert not cache.is_current(lake)
