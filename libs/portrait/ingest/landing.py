"""What lies in the landing folder, and what each file is by its own bytes.

Plain Python, one pass over a file in chunks of a mebibyte: its hash, whether it can be read whole, its header, the
number of its rows. Spark sees a file only after that.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from portrait.errors import ConfigurationError, InputRefused
from portrait.ingest.parquet import MOST_FINE, column_types, fine_values
from portrait.ingest.text import BOM, DEFAULT_BOUNDS, Bounds, Hashed, Unreadable, are_closed, is_left_open, unpacked

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_JSON_PREFIX = 1000  # lines whose keys say which columns a JSON file has


@dataclass(frozen=True)
class LandedFile:
    """A file of a feed: `path` is relative to the landing folder; `format` is None when its name says nothing known."""

    feed: str
    path: str
    source: Path
    format: str | None
    extension: str
    size: int
    mtime_ns: int


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


def landed_files(landing: Path, *, known: Sequence[str], feeds: Sequence[str] | None = None) -> list[LandedFile]:
    """The files of the feeds, by path, at any depth: `transactions/dt=2024-03-31/part-0.parquet` is one.

    What a folder's name says (`dt=...`) is no column. Names of files and folders that start with a dot or an underscore
    are being written: not yet there. A folder that is reached twice, by a link, is read once.
    Raises ConfigurationError for a folder that is no feed, or a data file beside the folders, and InputRefused for a
    folder that cannot be read.
    """
    if not landing.is_dir():
        raise ConfigurationError(
            "the landing folder does not exist", where=str(landing), remedy="create it, or correct --landing"
        )
    wrong = [
        item.name
        for item in sorted(landing.iterdir())
        if item.name[0] not in "._" and (item.name not in known if item.is_dir() else _format(item.name)[0])
    ]
    unknown = sorted(set(feeds or ()) - set(known))
    if wrong or unknown:
        raise ConfigurationError(
            f"no feed is called {', '.join(repr(name) for name in wrong + unknown)}",
            where=str(landing),
            remedy=f"put files into <landing>/<feed>/; the feeds are {', '.join(known)}",
        )
    found = []
    for feed in sorted(set(feeds if feeds is not None else known)):
        folder = landing / feed
        for source in _files_below(folder, set()) if folder.is_dir() else []:
            kind, extension = _format(source.name)
            facts = source.stat()
            # A name may hold bytes that are no text; those of a table must be.
            path = os.fsencode(source.relative_to(landing)).decode("utf-8", "backslashreplace")
            found.append(LandedFile(feed, path, source, kind, extension, facts.st_size, facts.st_mtime_ns))
    return sorted(found, key=lambda item: item.path)


def _files_below(folder: Path, seen: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        facts = folder.stat()
        inside = sorted(folder.iterdir())
    except OSError as error:
        raise InputRefused(
            f"the folder cannot be read: {error.strerror or type(error).__name__}",
            where=str(folder),
            remedy="check its permissions and the disk, then run again",
        ) from error
    if (facts.st_dev, facts.st_ino) in seen:
        return
    seen.add((facts.st_dev, facts.st_ino))
    for item in inside:
        if item.name[0] in "._":
            continue
        if item.is_dir():
            yield from _files_below(item, seen)
        elif item.is_file():
            yield item


def _format(name: str) -> tuple[str | None, str]:
    """The format that a name promises, and its extension with `.gz`."""
    lowered = name.lower()
    plain = lowered.removesuffix(".gz")
    packed = plain != lowered
    kind = FORMATS.get(Path(plain).suffix)
    return (None if packed and kind == "parquet" else kind), Path(plain).suffix + (".gz" if packed else "")


def inspect_file(landed: LandedFile, *, width: int, bounds: Bounds = DEFAULT_BOUNDS) -> Inspection:
    """Read a file once; `width` is the number of columns of the feed's contract, `bounds` what the file may ask for.

    Raises InputRefused when the file cannot be opened: that says nothing about its content.
    """
    try:
        if landed.format == "parquet":
            return _inspect_parquet(landed.source)
        with landed.source.open("rb") as raw:
            return _inspect_text(landed, Hashed(raw), width, bounds)
    except OSError as error:
        raise InputRefused(
            f"the file cannot be read: {error.strerror or type(error).__name__}",
            where=landed.path,
            remedy="check its permissions and the disk, then run again",
        ) from error


def _inspect_text(landed: LandedFile, source: Hashed, width: int, bounds: Bounds) -> Inspection:
    if landed.format is None:
        known = ", ".join(f"{name}, {name}.gz" for name in (".csv", ".jsonl"))
        return Inspection(source.whole(), f"file.format: the name ends in none of {known}, .parquet")
    text = _Text(json=landed.format == "jsonl", most=bounds.line_bytes)
    most = bounds.unpack_ratio * landed.size + bounds.line_bytes
    try:
        for chunk in unpacked(source, packed=landed.extension.endswith(".gz"), most=most):
            text.take(chunk)
        text.close()
        problem = text.problem(width)
    except Unreadable as error:
        problem = str(error)
    return Inspection(source.whole(), problem, text.columns, rows=text.rows, one_line=text.one_line)


@dataclass
class _Text:
    """Lines as they come: checks the encoding, counts rows, keeps the header or the keys of the first lines.

    A row is a line that begins a record and is not blank: the lines of a quoted field that goes on are none.
    """

    json: bool
    most: int
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
        ended = block[: len(block) - len(self._carry)] if b'"' in block or b"\r" in block else b""
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
        first = number == 0 and not self.json and bool(lines)
        if first:
            self.header = lines[:1]
        if not self.json and (self._open_since or not are_closed(text)):
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
            elif self._open_since == 1:
                self.header.append(line)
            if not (inside or b'"' in line):
                continue
            if is_left_open(line, inside=inside):
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
        if self.json:
            return tuple(self.keys)
        if not self.header:
            return ()
        text = b"\n".join(self.header).removeprefix(BOM).rstrip(b"\r").decode("utf-8", "replace")
        try:
            return tuple(next(csv.reader(io.StringIO(text, newline="")), []))
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
        if self.json:
            return None
        if self._open_since == 1:
            return "file.header: a quoted name in the header is never closed"
        if b"\r" in _QUOTED.sub(b"", header).rstrip(b"\r"):
            return "file.line_ends: the lines end with a carriage return alone; end them with a line feed"
        if len(self.columns) <= 1 < width:
            return f"file.delimiter: the header is one field, the contract has {width}; the delimiter must be a comma"
        return None


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


def _inspect_parquet(source: Path) -> Inspection:
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
