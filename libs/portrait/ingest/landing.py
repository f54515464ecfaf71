"""What lies in the landing folder, and what each file is by its own bytes.

Plain Python, one pass over a file in chunks of a mebibyte: its hash, whether it can be read whole, its header, the
number of its rows. Spark sees a file only after that.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from portrait.errors import ConfigurationError, InputRefused

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"}
_CHUNK = 1 << 20
_JSON_PREFIX = 1000  # lines whose keys say which columns a JSON file has
_BOM = "\ufeff".encode()


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
    lines that are neither blank nor header, as far as the file could be read.
    """

    hash: str
    problem: str | None = None
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: int = 0
    clock_times: tuple[str, ...] = ()
    """Parquet columns of times that a clock shows: timestamps that are not adjusted to UTC."""


def landed_files(landing: Path, *, known: Sequence[str], feeds: Sequence[str] | None = None) -> list[LandedFile]:
    """The files of the feeds, by path. Names that start with a dot or an underscore are being written: not yet there.

    Raises ConfigurationError for a folder that is no feed, or a data file beside the folders.
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
        for source in sorted(folder.iterdir()) if folder.is_dir() else []:
            if source.name[0] not in "._" and source.is_file():
                kind, extension = _format(source.name)
                facts = source.stat()
                path = f"{feed}/{source.name}"
                found.append(LandedFile(feed, path, source, kind, extension, facts.st_size, facts.st_mtime_ns))
    return found


def _format(name: str) -> tuple[str | None, str]:
    """The format that a name promises, and its extension with `.gz`."""
    lowered = name.lower()
    plain = lowered.removesuffix(".gz")
    packed = plain != lowered
    kind = FORMATS.get(Path(plain).suffix)
    return (None if packed and kind == "parquet" else kind), Path(plain).suffix + (".gz" if packed else "")


def inspect_file(landed: LandedFile, *, width: int) -> Inspection:
    """Read a file once; `width` is the number of columns of the feed's contract.

    Raises InputRefused when the file cannot be opened: that says nothing about its content.
    """
    try:
        if landed.format == "parquet":
            return _inspect_parquet(landed.source)
        with landed.source.open("rb") as raw:
            return _inspect_text(landed, _Hashed(raw), width)
    except OSError as error:
        raise InputRefused(
            f"the file cannot be read: {error.strerror or type(error).__name__}",
            where=landed.path,
            remedy="check its permissions and the disk, then run again",
        ) from error


class _Hashed:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw = raw
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.raw.read(size)
        self.digest.update(data)
        return data

    def whole(self) -> str:
        """The hash of the whole file, whatever was read of it so far."""
        while self.read(_CHUNK):
            pass
        return self.digest.hexdigest()


def _inspect_text(landed: LandedFile, source: _Hashed, width: int) -> Inspection:
    if landed.format is None:
        known = ", ".join(f"{name}, {name}.gz" for name in (".csv", ".jsonl"))
        return Inspection(source.whole(), f"file.format: the name ends in none of {known}, .parquet")
    text, damaged = _Text(json=landed.format == "jsonl"), False
    try:
        for chunk in _chunks(landed, source):
            text.take(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        damaged = True
    text.close()
    problem = "file.gzip: the file is cut off or damaged" if damaged else text.problem(width)
    return Inspection(source.whole(), problem, text.columns, rows=text.rows)


def _chunks(landed: LandedFile, source: _Hashed) -> Iterator[bytes]:
    if not landed.extension.endswith(".gz"):
        while chunk := source.read(_CHUNK):
            yield chunk
        return
    with gzip.GzipFile(fileobj=source, mode="rb") as unpacked:  # type: ignore[call-overload]
        while chunk := unpacked.read(_CHUNK):
            yield chunk


@dataclass
class _Text:
    """Lines as they come: checks the encoding, counts rows, keeps the header or the keys of the first lines."""

    json: bool
    rows: int = 0
    header: bytes | None = None
    keys: dict[str, None] = field(default_factory=dict)
    objects: int = 0
    is_utf8: bool = True
    _carry: bytes = b""

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")

    def take(self, chunk: bytes) -> None:
        self._decode(chunk)
        lines = (self._carry + chunk).split(b"\n")
        self._carry = lines.pop()
        self._count(lines)

    def close(self) -> None:
        self._decode(b"", final=True)
        if self._carry:
            self._count([self._carry])

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        if self.is_utf8:  # else the verdict stands, and only rows are still counted
            try:
                self._decoder.decode(chunk, final)
            except UnicodeDecodeError:
                self.is_utf8 = False

    def _count(self, lines: list[bytes]) -> None:
        if self.header is None and not self.json and lines:
            self.header = lines.pop(0)
        if self.json and self.rows < _JSON_PREFIX:
            for line in lines[:_JSON_PREFIX]:
                self._learn(line)
        # The quick test errs for lines of exotic blanks only, and `_blank` settles those.
        self.rows += sum(1 for line in lines if line.strip(b" \r\xef\xbb\xbf") or not _blank(line))

    def _learn(self, line: bytes) -> None:
        try:
            record = json.loads(line.removeprefix(_BOM))
        except ValueError:
            return
        if isinstance(record, dict):
            self.objects += 1
            self.keys.update(dict.fromkeys(record))

    @property
    def columns(self) -> tuple[str, ...]:
        if self.json:
            return tuple(self.keys)
        if self.header is None:
            return ()
        line = self.header.removeprefix(_BOM).removesuffix(b"\r").decode("utf-8", "replace")
        try:
            return tuple(next(csv.reader([line]), []))
        except csv.Error:  # a "field" of more than 128 KiB: no header
            return ("",)

    def problem(self, width: int) -> str | None:
        """Why a file that is sound as text cannot be taken in."""
        if not self.is_utf8:
            return "file.encoding: the bytes are not UTF-8"
        if self.rows == 0 and not any(name.strip() for name in self.columns):
            return "file.empty: there is nothing in the file"
        if self.rows == 0:
            return "file.header_only: there is no row below the header"
        if self.json and not self.objects:
            return f"file.format: none of the first {_JSON_PREFIX} lines is a JSON object"
        if not self.json and len(self.columns) <= 1 < width:
            return f"file.delimiter: the header is one field, the contract has {width}; the delimiter must be a comma"
        return None


def _blank(line: bytes) -> bool:
    """Whether a line holds nothing, as `parse_lines` sees it."""
    return not line.decode("utf-8", "replace").lstrip("\ufeff").rstrip("\r").strip(" ")


def _inspect_parquet(source: Path) -> Inspection:
    with source.open("rb") as raw:
        whole = _Hashed(raw).whole()
    try:
        with pq.ParquetFile(source) as file:
            schema, rows, clock_times = file.schema_arrow, 0, _clock_times(file)
            for batch in file.iter_batches():  # a damaged page shows only when it is read
                rows += batch.num_rows
    except (pa.ArrowException, OSError, ValueError):
        problem = "file.parquet: the file is cut off or damaged"
        return Inspection(whole, "file.empty: there is nothing in the file" if not source.stat().st_size else problem)
    empty = None if rows else "file.header_only: the file has a schema and no row"
    types = tuple(_contract_type(kind) for kind in schema.types)
    return Inspection(whole, empty, tuple(schema.names), types, rows, clock_times)


def _clock_times(file: pq.ParquetFile) -> tuple[str, ...]:
    """Top-level columns of timestamps without a zone. INT96, which says nothing of it, holds instants by custom."""
    physical = {column.path: column.physical_type for column in map(file.schema.column, range(len(file.schema.names)))}
    fields = file.schema_arrow
    return tuple(
        item.name
        for item in fields
        if pa.types.is_timestamp(item.type) and item.type.tz is None and physical.get(item.name) != "INT96"
    )


def _contract_type(kind: pa.DataType) -> str:
    """An Arrow type in the contract's words; Arrow's own word for what contracts do not know."""
    text = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_string(text) or pa.types.is_large_string(text):
        return "STRING"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind) and kind.unit in ("us", "ms"):
        return "TIMESTAMP"
    names = {"int32": "INT", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN", "date32[day]": "DATE"}
    return names.get(str(kind), str(kind))
