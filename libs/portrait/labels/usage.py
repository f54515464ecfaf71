"""Which labels were really read: by audiences that runs evaluated, by lists that left the bank, by SQL clients."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.labels.readers import SHOWN
from portrait.lake import Lake
from portrait.paths import as_named
from portrait.rows import frame_of

_READS = {"audience": "gold.audiences", "export": "ops.audience_exports"}
_STATEMENT = "at timestamp, event string, user string, tables array<string>, columns array<string>"


def label_usage(lake: Lake, *, log: str | None = None) -> DataFrame:
    """One row a label, kind of reader and reader: label, kind, reader, times, last.

    Kind is audience, for each slice in which it was evaluated, export, for each list; the reader is the audience and
    the last is a business date. Kind sql is for each statement of a user of the SQL server that names the label as a
    column, by the events of `log` where that is a file; the last is the day of the statement. What `select *` reads,
    and what others read from the files, is not known.
    """
    empty = frame_of(lake.spark, [], "label string, kind string, reader string, as_of date")
    reads = [
        lake.read(table).select(
            F.explode("labels").alias("label"), F.lit(kind).alias("kind"), F.col("audience").alias("reader"), "as_of"
        )
        for kind, table in _READS.items()
        if lake.has(table) and "labels" in lake.read(table).columns
    ]
    if log is not None and Path(log).is_file():
        reads.append(_statements(lake.spark, log))
    counted = reduce(DataFrame.unionByName, reads, empty).groupBy("label", "kind", "reader")
    return counted.agg(F.count("*").alias("times"), F.max("as_of").alias("last"))


def _statements(spark: SparkSession, log: str) -> DataFrame:
    """A row a statement and column that it names; columns that are no label meet none."""
    shown = F.array(*(F.lit(table.split(".")[1]) for table in SHOWN))
    lines = spark.read.schema(_STATEMENT).json(as_named(Path(log).resolve()))
    asked = lines.where((F.col("event") == "statement") & F.arrays_overlap("tables", shown))
    return asked.select(
        F.explode("columns").alias("label"),
        F.lit("sql").alias("kind"),
        F.col("user").alias("reader"),
        F.to_date("at").alias("as_of"),
    )
