"""Reading the first records of a file of any format, and finding out which it is."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from portrait.errors import InputRefused
from portrait.ingest.text import most_unpacked
from portrait.ingest.workbook import Sheet, UnreadableWorkbook, names_of_sheets, sheet_lines
from portrait.sources.inference.delimited import delimited, trailer_pattern
from portrait.sources.inference.encoding import detect_encoding
from portrait.sources.inference.fixed import fields_of, is_fixed
from portrait.sources.inference.knowledge import Knowledge
from portrait.sources.inference.layout import Field, Layout, Sample, unique_names
from portrait.sources.inference.numbers import marks_of

NOTHING = ("NULL", "null", "\\N", "N/A", "n/a", "#N/A", "NA", "None", "NaN", "nan", "<NA>", "-", "?", "(null)")
"""Words that say that there is no value."""
_SPREADSHEETS = (".xls", ".xlsm", ".xlsb", ".ods")


def sample_of(path: Path, knowledge: Knowledge) -> Sample:
    """The first records of a file and its layout.

    Raises InputRefused for a file that cannot be read, is empty, or is of a kind that no mapping can say.
    """
    name = path.name.removesuffix(".gz").lower()
    if name.endswith(_SPREADSHEETS):
        remedy = "save it as .xlsx, or its sheet as CSV"
        raise InputRefused("spreadsheets of this kind cannot be read", where=str(path), remedy=remedy)
    if path.name.lower().endswith(".xlsx"):
        return _workbook(path, knowledge)
    try:
        if name.endswith(".parquet"):
            return _parquet(path, knowledge)
        content, whole = _head(path, knowledge.sample.bytes)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise InputRefused(f"the file cannot be read: {reason}", where=str(path), remedy="correct it") from error
    if not content.strip():
        raise InputRefused("the file is empty", where=str(path), remedy="name a file with records")
    encoding, doubt = detect_encoding(content, knowledge.encodings)
    text = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    doubts = (f"encoding: {doubt}",) if doubt else ()
    if (found := _json_lines(path, text, encoding, whole, knowledge)) is not None:
        return found
    return _text(path, text, encoding, whole, doubts, knowledge)


def _head(path: Path, size: int) -> tuple[bytes, bool]:
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
        content = file.read(size)
        return content, not file.read(1)


def _workbook(path: Path, knowledge: Knowledge) -> Sample:
    """The first sheet that is not empty, as text."""
    try:
        with path.open("rb") as file:
            most = most_unpacked(path.stat().st_size)
            names = names_of_sheets(file, most=most)
            if not names:
                raise InputRefused("the workbook is empty", where=str(path), remedy="name a file with records")
            content, whole = b"", True
            for chunk in sheet_lines(file, Sheet(names[0]), most=most):
                content += chunk
                if len(content) > knowledge.sample.bytes:
                    whole = False
                    break
    except (OSError, UnreadableWorkbook) as error:
        reason = getattr(error, "strerror", None) or str(error).removeprefix("file.workbook: ")
        raise InputRefused(reason, where=str(path), remedy="correct it, or save its sheet as CSV") from error
    others = f"only the sheet '{names[0]}' of {len(names)} was read"
    found = _text(path, content.decode("utf-8", "replace"), "UTF-8", whole, (), knowledge)
    doubts = found.layout.doubts + ((others,) if names[1:] else ())
    layout = replace(found.layout, type="xlsx", sheet=names[0] if names[1:] else None, doubts=doubts)
    return replace(found, layout=layout)


def _parquet(path: Path, knowledge: Knowledge) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        batch = next(file.iter_batches(batch_size=knowledge.sample.rows), None)
    except pa.ArrowInvalid as error:
        raise InputRefused("this is no Parquet file", where=str(path), remedy="correct it") from error
    if batch is None:
        raise InputRefused("the file is empty", where=str(path), remedy="name a file with records")
    columns = {name: [_as_text(value) for value in batch.column(name).to_pylist()] for name in batch.schema.names}
    return Sample(path, Layout("parquet"), columns, whole=batch.num_rows == file.metadata.num_rows)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=str)
    return str(value)


def _json_lines(path: Path, text: str, encoding: str, whole: bool, knowledge: Knowledge) -> Sample | None:
    """Records as JSON objects, one a line; None where the first line is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].lstrip().startswith("{"):
        return None
    if not whole:
        lines.pop()
    records = []
    broken = 0
    for line in lines[: knowledge.sample.rows]:
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            records.append(_flat(record))
        else:
            broken += 1
    if not records or broken > len(records):
        return None
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: [_as_text(record.get(name)) for record in records] for name in names}
    lists = [name for name in names if any(isinstance(record.get(name), list) for record in records[:100])]
    doubts = tuple(f"'{name}' is a list: a mapping reads single values only" for name in lists)
    if broken:
        doubts = (*doubts, f"{broken:,} lines are no JSON object")
    return Sample(path, Layout("jsonl", encoding=encoding, doubts=doubts), columns, whole=whole)


def _flat(record: dict[str, Any], above: str = "") -> dict[str, Any]:
    """The values of an object; `a.b` is one within another."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def _text(path: Path, text: str, encoding: str, whole: bool, doubts: tuple[str, ...], knowledge: Knowledge) -> Sample:
    rows = knowledge.sample.rows
    found = delimited(text, rows=rows, whole=whole)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines[1:]:
        doubts = (*doubts, "there is no record beside the header")
    if is_fixed(lines[:500]) and (found is None or any("cells" in doubt for doubt in found.doubts)):
        return _fixed(path, lines, encoding, whole, doubts, rows, knowledge)
    if found is None:  # a single column
        names, cells = [lines[0].strip()], [[line] for line in lines[1:][:rows]]
        layout = Layout("csv", encoding=encoding, doubts=(*doubts, "no delimiter was found"))
        return _typed(path, layout, names, cells, whole, knowledge)
    names = unique_names(found.names if found.header else [""] * len(found.records[0]))
    renamed = found.header and names != found.names
    layout = Layout(
        "csv",
        encoding=encoding,
        delimiter=found.delimiter,
        quote=found.quote,
        header=found.header,
        skip_lines=found.skip_lines,
        names=() if found.header and not renamed else tuple(names),
        trailer=found.trailer,
        doubts=(*doubts, *found.doubts),
    )
    sample = _typed(path, layout, names, found.records, whole, knowledge)
    unnamed = {name for name, own in zip(names, found.names, strict=False) if not own}
    return replace(sample, unnamed=frozenset(unnamed))


def _fixed(
    path: Path,
    lines: list[str],
    encoding: str,
    whole: bool,
    doubts: tuple[str, ...],
    rows: int,
    knowledge: Knowledge,
) -> Sample:
    body = list(lines)
    named = not any(map(str.isdigit, body[0])) and any(map(str.isdigit, "".join(body[1:20])))
    header = body.pop(0) if named else None
    trailer = None
    common = max(map(len, body[:500]))
    last = body[-1]
    if whole and (len(last) != common or (last[0].isalpha() and all(line[0].isdigit() for line in body[-30:-1]))):
        number = len(body) - 1
        trailer, body = trailer_pattern(last, number), body[:-1]
        if "records" not in trailer:
            doubts = (*doubts, "the last line is no record and does not say how many there are")
    fields, parted = fields_of(body[:2000], header)
    if not parted:
        doubts = (*doubts, "not all columns are parted by blanks: check where they begin and end")
    names = unique_names([field.name for field in fields])
    fields = tuple(Field(name, field.start, field.end) for name, field in zip(names, fields, strict=True))
    layout = Layout(
        "fixed_width",
        encoding=encoding,
        skip_lines=1 if named else 0,
        fields=fields,
        trailer=trailer,
        doubts=doubts,
    )
    cells = [[line[field.start - 1 : field.end].strip() for field in fields] for line in body[:rows]]
    return _typed(path, layout, names, cells, whole, knowledge)


def _typed(
    path: Path, layout: Layout, names: list[str], records: list[list[str]], whole: bool, knowledge: Knowledge
) -> Sample:
    """The sample with its words for nothing, and its decimal and thousands marks."""
    columns = [[cells[place].strip() for cells in records] for place in range(len(names))]
    nulls = nulls_of(columns)
    known = {"", *nulls}
    values = {
        name: [None if cell in known else cell for cell in cells] for name, cells in zip(names, columns, strict=True)
    }
    telling = {
        name: list(itertools.islice(dict.fromkeys(cell for cell in cells if cell is not None), 5000))
        for name, cells in values.items()
    }
    marks = marks_of(telling, least=knowledge.least_fit)
    doubts = (*layout.doubts, marks.doubt) if marks.doubt else layout.doubts
    whole = whole and len(records) < knowledge.sample.rows
    full = replace(layout, decimal=marks.decimal, thousands=marks.thousands, nulls=tuple(nulls), doubts=doubts)
    return Sample(path, full, values, whole=whole)


def nulls_of(columns: Iterable[Collection[str]]) -> list[str]:
    """The words for nothing that occur, beside the empty text; `-` and `?` only among values of another kind."""
    found: list[str] = []
    for cells in columns:
        counted = set(cells)
        rest = counted - {"", *NOTHING}
        for word in NOTHING:
            telling = len(word) > 1 or all(cell[:1].isdigit() for cell in rest)
            if word in counted and rest and telling and word not in found:
                found.append(word)
    return found
