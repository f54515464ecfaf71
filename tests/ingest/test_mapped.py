"""Files of sources as they are: what a mapping makes of their records, and what becomes of the others."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.ingest.conftest import BOOKINGS, PEOPLE, Bank, NewBank, catalogue_of

from portrait.errors import ConfigurationError
from portrait.ingest import export_quarantine, release, unmapped_codes
from portrait.ingest.discover import landed_files
from portrait.ingest.inspect import inspect_file
from portrait.ingest.mapped import moment_text, number_text
from portrait.lake import Lease
from portrait.mappings.model import ColumnMapping, FileFormat

CORE = """\
title: Bookings of the core system
files: "export*.txt"
feed: bookings
format:
  {delimiter: ";", encoding: windows-1250, decimal: ",", thousands: ".", skip_lines: 1, nulls: ["", "-"],
   trailer: {pattern: 'T;(?P<records>\\d+)'}}
columns:
  id: Číslo
  booked_at: {column: Datum, format: dd.MM.yyyy HH:mm, time_zone: Europe/Prague}
  amount: {expression: "abs(Částka)"}
  kind: {column: Typ, map: kinds.csv}
  valued_on: {column: Valuta, format: dd.MM.yy}
  count: Počet
  note: {expression: "coalesce(Popis_textu, 'none')"}
where: "Částka <> 0"
delivery: append
"""
KINDS = "code,value\nK,card\nH,cash\n"
EXPORT = """\
Export of 2 January 2025
Číslo;Datum;Částka;Typ;Valuta;Počet;Popis textu
B1;02.01.2025 10:00;1.234,50;K;03.01.25;;"Žluťoučký; kůň"
B2;02.07.2025 11:00;-5,00;H;31.12.99;3;-
B3;02.01.2025 12:00;7,00;X;;;
B4;31.02.2025 12:00;7,00;K;;;
B5;02.01.2025 12:00;1.5;K;;;
B6;02.01.2025 12:00;0,00;K;;;
B7;02.01.2025

B8;02.01.2025 13:00;1,00-;K;;;"two
lines"
T;8
"""


@pytest.fixture(scope="session")
def new_lenient_bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> NewBank:
    """As `new_bank`; no number of bad rows refuses the feed."""
    lenient = replace(BOOKINGS, properties={**BOOKINGS.properties, "maxRejectShare": 0.9})
    catalogue = catalogue_of(schemas_dir, lenient, PEOPLE)
    return lambda: Bank(spark, tmp_path_factory.mktemp("bank"), catalogue)


@pytest.fixture(scope="module")
def taken(new_lenient_bank: NewBank) -> Bank:
    """A bank that took in one export, beside a file of which the header changed."""
    bank = new_lenient_bank()
    bank.map("bookings", CORE, kinds=KINDS)
    bank.land("core/export_1.txt", EXPORT.encode("windows-1250"))
    bank.land("core/2025/export_2.txt", EXPORT.replace("Valuta", "Valutace").encode("windows-1250"))
    bank.run()
    return bank


@pytest.mark.delta
def test_records_become_rows_of_the_feed(taken: Bank) -> None:
    rows = {row.id: row for row in taken.rows("bronze.bookings")}
    assert sorted(rows) == ["B1", "B2", "B8"]
    # Ten o'clock in Prague is nine o'clock UTC in winter; eleven is nine in summer.
    assert [rows[name].booked_at.replace(tzinfo=None) for name in ("B1", "B2")] == [
        datetime(2025, 1, 2, 9), datetime(2025, 7, 2, 9)
    ]  # fmt: skip
    assert [rows[name].amount for name in ("B1", "B2", "B8")] == [Decimal("1234.50"), Decimal("5.00"), Decimal("1.00")]
    assert [(row.kind, row.count_) for row in (_numbered(rows["B1"]), _numbered(rows["B2"]))] == [
        ("card", None), ("cash", 3)
    ]  # fmt: skip
    assert (rows["B1"].valued_on, rows["B2"].valued_on) == (date(2025, 1, 3), date(1999, 12, 31))
    assert [rows[name].note for name in ("B1", "B2", "B8")] == ["Žluťoučký; kůň", "none", "two\nlines"]
    assert {name: row._line for name, row in rows.items()} == {"B1": 3, "B2": 4, "B8": 11}


def _numbered(row: object) -> object:
    class Named:
        kind = row["kind"]  # type: ignore[index]
        count_ = row["count"]  # type: ignore[index]

    return Named


@pytest.mark.delta
def test_the_others_are_in_quarantine_as_they_came(taken: Bank) -> None:
    rows = {row.line: row for row in taken.rows("ops.quarantine")}
    lines = EXPORT.split("\n")
    assert {line: row.reasons for line, row in rows.items()} == {
        5: ["kind_unmapped"],
        6: ["booked_at_unreadable"],
        7: ["amount_unreadable", "where_unreadable"],
        9: ["row.malformed"],
    }
    assert {line: row.record for line, row in rows.items()} == {line: lines[line - 1] for line in rows}
    assert {line: row.unmapped for line, row in rows.items()} == {5: {"kind": "X"}, 6: None, 7: None, 9: None}


@pytest.mark.delta
def test_the_ledger_counts_what_the_condition_leaves_out(taken: Bank) -> None:
    file = taken.files()["core/export_1.txt"]
    assert (file.feed, file.mapping, file.status) == ("bookings", "core/bookings", "accepted")
    assert (file.rows_in, file.rows_good, file.rows_bad, file.rows_left_out) == (7, 3, 4, 1)


@pytest.mark.delta
def test_a_changed_header_keeps_the_file_out_whole(taken: Bank) -> None:
    file = taken.files()["core/2025/export_2.txt"]
    assert (file.status, file.rows_good) == ("quarantined", 0)
    assert file.reason == "file.columns: the header has no column 'Valuta', which bookings.yml reads"


@pytest.mark.delta
def test_a_second_run_has_nothing_to_do(taken: Bank) -> None:
    before = taken.versions()
    assert taken.run().feeds == ()
    assert taken.versions() == before


@pytest.mark.delta
def test_codes_are_counted_and_released_after_the_map_was_extended(taken: Bank) -> None:
    found = unmapped_codes(taken.lake().reader)
    assert [(item.feed, item.column, item.code, item.mapping, item.rows) for item in found] == [
        ("bookings", "kind", "X", "core/bookings", 1)
    ]
    path = taken.root / "export.csv"
    export_quarantine(taken.lake(), catalogue=taken.catalogue, feed="bookings", path=path, mappings=taken.mappings)
    assert "B3;02.01.2025 12:00;7,00;X;;;" in path.read_text()
    taken.map("bookings", CORE, kinds=KINDS + "X,card\n")
    with Lease(taken.root / "lake") as lease:
        (done,) = release(taken.lake(lease), landing=taken.landing, catalogue=taken.catalogue, mappings=taken.mappings)
    assert (done.file, done.rows) == ("bookings/released-1.csv", 1)
    assert done.still_bad == {
        "amount_unreadable": 1,
        "booked_at_unreadable": 1,
        "row.malformed": 1,
        "where_unreadable": 1,
    }
    taken.run()
    assert taken.bronze_ids() == ["B1", "B2", "B3", "B8"]
    statuses = {row.line: row.status for row in taken.rows("ops.quarantine")}
    assert statuses == {5: "released", 6: "open", 7: "open", 9: "open"}
    assert unmapped_codes(taken.lake().reader) == []


FIXED = """\
title: Bookings of fixed width
files: "*.dat"
feed: bookings
format:
  type: fixed_width
  fields: [{name: id, from: 1, to: 4}, {name: at, from: 5, to: 18}, {name: sum, from: 19, to: 26}]
columns:
  id: id
  booked_at: {column: at, format: yyyyMMddHHmmss, time_zone: UTC}
  amount: {expression: "try_divide(sum, 100)"}
  kind: {constant: card}
delivery: append
"""
JSON = """\
title: Bookings in JSON
files: "*.ndjson"
feed: bookings
format: {type: jsonl}
columns:
  id: booking.id
  booked_at: at
  amount: value
  kind: {column: card, map: {"true": card, "false": cash, "": card}}
delivery: append
"""
PARQUET = """\
title: Bookings in Parquet
files: "*.pq"
feed: bookings
format: {type: parquet}
columns: {id: Key, booked_at: at, amount: value, kind: {column: kind, map: {c: card}}, valued_on: day}
delivery: append
"""
SHARED = """\
title: People of a list
files: "list*.csv"
feed: people
shared: true
format: {header: false, names: [id, at, active]}
columns: {id: id, active: {column: active, map: {"J": true, "N": false}, otherwise: null}}
delivery: snapshot
"""


@pytest.mark.delta
def test_other_formats(new_lenient_bank: NewBank) -> None:
    bank = new_lenient_bank()
    for name, text in {"fixed": FIXED, "json": JSON, "parquet": PARQUET}.items():
        bank.map(name, text)
    bank.land("core/a.dat", "F1  20250102100000   12345\nF2  20250102100000     x45\n")
    sound = '{"booking": {"id": "J1"}, "at": "2025-01-02T10:00:00Z", "value": 1.10, "card": true}'
    bank.land("core/b.ndjson", sound + '\n{"booking": {"id": "J2"}\n')
    table = pa.table(
        {
            "Key": ["P1", "P2"],
            "at": pa.array([datetime(2025, 1, 2, 10)] * 2, pa.timestamp("ns", "UTC")),
            "value": [12345678.5, 2.25],
            "kind": ["c", "w"],
            "day": [date(2025, 1, 2), None],
        }
    )
    (bank.landing / "core").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, bank.landing / "core" / "c.pq")
    bank.run()
    rows = {row.id: (row.booked_at.replace(tzinfo=None), row.amount, row.kind) for row in bank.rows("bronze.bookings")}
    at = datetime(2025, 1, 2, 10)
    assert rows == {
        "F1": (at, Decimal("123.45"), "card"),
        "J1": (at, Decimal("1.10"), "card"),
        "P1": (at, Decimal("12345678.50"), "card"),
    }
    bad = {(row.file, row.line): (row.reasons, row.record) for row in bank.rows("ops.quarantine")}
    assert bad["core/a.dat", 2] == (["amount_unreadable"], "F2  20250102100000     x45")
    assert bad["core/b.ndjson", 2] == (["row.malformed"], '{"booking": {"id": "J2"}')
    reasons, record = bad["core/c.pq", 2]
    assert (reasons, json.loads(record)["Key"]) == (["kind_unmapped"], "P2")
    bank.map("parquet", PARQUET.replace("{c: card}", "{c: card, w: cash}").replace("cash", "card"))
    with Lease(bank.root / "lake") as lease:
        (done,) = release(bank.lake(lease), landing=bank.landing, catalogue=bank.catalogue, mappings=bank.mappings)
    assert done.rows == 1


# -- whole files ------------------------------------------------------------------------------------------------------


def _bytes(text: str) -> bytes:
    return text.encode("windows-1250")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_bytes(EXPORT), None),
        (_bytes(EXPORT.replace("\n", "\r\n")), None),
        (EXPORT.encode(), "file.encoding: the bytes are UTF-8, the mapping says windows-1250; correct 'encoding'"),
        (_bytes(EXPORT) + b"\x81", "file.encoding: the bytes are not windows-1250"),
        (_bytes(EXPORT.replace(";", ",").replace("T,8", "T;8")), "file.delimiter: the header is one field"),
        (_bytes(EXPORT.replace("Typ;", "")), "file.columns: the header has no column 'Typ'"),
        (_bytes(EXPORT.replace("Typ;", "Typ;Typ;")), "file.columns: the column 'Typ' stands 2 times"),
        (_bytes(EXPORT.split("\n", 1)[1]), "file.columns: the header has none of the mapping's columns"),
        (_bytes(EXPORT.replace("T;8", "T;9")), "file.trailer: the trailer says 9 records, the file has 8"),
        (_bytes(EXPORT.replace("T;8\n", "")), "file.trailer: the last line is not the trailer"),
        (b"", "file.empty"),
    ],
)  # fmt: skip
def test_what_a_file_is_by_its_bytes(new_lenient_bank: NewBank, content: bytes, reason: str | None) -> None:
    bank = new_lenient_bank()
    bank.map("bookings", CORE, kinds=KINDS)
    bank.land("core/export.txt", content)
    (landed,) = landed_files(bank.landing, known=bank.catalogue.feeds, mappings=bank.mappings)
    seen = inspect_file(landed, width=7)
    if reason is None:
        assert (seen.problem, seen.rows) == (None, 8)
    else:
        assert (seen.problem or "").startswith(reason)


def test_a_file_that_no_mapping_claims_is_refused(new_lenient_bank: NewBank) -> None:
    bank = new_lenient_bank()
    bank.map("bookings", CORE, kinds=KINDS)
    bank.land("core/_readme.txt", "no data")
    assert landed_files(bank.landing, known=bank.catalogue.feeds, mappings=bank.mappings) == []
    bank.land("core/exports/clients.txt", "x")
    with pytest.raises(ConfigurationError, match="no mapping claims this file") as error:
        landed_files(bank.landing, known=bank.catalogue.feeds, mappings=bank.mappings)
    assert error.value.where == "core/exports/clients.txt"


def test_two_mappings_claim_a_file_only_if_both_share_it(new_lenient_bank: NewBank) -> None:
    bank = new_lenient_bank()
    bank.map("bookings", CORE.replace("export*.txt", "*.csv"), kinds=KINDS)
    bank.map("people", SHARED.replace("delivery: snapshot", SNAPSHOT))
    bank.land("core/list_20250102.csv", "x")
    with pytest.raises(ConfigurationError, match="several mappings claim this file"):
        landed_files(bank.landing, known=bank.catalogue.feeds, mappings=bank.mappings)
    bank.map("bookings", CORE.replace("export*.txt", "*.csv").replace("delivery", "shared: true\ndelivery"))
    both = landed_files(bank.landing, known=bank.catalogue.feeds, mappings=bank.mappings)
    assert [(item.feed, item.path) for item in both] == [
        ("bookings", "core/list_20250102.csv"), ("people", "core/list_20250102.csv")
    ]  # fmt: skip
    bank.map("again", CORE.replace("export*.txt", "list*.csv").replace("delivery", "shared: true\ndelivery"))
    with pytest.raises(ConfigurationError, match="several mappings make one feed"):
        landed_files(bank.landing, known=bank.catalogue.feeds, mappings=bank.mappings)


SNAPSHOT = "delivery: snapshot\nsnapshot: {date: {file_name: '(\\d{8})'}}"


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "marks", "number"),
    [
        ("1.234,50", (",", "."), "1234.50"), ("1234,5", (",", "."), "1234.5"), ("1.5", (",", "."), None),
        ("1 234", (",", " "), "1234"), ("1\u00a0234,5", (",", " "), "1234.5"), ("12-", (".", None), "-12"),
        ("-12.5", (".", None), "-12.5"), ("1,234.5", (".", ","), "1234.5"), ("12,34.5", (".", ","), None),
        ("12,34,567", (".", ","), "1234567"), ("1'000", (".", "'"), "1000"), (".5", (".", None), ".5"),
        ("abc", (".", None), None), ("-", (",", None), None), ("--1", (".", None), None),
    ],
)  # fmt: skip
def test_numbers_are_read_by_their_marks(
    spark: SparkSession, text: str, marks: tuple[str, str | None], number: str | None
) -> None:
    form = FileFormat(decimal=marks[0], thousands=marks[1])  # type: ignore[arg-type]
    row = spark.range(1).select(number_text(F.lit(text), form).alias("number")).collect()[0]
    assert row["number"] == number


@pytest.mark.parametrize(
    ("text", "form", "told"),
    [
        ("930101", {"format": "yyMMdd"}, "1993-01-01 00:00:00.000000"),
        ("680101", {"format": "yyMMdd"}, "2068-01-01 00:00:00.000000"),
        ("680101", {"format": "yyMMdd", "years_from": 1900}, "1968-01-01 00:00:00.000000"),
        ("29.2.00", {"format": "d.M.yy", "years_from": 1990}, "2000-02-29 00:00:00.000000"),
        ("29.2.00", {"format": "d.M.yy", "years_from": 1850}, None),
        ("02-Jan-2025", {"format": "dd-MMM-yyyy"}, "2025-01-02 00:00:00.000000"),
        ("2025-01-02 10:00", {"format": "yyyy-MM-dd HH:mm", "time_zone": "Asia/Tokyo"}, "2025-01-02 01:00:00.000000Z"),
        ("2025-01-02T10:00+02:00", {"format": "yyyy-MM-dd'T'HH:mmXXX"}, "2025-01-02 08:00:00.000000Z"),
        ("2025-02-30", {"format": "yyyy-MM-dd"}, None),
        ("2025-01-02 and more", {"format": "yyyy-MM-dd"}, None),
    ],
)  # fmt: skip
def test_times_are_read_by_their_format(spark: SparkSession, text: str, form: dict[str, str], told: str | None) -> None:
    column = ColumnMapping(column="x", **form)  # type: ignore[arg-type]
    shown = moment_text(F.lit(text), column, BOOKINGS.column("booked_at"), "UTC")
    assert spark.range(1).select(shown.alias("shown")).collect()[0]["shown"] == told
