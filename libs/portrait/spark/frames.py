"""Rows that the driver holds (results, records, a model's parameters) as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType


def frame_of(spark: SparkSession, rows: Sequence[Sequence[Any]], schema: StructType | str) -> DataFrame:
    """A few rows, one value per field of `schema` (a StructType or its DDL), as a frame of one partition.

    They travel as Arrow and are part of the plan. `createDataFrame` of Python rows starts Python workers to read them
    back, and as many tasks and files as the session has cores: most of the seconds of a small write.
    Raises ValueError for a missing value where the schema allows none: Spark would take it for a zero.
    """
    layout = cast(StructType, StructType.fromDDL(schema)) if isinstance(schema, str) else schema
    frame: DataFrame = spark.createDataFrame(arrow_table(rows, layout), schema=layout)
    return frame.coalesce(1)


def arrow_table(rows: Sequence[Sequence[Any]], layout: StructType) -> pa.Table:
    """The same rows as an Arrow table; raises as `frame_of`."""
    wanted = to_arrow_schema(layout)
    columns = zip(*rows, strict=True) if rows else [()] * len(layout)
    arrays = [pa.array(list(values), type=field.type) for values, field in zip(columns, wanted, strict=True)]
    missing = [
        field.name for field, array in zip(layout, arrays, strict=True) if not field.nullable and array.null_count
    ]
    if missing:
        raise ValueError(f"no value in required columns: {', '.join(missing)}")
    return pa.Table.from_arrays(arrays, schema=wanted)
