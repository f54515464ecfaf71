"""The first commit of a table is what Spark's CREATE TABLE writes, for every contract of the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from portrait.contracts import Contract
from portrait.lake.creation import create_table, first_commit
from portrait.run.suite import load_suite
from portrait.settings import Settings

pytestmark = pytest.mark.delta


@pytest.fixture(scope="module")
def contracts(spark: SparkSession, conf_dir: Path, schemas_dir: Path) -> list[Contract]:
    catalogue = load_suite(conf_dir, schemas_dir, time_zone=Settings().time_zone)
    return [contract for contract in catalogue.contracts.values() if contract.layer != "raw"]


def written_by_spark(spark: SparkSession, contract: Contract, folder: Path) -> dict[str, dict[str, object]]:
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {contract.layer}")
    spark.sql(f"DROP TABLE IF EXISTS {contract.id}")
    spark.sql(contract.ddl(folder))
    spark.sql(f"DROP TABLE {contract.id}")
    lines = (folder / "_delta_log" / f"{0:020d}.json").read_text().splitlines()
    return comparable([json.loads(line) for line in lines])


def comparable(actions: list[dict[str, dict[str, object]]]) -> dict[str, dict[str, object]]:
    """Actions by kind, without what differs from table to table: identity, time and who wrote it."""
    found = {kind: dict(action[kind]) for action in actions for kind in action if kind != "commitInfo"}
    for name in ("id", "createdTime"):
        del found["metaData"][name]
    found["metaData"]["schemaString"] = json.loads(str(found["metaData"]["schemaString"]))
    if "writerFeatures" in found["protocol"]:
        found["protocol"]["writerFeatures"] = sorted(found["protocol"]["writerFeatures"])  # type: ignore[type-var]
    if "domainMetadata" in found:
        found["domainMetadata"]["configuration"] = json.loads(str(found["domainMetadata"]["configuration"]))
    return found


def kinds(contract: Contract) -> tuple[str, bool, bool, bool]:
    checked = any(name.startswith("delta.constraints.") for name in contract.table_properties)
    return contract.layer, checked, bool(contract.clustered_by), bool(contract.custom("changeFeed"))


def test_it_is_what_create_table_writes(spark: SparkSession, contracts: list[Contract], tmp_path: Path) -> None:
    # Every kind of contract, and of each kind the one with most columns: a CREATE TABLE takes half a second.
    chosen = {kinds(item): item for item in sorted(contracts, key=lambda item: len(item.columns))}
    assert {clustered for _, _, clustered, _ in chosen} == {True, False}
    for contract in chosen.values():
        assert comparable(first_commit(contract)) == written_by_spark(spark, contract, tmp_path / contract.id)


def test_spark_writes_into_it_and_keeps_its_rules(
    spark: SparkSession, contracts: list[Contract], tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    contract = next(item for item in contracts if item.id == "ops.runs")
    create_table(folder, contract)
    given = {"run": "1L", "as_of": "date'2025-01-31'", "recorded_at": "now()"}

    def append(status: str) -> None:
        values = given | {"status": f"'{status}'"}
        columns = [f"cast({values.get(c.name, 'null')} as {c.physical_type}) {c.name}" for c in contract.columns]
        spark.range(1).selectExpr(*columns).write.format("delta").mode("append").save(str(folder))

    append("done")
    with pytest.raises(Exception, match="DELTA_VIOLATE_CONSTRAINT"):
        append("never")
    assert DeltaTable(str(folder)).version() == 1
    assert spark.read.format("delta").load(str(folder)).count() == 1


def test_a_table_that_is_there_is_left_alone(contracts: list[Contract], tmp_path: Path) -> None:
    one, other = contracts[:2]
    create_table(tmp_path, one)
    before = {path.name: path.read_bytes() for path in (tmp_path / "_delta_log").iterdir()}
    create_table(tmp_path, other)
    assert {path.name: path.read_bytes() for path in (tmp_path / "_delta_log").iterdir()} == before
