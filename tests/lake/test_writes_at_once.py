"""Tables that are written at once in one session: each commit has the id of its own table, and its own rows."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.lake.test_lake import ENTITY

from portrait.contracts import Catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.lake import Lake, Lease
from portrait.spark.at_once import at_once

pytestmark = pytest.mark.delta

TABLES = [f"silver.entity_{place}" for place in range(6)]


@pytest.fixture(scope="module")
def catalogue(schemas_dir: Path) -> Catalogue:
    ops = contract_of(load_document(schemas_dir / "ops" / "table_versions.yml"))
    return Catalogue({ops.id: ops} | {table: replace(ENTITY, id=table) for table in TABLES})


def transactions(lake: Lake, table: str) -> list[tuple[str, int]]:
    """The transaction ids in the log of a table, in the order of its commits."""
    found = []
    for commit in sorted((lake.path(table) / "_delta_log").glob("*.json")):
        for line in commit.read_text(encoding="utf-8").splitlines():
            if (told := json.loads(line).get("txn")) is not None:
                found.append((told["appId"], told["version"]))
    return found


def test_each_merge_has_the_id_of_its_own_table(spark: SparkSession, tmp_path: Path, catalogue: Catalogue) -> None:
    def merge(lake: Lake, n: int, table: str) -> None:
        rows = [("a", table, n), (f"new {n}", None, n)]
        lake.merge(table, spark.createDataFrame(rows, ENTITY.struct_type))

    for n in (1, 2):
        with Lease(tmp_path) as lease:
            lake = Lake(spark, tmp_path, catalogue, lease=lease)
            at_once(partial(merge, lake, n), TABLES)
            assert {write.table for write in lake.latest_writes()} == set(TABLES)
            lake.complete("test", as_of=None, inputs={}, seconds=0.0)
    for table in TABLES:
        assert transactions(lake, table) == [(f"test:{table}", 1), (f"test:{table}", 2)]
        rows = {tuple(row) for row in lake.rows(table).collect()}
        assert rows == {("a", table, 2), ("new 1", None, 1), ("new 2", None, 2)}
