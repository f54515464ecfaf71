"""Tables that need more of a reader than delta-rs gives, read by Spark with the same rows as result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import reduce
from operator import and_
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.lake.selection import Filter


class BySpark:
    """`session` gives the session; it is asked for when a table needs it."""

    def __init__(self, session: Callable[[], SparkSession]) -> None:
        self._session = session

    def columns(self, path: Path, version: int | None) -> list[str]:
        """The columns of a table, of its newest version unless told."""
        return list(self._frame(path, version).columns)

    def read(self, path: Path, version: int | None, filters: Sequence[Filter], columns: Sequence[str]) -> pa.Table:
        """Some columns of the rows that meet all filters."""
        rows = self._frame(path, version)
        if filters:
            rows = rows.where(reduce(and_, (_condition(item) for item in filters)))
        return rows.select(*[f"`{name}`" for name in columns]).toArrow()

    def _frame(self, path: Path, version: int | None) -> DataFrame:
        reader = self._session().read.format("delta")
        return (reader if version is None else reader.option("versionAsOf", version)).load(str(path))


def _condition(item: Filter) -> Column:
    column = F.col(f"`{item.column}`")
    if item.operator == "in":
        return column.isin(*[_literal(value) for value in item.value])
    value = _literal(item.value)
    return {"=": column == value, "<": column < value, "<=": column <= value, ">=": column >= value}[item.operator]


def _literal(value: Any) -> Column:
    # pyspark hands the year 1 to Java with one digit, which Java does not take for a year.
    return F.lit(value.isoformat()).cast("date") if type(value) is date else F.lit(value)
