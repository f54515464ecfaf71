"""Judge the rows of a batch: each staged file read once, and a verdict on each.

Small feeds are judged together and kept in Spark's memory; the rows of a large one are written to files, which takes
half the time and no memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.ingest.copies import Comparison, compare_copies
from portrait.ingest.files import Counts, FileResult, Manifest
from portrait.ingest.lines import block_counts, file_counts, with_lines
from portrait.ingest.mapped import with_line_numbers
from portrait.ingest.read import judged_files
from portrait.ingest.stage import judged_folder, staged_path
from portrait.ingest.unreadable import unreadable_files
from portrait.ingest.verdicts import (
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
from portrait.mappings.source import Mappings
from portrait.spark.at_once import at_once
from portrait.spark.paths import as_named

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


def judge_feeds(
    lake: Lake, feeds: Mapping[str, tuple[Contract, dict[str, Manifest]]], mappings: Mappings
) -> list[FeedRows]:
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


def verdicts_on(feeds: Sequence[FeedRows], refused: Mapping[str, str]) -> dict[str, list[FileResult]]:
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
