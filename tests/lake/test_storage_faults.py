"""F4, F8, F14, F27: storage that fails, lies, is slow or full below a write, and commits that others make meanwhile."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from delta.tables import DeltaMergeBuilder
from deltalake.exceptions import DeltaError
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
from tests.disks import fill, small_disk
from tests.faults.flaky_store import Store, flaky_store
from tests.lake.test_lake import D1, ENTITY, TIER, reopened

from portrait.contracts import Catalogue
from portrait.contracts.contract import contract_of
from portrait.contracts.document import load_document
from portrait.errors import PortraitError
from portrait.ingest import stage
from portrait.ingest.files import Manifest
from portrait.lake import Lake, Lease, commits, files

pytestmark = pytest.mark.delta

T = ENTITY.id
FULL_SIZE = "16m"


@pytest.fixture(scope="module")
def catalogue(schemas_dir: Path) -> Catalogue:
    ops = contract_of(load_document(schemas_dir / "ops" / "table_versions.yml"))
    return Catalogue({item.id: item for item in (ops, TIER, ENTITY)})


@pytest.fixture(scope="module")
def seeded(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue) -> Path:
    """A lake in which the table of entities has two rows in two files."""
    root = tmp_path_factory.mktemp("seeded")
    with Lease(root) as lease:
        lake = Lake(spark, root, catalogue, lease=lease)
        for name, n in SEED:
            lake.append(T, entities(lake, (name, n)), transaction=(name, 1))
    return root


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, catalogue: Catalogue, seeded: Path) -> Iterator[Lake]:
    """A copy of it, open to write."""
    root = tmp_path / "lake"
    shutil.copytree(seeded, root)
    with Lease(root) as lease:
        yield Lake(spark, root, catalogue, lease=lease)


@pytest.fixture
def store(spark: SparkSession, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(commits, "_PAUSES", (0.0, 0.0))
    with flaky_store(spark) as store:
        yield store


def entities(lake: Lake, *rows: tuple[str, int]) -> DataFrame:
    values = ", ".join(f"('{name}', 'x', {n}L)" for name, n in rows)
    return lake.spark.sql(f"SELECT * FROM VALUES {values} AS t(id, value, n)")


def found(lake: Lake) -> list[tuple[str, int]]:
    """Ids and numbers, as a session sees them that has nothing to do with the writer."""
    rows = lake.spark.newSession().read.format("delta").load(str(lake.path(T))).collect()
    return sorted((row.id, row.n) for row in rows)


Kind = Callable[[Lake], None]
SEED = [("a", 1), ("b", 1)]
KINDS: dict[str, tuple[Kind, list[tuple[str, int]]]] = {
    "append": (lambda lake: lake.append(T, entities(lake, ("c", 1))), [*SEED, ("c", 1)]),
    "append of a batch": (
        lambda lake: lake.append(T, entities(lake, ("c", 1)), transaction=("batch", 7)),
        [*SEED, ("c", 1)],
    ),
    "overwrite": (lambda lake: lake.overwrite(T, entities(lake, ("c", 1))), [("c", 1)]),
    "overwrite of a part": (
        lambda lake: lake.overwrite(T, entities(lake, ("b", 5)), where="id = 'b'"),
        [("a", 1), ("b", 5)],
    ),
    "merge": (lambda lake: lake.merge(T, entities(lake, ("b", 5), ("c", 1))), [("a", 1), ("b", 5), ("c", 1)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_f4_a_commit_that_the_store_denies_is_made_once(lake: Lake, store: Store, kind: str) -> None:
    write, expected = KINDS[kind]
    before = lake.version(T)
    store.fail("renamed", "_delta_log")
    write(lake)
    assert store.calls == 1, "the commit was made, and the store said that it was not"
    assert found(lake) == expected
    assert lake.version(T) == before + 1
    assert lake.writes[-1].version == before + 1


@pytest.mark.parametrize("kind", KINDS)
def test_f4_a_commit_whose_run_dies_before_it_hears_of_it_is_made_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    write, expected = KINDS[kind]
    before = lake.version(T)
    with answers_lost(monkeypatch), pytest.raises(PortraitError, match="the write failed"):
        write(lake)
    assert lake.version(T) == before + 1
    write(reopened(lake, run=lake.run_number))
    assert found(lake) == expected
    assert lake.version(T) == before + 1


def test_f4_a_slice_whose_answer_is_lost_is_there_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(lake: Lake) -> None:
        rows = f"SELECT DATE '{D1}' AS as_of, 'a' AS customer_id, CAST(1 AS DECIMAL(18,2)) AS assets"
        lake.replace(TIER.id, lake.spark.sql(rows), D1)

    with answers_lost(monkeypatch), pytest.raises(PortraitError, match="the write failed"):
        write(lake)
    write(reopened(lake, run=lake.run_number))
    assert lake.version(TIER.id) == 1
    # A run that is not the same one writes the slice anew; it is a slice still.
    write(reopened(lake, run=lake.run_number + 1))
    assert lake.version(TIER.id) == 2
    assert lake.read(TIER.id).count() == 1


def test_f4_a_record_that_is_there_twice_says_what_it_says_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records have no transaction id: the answer to one may be lost, and every question to them is about the newest."""
    lake.append(T, entities(lake, ("c", 1)))
    with answers_lost(monkeypatch), pytest.raises(PortraitError, match="the write failed"):
        lake.complete("test", as_of=D1, inputs={"a": "1"}, seconds=0.0)
    again = reopened(lake, run=lake.run_number)
    again.writes = list(lake.writes)
    again.complete("test", as_of=D1, inputs={"a": "1"}, seconds=0.0)
    assert again.read("ops.table_versions").count() == 2
    read = reopened(lake).records
    assert (read.last_run, read.versions) == (lake.run_number, {(T, None): lake.version(T)})
    assert {key: (done.run, done.inputs) for key, done in read.completions.items()} == {
        ("test", D1): (lake.run_number, {"a": "1"})
    }


@contextmanager
def answers_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within this block the connection to Java breaks after each write of a frame."""

    def losing(write: Callable[..., object]) -> Callable[..., None]:
        def lost(*words: object) -> None:
            write(*words)
            raise Py4JNetworkError("Answer from Java side is empty")

        return lost

    with monkeypatch.context() as patch:
        patch.setattr(DataFrameWriter, "save", losing(DataFrameWriter.save))
        patch.setattr(DeltaMergeBuilder, "execute", losing(DeltaMergeBuilder.execute))
        patch.setattr(files, "write_deltalake", denying(files.write_deltalake))
        yield


def denying(write: Callable[..., None]) -> Callable[..., None]:
    """A write by delta-rs of which the storage says that it failed, although it was made."""

    def denied(*words: object, **options: object) -> None:
        write(*words, **options)
        raise DeltaError("the connection was reset")

    return denied


STEPS = [
    ("create", ".parquet"),
    ("close", ".parquet"),
    ("create", "_delta_log"),
    ("close", "_delta_log"),
    ("rename", "_delta_log"),
]


@pytest.mark.parametrize(("operation", "part"), STEPS)
def test_f27_a_store_that_fails_for_a_moment_is_asked_again(
    lake: Lake, store: Store, operation: str, part: str
) -> None:
    before = lake.version(T)
    store.fail(operation, part)
    lake.append(T, entities(lake, ("c", 1)))
    assert store.calls >= 1
    assert found(lake) == [*SEED, ("c", 1)]
    assert lake.version(T) == before + 1


@pytest.mark.parametrize(("operation", "part"), [STEPS[1], STEPS[4]])
def test_f27_a_store_that_stays_broken_ends_the_write_and_leaves_the_table(
    lake: Lake, store: Store, operation: str, part: str
) -> None:
    before, (write, expected) = lake.version(T), KINDS["merge"]
    store.fail(operation, part, times=1_000)
    with pytest.raises(PortraitError) as caught:
        write(lake)
    assert caught.value.message == "a file or the network failed below Spark"
    assert str(lake.path(T)) in caught.value.where
    assert "java" not in str(caught.value).lower()
    assert 3 <= store.calls <= 9, "three attempts; Spark closes a file twice"
    assert found(lake) == SEED
    assert lake.version(T) == before
    store.heal()
    write(reopened(lake, run=lake.run_number))
    assert found(lake) == expected


def test_f27_a_record_is_not_written_again_by_itself(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no transaction id: the run ends, and the rerun records what it does."""
    calls: list[object] = []

    def failing(*words: object, **options: object) -> None:
        calls.append(words)
        raise DeltaError("the connection was reset")

    monkeypatch.setattr(files, "write_deltalake", failing)
    with pytest.raises(PortraitError, match="the write failed"):
        lake.complete("test", as_of=D1, inputs={}, seconds=0.0)
    assert len(calls) == 1
    assert lake.read("ops.table_versions").isEmpty()


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.ETIMEDOUT])
def test_f27_the_document_of_a_batch_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    item = Manifest("accounts", "accounts/a.csv", "h", "csv", ("id",), (), 1, "c")
    whole = Path.write_text

    def half(file: Path, text: str, **words: str) -> int:
        whole(file, text[: len(text) // 2], **words)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", half)
        with pytest.raises(OSError, match=os.strerror(number)):
            stage.begin(tmp_path, stage.Batch({"bronze.accounts": 1}, {"x": item}))
    assert stage.unfinished(tmp_path) is None
    stage.begin(tmp_path, stage.Batch({"bronze.accounts": 1}, {"x": item}))
    assert stage.unfinished(tmp_path) == stage.Batch({"bronze.accounts": 1}, {"x": item})


# -- F8 ---------------------------------------------------------------------------------------------------------------


@contextmanager
def paused(store: Store, until: Path, work: Callable[[], object]) -> Iterator[None]:
    """`work` in a thread of its own; the block runs while its first new data file waits for the store."""
    store.wait("create", ".parquet", until=until)
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(work)
        try:
            deadline = time.monotonic() + 60
            while not Path(f"{until}.reached").exists():
                assert not running.done(), running.exception()
                assert time.monotonic() < deadline, "it never came to writing a file"
                time.sleep(0.01)
            yield
        finally:
            until.touch()
        running.result()


def test_f8_a_merge_that_optimize_and_vacuum_overtake_is_made_again(lake: Lake, store: Store, tmp_path: Path) -> None:
    by_hand = lake.spark.newSession()  # with storage that works
    table = f"delta.`{lake.path(T)}`"
    before = lake.version(T)
    reader = by_hand.read.format("delta").option("versionAsOf", before).load(str(lake.path(T)))  # as published views do
    assert reader.count() == 2
    with paused(store, tmp_path / "go", lambda: lake.merge(T, entities(lake, ("a", 0), ("b", 2), ("c", 5)))):
        optimized = by_hand.sql(f"OPTIMIZE {table}").head()
        by_hand.sql(f"VACUUM {table}")
        assert optimized.metrics.numFilesRemoved == 2
        assert found(lake) == SEED
    assert found(lake) == [("a", 0), ("b", 2), ("c", 5)]
    assert reader.count() == 2, "readers of a version read what they saw"
    operations = [row.operation for row in by_hand.sql(f"DESCRIBE HISTORY {table}").collect()]
    assert operations.count("MERGE") == 1
    assert operations[0] == "MERGE"
    assert lake.writes[-1].version == lake.version(T) > before + 1


def test_f8_an_optimize_that_a_merge_overtakes_changes_no_row(
    spark: SparkSession, lake: Lake, store: Store, tmp_path: Path
) -> None:
    table = f"delta.`{lake.path(T)}`"

    def optimize() -> None:
        try:
            spark.sql(f"OPTIMIZE {table}")
        except (PySparkException, Py4JError) as error:
            if "DELTA_CONCURRENT" not in str(error):
                raise

    with paused(store, tmp_path / "go", optimize):
        lake.merge(T, entities(lake, ("a", 0), ("c", 5)))
    assert found(lake) == [("a", 0), ("b", 1), ("c", 5)]
    spark.sql(f"OPTIMIZE {table}")
    assert found(lake) == [("a", 0), ("b", 1), ("c", 5)]


def test_f8_who_is_overtaken_every_time_is_told_so(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def overtaken(builder: object) -> None:
        attempts.append(builder)
        raise Py4JError("[DELTA_CONCURRENT_DELETE_READ] java text")

    monkeypatch.setattr(commits, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(DeltaMergeBuilder, "execute", overtaken)
    with pytest.raises(PortraitError, match="somebody else changed the table 3 times meanwhile") as caught:
        lake.merge(T, entities(lake, ("a", 2)))
    assert len(attempts) == 3
    assert T in caught.value.where
    assert "java" not in str(caught.value)


# -- F14 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["append", "merge"])
def test_f14_a_full_lake_takes_nothing_and_goes_on_when_there_is_space(
    spark: SparkSession, tmp_path: Path, catalogue: Catalogue, kind: str
) -> None:
    write, expected = KINDS[kind]
    with small_disk(tmp_path / "disk", size=FULL_SIZE) as disk, Lease(disk) as lease:
        lake = Lake(spark, disk, catalogue, lease=lease)
        lake.append(T, entities(lake, *SEED), transaction=("a", 1))
        before, filler = lake.version(T), fill(disk)
        with pytest.raises(PortraitError) as caught:
            write(lake)
        assert caught.value.exit_code == 1
        assert caught.value.message == "a file or the network failed: No space left on device"
        assert f"{T}; free: 0 MB in {disk}" in caught.value.where
        assert "make space" in caught.value.remedy
        assert "java" not in str(caught.value).lower()
        assert found(lake) == SEED
        assert lake.version(T) == before
        filler.unlink()
        write(reopened(lake, run=lake.run_number))
        assert found(lake) == expected


def test_f14_no_lake_is_taken_on_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="64k") as disk:
        (disk / "_lease").mkdir()
        filler = fill(disk)
        with pytest.raises(PortraitError, match="cannot be taken for writing: No space left on device") as caught:
            Lease(disk).acquire()
        assert caught.value.where == str(disk / "_lease")
        assert [file.name for file in (disk / "_lease").iterdir()] == []
        filler.unlink()
        with Lease(disk) as lease:
            assert lease.token == 1
