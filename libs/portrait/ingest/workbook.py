"""A sheet of an Excel workbook (.xlsx) as CSV text, so that whatever reads text reads it: one line for each row.

A cell becomes the text that another system would have written for its value, not what the sheet shows of it:

| cell | text |
| --- | --- |
| number | at most 15 digits, which is all that Excel keeps; with the decimal mark of the mapping |
| whole number of 16 digits or more | with an exponent: its last digits are lost, so no identifier is made of it |
| date or time | `2024-03-31 00:00:00` |
| true or false | `true`, `false` |
| formula | the value that was computed when the workbook was saved |
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

CHUNK = 1 << 20
_EXACT = 10**15
"""Excel keeps 15 digits of a number."""
_NOT_COMPUTED = re.compile(rb"(</f>|<f[^>]*/>)(<v\s*/>|<v></v>)?</c>")


class UnreadableWorkbook(Exception):
    """A workbook of which no sheet can be read; the message is its reason."""


@dataclass(frozen=True)
class Sheet:
    """Which rows of a workbook are read, and how their cells are written.

    `name` None: the only sheet that is not empty. `skip` rows stand above the header, or above the first record;
    `width` is the number of columns, None: as many as the header has.
    """

    name: str | None = None
    skip: int = 0
    width: int | None = None
    decimal: str = "."


def sheet_lines(file: IO[bytes], sheet: Sheet, *, most: int | None = None) -> Iterator[bytes]:
    """The rows of a sheet as UTF-8 CSV in chunks; rows without a value are blank lines.

    From the header on each row has as many fields as the header: cells without a value are empty fields. A row that has
    values beyond keeps them, so that it is seen to be malformed. Raises UnreadableWorkbook for what is no workbook,
    when more than `most` bytes would come out of it, when the sheet is not there, and for a formula without a value.
    """
    _check(file, most)
    # The library raises errors of many kinds for a damaged workbook; those of the disk go on.
    try:
        workbook = _opened(file)
        try:
            chosen = _chosen(workbook, sheet.name)
            yield from _as_csv(workbook[chosen].iter_rows(values_only=True), sheet)
        finally:
            workbook.close()
    except (UnreadableWorkbook, OSError, GeneratorExit):
        raise
    except Exception as error:
        raise UnreadableWorkbook("file.workbook: the workbook is damaged") from error


def names_of_sheets(file: IO[bytes], *, most: int | None = None) -> list[str]:
    """The sheets that have a value, in their order; raises UnreadableWorkbook as `sheet_lines` does."""
    _check(file, most)
    try:
        workbook = _opened(file)
        try:
            return _filled(workbook)
        finally:
            workbook.close()
    except OSError:
        raise
    except Exception as error:
        raise UnreadableWorkbook("file.workbook: the workbook is damaged") from error


def _opened(file: IO[bytes]) -> Workbook:
    # The import takes a tenth of a second, and few files are workbooks.
    from openpyxl import load_workbook

    workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    for name in workbook.sheetnames:
        # What a workbook says of its own size may be wrong, and rows beyond would be lost.
        if hasattr(workbook[name], "reset_dimensions"):
            workbook[name].reset_dimensions()
    return workbook


def _check(file: IO[bytes], most: int | None) -> None:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as parts:
            if "[Content_Types].xml" not in parts.namelist():
                raise UnreadableWorkbook("file.workbook: this is an archive, but no .xlsx workbook")
            if most is not None and sum(part.file_size for part in parts.infolist()) > most:
                raise UnreadableWorkbook("file.workbook: it unpacks to more than maxUnpackRatio of its size")
            for part in parts.namelist():
                if part.startswith("xl/worksheets/") and part.endswith(".xml"):
                    _check_formulas(parts, part)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnreadableWorkbook(
            "file.workbook: this is no .xlsx workbook, or one that is cut off or has a password"
        ) from error
    file.seek(0)


def _check_formulas(parts: zipfile.ZipFile, part: str) -> None:
    """A formula that was never computed has no value: it would read as an empty cell."""
    with zipfile.Path(parts, part).open("rb") as sheet:
        carry = b""
        while chunk := sheet.read(CHUNK):
            if _NOT_COMPUTED.search(carry + chunk):
                raise UnreadableWorkbook(
                    "file.workbook: a formula was never computed; open the workbook, save it, and deliver it again"
                )
            carry = chunk[-200:]


def _chosen(workbook: Workbook, name: str | None) -> str:
    if name is not None:
        if name not in workbook.sheetnames:
            raise UnreadableWorkbook(f"file.workbook: there is no sheet '{name}'; correct 'sheet' of the mapping")
        return name
    filled = _filled(workbook)
    if len(filled) > 1:
        raise UnreadableWorkbook(
            f"file.workbook: {len(filled)} sheets have records; say which one as 'sheet' of the mapping"
        )
    return filled[0] if filled else str(workbook.sheetnames[0])


def _filled(workbook: Workbook) -> list[str]:
    worksheets = {sheet.title for sheet in workbook.worksheets}
    return [
        str(name)
        for name in workbook.sheetnames
        if name in worksheets
        and any(cell is not None for row in workbook[name].iter_rows(values_only=True) for cell in row)
    ]


def _as_csv(rows: Iterable[Sequence[Any]], sheet: Sheet) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    width = sheet.width
    for number, row in enumerate(rows):
        cells = _without_last_blanks([_text(value, sheet.decimal) for value in row])
        if number >= sheet.skip and cells:
            width = len(cells) if width is None else width
            cells += [""] * (width - len(cells))
        if cells:
            writer.writerow(cells)
        else:
            text.write("\n")
        if text.tell() > CHUNK:
            yield text.getvalue().encode("utf-8", "surrogatepass")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "surrogatepass")


def _without_last_blanks(cells: list[str]) -> list[str]:
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def _text(value: Any, decimal: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value, decimal)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def _number(value: float, decimal: str) -> str:
    shown = Decimal(f"{value:.15g}")
    if shown == shown.to_integral_value() and abs(shown) >= _EXACT:
        return f"{shown:E}"
    return f"{shown:f}".replace(".", decimal)
