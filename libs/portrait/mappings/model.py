"""The form of `conf/sources/<source>/<name>.yml`: one file for one kind of file that a source delivers."""

from __future__ import annotations

import codecs
import re
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from portrait.settings import UTC, Strict

QUARANTINE = "quarantine"
FIRST_YEAR = 1969
"""Years of two digits are those from 1969 to 2068 unless the mapping says otherwise, as POSIX has it."""
_WIDE = ("utf_16", "utf_32")


def _plain_text(value: object) -> object:
    """A scalar of YAML as the text that a file would have for it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, int | float) else value


def _quoted_codes(value: object) -> object:
    """Codes must be texts: YAML reads NO as false and 007 as 7."""
    for code in value if isinstance(value, dict) else ():
        if not isinstance(code, str):
            raise ValueError(f"YAML does not read the code {code!r} as it is written: put codes between quotes")
    return value


Text = Annotated[str, BeforeValidator(_plain_text)]


class Described(Strict):
    """What stands below a key here, editors show."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Trailer(Described):
    """The last line of a file, which is no record; `pattern` has the group `records`, `date`, or both."""

    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        groups = _regex(value).groupindex
        if not set(groups) & {"records", "date"}:
            raise ValueError(r"the pattern names no group: write (?P<records>\d+), (?P<date>\d{8}) or both")
        return value


class FixedField(Described):
    """A field of a line of fixed width: places `from` to `to`, both included, the first of a line being 1."""

    name: str = Field(min_length=1)
    from_: int = Field(alias="from", ge=1)
    to: int = Field(ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> FixedField:
        if self.to < self.from_:
            raise ValueError("'to' is before 'from'")
        return self


class FileFormat(Described):
    """How the files are written. Names that end in .gz are unpacked whatever the format."""

    type: Literal["csv", "fixed_width", "jsonl", "parquet", "xlsx"] = "csv"
    delimiter: str = ","
    quote: str | None = '"'
    """A quote within a quoted value is doubled. Null: quotes are plain characters."""
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    header: bool = True
    names: tuple[str, ...] | None = None
    """Columns of files without a header; with one, the names that its columns are to have here."""
    skip_lines: int = Field(default=0, ge=0)
    """Lines above the header, or above the first record."""
    trailer: Trailer | None = None
    nulls: tuple[Text, ...] = ("",)
    """Values that say that there is none."""
    trim: bool = False
    """Whether blanks around values are cut off; in lines of fixed width they always are."""
    fields: tuple[FixedField, ...] = ()
    """The fields of lines of fixed width."""
    sheet: str | None = None
    """The sheet of a workbook (xlsx). Absent: the only one that is not empty."""

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or not value.isascii() or value in "\r\n\0\x1b"):
            raise ValueError("write one ASCII character")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            name = codecs.lookup(value).name
            fits = name.replace("-", "_").startswith(_WIDE) or bytes(range(32, 127)).decode(name) == _ASCII
        except (LookupError, UnicodeDecodeError, AttributeError, AssertionError):
            fits = False
        if not fits:
            raise ValueError(f"'{value}' is no encoding of text known here, such as utf-8, windows-1250 or iso-8859-2")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> FileFormat:
        if self.decimal == self.thousands:
            raise ValueError("'decimal' and 'thousands' are the same mark")
        if self.delimiter == self.quote:
            raise ValueError("'delimiter' and 'quote' are the same character")
        if (self.type == "fixed_width") != bool(self.fields):
            raise ValueError("'fields' belong to type fixed_width, and to nothing else")
        if self.is_delimited and not self.header and not self.names:
            raise ValueError("files without a header need 'names'")
        if not self.is_delimited and self.names:
            raise ValueError("'names' belong to the types csv and xlsx")
        if self.type != "xlsx" and self.sheet is not None:
            raise ValueError("'sheet' belongs to type xlsx")
        if self.type == "xlsx" and (given := {"delimiter", "quote", "encoding"} & self.model_fields_set):
            raise ValueError(f"'{min(given)}' belongs to text: a workbook has none")
        for names in (self.names or (), tuple(field.name for field in self.fields)):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"the name '{twice[0]}' is there twice")
        if self.type in ("jsonl", "parquet") and (self.trailer or self.skip_lines):
            raise ValueError(f"files of type {self.type} have neither 'trailer' nor 'skip_lines'")
        return self

    @property
    def is_delimited(self) -> bool:
        """Whether a record is a line of fields, below a header or not; a sheet of a workbook is read as such lines."""
        return self.type in ("csv", "xlsx")

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns of every file, where the mapping says them; None: the file's own header or keys do."""
        return self.names or (tuple(field.name for field in self.fields) or None)


_ASCII = "".join(map(chr, range(32, 127)))


class ColumnMapping(Described):
    """Where a column of the feed comes from: one of `column`, `expression` and `constant`; then a format or a map."""

    column: str | None = None
    expression: str | None = None
    constant: Text | None = None
    format: str | None = None
    """How a date or a time is written, as Spark's datetime patterns: dd.MM.yyyy, yyyyMMdd HH:mm."""
    time_zone: str | None = None
    """Where the clock stands that the time was read from. Absent: the bank's time zone."""
    years_from: int | None = Field(default=None, ge=1800, le=2100)
    """Years of two digits lie in the hundred years from this one."""
    map: Annotated[dict[str, Text] | str | None, BeforeValidator(_quoted_codes)] = None
    """Code to value; or the name of a CSV file beside the mapping, with the columns `code` and `value`; or
    `merchant_codes`, for those of conf/vocabulary.yml."""
    otherwise: Text | None = QUARANTINE
    """What becomes of a code that is not in the map: quarantine, null, or this value."""

    @model_validator(mode="after")
    def _consistent(self) -> ColumnMapping:
        given = [name for name in ("column", "expression", "constant") if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"not {' and '.join(given)}" if given else "there is none"
            raise ValueError(f"write one of column, expression and constant ({found})")
        if self.constant is not None and (self.map is not None or self.format is not None):
            raise ValueError("a constant needs neither 'map' nor 'format'")
        if self.map is not None and self.format is not None:
            raise ValueError("write either 'map' or 'format'")
        if self.map is None and "otherwise" in self.model_fields_set:
            raise ValueError("'otherwise' says what becomes of codes that are not in 'map', and there is no map")
        if self.format is None and (self.time_zone is not None or self.years_from is not None):
            raise ValueError("'time_zone' and 'years_from' belong to 'format'")
        return self

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value not in (None, UTC) and value not in available_timezones():
            raise ValueError(f"'{value}' is no time zone as IANA names it, such as Europe/Prague")
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Editors: a column may also be written as the name of the source's column alone."""
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(schema))]}


def _written_short(value: object) -> object:
    """`amount: betrag` is `amount: {column: betrag}`."""
    if not isinstance(value, str | dict | ColumnMapping):
        raise ValueError(f"YAML reads this as {value!r}, which is no column: put the name between quotes")
    return {"column": value} if isinstance(value, str) else value


class SnapshotDate(Described):
    """Where the day of a full copy stands: in the file's name, in its trailer, or in a column of every record."""

    file_name: str | None = None
    r"""A pattern with one group: '(\d{8})'."""
    column: str | None = None
    trailer: bool = False
    """In the group `date` of the format's trailer."""
    format: str = "yyyyMMdd"

    @model_validator(mode="after")
    def _one_of_three(self) -> SnapshotDate:
        if sum([self.file_name is not None, self.column is not None, self.trailer]) != 1:
            raise ValueError("write one of file_name, column and trailer")
        if self.file_name is not None and _regex(self.file_name).groups != 1:
            raise ValueError("the pattern of 'file_name' needs exactly one group, such as (\\d{8})")
        if not re.fullmatch(r"[^A-Za-z]*(yyyy|yy|MM|M|dd|d)([^A-Za-z]*(yyyy|yy|MM|M|dd|d)){2}[^A-Za-z]*", self.format):
            raise ValueError(f"'{self.format}' is no pattern of a day: write yyyyMMdd, dd.MM.yyyy or the like")
        return self


class Snapshot(Described):
    """Files that hold everything there is on a day."""

    date: SnapshotDate
    max_lost_share: float = Field(default=0.05, ge=0, le=1)
    """A copy that lacks a larger share of what was there before it is refused."""


class FileMapping(Described):
    """One mapping file."""

    title: str = Field(min_length=3)
    files: str = Field(min_length=1)
    """A pattern of names below <landing>/<source>/; with a slash in it, of paths. A .gz behind the name is accepted."""
    feed: str
    format: FileFormat = FileFormat()
    columns: dict[str, Annotated[ColumnMapping, BeforeValidator(_written_short)]] = Field(min_length=1)
    where: str | None = None
    """Records for which this is not true are left out, and counted."""
    first_of: tuple[str, ...] = ()
    """Columns of the file: of the records of a file that are alike in them, the first alone counts."""
    delivery: Literal["append", "changes", "snapshot"]
    snapshot: Snapshot | None = None
    shared: bool = False
    """Whether other mappings make other feeds of the same files; each of them must say so."""

    @model_validator(mode="after")
    def _consistent(self) -> FileMapping:
        if (self.delivery == "snapshot") != (self.snapshot is not None):
            raise ValueError("'snapshot' belongs to delivery snapshot, which needs it")
        if self.snapshot is not None and self.snapshot.date.trailer:
            trailer = self.format.trailer
            if trailer is None or "date" not in _regex(trailer.pattern).groupindex:
                raise ValueError("the day of the snapshot is to be in the trailer: give it a group (?P<date>...)")
        if self.files.startswith(("/", ".")) or ".." in self.files.split("/"):
            raise ValueError("'files' names files below the folder of the source")
        return self

    def as_dict(self) -> dict[str, Any]:
        """The mapping as plain values, for a hash."""
        return self.model_dump(mode="json", by_alias=True)


def _regex(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"'{pattern}' is no regular expression: {error}") from error
