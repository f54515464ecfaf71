"""The way back from quarantine: by a changed contract, and by a file of corrected rows."""

from __future__ import annotations

import csv
from dataclasses import replace
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
    rows = [tuple(row) for row in quarantine_summary(bank.lake()).collect()]
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
