"""Landing to bronze, file by file: one delivery of all kinds of files, then what comes again (F5, F9)."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from portrait.ingest import IngestSummary

from .conftest import HEADER, Bank, NewBank, good

pytestmark = pytest.mark.delta

REORDERED = "note,surplus,count,valued_on,kind,amount,booked_at,id"
FIRST = "\n".join(
    [
        REORDERED,
        "hello,s,3,2025-01-02,cash,1.50,2025-01-01 10:00:00,B1",
        "",
        "hello,s,,,gold,-1,2025-01-01 10:00:00,B2",  # line 4: two rules
        ",,,,card,2.00,2025-01-01 10:00:00,B3",
        "torn",  # line 6
        ",,,,card,2.00,2025-01-01 10:00:00,B4",
        ",,,,card,2.00,2025-01-01 10:00:00,B5",
        ",,,,card,2.00,2025-01-01 10:00:00,B6",
        ",,,,card,2.00,2025-01-01 10:00:00,B7",
    ]
)
LUNCH = (
    'B41,2025-01-01 10:00:00,4.10,card,,,"lunch',  # line 2: one record of three lines
    "B98,2025-01-01 10:00:00,1000000.00,card,,,",
    'thanks, ""all"""',
    good(42),  # line 5
    'B43,2025-01-01 10:00:00,4.30,card,,,"never',  # line 6: what it swallows is one bad row
    good(97),
    'B44,2025-01-01 10:00:00,4.40,card,,,"closed"',
)
WHOLE = {
    "bookings/e.csv.gz": gzip.compress(f"{HEADER}\n{good(90)}\n".encode())[:-6],
    "bookings/f.csv": f"{HEADER}\n{good(91)}\n{good(92)}".encode() + b"\xff\n",
    "bookings/g.csv": b"",
    "bookings/h.csv": f"{HEADER}\r{good(94)}\r".encode(),
    "bookings/i.csv": f"{HEADER}\n{good(93)}\n".replace(",", ";").encode(),
}


def parquet(bank: Bank) -> None:
    day = datetime(2025, 1, 1, 10)
    table = pa.table(
        {
            "id": ["B30", "B31", "B32", "B33"],
            "booked_at": pa.array([day] * 4, pa.timestamp("us")),
            "amount": pa.array([Decimal(text) for text in ("1.00", "-1.00", "1.00", "1.00")], pa.decimal128(18, 2)),
            "kind": ["card"] * 4,
            "valued_on": pa.array([day.date(), None, None, None], pa.date32()),
            "count": pa.array([None, 1, None, None], pa.int32()),
            "note": ["x", None, None, None],
        }
    )
    (bank.landing / "bookings").mkdir(parents=True, exist_ok=True)
    pq.write_table(table, bank.landing / "bookings" / "d.parquet")


@pytest.fixture(scope="module")
def first(new_bank: NewBank) -> tuple[Bank, IngestSummary]:
    """A bank after its first delivery."""
    bank = new_bank()
    bank.land("bookings/a.csv", FIRST)
    bank.land("bookings/a-again.csv", FIRST)
    bank.land("bookings/b.csv.gz", f"{HEADER}\r\n{good(10)}\r\n{good(11)}\r\n")
    record = {"id": "B20", "booked_at": "2025-01-01 10:00:00", "amount": 7.25, "kind": "card"}
    bank.land("bookings/c.jsonl", json.dumps({**record, "count": 1, "more": 1}))  # optional keys are left out
    parquet(bank)
    for path, data in WHOLE.items():
        bank.land(path, data)
    bank.csv(".half-written.csv", good(99))
    bank.csv("j.csv")  # a header and no rows
    bank.land("bookings/k.csv.gz", gzip.compress(f"{HEADER}\n{good(40)}\n".encode()) + bytes(512))
    bank.csv("l.csv", *LUNCH, *[good(number) for number in range(50, 62)])
    bank.land("people/p.csv", "id,active\nP1,true\nP2,\n")
    return bank, bank.run()


def test_good_rows_of_every_format_are_in_bronze(first: tuple[Bank, IngestSummary]) -> None:
    ids = ["B1", "B10", "B11", "B20", "B3", "B30", "B32", "B33", "B4", "B5", "B6", "B7", "B40", "B41", "B42"]
    assert first[0].bronze_ids() == sorted([*ids, *[f"B{number}" for number in range(50, 62)]])


def test_a_record_of_several_lines_is_one_row_and_no_line_of_it_is_let_in(first: tuple[Bank, IngestSummary]) -> None:
    rows = {row.id: row for row in first[0].rows("bronze.bookings")}
    assert rows["B41"].note == 'lunch\nB98,2025-01-01 10:00:00,1000000.00,card,,,\nthanks, "all"'
    assert [rows[f"B{number}"]["_line"] for number in (41, 42, 50)] == [2, 5, 9]
    (swallowed,) = [row for row in first[0].rows("ops.quarantine") if row.file == "bookings/l.csv"]
    assert (swallowed.line, swallowed.reasons, swallowed.record) == (6, ["row.malformed"], "\n".join(LUNCH[4:]))


def test_bronze_rows_are_typed_and_say_where_they_came_from(first: tuple[Bank, IngestSummary]) -> None:
    rows = {row.id: row for row in first[0].rows("bronze.bookings")}
    assert (rows["B1"].amount, rows["B1"]["count"], rows["B1"].note) == (Decimal("1.50"), 3, "hello")
    assert (rows["B1"]["_file"], rows["B1"]["_line"]) == ("bookings/a-again.csv", 2)
    assert (rows["B3"]["_line"], rows["B11"]["_line"], rows["B20"]["_line"], rows["B30"]["_line"]) == (5, 3, 1, 1)
    assert rows["B30"].booked_at == datetime(2025, 1, 1, 10)


def test_broken_rows_are_in_quarantine_with_rules_file_line_and_text(first: tuple[Bank, IngestSummary]) -> None:
    found = {(row.file, row.line): (row.reasons, row.status) for row in first[0].rows("ops.quarantine")}
    assert found == {
        ("bookings/a-again.csv", 4): (["amount.range", "kind.enum"], "open"),
        ("bookings/a-again.csv", 6): (["row.malformed"], "open"),
        ("bookings/d.parquet", 2): (["amount.range"], "open"),
        ("bookings/l.csv", 6): (["row.malformed"], "open"),
    }
    records = {(row.file, row.line): row.record for row in first[0].rows("ops.quarantine")}
    assert records["bookings/a-again.csv", 6] == "torn"


def test_unreadable_files_are_quarantined_whole_and_the_others_go_on(first: tuple[Bank, IngestSummary]) -> None:
    bank, summary = first
    files = bank.files()
    reasons = {path: (files[path].status, files[path].reason.split(":")[0]) for path in WHOLE}
    assert reasons == {
        "bookings/e.csv.gz": ("quarantined", "file.gzip"),
        "bookings/f.csv": ("quarantined", "file.encoding"),
        "bookings/g.csv": ("quarantined", "file.empty"),
        "bookings/h.csv": ("quarantined", "file.line_ends"),
        "bookings/i.csv": ("quarantined", "file.delimiter"),
    }
    assert [row.id for row in bank.rows("bronze.people")] == ["P1", "P2"]
    assert len(summary.alerts) == len(WHOLE)


def test_for_every_file_rows_in_are_good_plus_bad(first: tuple[Bank, IngestSummary]) -> None:
    counts = {path: (row.rows_in, row.rows_good, row.rows_bad) for path, row in first[0].files().items()}
    assert counts == {
        "bookings/a-again.csv": (8, 6, 2),
        "bookings/a.csv": (0, 0, 0),
        "bookings/b.csv.gz": (2, 2, 0),
        "bookings/c.jsonl": (1, 1, 0),
        "bookings/d.parquet": (4, 3, 1),
        "bookings/e.csv.gz": (0, 0, 0),
        "bookings/f.csv": (2, 0, 2),
        "bookings/g.csv": (0, 0, 0),
        "bookings/h.csv": (0, 0, 0),
        "bookings/i.csv": (1, 0, 1),
        "bookings/j.csv": (0, 0, 0),
        "bookings/k.csv.gz": (1, 1, 0),
        "bookings/l.csv": (15, 14, 1),
        "people/p.csv": (2, 2, 0),
    }


def test_nothing_happened_is_news(first: tuple[Bank, IngestSummary]) -> None:
    assert first[0].files()["bookings/j.csv"].status == "accepted"


def test_added_columns_are_kept_out_and_reported(first: tuple[Bank, IngestSummary]) -> None:
    bank, summary = first
    assert bank.files()["bookings/a-again.csv"].columns_ignored == ["surplus"]
    (feed,) = [feed for feed in summary.feeds if feed.feed == "bookings"]
    assert feed.columns_ignored == {"bookings/a-again.csv": ("surplus",), "bookings/c.jsonl": ("more",)}


def test_a_copy_within_one_delivery_is_a_duplicate(first: tuple[Bank, IngestSummary]) -> None:
    row = first[0].files()["bookings/a.csv"]
    assert (row.status, row.reason) == ("duplicate", "the same bytes as bookings/a-again.csv")


def test_nothing_new_writes_no_table_and_asks_spark_nothing(
    first: tuple[Bank, IngestSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    from portrait.ingest import pipeline

    bank, _ = first
    before = bank.versions()
    monkeypatch.setattr(pipeline, "read_ledger", lambda lake: pytest.fail("the list of files was read"))
    summary = bank.run()
    assert (summary.feeds, len(summary.alerts)) == ((), len(WHOLE))
    assert bank.versions() == before


def test_files_that_come_again(first: tuple[Bank, IngestSummary]) -> None:
    """Renamed: once. Other bytes under a known name: quarantined with an alert. The cache is not needed for it."""
    bank, _ = first
    before = bank.bronze_ids()
    (bank.root / "lake" / "_checkpoints" / "landed-files.json").unlink()
    (bank.landing / "bookings" / "b.csv.gz").rename(bank.landing / "bookings" / "renamed.csv.gz")
    bank.land("bookings/c.jsonl", json.dumps({"id": "B21"}))
    summary = bank.run()
    files = bank.files()
    assert bank.bronze_ids() == before
    assert files["bookings/renamed.csv.gz"].status == "duplicate"
    assert [alert for alert in summary.alerts if "name.reused" in alert] == [
        "bookings/c.jsonl: name.reused: a file of this name was accepted, this one has other bytes"
    ]
    assert len(summary.alerts) == len(WHOLE) + 1, "files of the first delivery still lie there"
    assert len(bank.rows("ops.files")) == 16


def test_staged_files_and_judged_rows_are_gone_afterwards(first: tuple[Bank, IngestSummary]) -> None:
    lake = first[0].root / "lake"
    left = [*(lake / "_staging").rglob("*"), *(lake / "_judged").rglob("*")]
    assert [file for file in left if file.is_file()] == []


def test_files_beyond_their_bounds_keep_nobody_else_out(bank: Bank) -> None:
    bounded = bank.with_contract(maxLineBytes=2000, maxUnpackRatio=10)
    bounded.land("bookings/a.csv", f"{HEADER}\n{good(1)}\n{'x' * 2001}\n")
    bounded.land("bookings/b.csv", f'{HEADER}\n{good(2)}\nB3,"never closed\n' + f"{good(4)}\n" * 50)
    bounded.land("bookings/c.jsonl", '{"id": ' + "1" * 2000 + "}")
    bounded.land("bookings/d.csv.gz", f"{HEADER}\n" + f"{good(5)}\n" * 500)
    bounded.csv("e.csv", good(6))
    bounded.run()
    found = {path: (row.status, (row.reason or "").split(":")[0]) for path, row in bounded.files().items()}
    assert found == {
        "bookings/a.csv": ("quarantined", "file.line_too_long"),
        "bookings/b.csv": ("quarantined", "file.line_too_long"),
        "bookings/c.jsonl": ("quarantined", "file.line_too_long"),
        "bookings/d.csv.gz": ("quarantined", "file.gzip_bomb"),
        "bookings/e.csv": ("accepted", ""),
    }
    assert bounded.bronze_ids() == ["B6"]
