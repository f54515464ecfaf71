"""One batch: every staged file judged once, then one commit on each table, the record of the files last.

Small feeds are judged together and kept in Spark's memory; the rows of a large one are written to files, which takes
half the time and no memory. Each commit carries the number that the batch was given when it was begun, so that a batch
which is replayed after a crash writes what is missing and skips what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import reduce
from typing import Any

from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.faults import fault_point
from portrait.ingest.copies import Comparison, compare_copies
from portrait.ingest.ledger import FILES
from portrait.ingest.lines import Counts, block_counts, file_counts, with_lines
from portrait.ingest.mapped import CODES, with_line_numbers
from portrait.ingest.reading import judged_files
from portrait.ingest.snapshots import PLACE
from portrait.ingest.staging import Batch, Manifest, judged_folder, staged_path
from portrait.ingest.unreadable import unreadable_files
from portrait.ingest.verdicts import (
    FileResult,
    judge_files,
    may_refuse,
    miscounted,
    origin_of,
    placeholder_columns,
    placeholders_by_file,
    retyped_columns,
    rule_counts,
    typed_columns,
)
from portrait.lake import Lake
from portrait.mappings.source import NO_MAPPINGS, Mappings, rules_hash
from portrait.spark.at_once import at_once
from portrait.spark.frames import frame_of
from portrait.spark.paths import as_named

QUARANTINE = "ops.quarantine"
_ROWS_PER_FILE = 100_000  # a small feed makes one bronze file, not one for each task
_SMALL = 32 << 20  # bytes of text of a feed that is kept in memory
_UNPACKED = {".parquet": 5}  # so many bytes of text does a byte of these become


@dataclass
class FeedRows:
    """The judged rows of one feed, kept in memory or in files, and their counts by block."""

    contract: Contract
    files: dict[str, Manifest]
    rows: DataFrame
    mappings: Mappings
    blocks: list[Row] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def sound(self) -> dict[str, Manifest]:
        """The files that could be read."""
        return {name: item for name, item in self.files.items() if name not in self.unreadable}

    @property
    def counts(self) -> dict[str, Counts]:
        """Rows and bad rows of every file; one without rows has no block."""
        origins = {name: origin_of(item) for name, item in self.files.items()}
        return {name: Counts(0, 0) for name in self.files} | file_counts(self.blocks, origins)

    @property
    def numbered(self) -> DataFrame:
        """The rows of the sound files with file, hash and line."""
        origins = {name: origin_of(item) for name, item in self.sound.items()}
        numbered = with_lines(self.rows, blocks=self.blocks, origins=origins)
        for mapping in self.mappings.of_feed(self.contract.name):
            files = [name for name, item in self.sound.items() if item.mapping == mapping.id]
            numbered = with_line_numbers(numbered, mapping, line="_line", files=files) if files else numbered
        return numbered

    def compared(self, lake: Lake) -> list[Comparison]:
        """The full copies among the sound files beside what bronze has."""
        if all(item.snapshot_on is None for item in self.sound.values()):
            return []
        return compare_copies(lake, self.contract, self.sound, self.numbered, self.counts, self.mappings)


def take_in(
    lake: Lake,
    batch: Batch,
    *,
    loaded_at: datetime,
    mappings: Mappings = NO_MAPPINGS,
    decided: Callable[[list[FileResult]], list[FileResult]] = lambda results: [],
) -> list[FileResult]:
    """Judge and write a batch; `decided` gives further results to record, once those of the batch are known.

    A replay writes nothing twice. Afterwards the batch may be cleared.
    """
    contracts = {feed: lake.catalogue.table(f"raw.{feed}") for feed in batch.feeds}
    stale = [item for item in batch.files.values() if item.contract_hash != _rules_of(item, contracts, mappings)]
    # The contract or the mapping changed between a crash and now: what bronze has stays, the rest is admitted anew.
    results = written_before(lake, stale)
    fresh = {feed: batch.of_feed(feed) for feed in batch.feeds if feed not in {item.feed for item in stale}}
    feeds = _judge(lake, {feed: (contracts[feed], files) for feed, files in fresh.items()}, mappings)
    try:
        compared = {feed.contract.name: feed.compared(lake) for feed in feeds}
        refused = {file: why for found in compared.values() for item in found for file, why in item.refused().items()}
        verdicts = _verdicts(feeds, refused)
        for feed in feeds:
            fault_point("ingest.after_judging", feed.contract.name)
        results += [item for found in verdicts.values() for item in found]
        _append_quarantine(lake, feeds, verdicts, batch, loaded_at)
        at_once(
            lambda feed: _append_bronze(
                lake, feed, verdicts[feed.contract.name], compared[feed.contract.name], batch, loaded_at
            ),
            feeds,
        )
    finally:
        for feed in feeds:
            feed.rows.unpersist()
    results += decided(results)
    record(lake, results, transaction=_transaction(FILES, batch), loaded_at=loaded_at)
    for name in batch.feeds:
        fault_point("ingest.before_checkpoint", name)
    return results


def _rules_of(item: Manifest, contracts: Mapping[str, Contract], mappings: Mappings) -> str | None:
    """The hash of what a staged file is judged by today; None where its mapping is gone."""
    if item.mapping is None:
        return contracts[item.feed].hash
    found = next((mapping for mapping in mappings if mapping.id == item.mapping and mapping.feed == item.feed), None)
    return None if found is None else rules_hash(contracts[item.feed], found)


# -- judge ------------------------------------------------------------------------------------------------------------


def _judge(lake: Lake, feeds: Mapping[str, tuple[Contract, dict[str, Manifest]]], mappings: Mappings) -> list[FeedRows]:
    """The rows of every feed, those of small feeds by one query over all of them."""
    weights = {feed: _weight(lake, files) for feed, (_, files) in feeds.items()}
    small = [feeds[feed] for feed in feeds if weights[feed] <= _SMALL]
    large = sorted((feed for feed in feeds if weights[feed] > _SMALL), key=lambda feed: -weights[feed])
    judged = _judge_together(lake, small, mappings)
    judged += at_once(lambda feed: _judge_alone(lake, *feeds[feed], mappings, in_files=True), large)
    for feed in judged:
        wrong = miscounted({name: feed.counts[name] for name in feed.sound}, feed.files)
        feed.unreadable |= wrong
    return judged


def _weight(lake: Lake, files: Mapping[str, Manifest]) -> int:
    """About how many bytes of text a feed's files are."""
    paths = [staged_path(lake.root, item.feed, name) for name, item in files.items()]
    return sum(path.stat().st_size * _UNPACKED.get(path.suffix, 1) for path in paths)


def _judge_together(
    lake: Lake, feeds: Sequence[tuple[Contract, dict[str, Manifest]]], mappings: Mappings
) -> list[FeedRows]:
    if not feeds:
        return []
    judged = at_once(lambda feed: FeedRows(*feed, _kept(lake, *feed, mappings), mappings), feeds)
    try:
        counts = at_once(lambda feed: _counted(feed.rows, feed.contract), judged)
        counted = reduce(DataFrame.unionByName, counts).collect()
    except (PySparkException, Py4JError):
        for feed in judged:
            feed.rows.unpersist()
        return [_judge_alone(lake, contract, files, mappings, in_files=False) for contract, files in feeds]
    for feed in judged:
        feed.blocks = [block for block in counted if block["feed"] == feed.contract.name]
    return judged


def _kept(lake: Lake, contract: Contract, files: Mapping[str, Manifest], mappings: Mappings) -> DataFrame:
    return judged_files(lake.spark, lake.root, contract, files, mappings).persist(StorageLevel.MEMORY_AND_DISK)


def _judge_alone(
    lake: Lake, contract: Contract, files: dict[str, Manifest], mappings: Mappings, *, in_files: bool
) -> FeedRows:
    """The rows of one feed; files that Spark cannot read are found one by one and left out."""

    def judge(wanted: Mapping[str, Manifest]) -> tuple[DataFrame, list[Row]]:
        if not in_files:
            rows = _kept(lake, contract, wanted, mappings)
        else:
            # What was judged is what is counted and written. Not cached: Spark's cache takes twice the time to fill.
            folder = str(judged_folder(lake.root, contract.name))
            judged = judged_files(lake.spark, lake.root, contract, wanted, mappings)
            judged.write.mode("overwrite").parquet(folder)
            rows = lake.spark.read.schema(judged.schema).parquet(as_named(folder))
        return rows, _counted(rows, contract).collect()

    try:
        rows, blocks = judge(files)
        return FeedRows(contract, files, rows, mappings, blocks)
    except (PySparkException, Py4JError) as error:
        broken = unreadable_files(lake, contract, files, error, mappings)
    rest = {name: item for name, item in files.items() if name not in broken}
    rows, blocks = judge(rest) if rest else (lake.spark.range(0).toDF("nothing"), [])
    return FeedRows(contract, files, rows, mappings, blocks, broken)


def _counted(rows: DataFrame, contract: Contract) -> DataFrame:
    """`block_counts` with the counts of columns in maps, so that those of several feeds are one frame."""
    typed, unknown = typed_columns(contract), placeholder_columns(contract)
    blocks = block_counts(rows, typed, unknown)
    maps = {"typed": {name: name for name in typed}, "unknown": {name: f"unknown_{name}" for name in unknown}}
    facts = [name for name in blocks.columns if not any(name in counts.values() for counts in maps.values())]
    return blocks.select(
        F.lit(contract.name).alias("feed"), *facts, *[_mapped(counts).alias(name) for name, counts in maps.items()]
    )


def _mapped(counts: Mapping[str, str]) -> Column:
    """A map of names to the counts in these columns."""
    pairs = [item for name, column in counts.items() for item in (F.lit(name), F.col(column))]
    return F.create_map(*pairs).cast("map<string,bigint>")


def _verdicts(feeds: Sequence[FeedRows], refused: Mapping[str, str]) -> dict[str, list[FileResult]]:
    """What becomes of each file, by feed. Broken rules are counted only where they can decide something."""
    counts = {feed.contract.name: {name: feed.counts[name] for name in feed.sound} for feed in feeds}
    doubtful = [feed for feed in feeds if may_refuse(counts[feed.contract.name], feed.blocks, feed.contract)]
    bad = [feed.numbered.where("__reasons is not null").select("__file", "__reasons") for feed in doubtful]
    rules = rule_counts(reduce(DataFrame.unionByName, bad)) if bad else {}
    verdicts = {}
    for feed in feeds:
        name, contract = feed.contract.name, feed.contract
        own = {file: broken for file, broken in rules.items() if file in feed.sound}
        blocks = [block for block in feed.blocks if block["__file"] in feed.sound]
        retyped = retyped_columns(blocks, own, contract=contract)
        found = judge_files(counts[name], feed.sound, contract, rules=own, retyped=retyped, refused=refused)
        unknown = {feed.files[file].hash: held for file, held in placeholders_by_file(blocks).items()}
        found = [replace(item, placeholders=unknown.get(item.manifest.hash, {})) for item in found]
        for file, reason in feed.unreadable.items():
            item = feed.files[file]
            found.append(FileResult(item, "quarantined", Counts(item.rows, item.rows), reason))
        verdicts[name] = found
    return verdicts


# -- write ------------------------------------------------------------------------------------------------------------


def _append_quarantine(
    lake: Lake,
    feeds: Sequence[FeedRows],
    verdicts: Mapping[str, list[FileResult]],
    batch: Batch,
    loaded_at: datetime,
) -> None:
    """The bad rows of accepted and of refused files; those of waiting files come when they are taken."""
    frames, rows = [], 0
    for feed in feeds:
        kept = [
            item for item in verdicts[feed.contract.name] if item.status in ("accepted", "refused") and item.counts.bad
        ]
        if kept:
            rows += sum(item.counts.bad for item in kept)
            bad = feed.numbered.where(F.col("__reasons").isNotNull())
            codes = F.col(CODES) if CODES in bad.columns else F.lit(None).cast("map<string,string>")
            frames.append(
                bad.where(F.col("_file_hash").isin(*[item.manifest.hash for item in kept])).select(
                    F.lit(feed.contract.name).alias("feed"),
                    F.col("_file").alias("file"),
                    F.col("_file_hash").alias("file_hash"),
                    F.col("_line").alias("line"),
                    F.col("__reasons").alias("reasons"),
                    F.col("__record").alias("record"),
                    F.lit("open").alias("status"),
                    F.lit(loaded_at).cast("timestamp").alias("quarantined_at"),
                    F.lit(lake.run_number).cast("bigint").alias("run"),
                    F.lit(None).cast("string").alias("released_in"),
                    codes.alias("unmapped"),
                )
            )
    if frames:
        frame = reduce(DataFrame.unionByName, frames)
        frame = frame.coalesce(1) if rows <= _ROWS_PER_FILE else frame
        lake.append(QUARANTINE, frame, transaction=_transaction(QUARANTINE, batch))
        fault_point("ingest.after_quarantine_commit")


def _append_bronze(
    lake: Lake,
    feed: FeedRows,
    results: list[FileResult],
    compared: Sequence[Comparison],
    batch: Batch,
    loaded_at: datetime,
) -> None:
    copies = [item for item in compared if item.makes_changes]
    taken = [item for item in results if item.status == "accepted" and (item.counts.good or copies)]
    if taken:
        table = f"bronze.{feed.contract.name}"
        good = feed.numbered.where(F.col("__reasons").isNull())
        if len(taken) < len(feed.sound):
            good = good.where(F.col("_file_hash").isin(*[item.manifest.hash for item in taken]))
        if copies:  # of them bronze has what changed
            columns = [*feed.contract.column_names, *PLACE]
            good = good.where(~F.col("__file").isin(*[file for item in copies for file in item.days])).select(*columns)
            good = reduce(DataFrame.unionByName, [good, *[item.changes() for item in copies]])
        stamped = good.withColumn("_loaded_at", F.lit(loaded_at).cast("timestamp"))
        stamped = stamped.withColumn("_run", F.lit(lake.run_number).cast("bigint"))
        if sum(item.counts.good for item in taken) <= _ROWS_PER_FILE:
            stamped = stamped.coalesce(1)
        frame = stamped.select(*lake.catalogue.table(table).column_names)
        lake.append(table, frame, transaction=_transaction(table, batch))
        fault_point("ingest.after_bronze_commit", feed.contract.name)


# -- record -----------------------------------------------------------------------------------------------------------


def record(
    lake: Lake, results: Iterable[FileResult], *, transaction: tuple[str, int] | None = None, loaded_at: datetime
) -> None:
    """Append what became of files to `ops.files`; those that wait are not recorded."""
    rows = [file_row(item, loaded_at=loaded_at, run=lake.run_number) for item in results if item.status != "waiting"]
    if rows:
        lake.append(FILES, files_frame(lake, rows), transaction=transaction)


def next_numbers(lake: Lake, feeds: Iterable[str]) -> dict[str, int]:
    """The numbers under which the commits of a new batch are known, by table."""
    tables = [QUARANTINE, FILES, *(f"bronze.{feed}" for feed in sorted(feeds))]
    return {table: lake.version(table) + 1 if lake.has(table) else 0 for table in tables}


def _transaction(table: str, batch: Batch) -> tuple[str, int]:
    return f"ingest-batch:{table}", batch.numbers[table]


def written_before(lake: Lake, files: Sequence[Manifest]) -> list[FileResult]:
    """What a run that died had made of these files, by what the tables hold: accepted, or waiting.

    Bronze is written after quarantine: what it has is complete.
    """
    results = []
    for feed in sorted({item.feed for item in files}):
        own = [item for item in files if item.feed == feed]
        good = _rows_by_file(lake, f"bronze.{feed}", "_file_hash", own)
        bad = _rows_by_file(lake, QUARANTINE, "file_hash", own)
        for item in own:
            status = "accepted" if item.hash in good else "waiting"
            counts = Counts(good.get(item.hash, 0) + bad.get(item.hash, 0), bad.get(item.hash, 0))
            results.append(FileResult(item, status, counts))
    return results


def _rows_by_file(lake: Lake, table: str, column: str, files: Sequence[Manifest]) -> dict[str, int]:
    if not lake.has(table):
        return {}
    rows = lake.read(table).where(F.col(column).isin(*[item.hash for item in files]))
    if table == QUARANTINE:
        rows = rows.where(F.col("feed") == files[0].feed)
    return {row[column]: row["count"] for row in rows.groupBy(column).count().collect()}


def file_row(result: FileResult, *, loaded_at: datetime, run: int) -> dict[str, Any]:
    """A row of `ops.files`."""
    item = result.manifest
    return {
        "feed": item.feed,
        "file": item.path,
        "file_hash": item.hash,
        "contract_hash": item.contract_hash,
        "status": result.status,
        "reason": result.reason,
        "rows_in": result.counts.rows,
        "rows_good": result.counts.good,
        "rows_bad": result.counts.bad,
        "rows_left_out": None if item.mapping is None else result.counts.left_out,
        "columns": list(item.columns),
        "columns_ignored": list(item.ignored),
        "placeholders": dict(result.placeholders),
        "mapping": item.mapping,
        "snapshot_on": None if item.snapshot_on is None else date.fromisoformat(item.snapshot_on),
        "seen_at": loaded_at,
        "run": run,
    }


def files_frame(lake: Lake, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows for `ops.files` as a frame of its contract."""
    contract = lake.catalogue.table(FILES)
    values = [tuple(row[name] for name in contract.column_names) for row in rows]
    return frame_of(lake.spark, values, contract.struct_type)
