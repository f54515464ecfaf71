"""Record what became of each file in `ops.files`, the last commit of a batch; what a run that died had done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.ingest.files import Counts, FileResult, Manifest
from portrait.ingest.ledger import FILES, QUARANTINE
from portrait.lake import Lake
from portrait.spark.frames import frame_of


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
