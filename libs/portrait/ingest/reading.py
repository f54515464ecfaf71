"""From staged files to judged rows: text line by line, Parquet by the types that each file has.

Paths are given one by one and never as patterns, so that a folder may have any name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.contracts.contract import quoted
from portrait.ingest.parquet import NANOSECONDS, NO_TYPE
from portrait.ingest.staging import Manifest, staged_path
from portrait.ingest.verdicts import judged_lines
from portrait.spark.paths import as_named

_MOMENT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def judged_files(spark: SparkSession, root: Path, contract: Contract, manifests: Mapping[str, Manifest]) -> DataFrame:
    """The rows of a feed's staged files, judged; technical columns as `judged_lines` has them."""
    text = {name: item for name, item in manifests.items() if item.format != "parquet"}
    parts = []
    if text:
        lines = _lines(spark, [str(staged_path(root, contract.name, name)) for name in text])
        parts.append(judged_lines(lines, contract=contract, manifests=text))
    for layout in _layouts({name: item for name, item in manifests.items() if item.format == "parquet"}, contract):
        rows = _typed_rows(spark, root, contract, layout)
        parts.append(judged_lines(rows, contract=contract, manifests=layout))
    return reduce(DataFrame.unionByName, parts)


def _lines(spark: SparkSession, paths: Sequence[str]) -> DataFrame:
    lines = spark.read.option("lineSep", "\n").text([as_named(path) for path in paths])
    file, start = F.col("_metadata.file_name").alias("__file"), F.col("_metadata.file_block_start").alias("__start")
    return lines.select(F.col("value").alias("__value"), file, start)


def _layouts(manifests: Mapping[str, Manifest], contract: Contract) -> list[dict[str, Manifest]]:
    """Files that are read alike: those of equal types; one with values that are too fine stands alone."""
    groups: dict[tuple[object, ...], dict[str, Manifest]] = {}
    for name, item in manifests.items():
        types = dict(zip(item.columns, item.types, strict=False))
        key = (
            *(types.get(column.name, column.physical_type) for column in contract.columns),
            name if item.fine else "",
        )
        groups.setdefault(key, {})[name] = item
    return list(groups.values())


def _typed_rows(spark: SparkSession, root: Path, contract: Contract, files: Mapping[str, Manifest]) -> DataFrame:
    """Rows of Parquet files of one layout: the contract's columns, which of them were given a value, and the record.

    Spark reads a column by the type that the file has, and the value becomes the contract's type here, where that is
    exact; where it is not, the row breaks `<column>.type`, as a text that cannot be cast does.
    """
    layout = next(iter(files.values()))
    types = {column.name: column.physical_type for column in contract.columns}
    types |= {name: kind for name, kind in zip(layout.columns, layout.types, strict=False) if name in types}
    # A column of which pandas knew no value has no type: it is not read.
    empty = {c.name: F.lit(None).cast(c.physical_type) for c in contract.columns if types[c.name] == NO_TYPE}
    read = {name: "BIGINT" if kind == NANOSECONDS else kind for name, kind in types.items() if name not in empty}
    schema = ", ".join(f"{quoted(name)} {kind}" for name, kind in read.items())
    reader = spark.read.schema(schema)
    # Dates before 1582 and the like are taken as they stand: whether they may be is for the contract to say.
    reader = reader.option("datetimeRebaseMode", "CORRECTED").option("int96RebaseMode", "CORRECTED")
    raw = reader.parquet(*[as_named(staged_path(root, contract.name, name)) for name in files]).withColumns(
        {
            "__file": F.col("_metadata.file_name"),
            "__start": F.lit(0).cast("bigint"),
            "__place": F.col("_metadata.row_index"),
            **empty,
        }
    )
    values, shown = [], []
    for column in contract.columns:
        rests = {row: rest for name, row, rest in layout.fine if name == column.name}
        value, failed, text = _converted(column.name, types[column.name], column.physical_type, rests)
        values += [
            F.when(~failed, value).alias(column.name),
            F.col(column.name).isNotNull().alias(f"__given_{column.name}"),
        ]
        shown.append(text.alias(column.name))
    record = F.to_json(F.struct(*shown), {"timestampFormat": f"{_MOMENT}XXX"})
    return raw.select("__file", "__start", "__place", record.alias("__record"), *values)


def _converted(name: str, found: str, wanted: str, rests: Mapping[int, int]) -> tuple[Column, Column, Column]:
    """A column's value in the contract's type, whether it was lost on the way, and what the record shows."""
    raw, text, never = F.col(name), quoted(name), F.lit(False)
    shown, failed = raw, never
    if found == NANOSECONDS:
        failed = F.coalesce(raw % 1000 != 0, never)
        raw = F.timestamp_micros(F.expr(f"{text} div 1000"))
        floored = F.timestamp_micros(F.expr(f"({text} - pmod({text}, 1000)) div 1000"))
        shown = _with_nanoseconds(floored, F.pmod(F.col(name), F.lit(1000)))
    elif rests:
        pairs = [item for row, beyond in rests.items() for item in (F.lit(row).cast("bigint"), F.lit(beyond))]
        rest = F.element_at(F.create_map(*pairs), F.col("__place"))
        failed = rest.isNotNull()
        shown = F.when(failed, _with_nanoseconds(raw, rest)).otherwise(F.date_format(raw, f"{_MOMENT}XXX"))
    if wanted == "DATE" and found in ("TIMESTAMP", NANOSECONDS):
        day = raw.cast("date")
        return day, failed | F.coalesce(day.cast("timestamp") != raw, never), shown
    if wanted == "DOUBLE":
        value = raw.cast("double")
        return value, F.coalesce(F.isnan(value) | (F.abs(value) == float("inf")), never), raw
    if found in (wanted, NANOSECONDS, NO_TYPE):
        return raw, failed, shown
    value = F.expr(f"try_cast({text} as {wanted})")
    back = F.expr(f"try_cast(try_cast({text} as {wanted}) as {found})")
    return value, raw.isNotNull() & ~F.coalesce(back == raw, never), shown


def _with_nanoseconds(moment: Column, rest: Column) -> Column:
    return F.concat(F.date_format(moment, _MOMENT), F.lpad(rest.cast("string"), 3, "0"), F.lit("Z"))
