"""The way back from quarantine: by a changed contract, and by a file of corrected rows."""

from __future__ import annotations

import csv
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from portrait.contracts.catalogue import bronze_contract
from portrait.errors import ConfigurationError, InputRefused
from portrait.ingest import Release, export_quarantine, quarantine_summary, release
from portrait.lake import Lease

from .conftest import BOOKINGS, Bank, NewBank, good

pytestmark = pytest.mark.delta

DAY = "2025-01-01 10:00:00"


@pytest.fixture(scope="module")
def bank(new_bank: NewBank) -> Bank:
    """A bank with three rows in quarantine: an unknown kind, a text for an amount, a torn line."""
    made = new_bank()
    made.csv("a.csv", *[good(n) for n in range(1, 12)], f'B90,{DAY},5.00,wire,,,"a, b"', f"B91,{DAY},x,card,,,", "torn")
    made.run()
    return made


def released(bank: Bank, corrected: Path | None = None) -> list[Release]:
    with Lease(bank.root / "lake") as lease:
        return release(bank.lake(lease), landing=bank.landing, catalogue=bank.catalogue, corrected=corrected)


def exported(bank: Bank) -> Path:
    path = bank.root / "export.csv"
    export_quarantine(bank.lake(), catalogue=bank.catalogue, feed="bookings", path=path)
    return path


def statuses(bank: Bank) -> dict[int, tuple[str, str | None]]:
    return {row.line: (row.status, row.released_in) for row in bank.rows("ops.quarantine")}


def test_the_summary_counts_by_feed_rule_and_file(bank: Bank) -> None:
    rows = [astuple(item) for item in quarantine_summary(bank.lake().reader)]
    assert rows == [
        ("bookings", "amount.type", "bookings/a.csv", "accepted", 1, 14),
        ("bookings", "kind.enum", "bookings/a.csv", "accepted", 1, 13),
        ("bookings", "row.malformed", "bookings/a.csv", "accepted", 1, 15),
    ]


def test_an_export_has_what_a_correction_needs(bank: Bank) -> None:
    with exported(bank).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["amount"], row["note"], row["_line"], row["_reasons"], row["_record"]) for row in rows] == [
        ("B90", "5.00", "a, b", "13", "kind.enum", ""),
        ("B91", "x", "", "14", "amount.type", ""),
        ("", "", "", "15", "row.malformed", "torn"),
    ]
    assert {row["_file_hash"] for row in rows} == {bank.files()["bookings/a.csv"].file_hash}


def test_rows_that_break_the_contract_still_are_not_released(bank: Bank) -> None:
    (done,) = released(bank)
    assert done == Release("bookings", None, 0, {"amount.type": 1, "kind.enum": 1, "row.malformed": 1})


def test_a_correction_of_a_row_that_is_not_open_is_refused(bank: Bank) -> None:
    path = exported(bank)
    path.write_text(path.read_text().replace(",14,", ",3,"))
    with pytest.raises(InputRefused, match="1 corrected rows stand for no open row"):
        released(bank, path)


def test_a_file_without_references_is_refused(bank: Bank) -> None:
    path = bank.root / "plain.csv"
    path.write_text("id,active\nP1,true\n")
    with pytest.raises(InputRefused, match="header is not that of a feed"):
        released(bank, path)


def test_a_file_that_is_not_there(bank: Bank) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        released(bank, bank.root / "absent.csv")


def test_rows_go_in_again(bank: Bank) -> None:
    """First by a changed contract, then corrected; the originals stay, with where they went."""
    columns = tuple(replace(c, enum=(*c.enum, "wire")) if c.name == "kind" else c for c in BOOKINGS.columns)
    wider = replace(BOOKINGS, columns=columns)
    contracts = {**bank.catalogue.contracts, "raw.bookings": wider, "bronze.bookings": bronze_contract(wider)}
    now = replace(bank, catalogue=replace(bank.catalogue, contracts=contracts))
    (done,) = released(now)
    assert (done.file, done.rows) == ("bookings/released-1.csv", 1)
    assert statuses(now)[13] == ("landed", "bookings/released-1.csv")
    now.run()
    rows = {row.id: row for row in now.rows("bronze.bookings")}
    assert (rows["B90"].kind, rows["B90"].note, rows["B90"]["_file"]) == ("wire", "a, b", "bookings/released-1.csv")
    assert statuses(now) == {13: ("released", "bookings/released-1.csv"), 14: ("open", None), 15: ("open", None)}

    path = exported(now)
    path.write_text(path.read_text().replace(f"B91,{DAY},x,", f"B91,{DAY},9.99,"))
    (done,) = released(now, path)
    # The torn row was left as it was: its values are absent.
    missing = {f"{name}.required": 1 for name in ("amount", "booked_at", "id", "kind")}
    assert done == Release("bookings", "bookings/released-2.csv", 1, missing)
    now.run()
    assert "B91" in now.bronze_ids()
    assert len(now.bronze_ids()) == 13
    assert statuses(now)[14] == ("released", "bookings/released-2.csv")
    assert now.files()["bookings/released-2.csv"].status == "accepted"


NOTES = {  # each is a note of a row in quarantine; as ingest has to read it again
    "line breaks": "a\nb\r\nc",
    "quotes": 'say "ah"',
    "delimiters": "a, b",
    "a carriage return": "a\rb\r",
    "blanks": " a ",
    "a line that looks like a row": f"x\nB77,{DAY},1.00,card,,,",
}


@pytest.fixture
def noted(new_bank: NewBank) -> Bank:
    """A bank whose quarantined rows have difficult notes, and an open quote that swallowed two rows."""
    made = new_bank()
    quoted = ['"' + note.replace('"', '""') + '"' for note in NOTES.values()]
    rows = [f"B{80 + place},{DAY},-1.00,card,,,{note}" for place, note in enumerate(quoted)]
    made.csv("a.csv", *[good(n) for n in range(1, 40)], *rows, f'B70,{DAY},1.00,card,,,"open', good(71), "torn")
    made.run()
    return made


def test_what_an_export_holds_comes_in_whatever_a_spreadsheet_did_to_it(noted: Bank) -> None:
    """Line breaks, quotes and carriage returns go out and in; Excel adds a mark and ends lines its own way."""
    path = exported(noted)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [row["note"] for row in rows[:-1]] == list(NOTES.values())
    assert rows[-1]["_record"] == f'B70,{DAY},1.00,card,,,"open\n{good(71)}\ntorn\n'
    for row in rows:
        row["amount"] = "1.00"
    rows[-1] |= {"id": "B70", "booked_at": DAY, "kind": "card", "note": "closed"}
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    (done,) = released(noted, path)
    assert (done.rows, done.still_bad) == (len(NOTES) + 1, {})
    assert {status for status, _ in statuses(noted).values()} == {"landed"}
    noted.run()
    assert {row.id: row.note for row in noted.rows("bronze.bookings") if row["_file"] == done.file} == {
        **{f"B{80 + place}": note for place, note in enumerate(NOTES.values())},
        "B70": "closed",
    }
    assert {status for status, _ in statuses(noted).values()} == {"released"}


def test_rows_are_released_when_they_have_come_in_and_open_again_when_their_file_is_gone(new_bank: NewBank) -> None:
    bank = new_bank()
    bank.csv("a.csv", *[good(n) for n in range(1, 12)], f"B90,{DAY},5.00,wire,,,", f"B91,{DAY},6.00,wire,,,")
    bank.run()
    columns = tuple(replace(c, enum=(*c.enum, "wire")) if c.name == "kind" else c for c in BOOKINGS.columns)
    wider = replace(BOOKINGS, columns=columns)
    contracts = {**bank.catalogue.contracts, "raw.bookings": wider, "bronze.bookings": bronze_contract(wider)}
    now = replace(bank, catalogue=replace(bank.catalogue, contracts=contracts))
    (done,) = released(now)
    assert done.rows == 2
    assert released(now) == []  # they are on their way
    with pytest.raises(InputRefused, match="2 of 2 rows break the contract"):
        bank.run()  # the contract as it was: the file is refused
    assert statuses(now)[13] == statuses(now)[14] == ("landed", "bookings/released-1.csv")
    (now.landing / "bookings" / "released-1.csv").unlink()
    (again,) = released(now)
    assert (again.file, again.rows) == ("bookings/released-2.csv", 2)
    assert exported(now).read_text().count("\n") == 1
    now.run()
    assert {"B90", "B91"} <= set(now.bronze_ids())
    assert statuses(now)[13] == statuses(now)[14] == ("released", "bookings/released-2.csv")


def test_a_row_that_breaks_a_rule_again_has_not_come_in(new_bank: NewBank) -> None:
    bank = new_bank()
    kinds = ["wire", "gold", "wire", "gold", "gold"]
    rows = [f'B{90 + place},{DAY},5.00,{kind},,,"two\nlines"' for place, kind in enumerate(kinds)]
    bank.csv("a.csv", *[good(n) for n in range(1, 30)], *rows)
    bank.run()
    path = exported(bank)
    path.write_text(path.read_text().replace("gold", "card").replace("wire", "card", 1).replace(",wire,", ",cash,"))
    rule = replace(BOOKINGS, row_rules=())  # cash needs no count, until the file is ingested
    contracts = {**bank.catalogue.contracts, "raw.bookings": rule}
    lenient = replace(bank, catalogue=replace(bank.catalogue, contracts=contracts))
    (done,) = released(lenient, path)
    assert (done.rows, done.still_bad) == (5, {})
    bank.run()
    found = {row.line: row.status for row in bank.rows("ops.quarantine") if row.file == "bookings/a.csv"}
    assert found == {31: "released", 33: "released", 35: "landed", 37: "released", 39: "released"}
    waiting = [astuple(item) for item in quarantine_summary(bank.lake().reader)]
    assert waiting == [("bookings", "cash_is_counted", done.file, "accepted", 1, 6)]
