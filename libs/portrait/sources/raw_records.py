"""The records of a source's file as they stand there, and a copy of its first ones: for who looks at a mapping."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from portrait.ingest.mapped_files import sheet_of
from portrait.ingest.text import most_unpacked
from portrait.ingest.workbook import sheet_lines
from portrait.mappings.model import FileFormat
from portrait.mappings.source import SourceMapping

_ROWS_OF_PARQUET = 50_000


@dataclass(frozen=True)
class Cut:
    """A file of which the first records were copied, and the mapping that fits the copy."""

    path: Path
    mapping: SourceMapping
    cut: bool
    """Whether the file has more records than the copy."""


def first_records(path: Path, mapping: SourceMapping, *, rows: int | None, to: Path) -> Cut:
    """A copy of the first `rows` records of a file, in its own form; all of them for None.

    What is cut has no trailer, so the mapping of the copy asks for none. The copy of a workbook is CSV.
    """
    to.mkdir(parents=True, exist_ok=True)
    form = mapping.spec.format
    copy = to / path.name.removesuffix(".gz")
    if form.type == "parquet":
        return Cut(copy, mapping, _cut_parquet(path, copy, rows))
    written = form.model_copy(update={"type": "csv", "sheet": None}) if form.type == "xlsx" else form
    with (
        _opened(path, form) as source,
        copy.open("w", encoding=form.encoding, errors="surrogateescape", newline="") as made,
    ):
        kept, more = 0, False
        for number, (lines, text) in enumerate(_records(source, form)):
            if rows is not None and number - _lead(form) >= rows:
                more = True
                break
            made.write(text)
            kept += lines
    if more:
        written = written.model_copy(update={"trailer": None})
    return Cut(copy, replace(mapping, spec=mapping.spec.model_copy(update={"format": written})), more)


def values_by_line(path: Path, mapping: SourceMapping, *, lines: set[int]) -> dict[int, dict[str, str]]:
    """The records that begin on these lines (0-based; rows of Parquet), as column to text."""
    form = mapping.spec.format
    if form.type == "parquet":
        return _rows_of_parquet(path, lines)
    found: dict[int, dict[str, str]] = {}
    names: list[str] | None = list(form.columns) if form.columns else None
    with _opened(path, form) as source:
        at = 0
        for number, (count, text) in enumerate(_records(source, form)):
            if number == _lead(form) - 1 and form.is_delimited and form.header and names is None:
                names = next(_cells(text, form), [])
            elif at in lines:
                found[at] = _values(text, form, names or [])
            at += count
            if len(found) == len(lines):
                break
    return found


def _opened(path: Path, form: FileFormat) -> IO[str]:
    if (sheet := sheet_of(form)) is not None:
        text = tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", newline="")  # noqa: SIM115
        with path.open("rb") as workbook:
            lines = sheet_lines(workbook, sheet, most=most_unpacked(path.stat().st_size))
            text.writelines(chunk.decode("utf-8", "surrogatepass") for chunk in lines)
        text.seek(0)
        return text
    if path.name.endswith(".gz"):
        packed = gzip.open(path, "rt", encoding=form.encoding, errors="surrogateescape", newline="")  # noqa: SIM115
        return cast(IO[str], packed)
    return path.open(encoding=form.encoding, errors="surrogateescape", newline="")


def _lead(form: FileFormat) -> int:
    """Records, or lines, above the first record of data."""
    return form.skip_lines + (1 if form.is_delimited and form.header else 0)


def _records(source: IO[str], form: FileFormat) -> Iterator[tuple[int, str]]:
    """Each record as it is written, with its number of lines; lines that are skipped count as one each."""
    for number, line in enumerate(source):
        if not form.is_delimited or form.quote is None or number < form.skip_lines:
            yield 1, line
            continue
        lines, text = 1, line
        while text.count(form.quote) % 2:  # a quote is open: the record goes on
            further = source.readline()
            if not further:
                break
            text, lines = text + further, lines + 1
        yield lines, text


def _cells(text: str, form: FileFormat) -> Iterator[list[str]]:
    if form.quote is None:
        return csv.reader([text.rstrip("\r\n")], delimiter=form.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter, quotechar=form.quote)


def _values(text: str, form: FileFormat, names: list[str]) -> dict[str, str]:
    if form.type == "jsonl":
        try:
            tree = json.loads(text)
        except ValueError:
            return {}
        return _flat(tree) if isinstance(tree, dict) else {}
    if form.type == "fixed_width":
        line = text.rstrip("\r\n")
        return {field.name: line[field.from_ - 1 : field.to].strip() for field in form.fields}
    return dict(zip([name.strip() for name in names], next(_cells(text, form), []), strict=False))


def _flat(tree: dict[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": _text(value)}
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _cut_parquet(path: Path, copy: Path, rows: int | None) -> bool:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    wanted = file.metadata.num_rows if rows is None else min(rows, file.metadata.num_rows)
    with pq.ParquetWriter(copy, file.schema_arrow) as writer:
        left = wanted
        for batch in file.iter_batches(batch_size=min(max(wanted, 1), _ROWS_OF_PARQUET)):
            writer.write_batch(batch.slice(0, left))
            left -= min(left, batch.num_rows)
            if left == 0:
                break
    return bool(wanted < file.metadata.num_rows)


def _rows_of_parquet(path: Path, places: set[int]) -> dict[int, dict[str, str]]:
    import pyarrow.parquet as pq

    found: dict[int, dict[str, str]] = {}
    start = 0
    for batch in pq.ParquetFile(path).iter_batches(batch_size=_ROWS_OF_PARQUET):
        for place in sorted(places):
            if start <= place < start + batch.num_rows:
                row = batch.slice(place - start, 1).to_pylist()[0]
                found[place] = {name: _text(value) for name, value in row.items()}
        start += batch.num_rows
    return found
