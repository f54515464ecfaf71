"""Feed frames as CSV files: one task writes a file, in a total order, so that its bytes depend on nothing else."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from portrait.errors import PortraitError
from portrait.sources.delivery import Staging
from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic.filing import Filing

NO_MARKERS = {"mapreduce.fileoutputcommitter.marksuccessfuljobs": "false"}  # no _SUCCESS files


# Every file begins with a header: the name of the only column. The separator stands in no line, and nothing is quoted.
AS_LINES = {
    **{"header": "true", "sep": "\x01", "quote": "", "escapeQuotes": "false"},
    **{"ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"},
}


def csv_line(fields: Sequence[Column]) -> Column:
    """One RFC 4180 record: null is empty, quotes only where a field needs them."""
    return F.concat_ws(",", *(F.coalesce(_quoted(field.cast("string")), F.lit("")) for field in fields))


def _quoted(text: Column) -> Column:
    special = text.contains('"') | text.contains(",") | text.contains("\n") | text.contains("\r")
    return F.when(special, F.concat(F.lit('"'), F.replace(text, F.lit('"'), F.lit('""')), F.lit('"'))).otherwise(text)


def feed_lines(feed: str, rows: DataFrame, *, file: Column, order: Column) -> DataFrame:
    """Rows of a feed as (file, order, line): `file` by number, `order` in seconds."""
    columns = [_text(rows, name) for name in FEED_COLUMNS.get(feed, columns_of(rows))]
    return rows.select(file.alias("file"), order.cast("bigint").alias("order"), csv_line(columns).alias("line"))


def columns_of(rows: DataFrame) -> tuple[str, ...]:
    """The columns of a feed that a capability brings: all but those that say where a row belongs."""
    return tuple(name for name in rows.columns if name not in ("day", "k"))


def _text(rows: DataFrame, name: str) -> Column:
    if rows.schema[name].dataType.typeName() == "timestamp":
        return F.date_format(name, "yyyy-MM-dd HH:mm:ss")
    return F.col(name)


def write_lines(
    staging: Staging,
    feed: str,
    lines: DataFrame,
    filing: Filing,
    *,
    together: bool = False,
    columns: Sequence[str] | None = None,
) -> int:
    """Write (file, order, line) as `<feed>/<file>.csv` with a header, sorted by (order, line); returns the rows.

    `together`: all lines of a file are in one partition already; otherwise they are brought there. `columns`: the
    header, of a feed that is not one of FEED_COLUMNS.
    """
    work, counted = staging.work(feed), Observation(feed)
    placed = lines if together else lines.repartition("file")
    (
        placed.sortWithinPartitions("file", "order", "line")
        .select("file", F.col("line").alias(",".join(columns or FEED_COLUMNS[feed])))
        .observe(counted, F.count(F.lit(1)).alias("rows"))
        .write.options(**NO_MARKERS, **AS_LINES)
        .partitionBy("file")
        .csv(str(work))
    )
    for folder in sorted(work.glob("file=*")):
        parts = list(folder.glob("part-*"))
        if len(parts) != 1:
            raise PortraitError(f"a file of feed {feed} was written in {len(parts)} parts", where=str(folder))
        name = filing.name(int(folder.name.removeprefix("file=")))
        parts[0].replace(staging.file(feed, f"{name}.csv"))
    return int(counted.get["rows"])


def write_rows(staging: Staging, feed: str, rows: Iterable[Mapping[str, object]], file: str) -> int:
    """Write a short list of rows as `<feed>/<file>.csv`; no file where there are none. Returns the rows."""
    listed = list(rows)
    if listed:
        with staging.file(feed, f"{file}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, FEED_COLUMNS[feed], lineterminator="\n")
            writer.writeheader()
            writer.writerows(listed)
    return len(listed)


def write_truth(staging: Staging, name: str, frame: DataFrame, order: Sequence[str], *, files: int) -> None:
    """Write a frame as Parquet files `truth/<name>/part-0.parquet` ..: rows by the hash of the first column, sorted."""
    work = staging.work(f"truth-{name}")
    frame.repartition(files, order[0]).sortWithinPartitions(*order).write.options(**NO_MARKERS).parquet(str(work))
    for number, part in enumerate(sorted(work.glob("part-*"))):
        part.replace(staging.truth(f"{name}/part-{number}.parquet"))
