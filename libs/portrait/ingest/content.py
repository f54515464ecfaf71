"""What a file is by its own bytes, whatever its name says.

Plain Python, one pass over a file in chunks of a mebibyte: its hash, whether it can be read whole, its header, the
number of its rows. Spark sees a file only after that.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from portrait.ingest.parquet import MOST_FINE, column_types, fine_values
from portrait.ingest.text import BOM, RFC_4180, Body, Dialect, Hashed, Unreadable, are_closed, is_left_open

_JSON_PREFIX = 1000  # lines whose keys say which columns a JSON file has


@dataclass(frozen=True)
class Inspection:
    """What a file is by its bytes.

    `problem` says why it cannot be taken in at all (None: it can). `columns` are the header's names, the keys of the
    first lines, or the Parquet schema's; `types` are the contract's words for Parquet types, empty for text. `rows` are
    records that are neither blank nor header, as far as the file could be read. `fine`: see `staging.Manifest`.
    `one_line`: it holds quoted line breaks (or bare carriage returns, or NUL bytes), so that Spark can read only its
    one-line form.
    """

    hash: str
    problem: str | None = None
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: int = 0
    fine: tuple[tuple[str, int, int], ...] = ()
    one_line: bool = False
    clock_times: tuple[str, ...] = ()
    """Parquet columns of times that a clock shows: timestamps that are not adjusted to UTC."""
    body: Body | None = None
    """Where the records of a file of a source are."""
    snapshot_on: str | None = None
    """The day of which a file of a source is a full copy."""


@dataclass
class Text:
    """Lines as they come: checks the encoding, counts rows, keeps the header or the keys of the first lines.

    A row is a line that begins a record and is not blank: the lines of a quoted field that goes on are none.
    """

    json: bool
    most: int
    dialect: Dialect = RFC_4180
    headless: bool = False
    rows: int = 0
    header: list[bytes] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)
    objects: int = 0
    lines: int = 0
    is_utf8: bool = True
    one_line: bool = False
    _carry: bytes = b""
    _opening: bytes = b""
    _open_since: int = 0
    _open_bytes: int = 0

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")

    def take(self, chunk: bytes) -> None:
        """The next bytes; raises Unreadable when a record is too long."""
        self._opening = self._opening or chunk[:4]
        self._decode(chunk)
        block = self._carry + chunk
        lines = block.split(b"\n")
        self._carry = lines.pop()
        if len(block) > self.most:
            self._bound([*lines, self._carry])
        quote = self.dialect.mark
        ended = block[: len(block) - len(self._carry)] if (quote and quote in block) or b"\r" in block else b""
        if not self.json and not self.one_line:
            # What only the one-line form can say, or only its reader looks for: the others stay as they are.
            bare_return = b"\r" in ended and ended.count(b"\r") != ended.count(b"\r\n")
            self.one_line = bare_return or b"\0" in chunk
        self._count(lines, ended)

    def close(self) -> None:
        """The end of the file."""
        self._decode(b"", final=True)
        if self._carry:
            self.one_line = self.one_line or (not self.json and b"\r" in self._carry)
            self._count([self._carry], self._carry)

    def _bound(self, lines: list[bytes]) -> None:
        for place, line in enumerate(lines):
            if len(line) > self.most:
                raise self._too_long(self._open_since or self.lines + place + 1)

    def _too_long(self, line: int) -> Unreadable:
        return Unreadable(
            f"file.line_too_long: the record that begins in line {line} has more than {self.most:,} bytes "
            "(maxLineBytes); is a quote never closed, or does no line end?"
        )

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        if self.is_utf8:  # else the verdict stands, and only rows are still counted
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError:
                self.is_utf8 = False

    def _count(self, lines: list[bytes], text: bytes) -> None:
        """The rows among lines; `text` has the same lines, or is empty where they have no quote."""
        number, self.lines = self.lines, self.lines + len(lines)
        first = number == 0 and not self.json and not self.headless and bool(lines)
        if first:
            self.header = lines[:1]
        if not self.json and (self._open_since or not are_closed(text, self.dialect)):
            lines = self._beginnings(lines, number)
        if first:
            del lines[0]
        if self.json and self.rows < _JSON_PREFIX:
            for line in lines[:_JSON_PREFIX]:
                self._learn(line)
        # The quick test errs for lines of exotic blanks only, and `_blank` settles those.
        self.rows += sum(1 for line in lines if line.strip(b" \r\xef\xbb\xbf") or not _blank(line))

    def _beginnings(self, lines: list[bytes], number: int) -> list[bytes]:
        """The lines that begin a record; `number` lines stand above them."""
        found = []
        for line in lines:
            number += 1
            inside = self._open_since > 0
            if not inside:
                found.append(line)
            elif self._open_since == 1 and not self.headless:
                self.header.append(line)
            if not (inside or (self.dialect.mark and self.dialect.mark in line)):
                continue
            if is_left_open(line, inside=inside, dialect=self.dialect):
                self.one_line = True
                self._open_since = self._open_since or number
                self._open_bytes += len(line) + 1
                if self._open_bytes > self.most:
                    raise self._too_long(self._open_since)
            else:
                self._open_since = self._open_bytes = 0
        return found

    def _learn(self, line: bytes) -> None:
        try:
            # Numbers stay text: Python refuses to read those of many thousand digits.
            record = json.loads(line.removeprefix(BOM), parse_int=str, parse_float=str)
        except (ValueError, RecursionError):
            return
        if isinstance(record, dict):
            self.objects += 1
            self.keys.update(dict.fromkeys(record))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in the header, or the keys of the first lines."""
        if self.json:
            return tuple(self.keys)
        if not self.header:
            return ()
        text = b"\n".join(self.header).removeprefix(BOM).rstrip(b"\r").decode("utf-8", "replace")
        try:
            return tuple(next(csv_reader(text, self.dialect), []))
        except csv.Error:  # a "field" of more than 128 KiB: no header
            return ("",)

    def problem(self, width: int) -> str | None:
        """Why a file that is sound as text cannot be taken in."""
        header = b"\n".join(self.header)
        if not self.is_utf8:
            found = next((f"are {name}" for mark, name in _OTHER_MARKS.items() if self._opening.startswith(mark)), None)
            return f"file.encoding: the bytes {found or 'are not UTF-8'}; export the file as UTF-8"
        if b"\0" in header:
            return "file.encoding: NUL bytes in the first line: UTF-16 without a mark, or no text; export it as UTF-8"
        if self.rows == 0 and not any(name.strip() for name in self.columns):
            return "file.empty: there is nothing in the file"
        if self.json and not self.objects:
            return f"file.format: none of the first {_JSON_PREFIX} lines is a JSON object"
        if self.json or self.headless:
            return None
        if self._open_since == 1:
            return "file.header: a quoted name in the header is never closed"
        if b"\r" in _QUOTED.sub(b"", header).rstrip(b"\r"):
            return "file.line_ends: the lines end with a carriage return alone; end them with a line feed"
        if len(self.columns) <= 1 < width:
            return f"file.delimiter: the header is one field, the contract has {width}; the delimiter must be a comma"
        return None


def csv_reader(text: str, dialect: Dialect) -> Iterator[list[str]]:
    """The records of a text as lists of fields."""
    source, delimiter = io.StringIO(text, newline=""), dialect.delimiter
    if dialect.quote is None:
        return csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(source, delimiter=delimiter, quotechar=dialect.quote)


_QUOTED = re.compile(rb'"[^"]*"')
_OTHER_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"\x1f\x8b": "gzip, the name lacks .gz",
}


def _blank(line: bytes) -> bool:
    """Whether a line holds nothing, as `parse_lines` sees it."""
    return not line.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r").strip(" ")


def inspect_parquet(source: Path) -> Inspection:
    """Read a Parquet file once."""
    with source.open("rb") as raw:
        whole = Hashed(raw).whole()
    if not source.stat().st_size:
        return Inspection(whole, "file.empty: there is nothing in the file")
    try:
        with pq.ParquetFile(source) as file:
            names, types, rows = tuple(file.schema_arrow.names), column_types(file), 0
            clock_times = _clock_times(file)
            for batch in file.iter_batches():  # a damaged page shows only when it is read
                rows += batch.num_rows
            leaves = [file.schema.column(place) for place in range(len(file.schema))]
        fine = fine_values(
            source, [leaf.path for leaf in leaves if leaf.physical_type == "INT96" and leaf.path in names]
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        return Inspection(whole, f"file.parquet: {_parquet_problem(error)}")
    if len(fine) > MOST_FINE:
        problem = f"file.parquet: more than {MOST_FINE} values of column '{fine[-1][0]}' are finer than a microsecond"
        return Inspection(whole, problem, names, types, rows)
    return Inspection(whole, None, names, types, rows, tuple(fine), clock_times=clock_times)


def _clock_times(file: pq.ParquetFile) -> tuple[str, ...]:
    """Top-level columns of timestamps without a zone. INT96, which says nothing of it, holds instants by custom."""
    physical = {column.path: column.physical_type for column in map(file.schema.column, range(len(file.schema.names)))}
    fields = file.schema_arrow
    return tuple(
        item.name
        for item in fields
        if pa.types.is_timestamp(item.type) and item.type.tz is None and physical.get(item.name) != "INT96"
    )


def _parquet_problem(error: Exception) -> str:
    text = str(error).lower()
    if "encrypt" in text or "decrypt" in text:
        return "the file is encrypted"
    if isinstance(error, NotImplementedError) or "codec" in text:
        return "the file is compressed, or holds a type, in a way that cannot be read"
    return "the file is cut off or damaged"
