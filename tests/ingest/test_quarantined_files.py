"""Files that are quarantined whole: seen by everybody, alone, and never the reason why a day lacks a feed unnoticed."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from portrait.errors import InputRefused, PortraitError
from portrait.ingest import FileCache, admit, judge, quarantined_files, unreadable

from .conftest import Bank, good

pytestmark = pytest.mark.delta


def test_a_feed_that_brings_nothing_else_stops_every_run_until_somebody_acts(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    events = logging.getLogger("portrait.events")
    events.addHandler(caplog.handler)
    events.setLevel(logging.INFO)
    cut = bank.land("bookings/cut.csv.gz", bank.csv("whole.csv.gz", good(1)).read_bytes()[:-6])
    (bank.landing / "bookings" / "whole.csv.gz").unlink()
    bank.land("people/p.csv", "id,active\nP1,true\n")
    with pytest.raises(
        InputRefused, match=r"feed 'bookings' brought nothing but .*\n.*bookings/cut\.csv\.gz: file\.gzip"
    ):
        bank.run()
    events.removeHandler(caplog.handler)
    (told,) = [record for record in caplog.records if record.message == "file_quarantined"]
    assert told.facts["file"] == "bookings/cut.csv.gz"  # type: ignore[attr-defined]
    assert [row.id for row in bank.rows("bronze.people")] == ["P1"], "the other feeds are in"

    before = bank.versions()
    with pytest.raises(InputRefused, match="bookings/cut"):
        bank.run()  # nothing is new, and the day still lacks the feed
    assert bank.versions() == before
    assert bank.run(quarantined_file="warn").alerts == [
        "bookings/cut.csv.gz: file.gzip: the file is cut off or damaged"
    ]
    assert [item.path for item in quarantined_files(bank.lake().reader)] == ["bookings/cut.csv.gz"]

    bank.csv("sound.csv", good(1))
    assert len(bank.run().alerts) == 1, "the feed has come; the file is still named"
    assert [(item.path, item.holds) for item in FileCache.below(bank.root / "lake").kept_out()] == [
        ("bookings/cut.csv.gz", False)
    ]
    cut.unlink()
    assert bank.run().alerts == []


def test_an_unreadable_file_beside_a_sound_one_is_a_warning_until_it_comes_alone(bank: Bank) -> None:
    bank.csv("a.csv", good(1))
    bank.land("bookings/empty.csv", b"")
    assert len(bank.run().alerts) == 1
    bank.land("bookings/empty-2.jsonl", b"\n")
    with pytest.raises(InputRefused) as caught:
        bank.run()
    assert "bookings/empty-2.jsonl" in str(caught.value)
    assert "bookings/empty.csv" not in str(caught.value)


def miscounting(monkeypatch: pytest.MonkeyPatch) -> None:
    inspect = admit.inspect_file

    def one_more(landed: Any, **bounds: Any) -> Any:
        seen = inspect(landed, **bounds)
        return replace(seen, rows=seen.rows + 1) if "wrong" in landed.path else seen

    monkeypatch.setattr(admit, "inspect_file", one_more)


@pytest.mark.parametrize("small", [judge._SMALL, -1], ids=["in memory", "in files"])
def test_a_file_of_which_spark_reads_another_number_of_rows_is_quarantined_alone(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    monkeypatch.setattr(judge, "_SMALL", small)
    bank.csv("wrong.csv", good(1), good(2), "torn")
    bank.csv("right.csv", good(3))
    with monkeypatch.context() as patch:
        miscounting(patch)
        summary = bank.run()
    assert summary.alerts == [
        "bookings/wrong.csv: file.unreadable: row count mismatch: the pre-check counted 4 rows, Spark read 3; "
        "the file was not ingested"
    ]
    assert bank.bronze_ids() == ["B3"]
    assert bank.rows("ops.quarantine") == []
    bank.csv("next.csv", good(4))
    bank.run()
    assert bank.bronze_ids() == ["B3", "B4"]


@pytest.mark.parametrize("small", [judge._SMALL, -1], ids=["in memory", "in files"])
def test_a_file_that_spark_cannot_read_is_quarantined_alone(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, small: int
) -> None:
    """Parquet packed with Brotli: Arrow reads it, Spark has no such codec."""
    monkeypatch.setattr(judge, "_SMALL", small)
    bank.land("people/p.csv", "id,active\nP1,true\n")
    table = pa.table({"id": ["P2"] * 100, "active": [True] * 100})
    for name, how in (("brotli", "brotli"), ("a", "snappy"), ("z", "zstd")):
        pq.write_table(table, bank.landing / "people" / f"{name}.parquet", compression=how)
    bank.csv("a.csv", good(1))
    summary = bank.run()
    (alert,) = summary.alerts
    assert alert.startswith("people/brotli.parquet: file.unreadable: Spark cannot read the file (")
    assert "java" not in alert.lower()
    assert bank.files()["people/brotli.parquet"].rows_in == 100
    assert len(bank.rows("bronze.people")) == 201
    assert bank.bronze_ids() == ["B1"]
    assert len(bank.run().alerts) == 1


def test_a_disk_that_is_full_blames_no_file(bank: Bank) -> None:
    contract = bank.catalogue.table("raw.bookings")
    error = PortraitError("Job aborted: java.io.IOException: No space left on device")
    with pytest.raises(PortraitError, match="Spark failed while it read the feed"):
        unreadable.unreadable_files(bank.lake(), contract, {}, error)


@pytest.mark.parametrize("name", ["O'Brien", "Bank [test] {1}", "Köln #1 100%"])
def test_lake_and_landing_folder_may_have_any_name(bank: Bank, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name.startswith("Bank"):
        monkeypatch.setattr(judge, "_SMALL", -1)  # judged rows go through files
    odd = replace(bank, root=bank.root / name)
    odd.csv("it's [one] {1} 100% #1.csv", good(1), *(good(number) for number in range(4, 8)), "torn")
    odd.land("bookings/dt=2025-01-01/c.jsonl", json.dumps({"id": "B2"} | SOUND))
    pq.write_table(pa.table({"id": ["P1"], "active": [True]}), folder(odd) / "p.parquet")
    odd.run()
    odd.csv("next.csv", good(3))
    odd.run()
    assert odd.bronze_ids() == [f"B{number}" for number in range(1, 8)]
    assert set(odd.files()) == {
        "bookings/it's [one] {1} 100% #1.csv",
        "bookings/dt=2025-01-01/c.jsonl",
        "bookings/next.csv",
        "people/p.parquet",
    }
    assert [row.file for row in odd.rows("ops.quarantine")] == ["bookings/it's [one] {1} 100% #1.csv"]


SOUND = {
    "booked_at": "2025-01-01 10:00:00",
    "amount": 7.25,
    "kind": "card",
    "valued_on": None,
    "count": 1,
    "note": None,
}


def folder(bank: Bank) -> Path:
    made = bank.landing / "people"
    made.mkdir(parents=True)
    return made


def test_small_feeds_share_their_executions(bank: Bank, spark: SparkSession) -> None:
    """A count, not a time: ten feeds must not cost ten times what one does beyond their own commit."""

    def executions() -> int:
        spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()  # type: ignore[union-attr]
        return int(spark._jsparkSession.sharedState().statusStore().executionsCount())

    bank.csv("a.csv", *(good(number) for number in range(11, 16)), "torn")
    bank.land("people/p.csv", "id,active\nP1,true\n")
    bank.run()  # makes the tables
    bank.csv("b.csv", good(3), "torn", good(4), good(5))
    bank.land("people/q.csv", "id,active\nP2,true\n")
    before = executions()
    bank.run()
    assert executions() - before <= 27
