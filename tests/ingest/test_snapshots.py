"""Full copies of a source: the changes that they mean, in whatever order they come."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.ingest.conftest import BOOKINGS, Bank, NewBank, catalogue_of
from tests.ingest.test_resume import power_cut

from portrait.contracts import Column, Contract
from portrait.entities.versions import rebuild_versions
from portrait.errors import InputRefused
from portrait.ingest.mapped_files import day_of_text
from portrait.ingest.snapshots import Copies, changes_of, sequence, states_of
from portrait.spark.frames import frame_of

DAYS = [date(2025, 1, 1) + timedelta(days=number) for number in range(7)]
COLUMNS = "bank string, id string, op string, changed_at timestamp, name string"
COLUMNS += ", _file string, _file_hash string, _line long"
KEY = ["bank", "id"]
Copy = dict[tuple[str, str], str | None]


def _banks(seed: int) -> list[Copy]:
    """A copy of each day of thirty banks with four customers, who come, change, go, and come back."""
    chance = random.Random(seed)
    copies: list[Copy] = []
    for _ in DAYS:
        copies.append({})
        for bank in range(30):
            for customer in range(4):
                value = chance.choice(["gone", "gone", "a", "a", "b", None])
                if value != "gone":
                    copies[-1][str(bank), str(customer)] = value
    return copies


def _versions_by_hand(copies: list[Copy]) -> set[tuple[Any, ...]]:
    """Stretches of days on which a customer had one name."""
    found = set()
    for key in {key for copy in copies for key in copy}:
        open_since: tuple[date, str | None] | None = None
        for day, copy in zip(DAYS, copies, strict=True):
            now = (copy[key],) if key in copy else None
            if open_since is not None and (now is None or now[0] != open_since[1]):
                found.add((*key, open_since[1], open_since[0], day))
                open_since = None
            if now is not None and open_since is None:
                open_since = (day, now[0])
        if open_since is not None:
            found.add((*key, open_since[1], open_since[0], None))
    return found


def _taken(spark: SparkSession, copies: list[Copy], batches: list[list[int]]) -> DataFrame:
    """The change records after copies were taken in, in batches of days."""
    schema = COLUMNS.replace("op string, ", "") + ", held boolean"
    records = frame_of(spark, [], COLUMNS + ", _run long")
    known: list[date] = []
    for run, batch in enumerate(batches):
        rows = [
            (*key, datetime.combine(DAYS[day], datetime.min.time()), name, f"{day}", f"{day}", line, False)
            for day in batch
            for line, (key, name) in enumerate(copies[day].items(), 2)
        ]
        new = Copies(tuple(DAYS[day] for day in batch), tuple(known))
        frame = frame_of(spark, rows, schema)
        beside = [day for day in new.compared if day in known]
        states = states_of(records, beside, key=KEY, zone="UTC").select(*frame.columns)
        found = sequence(new, frame, states, key=KEY, zone="UTC")
        columns = ["bank", "id", "op", "changed_at", "name"]
        told = changes_of(found, columns=columns).withColumn("_run", F.lit(run).cast("long")).collect()
        order = [field.name for field in records.schema.fields]
        kept = [tuple(row[name] for name in order) for row in [*records.collect(), *told]]
        records = frame_of(spark, kept, COLUMNS + ", _run long")
        known += [DAYS[day] for day in batch]
    return records


@pytest.mark.parametrize(
    "batches",
    [[[0, 1, 2, 3, 4, 5, 6]], [[0, 1, 2], [3], [4, 5, 6]], [[6], [0, 3], [1, 5], [2, 4]], [[2, 5], [0, 1, 6], [3, 4]]],
)
def test_copies_mean_the_same_in_any_order(spark: SparkSession, batches: list[list[int]]) -> None:
    copies = _banks(seed=len(batches))
    records = _taken(spark, copies, batches).select("bank", "id", "op", "changed_at", "name", "_run", "_file", "_line")
    versions = rebuild_versions(records, key=KEY).collect()
    found = {
        (row.bank, row.id, row["name"], row.valid_from.date(), row.valid_to and row.valid_to.date()) for row in versions
    }
    assert found == _versions_by_hand(copies)


CUSTOMERS = Contract(
    "raw.customers",
    "Customers.",
    "One change record of a customer.",
    (
        Column("id", "STRING", required=True, key_position=1),
        Column("op", "STRING", required=True, enum=("I", "U", "D")),
        Column("changed_at", "TIMESTAMP", required=True, key_position=2),
        Column("name", "STRING"),
        Column("born_on", "DATE"),
    ),
    (),
    {"delivery": "change", "maxRejectShare": 0.6},
)
MAPPING = """\
title: Nightly copy of customers
files: "clients_*.csv"
feed: customers
columns: {id: number, name: name, born_on: {column: born, format: dd.MM.yyyy}}
delivery: snapshot
snapshot: {date: {file_name: '_(\\d{8})'}, max_lost_share: 0.5}
"""


@pytest.fixture(scope="session")
def new_copied_bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> NewBank:
    catalogue = replace(catalogue_of(schemas_dir, CUSTOMERS, BOOKINGS))

    def made() -> Bank:
        bank = Bank(spark, tmp_path_factory.mktemp("bank"), catalogue)
        bank.map("customers", MAPPING)
        return bank

    return made


def _copy(bank: Bank, day: int, *lines: str) -> None:
    bank.land(f"core/clients_202501{day:02d}.csv", "\n".join(["number,name,born", *lines]) + "\n")


def _changes(bank: Bank) -> list[tuple[Any, ...]]:
    rows = bank.rows("bronze.customers")
    return sorted((row.changed_at.day, row.id, row.op, row["name"]) for row in rows)


@pytest.mark.delta
def test_a_copy_a_day(new_copied_bank: NewBank) -> None:
    bank = new_copied_bank()
    _copy(bank, 1, "1,Ada,01.01.1980", "2,Ben,01.01.1980", "3,Cleo,01.01.1980")
    _copy(bank, 2, "1,Ada,01.01.1980", "2,Benedict,01.01.1980", "4,Dan,01.01.1980")
    bank.run()
    first = [(1, "1", "I", "Ada"), (1, "2", "I", "Ben"), (1, "3", "I", "Cleo")]
    second = [(2, "2", "U", "Benedict"), (2, "3", "D", "Cleo"), (2, "4", "I", "Dan")]
    assert _changes(bank) == first + second
    # Customer 2 is in quarantine on day 4, and customer 4 is not in the copy.
    _copy(bank, 4, "1,Ada,01.01.1980", "2,Ben,31.02.1980", "5,Eve,01.01.1980")
    bank.run()
    fourth = [(4, "4", "D", "Dan"), (4, "5", "I", "Eve")]
    assert _changes(bank) == first + second + fourth
    # Nobody is gone as long as a record may be of anybody.
    _copy(bank, 5, "1,Ada,01.01.1980", "5,Eve,01.01.1980", "torn")
    bank.run()
    assert _changes(bank) == first + second + fourth
    _copy(bank, 6, "1,Ada,01.01.1980", "5,Eve,01.01.1980")
    bank.run()
    assert _changes(bank) == [*first, *second, *fourth, (6, "2", "D", "Benedict")]
    assert bank.files()["core/clients_20250106.csv"].snapshot_on == date(2025, 1, 6)
    assert bank.run().feeds == ()


@pytest.mark.delta
def test_a_copy_that_lacks_too_much_deletes_nobody(new_copied_bank: NewBank) -> None:
    bank = new_copied_bank()
    _copy(bank, 1, *[f"{n},Name,01.01.1980" for n in range(1, 11)])
    bank.run()
    _copy(bank, 2, *[f"{n},Name,01.01.1980" for n in range(1, 5)])
    with pytest.raises(InputRefused) as error:
        bank.run()
    assert "core/clients_20250102.csv: snapshot.lost: 6 of 10 keys of customers" in str(error.value)
    assert "max_lost_share 50.00%" in str(error.value)
    assert len(_changes(bank)) == 10
    bank.map("customers", MAPPING.replace("0.5", "0.6"))
    bank.run()
    assert len([change for change in _changes(bank) if change[2] == "D"]) == 6


@pytest.mark.delta
def test_a_second_copy_of_a_day_is_kept_out(new_copied_bank: NewBank) -> None:
    bank = new_copied_bank()
    _copy(bank, 1, "1,Ada,01.01.1980")
    bank.run()
    bank.land("core/clients_20250101_again.csv", "number,name,born\n2,Ben,01.01.1980\n")
    bank.land("core/clients_yesterday.csv", "number,name,born\n2,Ben,01.01.1980\n")
    summary = bank.run(quarantined_file="warn")
    reasons = {item.path: item.reason for item in summary.kept_out}
    assert reasons["core/clients_20250101_again.csv"].startswith("snapshot.repeated: core/clients_20250101.csv is")
    assert reasons["core/clients_yesterday.csv"] == "snapshot.day: the name of the file says no day as yyyyMMdd"
    assert _changes(bank) == [(1, "1", "I", "Ada")]


@pytest.mark.parametrize(
    ("text", "form", "day"),
    [
        ("20250131", "yyyyMMdd", date(2025, 1, 31)),
        ("31.1.25", "d.M.yy", date(2025, 1, 31)),
        ("310199", "ddMMyy", date(1999, 1, 31)),
        ("20250231", "yyyyMMdd", None),
        ("2025-01-31", "yyyyMMdd", None),
    ],
)
def test_days_of_copies(text: str, form: str, day: date | None) -> None:
    assert day_of_text(text, form) == day


SHOP = """\
title: Lines of invoices
files: "invoices*.csv"
feed: bookings
shared: true
columns:
  id: {expression: "concat('L', line_number)"}
  booked_at: {column: at, format: yyyy-MM-dd HH:mm}
  amount: sum
  kind: {constant: card}
delivery: append
"""
BUYERS = """\
title: Customers of invoices
files: "invoices*.csv"
feed: customers
shared: true
columns: {id: who, op: {constant: I}, changed_at: {column: at, format: yyyy-MM-dd HH:mm}, name: who}
where: who is not null
first_of: [who]
delivery: changes
"""


@pytest.mark.delta
def test_one_file_becomes_several_feeds(new_copied_bank: NewBank) -> None:
    bank = new_copied_bank()
    bank.map("bookings", SHOP)
    bank.map("buyers", BUYERS)
    lines = [
        "Ada,2025-01-02 10:00,1.00",
        "Ada,2025-01-03 10:00,2.00",
        ",2025-01-03 11:00,3.00",
        "Ben,2025-01-04 10:00,x",
    ]
    bank.land("core/invoices.csv", "\n".join(["who,at,sum", *lines]) + "\n")
    bank.run()
    assert sorted((row.id, str(row.amount)) for row in bank.rows("bronze.bookings")) == [
        ("L2", "1.00"), ("L3", "2.00"), ("L4", "3.00")
    ]  # fmt: skip
    assert _changes(bank) == [(2, "Ada", "I", "Ada"), (4, "Ben", "I", "Ben")]
    files = {row.feed: (row.rows_in, row.rows_bad, row.rows_left_out) for row in bank.rows("ops.files")}
    assert files == {"bookings": (4, 1, 0), "customers": (2, 0, 2)}
    assert bank.run().feeds == ()


@pytest.mark.delta
def test_a_run_that_dies_amid_a_late_copy_is_finished(
    new_copied_bank: NewBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = new_copied_bank()
    _copy(bank, 1, "1,Ada,01.01.1980", "2,Ben,01.01.1980")
    _copy(bank, 3, "1,Ada,01.01.1980", "3,Cleo,01.01.1980")
    bank.run()
    _copy(bank, 2, "1,Adele,01.01.1980")
    power_cut(bank, monkeypatch, "ingest.after_bronze_commit")
    bank.run()
    assert _changes(bank) == [
        (1, "1", "I", "Ada"), (1, "2", "I", "Ben"), (2, "1", "U", "Adele"), (2, "2", "D", "Ben"),
        (3, "1", "U", "Ada"), (3, "2", "D", "Ben"), (3, "3", "I", "Cleo"),
    ]  # fmt: skip
    assert bank.files()["core/clients_20250102.csv"].status == "accepted"
