"""The data files of a version of a table, read without asking Spark for them.

Before each read of a Delta table Spark plans a query over its log to choose the files. With a few small files there is
nothing to choose, and that query is most of the time of the read. delta-rs knows the files at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from portrait.spark.frames import frame_of
from portrait.spark.paths import as_named

_FEW = 32  # more paths than that Spark lists with a query of its own
_SMALL = 256 << 20  # bytes; of more than that, the statistics in the log are worth asking


@dataclass(frozen=True)
class Files:
    """The rows of a table, or of one of its slices, at one version: its schema and its files."""

    folder: Path
    schema: StructType
    paths: tuple[str, ...]

    def frame(self, spark: SparkSession) -> DataFrame:
        """Their rows; the columns in the table's order."""
        if not self.paths:
            return frame_of(spark, [], self.schema)
        # With the folder of the table, Spark takes values of partition columns from the names of folders.
        reader = spark.read.schema(self.schema).option("basePath", str(self.folder))
        return reader.parquet(*map(as_named, self.paths)).select(*self.schema.names)


def few_files(folder: Path, *, version: int, as_of: date | None = None) -> Files | None:
    """The files of a version, or of its slice of `as_of`.

    None where Spark should choose them: they are many or large, or the table is not one that every reader can read
    (deletion vectors, column mapping): Spark reads it, or says why not.
    """
    try:
        table = DeltaTable(str(folder), version=version)
    except DeltaError:
        return None
    if table.protocol().min_reader_version > 1 or not (as_of is None or _is_sliced(table)):
        return None
    files = [file for file in _files(table) if as_of is None or file["partition"]["as_of"] == as_of]
    if len(files) > _FEW or sum(file["size_bytes"] for file in files) > _SMALL:
        return None
    return Files(folder, schema_of(table), tuple(str(folder / file["path"]) for file in files))


def has_files(folder: Path, *, as_of: date) -> bool:
    """Whether the newest version of a table has a file that may hold rows of the slice of `as_of`."""
    try:
        table = DeltaTable(str(folder))
    except DeltaError:  # Spark reads it, or says why not
        return True
    return any(not _is_sliced(table) or file["partition"]["as_of"] == as_of for file in _files(table))


def bytes_of(folder: Path, *, as_of: date | None = None) -> int | None:
    """Bytes of the files of the newest version of a table, or of its slice of `as_of`; None: it cannot be read here."""
    try:
        table = DeltaTable(str(folder))
    except DeltaError:
        return None
    sliced = as_of is not None and _is_sliced(table)
    return sum(int(file["size_bytes"]) for file in _files(table) if not sliced or file["partition"]["as_of"] == as_of)


def _is_sliced(table: DeltaTable) -> bool:
    return "as_of" in table.metadata().partition_columns


def _files(table: DeltaTable) -> list[dict[str, Any]]:
    """`path` below the table's folder, `size_bytes`, and `partition` where the table has partitions."""
    added = pa.table(table.get_add_actions())
    wanted = [name for name in ("path", "size_bytes", "partition") if name in added.column_names]
    return added.select(wanted).to_pylist() if added.num_rows else []


def append_rows(folder: Path, rows: pa.Table, *, metadata: str) -> None:
    """Append a few rows to a table in one commit; its NOT NULL and CHECK rules hold."""
    write_deltalake(
        str(folder), rows, mode="append", commit_properties=CommitProperties(custom_metadata={"userMetadata": metadata})
    )


def schema_of(table: DeltaTable) -> StructType:
    """The schema of a table, with comments and nullability."""
    return StructType.fromJson(json.loads(table.schema().to_json()))
