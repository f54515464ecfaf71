"""The three jobs on a lake: deliveries in parts end in the tables that all records together give."""

from __future__ import annotations

import argparse
import functools
import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.deliveries import Delivery, arrive, run_job

from portrait.contracts import load_catalogue
from portrait.entities.balances import balance_runs, close_days, measure_days
from portrait.entities.conflicts import change_conflicts
from portrait.entities.daily import daily_bookings, net
from portrait.entities.dimensions import dimensions
from portrait.entities.kinds import kind_code
from portrait.entities.reconciliation import differences, load_policy
from portrait.entities.transactions import conflicts_of, counting, resolve_transactions, settle
from portrait.entities.versions import DELIVERED
from portrait.lake import Lake, Lease
from portrait.run.job import open_lake, shared_lake

pytestmark = pytest.mark.delta

DAILY = "silver.customer_daily"
TABLES = {
    "silver.customers": ("customer_id", "risk_level", "valid_from", "valid_to", "is_current"),
    "silver.regions": ("region_id", "valid_from", "valid_to"),
    "silver.transactions": ("transaction_id", "account_id", "customer_id", "signed_minor"),
    "silver.balances": ("account_id", "from_day", "to_day", "balance"),
    DAILY: ("customer_id", "booked_on", "kind_code", "amount_minor", "bookings"),
    "ops.reconciliation": ("account_id", "day", "expected", "reported", "difference"),
    "ops.conflicts": ("feed", "file", "line", "key", "day", "counts", "why", "record", "against"),
}


def jan(day: int, hour: int = 0) -> datetime:
    return datetime(1993, 1, day, hour)


def customer(op: str, changed_at: datetime, risk: str | None) -> dict[str, Any]:
    return {"customer_id": "c", "op": op, "changed_at": changed_at, "risk_level": risk}


def region(number: str, snapshot_on: date) -> dict[str, Any]:
    return {"region_id": number, "name": "r" + number, "snapshot_on": snapshot_on}


def party(number: str, op: str, changed_at: datetime) -> dict[str, Any]:
    role = {"role": "owner", "party_kind": "person"}
    return {"account_id": "a", "party_id": number, "op": op, "changed_at": changed_at, **role}


def booking(number: str, account: str, day: int, amount: str, after: str) -> dict[str, Any]:
    money = {"amount": Decimal(amount), "direction": "credit", "balance_after": Decimal(after)}
    return {
        "transaction_id": number, "account_id": account, "booked_at": jan(day), "type": "transfer_in", **money,
    }  # fmt: skip


# After the first: a late change, a snapshot that lacks a region, an owner who was there before, the missing booking
# of a break, an id that came before under another account, one with another amount and day, and two records of one
# instant in each of two files.
DELIVERIES: list[Delivery] = [
    {
        "customers": [customer("I", jan(1), "C1"), customer("U", jan(9), "C3")],
        "regions": [region("1", date(1993, 1, 1)), region("2", date(1993, 1, 1))],
        "account_parties": [party("q", "I", jan(1))],
        "transactions": [
            booking("t1", "a", 2, "10", "10"),
            booking("t3", "a", 4, "5", "22"),
            booking("t4", "b", 6, "1", "1"),
            booking("t5", "c", 6, "100", "100"),
            booking("t5", "c", 8, "120", "120"),
        ],
    },
    {
        "customers": [customer("U", jan(5), "C2"), customer("U", jan(9), "C3")],
        "regions": [region("1", date(1993, 1, 8))],
        "account_parties": [party("p", "I", jan(3))],
        "transactions": [
            booking("t2", "a", 3, "7", "17"),
            booking("t4", "z", 5, "1", "1"),
            booking("t5", "c", 7, "90", "90"),
        ],
    },
    {
        "customers": [customer("D", jan(12), "C3"), customer("U", jan(9), "C4"), customer("I", jan(20), "C3")],
        "regions": [region("2", date(1993, 1, 20)), region("1", date(1993, 1, 20))],
    },
]


@dataclass
class Outcome:
    rows: dict[str, list[tuple[Any, ...]]]
    commits: list[list[str]]
    absent: list[str]


def deliver(spark: SparkSession, root: Path, schemas: Path, conf: Path, deliveries: list[Delivery]) -> Outcome:
    """Each delivery is a run of its own: what ingest would append, then the three jobs."""
    catalogue = load_catalogue(schemas)
    commits = []
    for delivery in deliveries:
        with Lease(root) as lease, shared_lake(Lake(spark, root, catalogue, lease=lease)) as lake:
            arrive(lake, delivery)
            commits.append([])
            for name in ("entities", "transactions", "balances", "customer_daily"):
                run_job(name, "--as-of", "1993-01-31", "--conf", str(conf))
                commits[-1] += [write.table for write in lake.complete(name, as_of=None, inputs={}, seconds=0.0)]
    lake = Lake(spark, root, catalogue)
    absent = [table for table in ("silver.cards", "silver.loans") if not lake.has(table)]
    frames = {table: lake.read(table) for table in TABLES}
    frames |= {DAILY: functools.reduce(DataFrame.unionByName, net(frames[DAILY]))}
    return Outcome({table: rows_of(frame, table) for table, frame in frames.items()}, commits, absent)


def rows_of(frame: DataFrame, table: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in frame.select(*TABLES[table]).collect()), key=repr)


@pytest.fixture(scope="module")
def in_parts(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path, conf_dir: Path
) -> Outcome:
    """The three deliveries, each in a run of its own."""
    return deliver(spark, tmp_path_factory.mktemp("parts"), schemas_dir, conf_dir, DELIVERIES)


@pytest.fixture(scope="module")
def together(spark: SparkSession, schemas_dir: Path, conf_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The transforms over all records at once, the last one first, without a lake."""
    catalogue = load_catalogue(schemas_dir)

    def received(feed: str) -> DataFrame:
        schema = catalogue.table(f"bronze.{feed}").struct_type
        records = [
            {"_run": run, "_file": f"{feed}/{run}.csv", "_line": line, **record}
            for run, delivery in enumerate(DELIVERIES, 1)
            for line, record in enumerate(delivery.get(feed, []), 2)
        ]
        return spark.createDataFrame([{**dict.fromkeys(schema.names), **record} for record in records[::-1]], schema)

    def versions(table: str) -> DataFrame:
        dimension = next(item for item in dimensions(catalogue) if item.table == f"silver.{table}")
        return dimension.versions(dimension.changes(received(table), new=received(table)))

    customers = received("customers").select("customer_id", "risk_level", "op", "changed_at", *DELIVERED)
    settled = settle(received("transactions"), wins="last")
    transactions = resolve_transactions(counting(settled), parties=versions("account_parties"))
    closings = close_days(measure_days(transactions))
    frames = {
        "silver.customers": versions("customers"),
        "silver.regions": versions("regions"),
        "silver.transactions": transactions,
        "silver.balances": balance_runs(closings),
        DAILY: daily_bookings(
            transactions.withColumn("kind_code", F.expr(kind_code(catalogue.table("silver.transactions"))))
        ),
        "ops.reconciliation": differences(closings, policy=load_policy(conf_dir)),
        "ops.conflicts": conflicts_of(settled).unionByName(
            change_conflicts(customers, feed="customers", key=["customer_id"])
        ),
    }
    return {table: rows_of(frame, table) for table, frame in frames.items()}


@pytest.mark.parametrize("table", TABLES)
def test_deliveries_in_parts_give_the_rows_of_all_records_together(
    in_parts: Outcome, together: dict[str, list[tuple[Any, ...]]], table: str
) -> None:
    assert in_parts.rows[table] == together[table]


def test_customer_was_deleted_and_came_back(in_parts: Outcome) -> None:
    assert in_parts.rows["silver.customers"] == [
        ("c", "C1", jan(1), jan(5), False),
        ("c", "C2", jan(5), jan(9), False),
        ("c", "C3", jan(20), None, True),
        ("c", "C4", jan(9), jan(12), False),
    ]


def test_region_that_a_snapshot_lacks_is_closed_until_it_returns(in_parts: Outcome) -> None:
    assert in_parts.rows["silver.regions"] == [
        ("1", jan(1), None),
        ("2", jan(1), jan(8)),
        ("2", jan(20), None),
    ]


def test_owner_who_becomes_known_late_owns_the_bookings_of_his_days(in_parts: Outcome) -> None:
    owners = {row[0]: row[2] for row in in_parts.rows["silver.transactions"]}
    assert owners == {"t1": "q", "t2": "p", "t3": "p", "t4": None, "t5": None}


def test_missing_booking_mends_the_break(in_parts: Outcome) -> None:
    assert in_parts.rows["ops.reconciliation"] == []


def test_a_booking_keeps_its_account_and_has_the_balance_of_its_last_delivery(in_parts: Outcome) -> None:
    balances = {(row[0], row[1], row[2]): row[3] for row in in_parts.rows["silver.balances"]}
    assert {account for account, _, _ in balances} == {"a", "b", "c"}
    assert {days: amount for days, amount in balances.items() if days[0] == "c"} == {
        ("c", date(1993, 1, 7), None): Decimal("90.00")
    }


# File, line, day, which counts, why.
CONFLICTS = [
    ("customers/1.csv", 3, 9, "against", "content_order"),
    ("customers/2.csv", 3, 9, "against", "content_order"),
    ("transactions/1.csv", 6, 8, "record", "last_delivered"),
    ("transactions/2.csv", 3, 5, "against", "other_account"),
    ("transactions/2.csv", 4, 7, "record", "last_delivered"),
]


def test_every_conflict_is_recorded_with_both_versions_and_the_one_that_counts(in_parts: Outcome) -> None:
    found = in_parts.rows["ops.conflicts"]
    assert [(file, line, day.day, counts, why) for _, file, line, _, day, counts, why, _, _ in found] == CONFLICTS
    versions = [(json.loads(record), json.loads(against)) for *_, record, against in found]
    assert [(one["risk_level"], other["risk_level"]) for one, other in versions[:2]] == [("C3", "C4")] * 2
    assert [(one["amount"], other["amount"]) for one, other in versions[2:]] == [(120, 100), (1, 1), (90, 120)]
    assert [(one["account_id"], other["account_id"]) for one, other in versions[3:4]] == [("z", "b")]


def test_only_what_a_delivery_touches_is_committed(in_parts: Outcome) -> None:
    assert sorted(in_parts.commits[2]) == ["ops.conflicts", "silver.customers", "silver.regions"]


def test_record_that_comes_again_leaves_the_files_of_its_day_alone(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path, conf_dir: Path
) -> None:
    catalogue = load_catalogue(schemas_dir)
    same, other = booking("t1", "a", 2, "10", "10"), booking("t2", "a", 3, "7", "17")
    files: list[set[str]] = []
    for records in ([same], [same, other], [booking("t1", "a", 1, "11", "11")]):
        with Lease(tmp_path) as lease, shared_lake(Lake(spark, tmp_path, catalogue, lease=lease)) as lake:
            arrive(lake, {"transactions": records})
            run_job("transactions", "--as-of", "1993-01-31", "--conf", str(conf_dir))
            lake.complete("transactions", as_of=None, inputs={}, seconds=0.0)
            files.append(set(lake.read("silver.transactions").inputFiles()))
    assert len(files[1]) == 2
    assert files[0] < files[1]
    assert files[0].isdisjoint(files[2])  # delivered last: this record counts


def test_dimensions_without_a_feed_are_left_out(in_parts: Outcome) -> None:
    assert in_parts.absent == ["silver.cards", "silver.loans"]


def test_frames_kept_in_memory_are_let_go_when_a_job_ends_or_fails(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path
) -> None:
    lake = Lake(spark, tmp_path, load_catalogue(schemas_dir))
    kept = spark.range(3).persist()
    assert kept.storageLevel.useMemory
    with pytest.raises(KeyboardInterrupt), shared_lake(lake), open_lake(argparse.Namespace()):
        raise KeyboardInterrupt
    assert not kept.storageLevel.useMemory
