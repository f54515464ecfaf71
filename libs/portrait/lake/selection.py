"""Rows of one version of a Delta table as Arrow, without Spark: delta-rs reads the log, pyarrow the files.

What is read is what Spark reads: the table's columns and types are those of the log, a column that a file does not have
is null, instants are UTC. A table that needs more of its reader (deletion vectors, column mapping, widened types) is
left to Spark, where there is one; see `portrait.lake.by_spark`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from portrait.errors import PortraitError
from portrait.lake.arrow import array_of, scalar_of

# What a table may ask of its readers and be read here. All else, known or not, is left to Spark.
_READABLE_FEATURES = frozenset({"timestampNtz", "vacuumProtocolCheck"})
_EXACT = (str, int, bool, date)  # types of which the least and greatest values of a file are what they are
_TRUNCATED = 32  # characters of a text that Delta keeps as the greatest of a file
_PLAIN_TYPES = {
    "string": pa.string(), "long": pa.int64(), "integer": pa.int32(), "short": pa.int16(), "byte": pa.int8(),
    "float": pa.float32(), "double": pa.float64(), "boolean": pa.bool_(), "binary": pa.binary(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"), "timestamp_ntz": pa.timestamp("us"),
}  # fmt: skip
_COMPARE: dict[str, Callable[..., pa.Array]] = {
    "=": pc.equal,
    "<=": pc.less_equal,
    "<": pc.less,
    ">=": pc.greater_equal,
}


@dataclass(frozen=True)
class Filter:
    """A condition on one column: `=`, `<`, `<=`, `>=` with a value, or `in` with several. A null meets none."""

    column: str
    operator: str
    value: Any

    def mask(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        """For each value of the column whether it meets the condition."""
        if self.operator == "in":
            found = pc.is_in(column, value_set=array_of(self.value, column.type))
        else:
            found = _COMPARE[self.operator](column, scalar_of(self.value, column.type))
        return pc.coalesce(found, scalar_of(False, pa.bool_()))

    def may_hold(self, least: Any, greatest: Any) -> bool:
        """Whether a value between two bounds can meet the condition; None is no bound."""
        values = self.value if self.operator == "in" else [self.value]
        above = self.operator in ("=", "in", "<", "<=") and least is not None
        below = self.operator in ("=", "in", ">=") and greatest is not None
        return any(not (above and value < least) and not (below and value > greatest) for value in values)


class SparkRows(Protocol):
    """How Spark reads the tables that are not read here."""

    def columns(self, path: Path, version: int | None) -> list[str]:
        """The columns of a table."""

    def read(self, path: Path, version: int | None, filters: Sequence[Filter], columns: Sequence[str]) -> pa.Table:
        """Some columns of the rows that meet all filters."""


@dataclass(frozen=True)
class _File:
    """A data file of a version: where it is, its bytes, its partition, least and greatest values by column."""

    path: Path
    size: int
    partition: dict[str, Any]
    bounds: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class Selection:
    """Rows of a table, of its newest version unless told, that meet all filters. Nothing is read until it is asked for.

    `spark` reads what delta-rs cannot; without it such a table is a PortraitError.
    """

    path: Path
    version: int | None = None
    filters: tuple[Filter, ...] = ()
    spark: SparkRows | None = None

    def where(self, column: str, operator: str, value: Any) -> Selection:
        """The rows of these that meet one more condition."""
        chosen = replace(self, filters=(*self.filters, Filter(column, operator, value)))
        for known in ("_log", "_schema"):  # the log was read once
            if known in self.__dict__:
                chosen.__dict__[known] = self.__dict__[known]
        return chosen

    @cached_property
    def _log(self) -> DeltaTable | None:
        """The version as the log has it; None when it is left to Spark."""
        try:
            table = DeltaTable(self.path, version=self.version)
            if _is_readable(table):
                return table
            reason = "its rows need more of a reader than delta-rs gives"
        except (DeltaError, OSError) as error:
            reason = type(error).__name__
        if self.spark is None:
            raise PortraitError(
                f"the table cannot be read without Spark: {reason}",
                where=str(self.path),
                remedy="ask with `portrait sql`",
            )
        return None

    @cached_property
    def _schema(self) -> pa.Schema:
        assert self._log is not None
        fields = json.loads(self._log.schema().to_json())["fields"]
        return pa.schema([pa.field(field["name"], _arrow_type(field["type"])) for field in fields])

    @property
    def columns(self) -> list[str]:
        """The columns of the table, in its order."""
        if self._log is None:
            assert self.spark is not None
            return self.spark.columns(self.path, self.version)
        return list(self._schema.names)

    def read(self, columns: Sequence[str] | None = None, *, coded: bool = False) -> pa.Table:
        """Some columns of the rows, or all; `coded`: texts as dictionaries."""
        names = list(columns) if columns is not None else self.columns
        if self._log is None:
            assert self.spark is not None
            return self.spark.read(self.path, self.version, self.filters, names)
        found = [part for file in self._files for _, part, _ in self._parts(file, names, coded=coded)]
        layout = pa.schema([self._schema.field(name) for name in names])
        return pa.concat_tables(found, promote_options="none") if found else pa.Table.from_batches([], schema=layout)

    def rows(self, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The rows as Python values, as Spark's `collect` gives them; see `python_rows`."""
        return python_rows(self.read(columns))

    def first(self, limit: int, *, order: Sequence[str]) -> pa.Table:
        """The first rows in ascending order of some columns, null first; without any, as they are in the files.

        Only the columns of the order are read of all rows.
        """
        if self._log is None:
            return ordered(self.read(), order).slice(0, limit)
        fixed = {item.column for item in self.filters if item.operator == "="}
        order = [name for name in order if name not in fixed]
        best: pa.Table | None = None
        for place, file in enumerate(self._files):
            if best is not None and not order and best.num_rows >= limit:
                break
            for start, part, kept in self._parts(file, order):
                places = pa.repeat(scalar_of(place, pa.int32()), part.num_rows)
                part = part.append_column("__file", places).append_column("__row", _places(start, part.num_rows, kept))
                if best is not None and order and best.num_rows == limit:
                    part = _up_to(part, best, order[0])
                best = part if best is None else pa.concat_tables([best, part])
                best = ordered(best, order).slice(0, limit)
        if best is None:
            return pa.Table.from_batches([], schema=self._schema)
        chosen: dict[int, list[int]] = {}
        for place, row in zip(best.column("__file").to_pylist(), best.column("__row").to_pylist(), strict=True):
            chosen.setdefault(place, []).append(row)
        found = [self._rows_of(self._files[place], sorted(rows)) for place, rows in sorted(chosen.items())]
        return ordered(pa.concat_tables(found), order)

    # -- files --------------------------------------------------------------------------------------------------

    @cached_property
    def _files(self) -> list[_File]:
        """The files that may hold such rows, the largest first, as Spark reads them."""
        assert self._log is not None
        bounded = {item.column for item in self.filters}
        partitions = self._log.metadata().partition_columns
        facts = self._log.get_add_actions(flatten=True)
        asked = {"path", "size_bytes", *(f"partition.{name}" for name in partitions)}
        asked |= {f"{bound}.{name}" for bound in ("min", "max") for name in bounded}
        # Not `pa.table`, which imports pandas to see whether this is a frame of it.
        asked_facts = facts.select([name for name in facts.column_names if name in asked])
        actions = pa.RecordBatchReader.from_stream(asked_facts).read_all().to_pydict()
        files = []
        for place, name in enumerate(actions["path"]):
            least = {column: _of(actions, f"min.{column}", place) for column in bounded}
            most = {column: _of(actions, f"max.{column}", place) for column in bounded}
            most = {key: None if isinstance(v, str) and len(v) >= _TRUNCATED else v for key, v in most.items()}
            partition = {column: actions[f"partition.{column}"][place] for column in partitions}
            bounds = {column: (least[column], most[column]) for column in bounded - partition.keys()}
            files.append(_File(self.path / name, actions["size_bytes"][place], partition, bounds))
        return sorted((file for file in files if self._may_hold(file)), key=lambda file: -file.size)

    def _may_hold(self, file: _File) -> bool:
        for item in self.filters:
            if item.column in file.partition:
                value = file.partition[item.column]
                if value is None or not item.may_hold(value, value) or (item.operator == "<" and value == item.value):
                    return False
            elif not item.may_hold(*_comparable(file.bounds[item.column], item)):
                return False
        return True

    def _parts(
        self, file: _File, names: Sequence[str], *, coded: bool = False
    ) -> Iterator[tuple[int, pa.Table, pa.ChunkedArray | None]]:
        """Columns of the rows of a file that meet the filters, a part at a time.

        Before them where the part begins in the file, after them which rows of the part they are; None: all.
        """
        filters = [item for item in self.filters if item.column not in file.partition]
        texts = [name for name in names if coded and pa.types.is_string(self._schema.field(name).type)]
        with pq.ParquetFile(file.path, coerce_int96_timestamp_unit="us", read_dictionary=texts) as opened:
            start = 0
            for group in range(opened.num_row_groups):
                size = opened.metadata.row_group(group).num_rows
                if size and all(_group_may_hold(opened, group, item) for item in filters):
                    kept = self._kept(opened, group, file, filters)
                    if kept is None or pc.any(kept).as_py():
                        part = self._of_group(opened, group, file, names, coded=coded)
                        yield start, part if kept is None else part.filter(kept), kept
                start += size

    def _kept(
        self, opened: pq.ParquetFile, group: int, file: _File, filters: Sequence[Filter]
    ) -> pa.ChunkedArray | None:
        """Which rows of a group meet all filters; None without filters."""
        kept = None
        if filters:
            tested = self._of_group(opened, group, file, [item.column for item in filters])
            for item in filters:
                mask = item.mask(tested.column(item.column))
                kept = mask if kept is None else pc.and_(kept, mask)
        return kept

    def _rows_of(self, file: _File, rows: Sequence[int]) -> pa.Table:
        """All columns of some rows of a file, by their places in it."""
        found, start = [], 0
        with pq.ParquetFile(file.path, coerce_int96_timestamp_unit="us") as opened:
            for group in range(opened.num_row_groups):
                size = opened.metadata.row_group(group).num_rows
                mine = [row - start for row in rows if start <= row < start + size]
                if mine:
                    found.append(
                        self._of_group(opened, group, file, self._schema.names).take(array_of(mine, pa.int64()))
                    )
                start += size
        return pa.concat_tables(found)

    def _of_group(
        self, opened: pq.ParquetFile, group: int, file: _File, names: Sequence[str], *, coded: bool = False
    ) -> pa.Table:
        there = set(opened.schema_arrow.names)
        read = opened.read_row_group(group, columns=[name for name in names if name in there])
        size = opened.metadata.row_group(group).num_rows
        columns: dict[str, Any] = {}
        for name in names:
            kind = self._schema.field(name).type
            if coded and pa.types.is_string(kind):
                kind = pa.dictionary(pa.int32(), kind)
            if name in file.partition:
                columns[name] = pa.repeat(scalar_of(file.partition[name], self._schema.field(name).type), size)
                columns[name] = columns[name].cast(kind)
            elif name in there:
                columns[name] = read.column(name) if read.column(name).type == kind else read.column(name).cast(kind)
            else:  # the file is older than the column
                columns[name] = pa.nulls(size, kind)
        return pa.table(columns) if columns else pa.table({"": pa.nulls(size)}).select([])

    def count(self) -> int:
        """How many rows there are."""
        if self._log is None or self.filters:
            names = self.columns[:1] if not self.filters else [self.filters[0].column]
            return int(self.read(names).num_rows)
        return sum(pq.read_metadata(file.path).num_rows for file in self._files)


def _is_readable(table: DeltaTable) -> bool:
    protocol = table.protocol()
    if protocol.min_reader_version <= 1:
        return True
    if protocol.min_reader_version == 2:  # which asks for column mapping, where it is switched on
        return str(table.metadata().configuration.get("delta.columnMapping.mode", "none")) == "none"
    return set(protocol.reader_features or ()) <= _READABLE_FEATURES


def _arrow_type(kind: Any) -> pa.DataType:
    """The Arrow type of a type as the Delta log writes it."""
    if isinstance(kind, str):
        if kind.startswith("decimal("):
            precision, scale = kind.removeprefix("decimal(").removesuffix(")").split(",")
            return pa.decimal128(int(precision), int(scale))
        return _PLAIN_TYPES[kind]
    if kind["type"] == "array":
        return pa.list_(_arrow_type(kind["elementType"]))
    if kind["type"] == "map":
        return pa.map_(_arrow_type(kind["keyType"]), _arrow_type(kind["valueType"]))
    return pa.struct([pa.field(field["name"], _arrow_type(field["type"])) for field in kind["fields"]])


def _places(start: int, size: int, kept: pa.ChunkedArray | None) -> pa.Array:
    """The places in a file of the rows of a part that begins at `start`; `kept`: which of it are left, None: all."""
    if kept is None:
        return pa.Array.from_buffers(pa.int64(), size, [None, pa.py_buffer(np.arange(start, start + size))])
    return pc.add(pc.indices_nonzero(kept).cast(pa.int64()), scalar_of(start, pa.int64()))


def _up_to(part: pa.Table, best: pa.Table, name: str) -> pa.Table:
    """The rows of a part that may come before the last of the best by the first column of the order."""
    column, last = part.column(name), best.column(name)[-1]
    early = pc.is_null(column)
    return part.filter(pc.or_kleene(early, pc.less_equal(column, last)) if last.is_valid else early)


def _of(actions: dict[str, list[Any]], name: str, place: int) -> Any:
    return actions[name][place] if name in actions else None


def _comparable(bounds: tuple[Any, Any], item: Filter) -> tuple[Any, Any]:
    """Bounds of the type of a filter's values, where they are exact; None for others.

    Delta cuts instants to milliseconds, writes decimals as JSON numbers, and says nothing of NaN.
    """
    values = item.value if item.operator == "in" else [item.value]
    kinds = {type(value) for value in values}
    least, most = (bound if type(bound) in _EXACT and {type(bound)} == kinds else None for bound in bounds)
    return least, most


def _group_may_hold(opened: pq.ParquetFile, group: int, item: Filter) -> bool:
    group_metadata = opened.metadata.row_group(group)
    for place in range(group_metadata.num_columns):
        column = group_metadata.column(place)
        if column.path_in_schema == item.column:
            facts = column.statistics
            if facts is None or not facts.has_min_max:
                return True
            return item.may_hold(*_comparable((facts.min, facts.max), item))
    return True


def ordered(table: pa.Table, order: Sequence[str], *, descending: bool = False) -> pa.Table:
    """Rows in the order of some columns, as Spark has them: null is least. Equal rows stay as they are."""
    if not order:
        return table
    direction = ("descending", "at_end") if descending else ("ascending", "at_start")
    return table.take(pc.sort_indices(table, sort_keys=[(name, *direction) for name in order]))


def python_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of an Arrow table as Python values: those that Spark's `collect` gives.

    An instant is a `datetime` without zone, in the zone of this process; a map is a `dict`.
    """
    columns = [values_of(table.column(name)) for name in table.column_names]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column, as in `python_rows`."""
    kind = column.type
    if not len(column):  # pyarrow imports pandas to combine no chunks
        return []
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return [None if at is None else _clock(at) for at in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_map(kind):
        return [None if pairs is None else dict(pairs) for pairs in column.to_pylist()]
    if pa.types.is_string(kind) or pa.types.is_date(kind):  # most values repeat
        coded = column.combine_chunks().dictionary_encode()
        distinct_values = coded.dictionary.to_pylist()
        return [None if place is None else distinct_values[place] for place in coded.indices.to_pylist()]
    found: list[Any] = column.to_pylist()
    return found


def _clock(microseconds: int) -> datetime:
    # As pyspark does it, and not by `fromtimestamp(float)`, which rounds.
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds).replace(microsecond=rest)
