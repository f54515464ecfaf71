"""A run that dies at a named point, and the next one: every row once, nothing lost (F2, F3 within ingest).

The point raises here instead of killing the process; `tests/faults` kills.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portrait.ingest import judge, pipeline, write
from portrait.ingest.stage import judged_folder
from portrait.lake import digest

from .conftest import HEADER, Bank, NewBank, good

pytestmark = pytest.mark.delta


class PowerCut(Exception):
    """Instead of SIGKILL."""


def power_cut(bank: Bank, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """A run that dies at the point."""

    def fault(name: str, detail: str = "") -> None:
        if name == point:
            raise PowerCut(name)

    with monkeypatch.context() as patch:
        for module in (write, pipeline):
            patch.setattr(module, "fault_point", fault)
        with pytest.raises(PowerCut):
            bank.run()


def delivery(bank: Bank) -> Bank:
    bank.csv("a.csv", *[good(n) for n in range(1, 6)], "torn")
    return bank


def digests(bank: Bank) -> dict[str, str]:
    lake = bank.lake()
    return {table: digest(lake, table) for table in ("bronze.bookings", "ops.quarantine", "ops.files")}


@pytest.fixture(scope="module")
def clean(new_bank: NewBank) -> dict[str, str]:
    """What a run without accident leaves."""
    bank = delivery(new_bank())
    bank.run()
    return digests(bank)


@pytest.mark.parametrize("small", [judge._SMALL, -1], ids=["in memory", "in files"])
def test_a_run_that_dies_after_judging_wrote_no_table(
    bank: Bank, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(judge, "_SMALL", small)
    delivery(bank)
    # A kill leaves the judged rows where they are; here of another delivery, as if the contract had changed since.
    torn = judged_folder(bank.root / "lake", "bookings") / "part-0.parquet"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"half a file")
    power_cut(bank, monkeypatch, "ingest.after_judging")
    assert bank.versions() == {}
    bank.run()
    assert digests(bank) == clean
    assert not torn.parent.exists()


@pytest.mark.parametrize(
    "point", ["ingest.after_quarantine_commit", "ingest.after_bronze_commit", "ingest.before_checkpoint"]
)
def test_the_next_run_completes_the_batch_and_repeats_nothing(
    bank: Bank, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    delivery(bank)
    power_cut(bank, monkeypatch, point)
    written = bank.versions()
    bank.run()
    assert digests(bank) == clean
    for table, version in written.items():
        if table.startswith("bronze.") or table == "ops.quarantine":
            assert bank.versions()[table] == version, f"{table} had the batch already"
    bank.csv("b.csv", good(7))
    bank.run()
    assert bank.bronze_ids() == ["B1", "B2", "B3", "B4", "B5", "B7"]


def test_a_contract_that_changed_meanwhile_doubles_nothing(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery(bank)
    power_cut(bank, monkeypatch, "ingest.after_bronze_commit")
    bank.with_contract(maxRejectShare=0.5).run()
    assert bank.bronze_ids() == ["B1", "B2", "B3", "B4", "B5"]
    row = bank.files()["bookings/a.csv"]
    assert (row.status, row.rows_in, row.rows_good, row.rows_bad) == ("accepted", 6, 5, 1)


def test_a_lake_without_its_notes_goes_on(bank: Bank) -> None:
    """What is not in a table can be lost: a later batch must not be taken for one that was written."""
    bank.csv("a.csv", good(1))
    bank.run()
    shutil.rmtree(bank.root / "lake" / "_checkpoints")
    bank.csv("b.csv", good(2))
    bank.run()
    assert bank.bronze_ids() == ["B1", "B2"]


def moved(bank: Bank) -> Bank:
    bank.root.rename(bank.root.with_name(f"{bank.root.name}-moved"))
    return replace(bank, root=bank.root.with_name(f"{bank.root.name}-moved"))


def test_a_lake_that_was_moved_takes_in_what_is_new_and_repeats_nothing(bank: Bank) -> None:
    delivery(bank).run()
    elsewhere = moved(bank)
    elsewhere.csv("b.csv", good(6))
    elsewhere.run()
    assert elsewhere.bronze_ids() == ["B1", "B2", "B3", "B4", "B5", "B6"]


def test_a_lake_that_was_moved_with_a_batch_unfinished_goes_on(
    bank: Bank, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery(bank)
    power_cut(bank, monkeypatch, "ingest.after_bronze_commit")
    elsewhere = moved(bank)
    elsewhere.run()
    assert digests(elsewhere) == clean


def staged_by_a_stream(bank: Bank) -> Path:
    """What a run of commit 05839a6 had staged when it died, and its checkpoint."""
    lake, landed = bank.root / "lake", bank.landing / "bookings" / "a.csv"
    contract = bank.catalogue.table("raw.bookings")
    hashed = hashlib.sha256(landed.read_bytes()).hexdigest()
    folder, name = lake / "_staging" / "bookings" / "text", f"{hashed}-{contract.hash[:8]}-1.csv"
    folder.mkdir(parents=True)
    os.link(landed, folder / name)
    manifest = {"feed": "bookings", "path": "bookings/a.csv", "hash": hashed, "format": "csv", "ignored": [], "rows": 6}
    manifest |= {"columns": HEADER.split(","), "contract_hash": contract.hash}
    (folder / f".{name}.json").write_text(json.dumps(manifest))
    checkpoint = lake / "_checkpoints" / "bookings-text"
    (checkpoint / "offsets").mkdir(parents=True)
    (checkpoint / "application").write_text(f"0123\n{folder}")
    return checkpoint


@pytest.mark.parametrize("committed", [False, True], ids=["before bronze", "after bronze"])
def test_what_a_stream_of_an_earlier_build_left_is_finished(
    bank: Bank, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    delivery(bank)
    if committed:
        power_cut(bank, monkeypatch, "ingest.after_bronze_commit")
        shutil.rmtree(bank.root / "lake" / "_staging")
    checkpoint = staged_by_a_stream(bank)
    (bank.landing / "bookings" / "a.csv").unlink()  # what was staged is not lost with it
    bank.run()
    assert digests(bank) == clean
    assert not checkpoint.exists()


def test_a_file_that_is_changed_after_it_was_inspected_is_not_taken_in(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same length and time, so that only its bytes tell."""
    file, other = bank.csv("a.csv", good(1)), bank.csv("b.csv", good(2))

    def rewrite(landed: Path, old: str, new: str) -> None:
        facts = landed.stat()
        with landed.open("r+b") as opened:
            data = opened.read().replace(old.encode(), new.encode())
            opened.seek(0)
            opened.write(data)
        os.utime(landed, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    admit, begin = pipeline.admit, pipeline.begin

    def admit_then_change(*args: Any, **named: Any) -> Any:
        found = admit(*args, **named)
        rewrite(file, "1.50", "9.50")
        return found

    def begin_then_change(*args: Any) -> None:
        begin(*args)
        rewrite(other, "2.50", "9.50")

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "admit", admit_then_change)
        patch.setattr(pipeline, "begin", begin_then_change)
        summary = bank.run()
    assert summary.alerts == ["bookings/a.csv: file.changed: the file changed while it was read"]
    assert [(row.id, str(row.amount)) for row in bank.rows("bronze.bookings")] == [("B2", "2.50")]
