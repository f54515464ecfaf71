"""From the columns of a source's file, all of them texts, to the texts of its feed's columns.

Pure transforms, between taking records apart (`parsing.parse_lines`) and judging them (`parsing.judge`): what a mapping
cannot make of a record is a rule of its own, so that the record goes to quarantine as it came.

| rule | the record |
| --- | --- |
| `<column>_unmapped` | has a code that the map does not know |
| `<column>_unreadable` | has a date that is not of the format, or a number that is none |
| `snapshot_day_differs` | is of another day than the first record of a full copy |
| `where_unreadable` | has no number where the condition of the mapping needs one |
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.contracts import Column as ContractColumn
from portrait.contracts import Contract
from portrait.contracts.contract import quoted
from portrait.contracts.identifiers import identifier_of
from portrait.ingest.files import Manifest
from portrait.ingest.mapped_files import dialect_of
from portrait.ingest.parsing import Failure, Layout
from portrait.mappings.expressions import LINE, NUMBER, Compiled, compiled, numbered_columns, read_columns, resolved
from portrait.mappings.load import supplied_columns
from portrait.mappings.model import FIRST_YEAR, QUARANTINE, ColumnMapping, FileFormat
from portrait.mappings.source import SourceMapping
from portrait.settings import UTC
from portrait.spark.days import day_of, instant_of

CODES = "__codes"
"""Column of judged rows: feed's column to the code that its map does not know."""
_LINE_TOKEN = "~line~"
_OF_FIXED_LENGTH = ("dd", "MM", "yyyy", "HH", "hh", "mm", "ss")
_NUMERIC = ("INT", "BIGINT", "DOUBLE", "DECIMAL")
_BLANKS = " \u00a0\u202f"  # those between thousands


def source_contract(mapping: SourceMapping, contract: Contract) -> Contract:
    """The columns that a mapping reads, as a contract of texts: `s0`, `s1` and so on, whatever the file calls them."""
    kept = {
        column.column
        for target, column in mapping.spec.columns.items()
        if column.column is not None and contract.column(target).identifier
    }
    identifier = identifier_of(True)
    columns = tuple(
        ContractColumn(f"s{place}", "STRING", identifier=identifier if name in kept else None)
        for place, name in enumerate(read_columns(mapping))
    )
    return Contract(f"source.{mapping.name}", mapping.spec.title, "One record of the file.", columns)


def mapped_layouts(mapping: SourceMapping, manifests: Mapping[str, Manifest]) -> list[Layout]:
    """How the lines of a mapping's staged files are laid out."""
    return _layouts(mapping, {name: (item.columns, item.one_line) for name, item in manifests.items()})


def layouts_of_records(mapping: SourceMapping, headers: Mapping[str, tuple[str, ...]]) -> list[Layout]:
    """How records that were kept are laid out, by the columns of their files; those that lack one are left out."""
    if mapping.spec.format.type == "parquet":  # its records were kept as JSON
        json = replace(mapping, spec=mapping.spec.model_copy(update={"format": FileFormat(type="jsonl")}))
        return _layouts(json, dict.fromkeys(headers, ((), False)))
    read = read_columns(mapping)
    whole = {
        name: (columns, True)
        for name, columns in headers.items()
        if not mapping.spec.format.is_delimited or all(resolved(wanted, columns) for wanted in read)
    }
    return _layouts(mapping, whole)


def _layouts(mapping: SourceMapping, files: Mapping[str, tuple[tuple[str, ...], bool]]) -> list[Layout]:
    """By header and form: see `Manifest.one_line`."""
    form, read = mapping.spec.format, read_columns(mapping)
    groups: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for name, (columns, one_line) in files.items():
        groups.setdefault((columns if form.is_delimited else (), one_line), []).append(name)
    fixed = {field.name: (field.from_, field.to - field.from_ + 1) for field in form.fields}
    layouts = []
    for (columns, one_line), names in groups.items():
        sources: dict[str, int | str | tuple[int, int]] = {}
        for place, name in enumerate(read):
            if form.type == "jsonl":
                sources[f"s{place}"] = name
            elif form.type == "fixed_width":
                sources[f"s{place}"] = fixed[resolved(name, list(fixed)) or ""]
            else:
                sources[f"s{place}"] = columns.index(resolved(name, columns) or "")
        kind = "csv" if form.is_delimited else form.type
        layouts.append(Layout(kind, columns, tuple(names), one_line, dialect_of(form), sources))
    return layouts


def apply_mapping(
    parsed: DataFrame, mapping: SourceMapping, contract: Contract, *, days: Mapping[str, str]
) -> tuple[DataFrame, list[Failure]]:
    """Records of `source_contract` as texts of the feed's contract, and the rules that a record can have broken.

    `days`: staged file to the day of its snapshot. Records that `where` leaves out have a null `__present`.
    """
    spec, read = mapping.spec, read_columns(mapping)
    kept = [name for name in parsed.columns if not re.fullmatch(r"s\d+", name)]
    texts = {name: _without_nulls(F.col(f"s{place}"), spec.format) for place, name in enumerate(read)}
    texts[LINE] = F.lit(_LINE_TOKEN)  # known once the lines of each block are counted
    cleaned = parsed.select(*kept, *[text.alias(f"text:{name}") for name, text in texts.items()])
    cleaned = _with_numbers(cleaned, mapping)
    # Step by step, so that nothing costly is computed for each of those who ask for it.
    made = [_Made(mapping, target, contract) for target in spec.columns]
    cleaned = cleaned.withColumns({item.base_name: item.base for item in made})
    cleaned = cleaned.withColumns({item.made_name: item.converted for item in made})
    values = {item.target: item.value for item in made}
    flags = {failure: flag for item in made for failure, flag in item.flags.items()}
    codes = {item.target: F.col(quoted(item.base_name)) for item in made if item.asks_for_codes}
    for target, value in _supplied(mapping, contract, days).items():
        values[target] = value
    if spec.snapshot is not None and spec.snapshot.date.column is not None:
        dated = ColumnMapping(column=spec.snapshot.date.column, format=spec.snapshot.date.format)
        told = moment_text(F.col(quoted(f"text:{dated.column}")), dated, ContractColumn("day", "DATE"), UTC)
        flags[Failure("snapshot_day_differs", None, "__failed_day")] = ~told.eqNullSafe(_day_of_file(days))
    if spec.where is not None:
        condition = compiled(mapping, None)
        unreadable = _unreadable(condition)
        flags[Failure("where_unreadable", None, "__failed_where")] = unreadable
        taken = F.col("__broken") | unreadable | F.expr(condition.sql)
        cleaned = cleaned.withColumn("__present", F.when(~F.col("__present"), False).when(taken, True))
    if spec.first_of:
        alike = [F.col(quoted(f"text:{name}")) for name in spec.first_of]
        order = [name for name in ("__start", "__place", "__line") if name in kept]
        first = F.row_number().over(Window.partitionBy("__file", "__present", "__broken", *alike).orderBy(*order)) == 1
        kept_one = ~F.col("__present") | F.col("__broken") | first
        cleaned = cleaned.withColumn("__present", F.when(kept_one, F.col("__present")))
    nothing = F.lit(None).cast("string")
    ready = cleaned.select(
        *kept,
        *[flag.alias(failure.flag) for failure, flag in flags.items()],
        _unknown_codes(flags, codes).alias(CODES),
        *[values.get(name, nothing).alias(name) for name in contract.column_names],
    )
    return ready, list(flags)


def with_line_numbers(rows: DataFrame, mapping: SourceMapping, *, line: str, files: Collection[str]) -> DataFrame:
    """Rows whose mapped columns have the line of the record where an expression asks for it; of some files alone."""
    numbers = F.col(line).cast("string")
    values = {
        name: F.when(F.col("__file").isin(*files), F.replace(F.col(name), F.lit(_LINE_TOKEN), numbers)).otherwise(
            F.col(name)
        )
        for name in numbered_columns(mapping)
    }
    return rows.withColumns(values) if values else rows


def _without_nulls(text: Column, form: FileFormat) -> Column:
    """A text of the file, null where it says that there is none."""
    if form.trim:
        text = F.nullif(F.trim(text), F.lit(""))
    for null in form.nulls:
        if null:
            text = F.nullif(text, F.lit(null))
    return text


def _expressions(mapping: SourceMapping) -> list[Compiled]:
    targets: list[str | None] = [name for name, column in mapping.spec.columns.items() if column.expression is not None]
    return [compiled(mapping, target) for target in targets + ([None] if mapping.spec.where is not None else [])]


def _with_numbers(rows: DataFrame, mapping: SourceMapping) -> DataFrame:
    """With `number:<name>` for the columns that expressions read as numbers; null where a text is none."""
    numbers = {name for expression in _expressions(mapping) for name in expression.numbers}
    found = {}
    for name in sorted(numbers):
        text = number_text(F.col(quoted(f"text:{name}")), mapping.spec.format)
        number = text.try_cast(NUMBER)
        found[f"number:{name}"] = F.when(text.try_cast("decimal(38,18)") == number, number)
    return rows.withColumns(found) if found else rows


def number_text(text: Column, form: FileFormat) -> Column:
    """A number as a feed writes it, null where it is not written with the format's marks; `12-` is -12."""
    point, between = re.escape(form.decimal), ""
    if form.thousands is not None:
        mark = f"[{_BLANKS}]" if form.thousands == " " else re.escape(form.thousands)
        between = rf"|\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}"
    whole = rf"(?:\d+{between})"
    pattern = rf"^(?:[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)|(?:{whole}(?:{point}\d*)?|{point}\d+)-)$"
    marks = "" if form.thousands is None else _BLANKS if form.thousands == " " else form.thousands
    bare = F.translate(text, marks, "") if marks else text
    if form.decimal != ".":
        bare = F.replace(bare, F.lit(form.decimal), F.lit("."))
    signed = F.when(F.endswith(bare, F.lit("-")), F.concat(F.lit("-"), F.rtrim(bare, F.lit("-")))).otherwise(bare)
    return F.when(text.rlike(pattern), signed)


def _unreadable(expression: Compiled) -> Column:
    """Whether a column that an expression reads as a number has a text that is none."""
    bad = [
        F.col(quoted(f"text:{name}")).isNotNull() & F.col(quoted(f"number:{name}")).isNull()
        for name in expression.numbers
    ]
    return reduce(or_, bad, F.lit(False))


@dataclass(frozen=True)
class _Made:
    """How one column of the feed is made: `base`, the text of the file, then `converted`, the text of the feed."""

    mapping: SourceMapping
    target: str
    contract: Contract

    @property
    def column(self) -> ColumnMapping:
        return self.mapping.spec.columns[self.target]

    @property
    def base_name(self) -> str:
        return f"base:{self.target}"

    @property
    def made_name(self) -> str:
        return f"made:{self.target}"

    @property
    def asks_for_codes(self) -> bool:
        """Whether a code that the map does not know keeps its record out."""
        return self.column.map is not None and self.column.otherwise == QUARANTINE

    @property
    def _is_number(self) -> bool:
        return self.contract.column(self.target).physical_type.startswith(_NUMERIC)

    @property
    def _is_marked(self) -> bool:
        """Whether the text is a number with marks that a feed does not have."""
        form, column = self.mapping.spec.format, self.column
        is_plain = column.column is not None and column.map is None
        return is_plain and self._is_number and (form.decimal != "." or form.thousands is not None)

    @property
    def base(self) -> Column:
        if self.column.constant is not None:
            return F.lit(self.column.constant)
        if self.column.column is not None:
            return F.col(quoted(f"text:{self.column.column}"))
        expression = compiled(self.mapping, self.target)
        text = F.expr(expression.sql).cast("string")
        if expression.family in ("integer", "decimal") and not self._is_number:
            text = F.regexp_replace(text, r"\.0+$", "")
        return text

    @property
    def converted(self) -> Column:
        text, column = F.col(quoted(self.base_name)), self.column
        if column.format is not None:
            return moment_text(text, column, self.contract.column(self.target), self.contract.time_zone)
        if column.map is not None:
            found = _looked_up(text, self.mapping.codes[self.target])
            if column.otherwise in (QUARANTINE, "null", None):
                return found
            return F.when(text.isNotNull(), F.coalesce(found, F.lit(column.otherwise))).otherwise(found)
        return number_text(text, self.mapping.spec.format) if self._is_marked else text

    @property
    def value(self) -> Column:
        made = F.col(quoted(self.made_name))
        return made if self.column.map is None and self.column.expression is None else F.nullif(made, F.lit(""))

    @property
    def flags(self) -> dict[Failure, Column]:
        """What can go wrong."""
        lost = F.col(quoted(self.base_name)).isNotNull() & F.col(quoted(self.made_name)).isNull()
        found: dict[Failure, Column] = {}
        if self.asks_for_codes:
            found[Failure(f"{self.target}_unmapped", self.target, f"__failed_map_{self.target}")] = lost
        unreadable = [lost] if self.column.format is not None or self._is_marked else []
        if self.column.expression is not None and (expression := compiled(self.mapping, self.target)).numbers:
            unreadable.append(_unreadable(expression))
        if unreadable:
            failure = Failure(f"{self.target}_unreadable", self.target, f"__failed_{self.target}")
            found[failure] = reduce(or_, unreadable)
        return found


def _looked_up(text: Column, known: Mapping[str, str]) -> Column:
    """The value of a code, which may be empty; null where the map has no such code. The code '' stands for no value."""
    pairs = [F.lit(part) for code, value in known.items() if code for part in (code, value)]
    found = F.try_element_at(F.create_map(*pairs), text) if pairs else F.lit(None).cast("string")
    return F.when(text.isNull(), F.lit(known[""])).otherwise(found) if "" in known else found


def _unknown_codes(flags: Mapping[Failure, Column], codes: Mapping[str, Column]) -> Column:
    """Column to code, for records with one that a map does not know; null for all others."""
    unknown = {f.column: flag for f, flag in flags.items() if f.rule.endswith("_unmapped") and f.column in codes}
    if not unknown:
        return F.lit(None).cast("map<string,string>")
    entries = [
        F.when(flag, F.struct(F.lit(name).alias("column"), codes[str(name)].alias("code")))
        for name, flag in unknown.items()
    ]
    return F.when(reduce(or_, unknown.values()), F.map_from_entries(F.array_compact(F.array(*entries))))


def moment_text(text: Column, column: ColumnMapping, wanted: ContractColumn, zone: str) -> Column:
    """A date or time of the source as a feed writes it; null where the text is not of the format."""
    pattern = column.format or ""
    if re.search(r"(?<!y)yy(?!y)", pattern):
        text, pattern = _with_century(text, pattern, column.years_from or FIRST_YEAR)
    moment = F.try_to_timestamp(text, F.lit(pattern))
    is_instant = re.search(r"[XxZVz]", re.sub(r"'[^']*'", "", pattern)) is not None
    if wanted.physical_type == "DATE":
        return F.date_format(day_of(moment, zone) if is_instant else moment, "yyyy-MM-dd")
    if is_instant or column.time_zone is not None:
        instant = moment if is_instant else instant_of(moment, column.time_zone or UTC)
        return F.date_format(instant, "yyyy-MM-dd HH:mm:ss.SSSSSS'Z'")
    return F.date_format(moment, "yyyy-MM-dd HH:mm:ss.SSSSSS")


def _with_century(text: Column, pattern: str, first: int) -> tuple[Column, str]:
    """A text and its pattern with years of four digits: those in the hundred years from `first`."""
    parts = [part.group() for part in re.finditer(r"'[^']*'|([A-Za-z])\1*|[^A-Za-z']+", pattern)]
    place = parts.index("yy")
    four = "".join([*parts[:place], "yyyy", *parts[place + 1 :]])

    def century(years: Column) -> Column:
        # Two digits or something else, which is no year either way.
        return F.when(years >= f"{first % 100:02d}", f"{first // 100}").otherwise(f"{first // 100 + 1}")

    if all(part in _OF_FIXED_LENGTH or not part[0].isalpha() for part in parts[:place]):
        above = len("".join(part[1:-1] if part.startswith("'") else part for part in parts[:place]))
        years = F.substring(text, above + 1, 2)
        rest = F.substring(text, above + 1, 100)
        return F.concat(*([F.left(text, F.lit(above))] if above else []), century(years), rest), four
    before, behind = ("".join(map(_part_pattern, some)) for some in (parts[:place], parts[place + 1 :]))
    found = rf"^({before})(\d\d)({behind})$"
    years = F.regexp_extract(text, found, 2)
    ends = [F.regexp_extract(text, found, group) for group in (1, 3)]
    return F.when(text.rlike(found), F.concat(ends[0], century(years), years, ends[1])), four


def _part_pattern(part: str) -> str:
    if part.startswith("'"):
        return re.escape(part[1:-1] or "'")
    if not part[0].isalpha():
        return re.escape(part)
    if part[0] in "MSaEXxZVz" and (part[0] != "M" or len(part) > 2):
        return r"[^\d]*?\S+?" if part[0] in "MaE" else r"\S+?"
    return r"\d{1,2}" if len(part) == 1 else rf"\d{{{len(part)}}}"


def _day_of_file(days: Mapping[str, str]) -> Column:
    pairs: Sequence[Column] = [F.lit(part) for item in days.items() for part in item]
    return F.try_element_at(F.create_map(*pairs), F.col("__file")) if pairs else F.lit(None).cast("string")


def _supplied(mapping: SourceMapping, contract: Contract, days: Mapping[str, str]) -> dict[str, Column]:
    """The columns that follow from the day of a snapshot."""
    if mapping.spec.snapshot is None:
        return {}
    day, values = _day_of_file(days), {}
    for name in supplied_columns(mapping.spec, contract):
        values[name] = F.lit("U") if name == "op" else day
        if contract.column(name).physical_type == "TIMESTAMP":
            values[name] = F.concat(day, F.lit(" 00:00:00"))
    return values
