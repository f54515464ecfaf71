"""Which line of which file a row came from, and how many good and bad rows each file has.

Spark splits big files into blocks that different tasks read. A task numbers its rows upwards, so a row's place within
its block is its number less the block's first; the blocks before it, counted once, give the rest. No file is read
whole, none twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.contracts.contract import literal
from portrait.ingest.files import Counts


@dataclass(frozen=True)
class Origin:
    """A staged file's own name in the landing folder, its hash, and how many lines stand above its first row."""

    path: str
    hash: str
    header_lines: int


def block_counts(judged: DataFrame, typed: Sequence[str] = (), unknown: Sequence[str] = ()) -> DataFrame:
    """One row per file and block: its number of lines, its first row's number, its rows and bad rows.

    `head_present` and `head_bad` tell whether the block's first line counts among them: in the first block of a CSV
    file that line is the header, which is known to be one only here. For each column of `typed`, the number of its
    values; for each of `unknown`, as `unknown_<column>`, how many values meant unknown.
    """
    bad = F.col("__reasons").isNotNull()
    return judged.groupBy("__file", "__start").agg(
        F.count(F.lit(1)).alias("lines"),
        F.min("__place").alias("first"),
        F.count_if("__present").alias("present"),
        F.count_if(F.col("__present").isNull()).alias("left_out"),
        F.count_if(bad).alias("bad"),
        F.min_by("__present", "__place").alias("head_present"),
        F.min_by(bad, "__place").alias("head_bad"),
        *[F.count(name).alias(name) for name in typed],
        *[F.count_if(F.array_contains("__unknown", name)).alias(f"unknown_{name}") for name in unknown],
    )


def file_counts(blocks: Iterable[Row], origins: Mapping[str, Origin]) -> dict[str, Counts]:
    """Rows and bad rows by staged file, its header left out."""
    counts: dict[str, Counts] = {}
    for block in blocks:
        head = origins[block["__file"]].header_lines > 0 and block["__start"] == 0
        known = counts.get(block["__file"], Counts(0, 0))
        rows = block["present"] - int(head and block["head_present"])
        bad = block["bad"] - int(head and block["head_bad"])
        counts[block["__file"]] = Counts(known.rows + rows, known.bad + bad, known.left_out + block["left_out"])
    return counts


def with_lines(judged: DataFrame, *, blocks: Iterable[Row], origins: Mapping[str, Origin]) -> DataFrame:
    """Rows of the files in `origins`, with `_file`, `_file_hash` and 1-based `_line`; blank lines and headers gone."""
    above: dict[str, int] = {}
    values = []
    for block in sorted(blocks, key=lambda block: (block["__file"], block["__start"])):
        name, start = block["__file"], block["__start"]
        shift = above.get(name, 0) - block["first"] + 1
        above[name] = above.get(name, 0) + block["lines"]
        if name in origins:
            origin = origins[name]
            texts = ", ".join(literal(text) for text in (name, origin.path, origin.hash))
            values.append(f"({texts}, {start}L, {shift}L, {origin.header_lines}L)")
    columns = "__file, _file, _file_hash, __start, __shift, __header"
    # An inline table: a frame made from Python rows would cost a job.
    places = judged.sparkSession.sql(f"SELECT * FROM VALUES {', '.join(values)} AS places({columns})")
    joined = judged.where("__present").join(F.broadcast(places), on=["__file", "__start"], how="inner")
    numbered = joined.withColumn("_line", F.col("__place") + F.col("__shift"))
    return numbered.where(F.col("_line") > F.col("__header")).drop("__shift", "__header")
