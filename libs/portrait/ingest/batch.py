"""One batch of a feed's stream: judged once, counted, then written to quarantine, bronze and the list of files.

Each table's commit carries a transaction id made of the stream and the batch number, so that a batch that is replayed
after a crash writes what is missing and skips what is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.faults import fault_point
from portrait.ingest.ledger import FILES
from portrait.ingest.lines import Counts, block_counts, file_counts, with_lines
from portrait.ingest.staging import Manifest, judged_folder
from portrait.ingest.verdicts import (
    FileResult,
    check_counts,
    judge_files,
    judged_lines,
    origin_of,
    placeholder_columns,
    placeholders_by_file,
    retyped_columns,
    rule_counts,
    typed_columns,
)
from portrait.lake import Lake
from portrait.rows import frame_of

QUARANTINE = "ops.quarantine"
_ROWS_PER_FILE = 100_000  # a small feed makes one bronze file, not one for each task


@dataclass
class Batches:
    """The batches of one stream, called by Spark one after the other; `results` grows by the files of each."""

    lake: Lake
    contract: Contract
    kind: str
    manifests: Mapping[str, Manifest]
    application: str
    loaded_at: datetime
    results: list[FileResult] = field(default_factory=list)
    error: Exception | None = None

    def __call__(self, source: DataFrame, batch: int) -> None:
        """Take one batch in. An error is kept as it is, because Spark wraps it beyond recognition."""
        try:
            self._take(source, batch)
        except Exception as error:
            self.error = error
            raise

    def _take(self, source: DataFrame, batch: int) -> None:
        folder = judged_folder(self.lake.root, self.contract.name, self.kind)
        judged = judged_lines(source, contract=self.contract, manifests=self.manifests)
        try:
            # Everything below reads these files: what was judged is what is counted and written. Not cached: Spark's
            # cache takes twice the time to fill, and the memory of the whole delivery.
            judged.write.mode("overwrite").parquet(str(folder))
            fault_point("ingest.after_judging", self.contract.name)
            kept = self.lake.spark.read.schema(judged.schema).parquet(str(folder))
            counted = block_counts(kept, typed_columns(self.contract), placeholder_columns(self.contract))
            self._write(kept, counted.collect(), batch)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        fault_point("ingest.before_checkpoint", self.contract.name)

    def _write(self, judged: DataFrame, blocks: list[Row], batch: int) -> None:
        origins = {name: origin_of(item) for name, item in self.manifests.items()}
        counts = file_counts(blocks, origins)
        stale = [self.manifests[name] for name in counts if self.manifests[name].contract_hash != self.contract.hash]
        if stale:
            # The contract changed between a crash and now: what bronze has stays, the rest is admitted anew.
            self._record(self._results_of_stale(stale), batch)
            return
        check_counts(counts, self.manifests)
        rows = with_lines(judged, blocks=blocks, origins=origins)
        bad = rows.where(F.col("__reasons").isNotNull())
        rules = rule_counts(bad) if any(count.bad for count in counts.values()) else {}
        retyped = retyped_columns(blocks, rules, contract=self.contract)
        results = judge_files(counts, self.manifests, self.contract, rules=rules, retyped=retyped)
        unknown = {
            self.manifests[name].hash: found
            for name, found in placeholders_by_file(blocks, contract=self.contract).items()
        }
        results = [replace(item, placeholders=unknown.get(item.manifest.hash, {})) for item in results]
        self._append_quarantine(bad, results, batch)
        self._append_bronze(rows.where(F.col("__reasons").isNull()), results, batch)
        fault_point("ingest.after_bronze_commit", self.contract.name)
        self._record(results, batch)

    def _append_quarantine(self, bad: DataFrame, results: list[FileResult], batch: int) -> None:
        """The bad rows of accepted and of refused files; those of waiting files come when they are taken."""
        kept = [item.manifest.hash for item in results if item.status != "waiting" and item.counts.bad]
        if kept:
            frame = bad.where(F.col("_file_hash").isin(*kept)).select(
                F.lit(self.contract.name).alias("feed"),
                F.col("_file").alias("file"),
                F.col("_file_hash").alias("file_hash"),
                F.col("_line").alias("line"),
                F.col("__reasons").alias("reasons"),
                F.col("__record").alias("record"),
                F.lit("open").alias("status"),
                F.lit(self.loaded_at).cast("timestamp").alias("quarantined_at"),
                F.lit(self.lake.run_number).cast("bigint").alias("run"),
                F.lit(None).cast("string").alias("released_in"),
            )
            self.lake.append(QUARANTINE, frame, transaction=self._transaction(QUARANTINE, batch))

    def _append_bronze(self, good: DataFrame, results: list[FileResult], batch: int) -> None:
        taken = [item for item in results if item.status == "accepted" and item.counts.good]
        if taken:
            table = f"bronze.{self.contract.name}"
            if len(taken) < len(results):
                good = good.where(F.col("_file_hash").isin(*[item.manifest.hash for item in taken]))
            stamped = good.withColumn("_loaded_at", F.lit(self.loaded_at).cast("timestamp"))
            stamped = stamped.withColumn("_run", F.lit(self.lake.run_number).cast("bigint"))
            if sum(item.counts.good for item in taken) <= _ROWS_PER_FILE:
                stamped = stamped.coalesce(1)
            frame = stamped.select(*self.lake.catalogue.table(table).column_names)
            self.lake.append(table, frame, transaction=self._transaction(table, batch))

    def _record(self, results: list[FileResult], batch: int) -> None:
        self.results += results
        recorded = [item for item in results if item.status != "waiting"]
        if recorded:
            rows = [file_row(item, loaded_at=self.loaded_at, run=self.lake.run_number) for item in recorded]
            self.lake.append(FILES, files_frame(self.lake, rows), transaction=self._transaction(FILES, batch))

    def _results_of_stale(self, stale: Iterable[Manifest]) -> list[FileResult]:
        good = self._rows_by_file(f"bronze.{self.contract.name}", "_file_hash", stale)
        bad = self._rows_by_file(QUARANTINE, "file_hash", stale)
        # Bronze is written after quarantine: what it has is complete.
        return [
            FileResult(
                item,
                "accepted" if item.hash in good else "waiting",
                Counts(good.get(item.hash, 0) + bad.get(item.hash, 0), bad.get(item.hash, 0)),
            )
            for item in stale
        ]

    def _rows_by_file(self, table: str, column: str, files: Iterable[Manifest]) -> dict[str, int]:
        if not self.lake.has(table):
            return {}
        rows = self.lake.read(table).where(F.col(column).isin(*[item.hash for item in files]))
        if table == QUARANTINE:
            rows = rows.where(F.col("feed") == self.contract.name)
        return {row[column]: row["count"] for row in rows.groupBy(column).count().collect()}

    def _transaction(self, table: str, batch: int) -> tuple[str, int]:
        return f"{self.application}:{table}", batch


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
        "columns": list(item.columns),
        "columns_ignored": list(item.ignored),
        "placeholders": dict(result.placeholders),
        "seen_at": loaded_at,
        "run": run,
    }


def files_frame(lake: Lake, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows for `ops.files` as a frame of its contract."""
    contract = lake.catalogue.table(FILES)
    values = [tuple(row[name] for name in contract.column_names) for row in rows]
    return frame_of(lake.spark, values, contract.struct_type)
