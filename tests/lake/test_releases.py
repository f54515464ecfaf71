"""F28: the release before reads what a later one wrote, or says which table it cannot read and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.lake.test_lake import AS_OF, CUSTOMER, D1, D2, ENTITY, TIER, contract, judge, reopened, tiers

from portrait.contracts import Catalogue, Column
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.errors import PortraitError
from portrait.lake import Lake, Lease, publish, published_slice, register_views

pytestmark = pytest.mark.delta

NOTE = Column("note", "STRING", description="What the next release adds.")
NEXT_ONLY = contract("gold.next", AS_OF, CUSTOMER)


@pytest.fixture
def catalogue(schemas_dir: Path) -> Catalogue:
    """The contracts of the release before."""
    names = ("table_versions", "publication", "quality_results")
    ops = [contract_of(load_document(schemas_dir / "ops" / f"{name}.yml")) for name in names]
    return Catalogue({item.id: item for item in (*ops, TIER, ENTITY)})


@pytest.fixture
def after(catalogue: Catalogue) -> Catalogue:
    """Those of the next one: a column more in two tables, and one table more."""
    wider = {item.id: item.with_columns([NOTE]) for item in (TIER, ENTITY)}
    return Catalogue({**catalogue.contracts, **wider, NEXT_ONLY.id: NEXT_ONLY})


@pytest.fixture
def lease(tmp_path: Path) -> Iterator[Lease]:
    with Lease(tmp_path) as lease:
        yield lease


def test_f28_a_column_more_does_not_disturb_the_release_before(
    spark: SparkSession, tmp_path: Path, catalogue: Catalogue, after: Catalogue, lease: Lease
) -> None:
    later = Lake(spark, tmp_path, after, lease=lease)
    row = f"SELECT DATE '{D1}' AS as_of, 'a' AS customer_id, CAST(1 AS DECIMAL(18,2)) AS assets, 'n' AS note"
    later.replace("gold.tier", spark.sql(row), D1)
    later.complete("test", as_of=D1, inputs={}, seconds=0.0)
    later.merge("silver.entity", spark.sql("SELECT 'a' AS id, 'x' AS value, 1L AS n, 'kept' AS note"))

    before = Lake(spark, tmp_path, catalogue, lease=lease)
    before.resume(later.run_number + 1)
    assert [row.customer_id for row in before.slice("gold.tier", D1).collect()] == ["a"]
    tiers(before, D2, {"b": "2"})
    before.merge("silver.entity", spark.createDataFrame([("a", "x", 7), ("b", "y", 2)], ENTITY.struct_type))

    again = reopened(later, later.run_number + 2)
    rows = {(row.customer_id, row.note) for row in again.read("gold.tier").collect()}
    assert rows == {("a", "n"), ("b", None)}
    merged = {(row.id, row.n, row.note) for row in again.read("silver.entity").collect()}
    assert merged == {("a", 7, "kept"), ("b", 2, None)}


def test_f28_the_release_before_serves_the_tables_that_it_knows(
    spark: SparkSession, tmp_path: Path, catalogue: Catalogue, after: Catalogue, lease: Lease
) -> None:
    later = Lake(spark, tmp_path, after, lease=lease)
    row = f"SELECT DATE '{D1}' AS as_of, 'a' AS customer_id, CAST(1 AS DECIMAL(18,2)) AS assets, 'n' AS note"
    later.replace("gold.tier", spark.sql(row), D1)
    later.complete("test", as_of=D1, inputs={}, seconds=0.0)
    judge(later, D1)
    served = publish(later, as_of=D1)
    # As if the later release had published a table of its own as well.
    extended = later.read("ops.publication").selectExpr(
        "sequence + 1 as sequence", "run", "as_of", "action",
        "map_concat(versions, map('gold.next', 0L)) as versions", "published_at", "days", "products",
    )  # fmt: skip
    later.append("ops.publication", extended, transaction=("next", 1))

    before = Lake(spark, tmp_path, catalogue)
    publication = register_views(before)
    assert publication is not None
    assert publication.sequence == served.sequence + 1
    assert {view.name for view in spark.catalog.listTables("published")} == {"tier"}
    assert spark.table("published.tier").columns == ["as_of", "customer_id", "assets"]
    assert published_slice(before, "gold.tier", None)[1].count() == 1


FEATURE = {
    "minReaderVersion": 3, "minWriterVersion": 7,
    "readerFeatures": ["portraitNext"], "writerFeatures": ["portraitNext", "appendOnly", "invariants"],
}  # fmt: skip
LATER = "the table was written by a later release: it uses features of Delta that this one does not know"


def change_protocol(lake: Lake, table: str, protocol: dict[str, object]) -> None:
    """What a later version of Delta would have written."""
    log = lake.path(table) / "_delta_log"
    version = lake.version(table) + 1
    (log / f"{version:020d}.json").write_text(json.dumps({"protocol": protocol}) + "\n")
    lake.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


def test_f28_a_table_that_cannot_be_read_is_named(
    spark: SparkSession, tmp_path: Path, catalogue: Catalogue, lease: Lease
) -> None:
    lake = Lake(spark, tmp_path, catalogue, lease=lease)
    tiers(lake, D1, {"a": "1"})
    change_protocol(lake, "gold.tier", FEATURE)
    version = lake.version("gold.tier")
    reader = Lake(spark, tmp_path, catalogue)
    for attempt in (
        lambda: reader.slice("gold.tier", D1),
        lambda: tiers(reopened(lake, run=9), D1, {"b": "1"}),
    ):
        with pytest.raises(PortraitError) as caught:
            attempt()
        assert caught.value.message == LATER
        assert caught.value.where == f"gold.tier in {lake.path('gold.tier')}"
        assert "use the release that wrote it" in caught.value.remedy
    # The version of before the feature is one that this release knows.
    before = reader.completed_slice("gold.tier", D1)
    assert before is not None
    assert [row.customer_id for row in before.collect()] == ["a"]
    assert lake.version("gold.tier") == version


def test_f28_a_table_that_cannot_be_written_can_be_read(
    spark: SparkSession, tmp_path: Path, catalogue: Catalogue, lease: Lease
) -> None:
    lake = Lake(spark, tmp_path, catalogue, lease=lease)
    tiers(lake, D1, {"a": "1"})
    features = ["portraitNext", "appendOnly", "invariants"]
    change_protocol(lake, "gold.tier", {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features})
    version = lake.version("gold.tier")
    assert Lake(spark, tmp_path, catalogue).slice("gold.tier", D1).count() == 1
    with pytest.raises(PortraitError) as caught:
        tiers(reopened(lake, run=9), D1, {"b": "1"})
    assert caught.value.message == LATER
    assert "gold.tier" in caught.value.where
    assert lake.version("gold.tier") == version
