"""What a file of a mapped source is by its own bytes: as `inspect_file`, in the format that its mapping says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq

from portrait.ingest.content import Inspection, Text, csv_reader, inspect_parquet
from portrait.ingest.files import LandedFile
from portrait.ingest.text import Body, Bounds, Dialect, Hashed, Unreadable, most_unpacked, recoded, text_of
from portrait.ingest.workbook import Sheet
from portrait.mappings.expressions import read_columns, resolved
from portrait.mappings.model import FIRST_YEAR, FileFormat, SnapshotDate
from portrait.mappings.source import SourceMapping

_TAIL = 1 << 16
"""So many bytes before the end hold the last line of a file, or it has no trailer."""
_NO_QUOTE = Dialect("\x1f", None)
"""Lines that are one field: of fixed width, or JSON."""


def dialect_of(form: FileFormat) -> Dialect:
    """The marks of a format's lines."""
    return Dialect(form.delimiter, form.quote) if form.is_delimited else _NO_QUOTE


def sheet_of(form: FileFormat) -> Sheet | None:
    """How the rows of a workbook are read as text; None for files of text."""
    if form.type != "xlsx":
        return None
    width = len(form.names) if form.names and not form.header else None
    return Sheet(form.sheet, form.skip_lines, width, form.decimal)


def inspect_mapped(landed: LandedFile, mapping: SourceMapping, *, bounds: Bounds) -> Inspection:
    """Read a file once; its `problem` names the column, the trailer or the encoding that is not as the mapping says."""
    if mapping.spec.format.type == "parquet":
        seen, of_trailer = inspect_parquet(landed.source), None
    else:
        with landed.source.open("rb") as raw:
            seen, of_trailer = _inspect_lines(landed, Hashed(raw), mapping.spec.format, bounds)
    # A wrong delimiter breaks quotes, and by that the count of the records.
    seen = seen if seen.problem is not None else replace(seen, problem=_columns_problem(seen, mapping) or of_trailer)
    if seen.problem is not None or mapping.spec.snapshot is None:
        return seen
    text = _snapshot_text(landed, mapping, mapping.spec.snapshot.date)
    day = None if text is None else day_of_text(text, mapping.spec.snapshot.date.format)
    if day is None:
        where = mapping.spec.snapshot.date
        place = "name" if where.file_name else "trailer" if where.trailer else f"column '{where.column}'"
        return replace(seen, problem=f"snapshot.day: the {place} of the file says no day as {where.format}")
    return replace(seen, snapshot_on=day.isoformat())


def _snapshot_text(landed: LandedFile, mapping: SourceMapping, where: SnapshotDate) -> str | None:
    if where.file_name is not None:
        found = re.search(where.file_name, landed.path.rpartition("/")[2])
        return None if found is None else found.group(1)
    if where.trailer:
        return trailer_group(mapping, landed, "date")
    return first_value(landed, mapping, where.column or "")


def day_of_text(text: str, pattern: str) -> date | None:
    """A day by a pattern of years, months and days; None where it is not of the pattern."""
    tokens = {"yyyy": r"(?P<y>\d{4})", "yy": r"(?P<yy>\d{2})", "MM": r"(?P<m>\d{2})", "M": r"(?P<m>\d{1,2})"}
    tokens |= {"dd": r"(?P<d>\d{2})", "d": r"(?P<d>\d{1,2})"}
    parts = re.findall(r"yyyy|yy|MM|M|dd|d|[^yMd]", pattern)
    day = text.strip().removesuffix(" 00:00:00")  # as a cell of a workbook is read that holds a date
    found = re.fullmatch("".join(tokens.get(part) or re.escape(part) for part in parts), day)
    if found is None:
        return None
    facts = found.groupdict()
    year = (
        int(facts["y"])
        if facts.get("y")
        else int(facts["yy"]) + (1900 if int(facts["yy"]) >= FIRST_YEAR % 100 else 2000)
    )
    try:
        return date(year, int(facts["m"]), int(facts["d"]))
    except ValueError:
        return None


def _inspect_lines(
    landed: LandedFile, source: Hashed, form: FileFormat, bounds: Bounds
) -> tuple[Inspection, str | None]:
    """What the file is, and what is wrong with its trailer."""
    is_json, dialect = form.type == "jsonl", dialect_of(form)
    headless = not (form.is_delimited and form.header)
    text = Text(json=is_json, most=bounds.line_bytes, dialect=dialect, headless=headless)
    most = most_unpacked(landed.size, bounds)
    skipped, tail = _Skipped(form.skip_lines), _Tail()
    records, problem, of_trailer, body, first = 0, None, None, None, b""
    try:
        whole = text_of(source, packed=landed.extension == ".gz", sheet=sheet_of(form), most=most)
        chunks = recoded(whole, form.encoding)
        for chunk in skipped.rest(chunks):
            text.take(chunk)
            tail.take(chunk)
            first = first or chunk.lstrip(b"\r\n")
        text.close()
        header = b"\n".join(text.header)
        begins = min(len(header) + 1, tail.total) if text.header else 0
        ends, records = None, text.rows
        if form.trailer is not None:
            begin, line = tail.last_line()
            if begin >= begins:
                ends, records = skipped.bytes + begin, max(text.rows - 1, 0)
            of_trailer = _trailer_problem(form, line, records)
        above, begins = form.skip_lines + len(text.header), skipped.bytes + begins
        body = Body(above, begins, ends, form.encoding, dialect, sheet_of(form))
        problem = text.problem(1) or _delimiter_problem(form, first)
    except Unreadable as error:
        problem = str(error)
    columns = text.columns if not headless or is_json else form.columns or ()
    if form.names and not headless:
        if problem is None and len(columns) != len(form.names):
            problem = f"file.columns: the header has {len(columns)} fields, 'names' of the mapping {len(form.names)}"
        columns = form.names
    seen = Inspection(source.whole(), problem, columns, rows=records, one_line=text.one_line, body=body)
    return seen, of_trailer


def _delimiter_problem(form: FileFormat, text: bytes) -> str | None:
    """For files without a header: whether their first record is one field where it should be several."""
    names = len(form.names or ())
    if not form.is_delimited or form.header or names < 2 or form.delimiter.encode() in text.split(b"\n", 1)[0]:
        return None
    return f"file.delimiter: the first record is one field, 'names' of the mapping are {names}; correct 'delimiter'"


def trailer_group(mapping: SourceMapping, landed: LandedFile, group: str) -> str | None:
    """What a group of the trailer's pattern holds in a file; None where it has no such trailer."""
    form = mapping.spec.format
    if form.trailer is None:
        return None
    with landed.source.open("rb") as raw:
        tail = _Tail()
        whole = text_of(Hashed(raw), packed=landed.extension == ".gz", sheet=sheet_of(form))
        for chunk in recoded(whole, form.encoding):
            tail.take(chunk)
    found = _trailer(form, tail.last_line()[1])
    return None if found is None else found.groupdict().get(group)


class _Skipped:
    """Lines above the header or the first record, taken off; `bytes` of them there were."""

    def __init__(self, lines: int) -> None:
        self.lines = lines
        self.bytes = 0

    def rest(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            place = 0
            while self.lines and place < len(chunk):
                end = chunk.find(b"\n", place)
                if end < 0:
                    place = len(chunk)
                else:
                    place, self.lines = end + 1, self.lines - 1
            self.bytes += place
            yield chunk[place:]


class _Tail:
    """The end of a text, and the number of its bytes."""

    def __init__(self) -> None:
        self.total = 0
        self.end = b""

    def take(self, chunk: bytes) -> None:
        self.total += len(chunk)
        self.end = (self.end + chunk)[-_TAIL:]

    def last_line(self) -> tuple[int, bytes]:
        """Where the last line that is not blank begins, and the line."""
        text = self.end.rstrip(b"\r\n \t")
        begin = text.rfind(b"\n") + 1
        return self.total - len(self.end) + begin, text[begin:]


def _trailer(form: FileFormat, line: bytes) -> re.Match[str] | None:
    if form.trailer is None:
        return None
    text = line.decode("utf-8", "replace").lstrip("\ufeff")
    # The cells of a sheet that has no more values in this row say nothing.
    return re.fullmatch(form.trailer.pattern, text.rstrip(",") if form.type == "xlsx" else text)


def _trailer_problem(form: FileFormat, line: bytes, records: int) -> str | None:
    found = _trailer(form, line)
    if found is None:
        return "file.trailer: the last line is not the trailer that the mapping describes; is the file cut off?"
    told = found.groupdict().get("records")
    if told is None:
        return None
    if not told.strip().isdigit():
        return "file.trailer: what the trailer says of records is no number; correct 'pattern' of the mapping"
    if int(told) != records:
        return f"file.trailer: the trailer says {int(told):,} records, the file has {records:,}"
    return None


def _columns_problem(seen: Inspection, mapping: SourceMapping) -> str | None:
    """Why the columns of a file are not those that its mapping reads.

    Names of the file are never quoted: a file without a header shows its first customer there.
    """
    read, form = read_columns(mapping), mapping.spec.format
    if form.type == "jsonl":
        return None  # each record names its own
    if form.columns is None and len(seen.columns) <= 1 < len(read):
        return f"file.delimiter: the header is one field, the mapping reads {len(read)}; correct 'delimiter'"
    missing = [name for name in read if resolved(name, seen.columns) is None]
    if missing and len(missing) == len(read):
        return "file.columns: the header has none of the mapping's columns; has the file one, are 'skip_lines' right?"
    if missing:
        names = ", ".join(f"'{name}'" for name in missing[:5])
        return f"file.columns: the header has no column {names}, which {mapping.path.name} reads"
    twice = [name for name in read if seen.columns.count(resolved(name, seen.columns) or "") > 1]
    if twice:
        return f"file.columns: the column '{twice[0]}' stands {seen.columns.count(twice[0])} times in the header"
    if form.type == "parquet":
        kinds = dict(zip(seen.columns, seen.types, strict=True))
        for name in read:
            kind = kinds[resolved(name, seen.columns) or ""]
            if not re.match(r"[A-Z]+(\(\d+,\d+\))?$|timestamp\[ns\]$|null$", kind) or kind == "BINARY":
                return f"file.columns: the column '{name}' is {kind}, which is no value of a record"
    return None


def first_value(landed: LandedFile, mapping: SourceMapping, column: str) -> str | None:
    """The value of a column in the first record of a file; None where there is none."""
    form = mapping.spec.format
    if form.type == "parquet":
        rows = pq.read_table(landed.source, columns=[column]).slice(0, 1).to_pylist()
        return str(rows[0][column]) if rows and rows[0][column] is not None else None
    with landed.source.open("rb") as raw:
        whole = text_of(Hashed(raw), packed=landed.extension == ".gz", sheet=sheet_of(form))
        chunks = recoded(whole, form.encoding)
        text = next(_Skipped(form.skip_lines).rest(chunks), b"").decode("utf-8", "ignore").removeprefix("\ufeff")
    if form.type == "fixed_width":
        field = next(field for field in form.fields if field.name == column)
        return text.splitlines()[0][field.from_ - 1 : field.to].strip() or None if text else None
    if form.type == "jsonl":
        line = next((line for line in text.split("\n") if line.strip()), "")
        value = json.loads(line).get(column) if line.startswith("{") else None
        return None if value is None else str(value)
    records = csv_reader(text, dialect_of(form))
    names: Sequence[str] = next(records, []) if form.header else form.columns or ()
    names = form.columns or names
    name = resolved(column, names)
    record = next((record for record in records if record), None)
    return None if record is None or name is None or len(record) < len(names) else record[list(names).index(name)]
