"""Read staged files into rows that say which rules they break: text line by line, Parquet by the types of each file.

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
from portrait.ingest.files import Manifest
from portrait.ingest.mapped import CODES, apply_mapping, mapped_layouts, source_contract
from portrait.ingest.parquet import NANOSECONDS, NO_TYPE
from portrait.ingest.parsing import Layout, judge, judge_typed, parse_lines
from portrait.ingest.stage import staged_path
from portrait.mappings.expressions import read_columns, resolved
from portrait.mappings.source import NO_MAPPINGS, Mappings, SourceMapping
from portrait.settings import UTC
from portrait.spark.days import instant_of
from portrait.spark.paths import as_named

_MOMENT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def judged_files(
    spark: SparkSession,
    root: Path,
    contract: Contract,
    manifests: Mapping[str, Manifest],
    mappings: Mappings = NO_MAPPINGS,
) -> DataFrame:
    """The rows of a feed's staged files, judged; technical columns as `judged_lines` has them."""
    plain = {name: item for name, item in manifests.items() if item.mapping is None}
    parts = [_judged_plain(spark, root, contract, plain)] if plain else []
    for mapping in mappings.of_feed(contract.name):
        mapped = {name: item for name, item in manifests.items() if item.mapping == mapping.id}
        if mapped:
            parts += _judged_mapped(spark, root, contract, mapped, mapping)
    # A feed without files of sources has no column for codes that maps do not know.
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _judged_mapped(
    spark: SparkSession, root: Path, contract: Contract, manifests: Mapping[str, Manifest], mapping: SourceMapping
) -> list[DataFrame]:
    """The rows of the files of one mapping, judged."""
    if mapping.spec.format.type != "parquet":
        lines = _lines(spark, [str(staged_path(root, contract.name, name)) for name in manifests])
        return [judged_lines(lines, contract=contract, manifests=manifests, mapping=mapping)]
    groups: dict[tuple[object, ...], dict[str, Manifest]] = {}
    for name, item in manifests.items():
        groups.setdefault((item.columns, item.types, item.clock_times), {})[name] = item
    return [
        judged_lines(
            _rows_as_text(spark, root, contract, files, mapping), contract=contract, manifests=files, mapping=mapping
        )
        for files in groups.values()
    ]


def _rows_as_text(
    spark: SparkSession, root: Path, contract: Contract, files: Mapping[str, Manifest], mapping: SourceMapping
) -> DataFrame:
    """Rows of Parquet files of a source as if each value had been written as text."""
    layout = next(iter(files.values()))
    kinds = dict(zip(layout.columns, layout.types, strict=True))
    simple = {name: kind for name, kind in kinds.items() if kind != NO_TYPE and (kind == NANOSECONDS or kind.isupper())}
    schema = ", ".join(f"{quoted(name)} {'BIGINT' if kind == NANOSECONDS else kind}" for name, kind in simple.items())
    reader = spark.read.schema(schema)
    reader = reader.option("datetimeRebaseMode", "CORRECTED").option("int96RebaseMode", "CORRECTED")
    raw = reader.parquet(*[as_named(staged_path(root, contract.name, name)) for name in files]).withColumns(
        {
            "__file": F.col("_metadata.file_name"),
            "__start": F.lit(0).cast("bigint"),
            "__place": F.col("_metadata.row_index"),
        }
    )
    texts = {
        name: _as_text(F.col(quoted(name)), kind, is_clock=name in layout.clock_times) for name, kind in simple.items()
    }
    record = F.to_json(F.struct(*[text.alias(name) for name, text in texts.items()]))
    columns = [
        texts.get(resolved(name, layout.columns) or "", F.lit(None).cast("string")).alias(f"s{place}")
        for place, name in enumerate(read_columns(mapping))
    ]
    present = F.lit(True).alias("__present"), F.lit(False).alias("__broken")
    return raw.select("__file", "__start", "__place", record.alias("__record"), *present, *columns)


def _as_text(value: Column, kind: str, *, is_clock: bool) -> Column:
    """A value of Parquet as CSV would have it: instants say that they are of UTC, times of a clock do not."""
    if kind == NANOSECONDS:
        moment = F.timestamp_micros(((value - F.pmod(value, F.lit(1000))) / 1000).cast("bigint"))
        text = F.concat(F.date_format(moment, _MOMENT), F.lpad(F.pmod(value, F.lit(1000)).cast("string"), 3, "0"))
        return text if is_clock else F.concat(text, F.lit("Z"))
    if kind == "TIMESTAMP":
        text = F.date_format(value, _MOMENT)
        return text if is_clock else F.concat(text, F.lit("Z"))
    text = value.cast("string")
    if kind in ("DOUBLE", "FLOAT"):  # 1.0E7 is how Spark writes ten million
        return F.when(F.contains(text, F.lit("E")), value.try_cast("decimal(38,10)").cast("string")).otherwise(text)
    return text


def _judged_plain(spark: SparkSession, root: Path, contract: Contract, manifests: Mapping[str, Manifest]) -> DataFrame:
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


def judged_lines(
    source: DataFrame,
    *,
    contract: Contract,
    manifests: Mapping[str, Manifest],
    mapping: SourceMapping | None = None,
) -> DataFrame:
    """Lines of text, or rows of Parquet, as one row per line: technical columns, the contract's typed, `__reasons`.

    `__record` is the text of a bad row as it came (JSON for Parquet), null for good ones. `mapping`: that of all the
    files; rows then have `CODES` too.
    """
    if mapping is not None:
        judged, record = _judged_by(mapping, source, contract, manifests)
    elif "__value" not in source.columns:
        judged = judge_typed(_as_instants(source, contract, manifests), contract=contract)
        record = F.col("__record")
    else:
        # A task numbers its rows upwards in the order of the file: see `lines`.
        placed = source.withColumn("__place", F.monotonically_increasing_id())
        judged = judge(parse_lines(placed, contract=contract, layouts=layouts_of(manifests)), contract=contract)
        record = F.col("__value")
    with_record = judged.withColumn("__record", F.when(F.col("__reasons").isNotNull(), record))
    technical = ["__file", "__start", "__place", "__present", "__unknown", "__reasons", "__record"]
    technical += [CODES] if mapping is not None else []
    return with_record.select(*technical, *contract.column_names)


def _judged_by(
    mapping: SourceMapping, source: DataFrame, contract: Contract, manifests: Mapping[str, Manifest]
) -> tuple[DataFrame, Column]:
    """Rows of a mapped source, judged, and the record of each as it came."""
    parsed, record = source, F.col("__record")
    if "__value" in source.columns:
        placed = source.withColumn("__place", F.monotonically_increasing_id())
        layouts = mapped_layouts(mapping, manifests)
        parsed, record = (
            parse_lines(placed, contract=source_contract(mapping, contract), layouts=layouts),
            F.col("__value"),
        )
    days = {name: item.snapshot_on for name, item in manifests.items() if item.snapshot_on is not None}
    ready, failures = apply_mapping(parsed, mapping, contract, days=days)
    return judge(ready, contract=contract, failures=failures), record


def _as_instants(rows: DataFrame, contract: Contract, manifests: Mapping[str, Manifest]) -> DataFrame:
    """Clock times of files that hold no instants, taken for times of the bank's clock; Spark reads them as of UTC."""
    if contract.time_zone == UTC:
        return rows
    instants = {}
    for name in (column.name for column in contract.columns if column.physical_type == "TIMESTAMP"):
        if files := [file for file, item in manifests.items() if name in item.clock_times]:
            told = instant_of(F.col(name), contract.time_zone)
            instants[name] = F.when(F.col("__file").isin(*files), told).otherwise(F.col(name))
    return rows.withColumns(instants)


def layouts_of(manifests: Mapping[str, Manifest]) -> list[Layout]:
    """One layout for each distinct header (and form, see `Manifest.one_line`), and one for JSON."""
    files: dict[tuple[str, tuple[str, ...], bool], list[str]] = {}
    for name, item in manifests.items():
        key = (item.format, item.columns if item.format == "csv" else (), item.one_line)
        files.setdefault(key, []).append(name)
    return [Layout(kind, columns, tuple(names), form) for (kind, columns, form), names in files.items()]
