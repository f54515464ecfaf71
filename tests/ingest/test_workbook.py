"""Excel workbooks of a source: the rows of a sheet are read as lines of text; what is doubtful stays out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from pyspark.sql import SparkSession
from tests.ingest.conftest import BOOKINGS, PEOPLE, Bank, catalogue_of

from portrait.contracts.identifiers import identifier_of
from portrait.errors import ConfigurationError
from portrait.ingest.files import Manifest
from portrait.ingest.stage import Batch, begin, unfinished
from portrait.ingest.text import Body, Dialect
from portrait.ingest.workbook import Sheet, UnreadableWorkbook, names_of_sheets, sheet_lines
from portrait.mappings import load_mappings
from portrait.sources.raw_records import first_records, values_by_line

MAPPING = """\
title: Bookings of the back office
files: "*.xlsx"
feed: bookings
format: {type: xlsx, sheet: Bookings, skip_lines: 1, nulls: ["", "-"], trailer: {pattern: 'Total,(?P<records>\\d+)'}}
columns:
  id: Id
  booked_at: {column: Booked, format: "yyyy-MM-dd HH:mm:ss", time_zone: Europe/Prague}
  amount: {expression: "abs(Amount)"}
  kind: {column: Kind, map: {"K": card, "H": cash}}
  valued_on: Valued
  count: Count
  note: Note
delivery: append
"""
ROWS: list[list[Any]] = [
    ["Bookings of January"],
    ["Id", "Booked", "Amount", "Kind", "Valued", "Count", "Note"],
    ["B1", datetime(2025, 1, 2, 10), -1234.5, "K", datetime(2025, 1, 3), None, 'He said "ten, or so"'],
    [692, "2025-07-02 11:00:00", 0.1 + 0.2, "H", date(2024, 12, 31), 3.0, "two\nlines"],
    [],
    [1.2345678901234567e18, "2025-01-02 10:00:00", 7, "K", None, None, None],
    ["B4", "2025-01-02 10:00:00", 7.005, "K", None, None, None],
    ["B5", "2025-01-02 10:00:00", 7, "X", None, None, "-"],
    ["B6", "2025-01-02 10:00:00", 7, "K", None, None, None, "one cell too many"],
    ["Total", 6],
]


def workbook_of(**sheets: list[list[Any]]) -> bytes:
    workbook = Workbook()
    workbook.remove(workbook.active)
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for number, row in enumerate(rows, 1):
            for place, value in enumerate(row, 1):
                sheet.cell(number, place, value)
    made = io.BytesIO()
    workbook.save(made)
    return made.getvalue()


def lines_of(content: bytes, sheet: Sheet = Sheet()) -> list[str]:  # noqa: B008
    return b"".join(sheet_lines(io.BytesIO(content), sheet)).decode().split("\n")[:-1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (692, "692"),
        (692.0, "692"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (-1234.5, "-1234.5"),
        (999_999_999_999_999, "999999999999999"),
        (1.91431e18, "1.91431E+18"),  # its last digits are lost: no identifier
        (True, "true"),
        ("007", "007"),
        (" a\u00a0", " a\u00a0"),
        ("#N/A", "#N/A"),
        ("a,b", '"a,b"'),
        (datetime(2024, 3, 31, 21, 25, 58), "2024-03-31 21:25:58"),
        (date(2024, 2, 29), "2024-02-29 00:00:00"),
        (time(9, 30), "09:30:00"),
    ],
)
def test_text_of_a_cell(value: object, text: str) -> None:
    assert lines_of(workbook_of(one=[["x"], [value]])) == ["x", text]


def test_decimal_mark_is_that_of_the_mapping() -> None:
    assert lines_of(workbook_of(one=[["x"], [1.5], ["2,5"]]), Sheet(decimal=",")) == ["x", '"1,5"', '"2,5"']


def test_rows_have_as_many_fields_as_the_header() -> None:
    rows = [["title"], [], ["a", "b", "c"], [1, None, None], [None, 2], [], [1, 2, 3, 4]]
    content = workbook_of(one=rows)
    assert lines_of(content, Sheet(skip=2)) == ["title", "", "a,b,c", "1,,", ",2,", "", "1,2,3,4"]
    assert lines_of(content, Sheet(skip=3, width=2))[3:] == ["1,", ",2", "", "1,2,3,4"]


def test_the_only_sheet_with_records_is_taken() -> None:
    content = workbook_of(empty=[], filled=[["a"], [1]], other=[])
    assert lines_of(content) == ["a", "1"]
    assert names_of_sheets(io.BytesIO(content)) == ["filled"]


def _formula() -> bytes:
    return workbook_of(one=[["a", "b"], [1, "=A2*2"]])


def _bomb() -> bytes:
    made = io.BytesIO(workbook_of(one=[["a"], [1]]))
    with zipfile.ZipFile(made, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/media/zeros", b"\0" * 5_000_000)
    return made.getvalue()


def _archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as parts:
        parts.writestr("a.csv", "a\n1\n")
    return made.getvalue()


def _without_its_sheet() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook_of(one=[["a"], [1]]))) as whole, zipfile.ZipFile(made, "w") as parts:
        for name in whole.namelist():
            parts.writestr(name, b"<worksheet" if "sheet1" in name else whole.read(name))
    return made.getvalue()


@pytest.mark.parametrize(
    ("make", "sheet", "message"),
    [
        (lambda: b"a,b\n1,2\n", Sheet(), "no .xlsx workbook"),
        (lambda: workbook_of(one=[["a"], [1]])[:-200], Sheet(), "no .xlsx workbook"),
        (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000, Sheet(), "has a password"),
        (_archive, Sheet(), "an archive"),
        (_without_its_sheet, Sheet(), "damaged"),
        (_bomb, Sheet(), "maxUnpackRatio"),
        (_formula, Sheet(), "never computed"),
        (lambda: workbook_of(one=[["a"]]), Sheet("two"), "no sheet 'two'; correct 'sheet'"),
        (lambda: workbook_of(one=[["a"]], two=[["a"]]), Sheet(), "2 sheets have records"),
    ],
)
def test_what_cannot_be_read(make: Callable[[], bytes], sheet: Sheet, message: str) -> None:
    with pytest.raises(UnreadableWorkbook, match=message) as error:
        list(sheet_lines(io.BytesIO(make()), sheet, most=1_000_000))
    assert str(error.value).startswith("file.workbook: ")


@pytest.fixture(scope="module")
def taken(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> Bank:
    """A bank that took in a workbook, beside two that it cannot read."""
    key, *others = BOOKINGS.columns
    columns = (replace(key, identifier=identifier_of(True)), *others)
    lenient = replace(BOOKINGS, columns=columns, properties={**BOOKINGS.properties, "maxRejectShare": 0.9})
    bank = Bank(spark, tmp_path_factory.mktemp("bank"), catalogue_of(schemas_dir, lenient, PEOPLE))
    bank.map("bookings", MAPPING)
    bank.land("core/january.xlsx", workbook_of(Notes=[["read me"]], Bookings=ROWS))
    bank.land("core/february.xlsx", workbook_of(Notes=[["read me"]]))
    bank.land("core/march.xlsx", workbook_of(Bookings=[*ROWS[:-1], ["Total", 7]]))
    bank.run()
    return bank


@pytest.mark.delta
def test_rows_of_a_sheet_become_rows_of_the_feed(taken: Bank) -> None:
    rows = {row.id: row for row in taken.rows("bronze.bookings")}
    assert sorted(rows) == ["692", "B1"]
    assert [rows[name].amount for name in ("B1", "692")] == [Decimal("1234.50"), Decimal("0.30")]
    # Ten o'clock in Prague is nine o'clock UTC in winter; eleven is nine in summer.
    assert [rows[name].booked_at.replace(tzinfo=None) for name in ("B1", "692")] == [
        datetime(2025, 1, 2, 9), datetime(2025, 7, 2, 9)
    ]  # fmt: skip
    assert [rows[name].valued_on for name in ("B1", "692")] == [date(2025, 1, 3), date(2024, 12, 31)]
    assert [rows[name]["count"] for name in ("B1", "692")] == [None, 3]
    assert [rows[name].note for name in ("B1", "692")] == ['He said "ten, or so"', "two\nlines"]


@pytest.mark.delta
def test_the_others_are_in_quarantine(taken: Bank) -> None:
    rows = {row.record.split(",")[0]: row for row in taken.rows("ops.quarantine")}
    assert {name: row.reasons for name, row in rows.items()} == {
        "1.23456789012346E+18": ["id.identifier"],
        "B4": ["amount.type"],  # half a cent
        "B5": ["kind_unmapped"],
        "B6": ["row.malformed"],
    }
    assert rows["B5"].record == "B5,2025-01-02 10:00:00,7,X,,,-"


@pytest.mark.delta
def test_workbooks_that_are_not_as_the_mapping_says_stay_out_whole(taken: Bank) -> None:
    files = taken.files()
    assert files["core/january.xlsx"].rows_in == 6
    reasons = {name: row.reason for name, row in files.items() if row.status == "quarantined"}
    assert reasons == {
        "core/february.xlsx": "file.workbook: there is no sheet 'Bookings'; correct 'sheet' of the mapping",
        "core/march.xlsx": "file.trailer: the trailer says 7 records, the file has 6",
    }


def test_a_batch_that_is_begun_remembers_the_sheet(tmp_path: Path) -> None:
    body = Body(2, 40, 90, "utf-8", Dialect(), Sheet("Bookings", 1, 7, ","))
    manifest = Manifest("bookings", "core/a.xlsx", "0" * 64, "xlsx", ("a",), (), 3, "1" * 64, body=body)
    (tmp_path / "_staging").mkdir()
    begin(tmp_path, Batch({"bronze.bookings": 1}, {"a": manifest}))
    found = unfinished(tmp_path)
    assert found is not None
    assert found.files == {"a": manifest}


def test_first_records_of_a_workbook_are_copied_as_csv(taken: Bank, tmp_path: Path) -> None:
    (mapping,) = taken.mappings
    path = taken.landing / "core" / "january.xlsx"
    cut = first_records(path, mapping, rows=2, to=tmp_path)
    assert cut.cut
    assert cut.mapping.spec.format.type == "csv"
    assert cut.path.read_text().split("\n")[:2] == ["Bookings of January", "Id,Booked,Amount,Kind,Valued,Count,Note"]
    assert values_by_line(path, mapping, lines={2})[2]["Amount"] == "-1234.5"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{type: xlsx, delimiter: ';'}", "'delimiter' belongs to text"),
        ("{type: xlsx, encoding: utf-8}", "'encoding' belongs to text"),
        ("{type: csv, sheet: One}", "'sheet' belongs to type xlsx"),
        ("{type: xlsx, header: false}", "without a header need 'names'"),
    ],
)
def test_mistakes_in_the_format(words: str, message: str, taken: Bank, tmp_path: Path) -> None:
    folder = tmp_path / "sources" / "core"
    folder.mkdir(parents=True)
    text = "\n".join(f"format: {words}" if line.startswith("format:") else line for line in MAPPING.split("\n"))
    (folder / "bookings.yml").write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        load_mappings(tmp_path, taken.catalogue)
