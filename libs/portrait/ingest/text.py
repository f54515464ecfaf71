"""Landed text as bytes: unpacked, cut into lines, and records that span lines put on one.

CSV is RFC 4180: a quote opens a quoted field at the start of a field only, and a quoted field may hold line breaks.
Spark reads one line per row, so a file that holds such a field is staged in its *one-line form*: each record on its
first line, its line breaks escaped, and one blank line for each further line of the record. Line numbers stay as they
are in the landed file, and the copy is as splittable as any text.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

from portrait.contracts import Contract
from portrait.ingest.workbook import Sheet, UnreadableWorkbook, sheet_lines

CHUNK = 1 << 20
BOM = "\ufeff".encode()
ESCAPE = "\x1b"
"""In the one-line form: followed by `n` a line feed, by `0` a NUL byte, by `e` itself."""
ESCAPED = {"\x1b": "e", "\0": "0", "\n": "n"}


@dataclass(frozen=True)
class Dialect:
    """What separates the fields of a line and what encloses one, an ASCII character each; no `quote`: nothing does."""

    delimiter: str = ","
    quote: str | None = '"'

    @cached_property
    def mark(self) -> bytes | None:
        """The quote as a byte."""
        return None if self.quote is None else self.quote.encode()

    @cached_property
    def closes(self) -> dict[bool, re.Pattern[bytes]]:
        """The rest of a line, from inside a quoted field (True) or from the start of one. Possessive: linear time."""
        mark, comma = re.escape(self.mark or b""), re.escape(self.delimiter.encode())
        rest = rb"(?:[^" + mark + rb"]++|" + mark + mark + rb")*+" + mark + rb"[^" + comma + rb"]*+"
        field = rb"(?:" + mark + rest + rb"|(?!" + mark + rb")[^" + comma + rb"]*+)"
        further = rb"(?:" + comma + field + rb")*+"
        return {False: re.compile(field + further), True: re.compile(rest + further)}

    @cached_property
    def closed_lines(self) -> re.Pattern[bytes]:
        """Lines in which each opening quote begins a field (or doubles one) and is closed before the line ends."""
        mark, comma = re.escape(self.mark or b""), re.escape(self.delimiter.encode())
        quoted = rb"(?<![^" + comma + rb"\n" + mark + rb"])" + mark + rb"[^" + mark + rb"\n]*+" + mark
        return re.compile(rb"(?:[^" + mark + rb"]*+" + quoted + rb")*+[^" + mark + rb"]*+")


RFC_4180 = Dialect()


class Unreadable(Exception):
    """A file that cannot be read as text; the message is its reason."""


@dataclass(frozen=True)
class Bounds:
    """What a file may ask for: bytes of one record, and unpacked bytes per packed byte (beyond one record's worth)."""

    line_bytes: int
    unpack_ratio: int


DEFAULT_BOUNDS = Bounds(line_bytes=8 * CHUNK, unpack_ratio=200)
"""For feeds whose contract says nothing: no record of a bank is that long, no text of one that repetitive."""


def bounds_of(contract: Contract) -> Bounds:
    """The bounds that a feed's contract sets."""
    return Bounds(
        int(contract.custom("maxLineBytes", DEFAULT_BOUNDS.line_bytes)),
        int(contract.custom("maxUnpackRatio", DEFAULT_BOUNDS.unpack_ratio)),
    )


def most_unpacked(size: int, bounds: Bounds = DEFAULT_BOUNDS) -> int:
    """How many bytes may come out of a packed file of a size."""
    return bounds.unpack_ratio * size + bounds.line_bytes


class Hashed:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, raw: IO[bytes]) -> None:
        self.raw = raw
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self.raw.read(size)
        self.digest.update(data)
        return data

    def whole(self) -> str:
        """The hash of the whole file, whatever was read of it so far."""
        while self.read(CHUNK):
            pass
        return self.digest.hexdigest()


def text_of(source: Hashed, *, packed: bool, sheet: Sheet | None = None, most: int | None = None) -> Iterator[bytes]:
    """The text of a file in chunks: as `unpacked`, or the rows of a sheet of a workbook as lines."""
    if sheet is None:
        yield from unpacked(source, packed=packed, most=most)
        return
    source.whole()  # a workbook is not read from its beginning to its end
    if packed:
        raise Unreadable("file.workbook: a workbook is packed already; deliver it without gzip")
    try:
        yield from sheet_lines(source.raw, sheet, most=most)
    except UnreadableWorkbook as error:
        raise Unreadable(str(error)) from error


def unpacked(source: Hashed, *, packed: bool, most: int | None = None) -> Iterator[bytes]:
    """The text in chunks. Several gzip members and zero padding behind the last are fine.

    Raises Unreadable for a damaged member, and when more than `most` bytes come out.
    """
    if not packed:
        while chunk := source.read(CHUNK):
            yield chunk
        return
    total = 0
    try:
        with gzip.GzipFile(fileobj=source, mode="rb") as file:  # type: ignore[call-overload]
            while chunk := file.read(CHUNK):
                total += len(chunk)
                if most is not None and total > most:
                    raise Unreadable("file.gzip_bomb: it unpacks to more than maxUnpackRatio of its size")
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Unreadable("file.gzip: the file is cut off or damaged") from error


def are_closed(lines: bytes, dialect: Dialect = RFC_4180) -> bool:
    """Whether surely no quoted field goes on after any of these whole lines of CSV; a quick look at many of them."""
    return dialect.mark is None or dialect.mark not in lines or dialect.closed_lines.fullmatch(lines) is not None


def is_left_open(line: bytes, *, inside: bool, dialect: Dialect = RFC_4180) -> bool:
    """Whether a quoted field goes on after this line of CSV; `inside`: one went on into it."""
    if dialect.mark is None or dialect.mark not in line:
        return inside
    if not inside and are_closed(line, dialect):
        return False
    if not inside:
        while line.startswith(BOM):
            line = line[len(BOM) :]
    return dialect.closes[inside].fullmatch(line) is None


@dataclass(frozen=True)
class Body:
    """Where the records of a file of a mapped source are in its text as UTF-8: the bytes from `begins` to `ends`.

    `above`: the lines above them, which are blank in the staged copy, so that line numbers stay what they are.
    """

    above: int
    begins: int
    ends: int | None = None
    encoding: str = "utf-8"
    dialect: Dialect = RFC_4180
    sheet: Sheet | None = None

    def of(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The staged form of a text: blank lines, then the records alone."""
        yield b"\n" * self.above
        place = 0
        for chunk in recoded(chunks, self.encoding):
            first = max(self.begins - place, 0)
            last = len(chunk) if self.ends is None else max(self.ends - place, 0)
            place += len(chunk)
            yield chunk[first:last]


def recoded(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """A text as UTF-8; raises Unreadable where the bytes are none of the encoding. UTF-8 itself is passed on."""
    if codecs.lookup(encoding).name == "utf-8":
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    as_utf8, is_utf8, beyond_ascii = codecs.getincrementaldecoder("utf-8")("strict"), True, False
    try:
        for chunk in chunks:
            if is_utf8:
                beyond_ascii = beyond_ascii or not chunk.isascii()
                try:
                    as_utf8.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
            yield decoder.decode(chunk).encode("utf-8", "surrogatepass")
        yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        found = "are UTF-8, the mapping says" if is_utf8 and beyond_ascii else "are not"
        raise Unreadable(f"file.encoding: the bytes {found} {encoding}; correct 'encoding' of the mapping") from error
    if is_utf8 and beyond_ascii:
        # Text of a one-byte encoding that is UTF-8 by accident is not met in practice; the other way round, daily.
        raise Unreadable(f"file.encoding: the bytes are UTF-8, the mapping says {encoding}; correct 'encoding'")


def write_staged(source: Path, target: Path, *, packed: bool, one_line: bool, body: Body | None = None) -> str:
    """Write a landed file as Spark is to read it: unpacked, in its one-line form if asked; returns the source's hash.

    With a `body`, its records alone. Streams: memory holds a chunk and a line. The hash tells whether the file is still
    the one that was inspected, also where it cannot be unpacked any more.
    """
    with source.open("rb") as raw, target.open("wb") as out:
        hashed = Hashed(raw)
        chunks = text_of(hashed, packed=packed, sheet=None if body is None else body.sheet)
        dialect = RFC_4180
        if body is not None:
            chunks, dialect = body.of(chunks), body.dialect
        with suppress(Unreadable):
            for piece in one_line_form(chunks, dialect) if one_line else chunks:
                out.write(piece)
        return hashed.whole()


def one_line_form(chunks: Iterator[bytes], dialect: Dialect = RFC_4180) -> Iterator[bytes]:
    """CSV with each record on its first line and blank lines in place of its others."""
    carry, inside, further = b"", False, 0
    for chunk in chunks:
        lines = (carry + chunk).split(b"\n")
        carry = lines.pop()
        pieces = []
        for line in lines:
            inside = is_left_open(line, inside=inside, dialect=dialect)
            pieces.append(_escaped(line))
            if inside:
                further += 1
                pieces.append(_ESCAPED_BREAK)
            else:
                pieces.append(b"\n" * (1 + further))
                further = 0
        yield b"".join(pieces)
    yield _escaped(carry)


_ESCAPED_BREAK = (ESCAPE + ESCAPED["\n"]).encode()


def _escaped(line: bytes) -> bytes:
    if b"\x1b" in line or b"\0" in line:
        for plain, letter in ESCAPED.items():  # the escape itself first
            line = line.replace(plain.encode(), (ESCAPE + letter).encode())
    return line
