"""Feed frames as CSV files: one task writes a file, in a total order, so that its bytes depend on nothing else."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.errors import PortraitError
from portrait.sources.delivery import Staging
from portrait.sources.feeds import FEED_COLUMNS

NO_MARKERS = {"mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}  # no _SUCCESS files


def csv_line(fields: Sequence[Column]) -> Column:
    """One RFC 4180 record: null is empty, quotes only where a field needs them."""
    texts = [F.coalesce(field.cast("string"), F.lit("")) for field in fields]
    quoted = [
        F.when(
            text.rlike('[",\\n\\r]'),
            F.concat(F.lit('"'), F.replace(text, F.lit('"'), F.lit('""')), F.lit('"')),
        ).otherwise(text)
        for text in texts
    ]
    return F.concat_ws(",", *quoted)


def feed_lines(feed: str, rows: DataFrame, file: Column, order: Column) -> DataFrame:
    """Rows of a feed as (file, order, line)."""
    columns = [_text(rows, name) for name in FEED_COLUMNS[feed]]
    return rows.select(file.alias("file"), order.cast("string").alias("order"), csv_line(columns).alias("line"))


def _text(rows: DataFrame, name: str) -> Column:
    if rows.schema[name].dataType.typeName() == "timestamp":
        return F.date_format(name, "yyyy-MM-dd HH:mm:ss")
    return F.col(name)


def write_lines(staging: Staging, feed: str, lines: DataFrame) -> int:
    """Write (file, order, line) as `<feed>/<file>.csv` with a header, sorted by (order, line); returns the rows."""
    columns = FEED_COLUMNS[feed]
    work = staging.work(feed)
    sorted_lines = lines.repartition("file").sortWithinPartitions("file", "order", "line")
    sorted_lines.select("file", F.col("line").alias("value")).write.options(**NO_MARKERS).partitionBy("file").text(
        str(work)
    )
    rows = 0
    for folder in sorted(work.glob("file=*")):
        parts = list(folder.glob("part-*"))
        if len(parts) != 1:
            raise PortraitError(f"a file of feed {feed} was written in {len(parts)} parts", where=str(folder))
        target = staging.file(feed, f"{unquote(folder.name.removeprefix('file='))}.csv")
        rows += _with_header(parts[0], target, ",".join(columns))
    return rows


def write_rows(staging: Staging, feed: str, rows: Iterable[Mapping[str, object]], file: str) -> int:
    """Write a short list of rows as `<feed>/<file>.csv`; no file where there are none. Returns the rows."""
    listed = list(rows)
    if listed:
        with staging.file(feed, f"{file}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, FEED_COLUMNS[feed], lineterminator="\n")
            writer.writeheader()
            writer.writerows(listed)
    return len(listed)


def write_truth(staging: Staging, name: str, frame: DataFrame, order: Sequence[str]) -> None:
    """Write a frame as one Parquet file `truth/<name>/part-0.parquet`."""
    work = staging.work(f"truth-{name}")
    frame.repartition(1).sortWithinPartitions(*order).write.options(**NO_MARKERS).parquet(str(work))
    (part,) = work.glob("part-*")
    part.replace(staging.truth(f"{name}/part-0.parquet"))


def _with_header(part: Path, target: Path, header: str) -> int:
    """Copy a file behind a header line; returns its lines."""
    rows = 0
    with part.open("rb") as source, target.open("wb") as copy:
        copy.write(f"{header}\n".encode())
        for block in iter(lambda: source.read(1 << 20), b""):
            rows += block.count(b"\n")
            copy.write(block)
    return rows
