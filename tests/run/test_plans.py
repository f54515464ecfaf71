"""Queries of a job with small inputs are interpreted, those of others compiled; the session is left as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.lake.test_lake import D1, D2, ENTITY, TIER, entities, tiers

from portrait.contracts import Catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.contracts.graph import Job
from portrait.lake import Lake, Lease
from portrait.run.plans import INTERPRETED, input_bytes, suitable_plans
from portrait.settings import Settings

pytestmark = pytest.mark.delta


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, schemas_dir: Path) -> Iterator[Lake]:
    names = ("table_versions", "publication", "quality_results")
    ops = [contract_of(load_document(schemas_dir / "ops" / f"{name}.yml")) for name in names]
    catalogue = Catalogue({item.id: item for item in (*ops, TIER, ENTITY)})
    with Lease(tmp_path) as lease:
        yield Lake(spark, tmp_path, catalogue, lease=lease)


def job(*reads: str) -> Job:
    return Job("test", writes=(), reads=reads, reads_optional=(), reads_previous=(), config=(), script="test")


def parquet_bytes(table: Path, part: str = "") -> int:
    """Bytes on disk of the files that the log of a table adds."""
    log = [line for commit in (table / "_delta_log").glob("*.json") for line in commit.read_text().splitlines()]
    added = [json.loads(line)["add"]["path"] for line in log if '"add"' in line[:8]]
    return sum((table / path).stat().st_size for path in added if part in path)


def test_inputs_are_landed_files_and_tables_and_the_slice_alone(lake: Lake, tmp_path: Path) -> None:
    for day in (D1, D2):
        tiers(lake, day, {"anna": "1", "ben": "2"})
    entities(lake, ("a", "x", 1))
    feed = tmp_path / "landing" / "entity"
    feed.mkdir(parents=True)
    (feed / "one.csv").write_bytes(b"x" * 100)
    (feed / "two.csv.gz").write_bytes(b"x" * 10)
    landing = tmp_path / "landing"
    assert input_bytes(lake, job("raw.entity"), landing=landing, as_of=D2) == 100 + 5 * 10
    assert input_bytes(lake, job("raw.nothing"), landing=landing, as_of=D2) == 0
    table = parquet_bytes(lake.path("silver.entity"))
    assert input_bytes(lake, job("silver.entity"), landing=landing, as_of=D2) == 5 * table > 0
    day = parquet_bytes(lake.path("gold.tier"), f"as_of={D2}")
    assert input_bytes(lake, job("gold.tier"), landing=landing, as_of=D2) == 5 * day > 0
    assert input_bytes(lake, job("gold.tier"), landing=landing, as_of=date(1999, 1, 1)) == 0


@pytest.mark.parametrize(("limit", "interpreted"), [(100, True), (99, False)])
def test_a_job_at_the_limit_is_interpreted(lake: Lake, tmp_path: Path, limit: int, interpreted: bool) -> None:
    feed = tmp_path / "landing" / "entity"
    feed.mkdir(parents=True)
    (feed / "one.csv").write_bytes(b"x" * 100)
    settings = Settings(landing=tmp_path / "landing", interpreted_below=limit)
    before = {name: lake.spark.conf.get(name) for name in INTERPRETED}

    def work() -> None:
        with suitable_plans(lake, job("raw.entity"), settings=settings, as_of=D1):
            found = {name: lake.spark.conf.get(name) for name in INTERPRETED}
            assert found == (INTERPRETED if interpreted else before)
            raise ValueError("the job failed")

    with pytest.raises(ValueError, match="the job failed"):
        work()
    assert {name: lake.spark.conf.get(name) for name in INTERPRETED} == before


def test_a_table_of_unknown_size_is_compiled(lake: Lake, tmp_path: Path) -> None:
    entities(lake, ("a", "x", 1))
    log = lake.path("silver.entity") / "_delta_log"
    (log / "00000000000000000000.json").write_text("torn", encoding="utf-8")
    size = input_bytes(lake, job("silver.entity"), landing=tmp_path, as_of=D1)
    assert size > Settings().interpreted_below
