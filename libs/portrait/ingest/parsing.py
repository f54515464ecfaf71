"""From a line of text to a typed row and the rules that it breaks.

Pure transforms. Every value is read as text first and cast exactly once, under rules stricter than Spark's: a cast that
would lose digits, guess a date or read `y` as true counts as failed, never as a silent value.

Technical columns start with two underscores, which no contract column may.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Column as ContractColumn
from portrait.contracts import Contract
from portrait.contracts.bounds import equals_any, is_text_of
from portrait.contracts.contract import quoted
from portrait.contracts.identifiers import all_clean
from portrait.ingest.casts import cast_exactly
from portrait.ingest.text import ESCAPE, ESCAPED, RFC_4180, Dialect
from portrait.settings import UTC
from portrait.spark.days import instant_of

MALFORMED = "row.malformed"
"""The record has another number of values than its header, a quote where RFC 4180 allows none, a NUL byte, or is not
one JSON object with each key once."""

_END = "end of the record"

_OFFSET = r":\d{2}(\.\d+)? ?([Zz]|[Uu][Tt][Cc]|[+-]\d{2}(:?\d{2})?)$"
"""What follows the seconds of an instant that says how far its clock is from UTC."""


@dataclass(frozen=True)
class Layout:
    """How the lines of some staged files are laid out: `csv` with these columns in this order, or `jsonl`.

    `one_line`: in the one-line form of `text`, as records are that may hold line breaks. `sources`, for files of mapped
    sources, says where each column is: a field's number, a key of JSON, first place and length (`fixed_width`).
    """

    format: str
    columns: tuple[str, ...]
    files: tuple[str, ...]
    one_line: bool = False
    dialect: Dialect = RFC_4180
    sources: Mapping[str, int | str | tuple[int, int]] = field(default_factory=dict)


def parse_lines(lines: DataFrame, *, contract: Contract, layouts: Sequence[Layout]) -> DataFrame:
    """Lines of text taken apart: one row per line, every contract column as a text that is null when empty or absent.

    `lines` has `__file`, `__value` and whatever else is to be kept; all layouts have one dialect. Adds `__present` (the
    line is not blank) and `__broken` (it is no record at all, so that its texts mean nothing).
    """
    lines = _unescaped(lines, layouts)
    # A file from Windows ends its lines with \r\n, and may open with a byte order mark. Nearly no line has either.
    value = F.col("__value")
    marked = F.startswith(value, F.lit("\ufeff")) | F.endswith(value, F.lit("\r"))
    bare = F.rtrim(F.ltrim(value, F.lit("\ufeff")), F.lit("\r"))
    cleaned = lines.withColumn("__value", F.when(marked, bare).otherwise(value))
    records = [f"__record{place}" for place in range(len(layouts))]
    # With several layouts a line is read by that of its file alone; the others' records stay null.
    own = [F.lit(True) if len(layouts) == 1 else F.col("__file").isin(*layout.files) for layout in layouts]
    readers = [_reader(layout) for layout in layouts]
    quote, delimiter = layouts[0].dialect.quote, layouts[0].dialect.delimiter
    # A line without a quote is its fields; `split` finds them in half the time. Of the others, what is outside quotes:
    # each quoted part gives one quote.
    plain, outside = F.lit(True), F.lit(None).cast("string")
    if quote is not None:
        mark = _pattern(quote)
        plain = ~F.contains(value, F.lit(quote))
        outside = F.when(~plain, F.regexp_replace(value, f"{mark}[^{mark}]*{mark}", _replacement(quote)))
    fields = F.when(plain, F.split(value, _pattern(delimiter), -1))
    split = cleaned.withColumns({"__fields": fields, "__outside": outside})
    taken_apart = split.withColumns(
        {record: F.when(mine, reader) for record, mine, reader in zip(records, own, readers, strict=True)}
    )
    broken = [
        F.when(mine, _is_broken(record, layout, contract))
        for record, mine, layout in zip(records, own, layouts, strict=True)
    ]
    texts = {
        name: F.coalesce(
            *[
                F.when(mine, _text(contract.column(name), record, layout))
                for record, mine, layout in zip(records, own, layouts, strict=True)
            ]
        )
        for name in contract.column_names
    }
    return taken_apart.select(
        *cleaned.columns,
        (F.trim("__value") != "").alias("__present"),
        F.coalesce(*broken, F.lit(True)).alias("__broken"),
        *[F.nullif(text, F.lit("")).alias(name) for name, text in texts.items()],
    )


def escaped(record: Column) -> Column:
    """A record in the one-line form of `text`, for a layout that says so."""
    for plain, letter in ESCAPED.items():  # the escape itself first
        record = F.replace(record, F.lit(plain), F.lit(ESCAPE + letter))
    return record


def _unescaped(lines: DataFrame, layouts: Sequence[Layout]) -> DataFrame:
    """Lines of files in the one-line form as the records that were landed."""
    files = [file for layout in layouts if layout.one_line for file in layout.files]
    if not files:
        return lines
    text = F.col("__value")
    for plain, letter in reversed(ESCAPED.items()):  # the escape itself last
        text = F.replace(text, F.lit(ESCAPE + letter), F.lit(plain))
    mine = F.col("__file").isin(*files)
    return lines.withColumn("__value", F.when(mine, text).otherwise(F.col("__value")))


def _pattern(character: str) -> str:
    """A character as a regular expression has it, in a class or not; the usual ones as they are."""
    return character if character in ',"' else f"\\{character}" if not character.isalnum() else character


def _replacement(quote: str) -> str:
    return f"\\{quote}" if quote in "$\\" else quote


def _reader(layout: Layout) -> Column:
    if layout.format == "csv":
        return _csv_reader(layout)
    return _json_reader() if layout.format == "jsonl" else F.lit(None).cast("string")


def _csv_reader(layout: Layout) -> Column:
    """The fields of a record with quotes that is sound, else null: more columns than expected may stop the parser."""
    dialect = layout.dialect
    if dialect.quote is None:
        return F.lit(None).cast(f"struct<{', '.join(f'c{place}:string' for place in range(len(layout.columns)))}>")
    options = {"sep": dialect.delimiter, "quote": dialect.quote, "escape": dialect.quote}
    options |= {"mode": "PERMISSIVE", "maxCharsPerColumn": "-1"}
    # Columns are named by position: a header may hold names that no schema string could.
    schema = ", ".join(f"c{place} STRING" for place in range(len(layout.columns)))
    return F.when(_is_sound(layout), F.from_csv(F.col("__value"), schema, options))


def _is_sound(layout: Layout) -> Column:
    """Whether a record with quotes is RFC 4180 (they enclose whole fields, all are closed) and has enough fields."""
    value, outside = F.col("__value"), F.col("__outside")
    quote, delimiter = layout.dialect.quote or "", layout.dialect.delimiter
    closed = _count(value, quote) % 2 == 0
    mark, inside = _pattern(quote), f"[^{_pattern(delimiter)}{_pattern(quote)}]"
    whole_fields = ~F.rlike(outside, F.lit(f"{inside}{mark}|{mark}{inside}"))
    return closed & whole_fields & (_count(outside, delimiter) == len(layout.columns) - 1)


def _count(text: Column, character: str) -> Column:
    return F.length(text) - F.length(F.replace(text, F.lit(character), F.lit("")))


def _json_reader() -> Column:
    # VARIANT keeps decimals exact where `from_json` reads doubles. The parser stops after one value without looking
    # further: in an array, before an end that must be found, a line with two records or with a torn end shows.
    return F.try_parse_json(F.concat(F.lit("["), F.col("__value"), F.lit(f',"{_END}"]')))


def _is_broken(record: str, layout: Layout, contract: Contract) -> Column:
    """Whether a line of a layout's files is no record of that layout."""
    if layout.format == "fixed_width":
        return F.lit(False)
    if layout.format == "csv":
        broken = F.coalesce(F.size("__fields") != len(layout.columns), F.col(record).isNull())
        if not layout.one_line:
            return broken
        # A carriage return outside quotes ends a line for some systems, and a NUL byte a text: neither is a value.
        outside = F.coalesce(F.col("__outside"), F.col("__value"))
        return broken | F.contains(outside, F.lit("\r")) | F.contains(F.col("__value"), F.lit("\0"))
    # A key that differs from a column by case alone would be read as an absent value.
    known = F.array(*[F.lit(name) for name in contract.column_names])
    recased = F.exists(
        F.json_object_keys(F.col("__value")),
        lambda key: ~F.array_contains(known, key) & F.array_contains(known, F.lower(key)),
    )
    text = F.trim("__value")
    no_object = ~(F.startswith(text, F.lit("{")) & F.endswith(text, F.lit("}")))
    alone = F.coalesce(F.try_variant_get(F.col(record), "$[1]", "string") == _END, F.lit(False))
    return F.col(record).isNull() | no_object | ~alone | F.coalesce(recased, F.lit(False))


def _text(column: ContractColumn, record: str, layout: Layout) -> Column:
    name = column.name
    source = layout.sources.get(name, name)
    if layout.format == "jsonl":
        text = F.try_variant_get(F.col(record), _json_path(str(source)), "string")
        return _number_as_written(text, str(source), record) if column.identifier else text
    if isinstance(source, tuple):
        return F.trim(F.substring("__value", *source))
    place = layout.columns.index(source) if isinstance(source, str) else source
    return F.coalesce(F.get("__fields", place), F.col(record)[f"c{place}"])


def _json_path(name: str) -> str:
    """A key of the record; for a name with dots in it, one within others."""
    return f"$[0].{name}" if re.fullmatch(r"\w+(\.\w+)*", name) else f"$[0]['{name}']"


def _number_as_written(text: Column, name: str, record: str) -> Column:
    """The text of a JSON value, with `.0` where it is a number that was written with a fraction of zeros.

    VARIANT keeps 692.0 as 692 of type DECIMAL(3,0); a whole number is BIGINT, and DECIMAL where it has 20 digits or
    more. Texts and whole numbers are as they were written, doubles show their exponent.
    """
    kind = F.schema_of_variant(F.try_variant_get(F.col(record), _json_path(name), "variant"))
    fraction = kind.startswith("DECIMAL") & (
        (F.length(text) <= 18) | F.contains(F.col("__value"), F.concat(text, F.lit(".")))
    )
    return F.when(text.rlike(r"^-?\d+$") & fraction, F.concat(text, F.lit(".0"))).otherwise(text)


@dataclass(frozen=True)
class Failure:
    """A rule of a mapping: `flag`, a column of parsed lines, says that a row broke it; it concerns `column` or none."""

    rule: str
    column: str | None
    flag: str


def judge(parsed: DataFrame, *, contract: Contract, failures: Sequence[Failure] = ()) -> DataFrame:
    """Parsed lines with their columns typed as the contract says, and `__reasons`: ids of the broken rules, or null.

    A value that cannot be cast breaks `<column>.type` alone. Rules over several columns are judged where every value
    could be read. Rules of severity `warning` keep nobody out. Blank lines have no reasons. A placeholder is null, as
    if nothing had come; `__unknown` names the columns that had one, and is null where none had. `failures`: further
    rules, whose columns count as not read.
    """
    kept = [name for name in parsed.columns if name not in contract.column_names]
    held = _with_placeholders(contract)
    texts = parsed.withColumns({f"__text_{c.name}": F.expr(is_text_of(c.name, c.placeholders)) for c in held})
    emptied = texts.withColumns({c.name: F.when(~F.col(f"__text_{c.name}"), F.col(c.name)) for c in held})
    typed = emptied.select(
        *kept,
        *[f"__text_{column.name}" for column in held],
        *[_in_zone(cast_exactly(column), column, contract.time_zone).alias(column.name) for column in contract.columns],
        *[F.col(column.name).isNotNull().alias(f"__given_{column.name}") for column in contract.columns],
    )
    ready = _without_placeholders(typed, contract, given=True, texts=True)
    reasoned = _with_reasons(ready, contract, castable=True, failures=failures)
    return reasoned.select(*kept, *contract.column_names, "__unknown", "__reasons")


def judge_typed(rows: DataFrame, *, contract: Contract) -> DataFrame:
    """As `judge`, for rows that arrive typed (Parquet): no row is malformed.

    A column `__given_<column>` says that there was a value: where it is null now it did not fit the contract's type.
    An empty text is no identifier, as in the other formats.
    """
    given = {f"__given_{name}" for name in contract.column_names}
    kept = [name for name in rows.columns if name not in contract.column_names and name not in given]
    castable = given <= set(rows.columns)
    empty = {c.name: F.nullif(F.col(c.name), F.lit("")) for c in contract.columns if c.identifier}
    told = {f"__given_{name}": F.col(f"__given_{name}") & (F.col(name) != "") for name in empty} if castable else {}
    ready = rows.withColumns({"__present": F.lit(True), "__broken": F.lit(False), **told}).withColumns(empty)
    ready = _without_placeholders(ready, contract, given=castable)
    return _with_reasons(ready, contract, castable=castable).select(
        *kept, "__present", *contract.column_names, "__unknown", "__reasons"
    )


def _with_placeholders(contract: Contract) -> list[ContractColumn]:
    return [column for column in contract.columns if column.placeholders]


def _without_placeholders(rows: DataFrame, contract: Contract, *, given: bool, texts: bool = False) -> DataFrame:
    """Typed values that are placeholders as null and as not given; `__unknown`: the columns in which one was found.

    `given`: rows have `__given_<column>`; `texts`: and `__text_<column>`, whether the text was a placeholder.
    """
    held = _with_placeholders(contract)
    found = {c.name: F.expr(equals_any(c.name, c.physical_type, c.placeholders, zone=contract.time_zone)) for c in held}
    marked = rows.withColumns({f"__held_{name}": mark for name, mark in found.items()})
    marks = {name: F.col(f"__held_{name}") for name in found}
    values = {name: F.when(~mark, F.col(name)) for name, mark in marks.items()}
    if given:
        values |= {f"__given_{name}": F.col(f"__given_{name}") & ~mark for name, mark in marks.items()}
    if texts:
        marks = {name: mark | F.col(f"__text_{name}") for name, mark in marks.items()}
    names = F.array_compact(F.array(*[F.when(mark, F.lit(name)) for name, mark in marks.items()]))
    unknown = F.when(reduce(or_, marks.values(), F.lit(False)), names) if marks else F.lit(None)
    return marked.withColumns(values | {"__unknown": unknown.cast("array<string>")})


def _with_reasons(
    rows: DataFrame, contract: Contract, *, castable: bool, failures: Sequence[Failure] = ()
) -> DataFrame:
    uncast = {name: F.lit(False) for name in contract.column_names}
    if castable:
        uncast = {name: F.col(f"__given_{name}") & F.col(name).isNull() for name in contract.column_names}
    violated: list[tuple[str, Column]] = [(f"{name}.type", failed) for name, failed in uncast.items() if castable]
    for failure in failures:
        violated.append((failure.rule, F.col(failure.flag)))
        if failure.column is not None:
            uncast[failure.column] = uncast[failure.column] | F.col(failure.flag)
    some_uncast = reduce(or_, uncast.values())
    quick = [column.name for column in contract.columns if column.identifier and column.identifier.is_ordinary]
    if quick:
        rows = rows.withColumn("__ids_clean", F.expr(all_clean([quoted(name) for name in quick])))
    for rule in contract.rules:
        if rule.severity == "error":
            unread = uncast[rule.column] if rule.column else some_uncast
            broken = ~F.coalesce(F.expr(rule.predicate), F.lit(True)) & ~unread
            if rule.column in quick and rule.id == f"{rule.column}.identifier":
                broken = ~F.col("__ids_clean") & broken
            violated.append((rule.id, broken))
    ids = F.array_compact(F.array(*[F.when(failed, F.lit(rule)) for rule, failed in violated]))
    # The list is built for bad rows only: good ones, nearly all, pay for one boolean.
    bad = reduce(or_, [failed for _, failed in violated])
    reasons = F.when(F.col("__broken"), F.array(F.lit(MALFORMED))).when(bad, ids)
    return rows.withColumn("__reasons", F.when(F.col("__present"), reasons))


def _in_zone(typed: Column, column: ContractColumn, zone: str) -> Column:
    """An instant that was written without an offset is a time of the bank's clock."""
    if column.physical_type != "TIMESTAMP" or zone == UTC:
        return typed
    return F.when(F.col(column.name).rlike(_OFFSET), typed).otherwise(instant_of(typed, zone))
