"""A run that dies at a named point, and the next one: every row once, nothing lost (F2, F3 within ingest).

The point raises here instead of killing the process; `tests/faults` kills.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from portrait.errors import PortraitError
from portrait.ingest import batch
from portrait.ingest.staging import judged_folder
from portrait.lake import digest

from .conftest import Bank, NewBank, good

pytestmark = pytest.mark.delta


class PowerCut(Exception):
    """Instead of SIGKILL."""


def power_cut(bank: Bank, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """A run that dies at the point."""

    def fault(name: str, detail: str = "") -> None:
        if name == point:
            raise PowerCut(name)

    with monkeypatch.context() as patch:
        patch.setattr(batch, "fault_point", fault)
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


def test_a_run_that_dies_after_judging_wrote_no_table(
    bank: Bank, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery(bank)
    # A kill leaves the judged rows where they are; here of another delivery, as if the contract had changed since.
    torn = judged_folder(bank.root / "lake", "bookings", "text") / "part-0.parquet"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"half a file")
    power_cut(bank, monkeypatch, "ingest.after_judging")
    assert bank.versions() == {}
    bank.run()
    assert digests(bank) == clean
    assert not torn.parent.exists()


@pytest.mark.parametrize("point", ["ingest.after_bronze_commit", "ingest.before_checkpoint"])
def test_the_next_run_completes_the_batch_and_repeats_nothing(
    bank: Bank, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    delivery(bank)
    power_cut(bank, monkeypatch, point)
    written = bank.versions()
    bank.run()
    assert digests(bank) == clean
    assert bank.versions()["bronze.bookings"] == written["bronze.bookings"]
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


def test_a_new_checkpoint_is_a_new_stream(bank: Bank) -> None:
    """Without one, batch 0 of the new stream would be skipped as already written: rows lost."""
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


def test_a_lake_that_was_moved_with_unfinished_business_is_refused(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery(bank)
    power_cut(bank, monkeypatch, "ingest.before_checkpoint")
    elsewhere = moved(bank)
    with pytest.raises(PortraitError, match="moved while an ingest was unfinished"):
        elsewhere.run()
    elsewhere.root.rename(bank.root)
    bank.run()
    assert bank.bronze_ids() == ["B1", "B2", "B3", "B4", "B5"]
