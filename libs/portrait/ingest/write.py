"""Write what was judged: bad rows into quarantine, good ones into bronze, one commit on each table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.faults import fault_point
from portrait.ingest.copies import Comparison
from portrait.ingest.files import FileResult
from portrait.ingest.judge import FeedRows
from portrait.ingest.ledger import QUARANTINE
from portrait.ingest.mapped import CODES
from portrait.ingest.snapshots import PLACE
from portrait.ingest.stage import Batch
from portrait.lake import Lake

_ROWS_PER_FILE = 100_000  # a small feed makes one bronze file, not one for each task


def append_quarantine(
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
        lake.append(QUARANTINE, frame, transaction=batch.transaction(QUARANTINE))
        fault_point("ingest.after_quarantine_commit")


def append_bronze(
    lake: Lake,
    feed: FeedRows,
    results: list[FileResult],
    compared: Sequence[Comparison],
    batch: Batch,
    loaded_at: datetime,
) -> None:
    """The good rows of accepted files; of full copies, what changed. A replay of the batch writes nothing twice."""
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
        lake.append(table, frame, transaction=batch.transaction(table))
        fault_point("ingest.after_bronze_commit", feed.contract.name)
