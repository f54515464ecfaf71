"""Conflicts on a lake: files in one run in any order, files in runs in any order, what follows from a correction."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from tests.deliveries import run_job

from portrait.contracts import Catalogue, load_catalogue
from portrait.entities.daily import net
from portrait.job import shared_lake
from portrait.lake import Lake, Lease, digest

pytestmark = [pytest.mark.delta, pytest.mark.process]

START = datetime(2024, 1, 1)
BOOKED = datetime(2024, 3, 1, 9)


def booking(account: str, day: int, amount: str) -> dict[str, Any]:
    return {
        "transaction_id": "t", "account_id": account, "booked_at": datetime(2024, 3, day, 9), "direction": "credit",
        "amount": Decimal(amount), "type": "salary", "balance_after": Decimal(amount),
    }  # fmt: skip


def customer(op: str, risk: str) -> dict[str, Any]:
    return {"customer_id": "c", "op": op, "changed_at": BOOKED, "risk_level": risk}


def parties() -> list[dict[str, Any]]:
    role = {"op": "I", "changed_at": START, "role": "owner", "party_kind": "person"}
    return [{"account_id": account, "party_id": "of " + account, **role} for account in ("a", "b")]


# Pending, then posted on another day with another amount; and the same id for another account.
FILES: dict[str, dict[str, list[dict[str, Any]]]] = {
    "pending": {"transactions": [booking("a", 1, "100")], "customers": [customer("I", "C1"), customer("U", "C2")]},
    "posted": {"transactions": [booking("a", 2, "120")], "customers": [customer("U", "C3")]},
    "reused": {"transactions": [booking("b", 3, "9")], "customers": [customer("D", "C1"), customer("D", "C1")]},
}


def deliver(lake: Lake, files: list[str], *, first: str | None = None) -> None:
    """What ingest would append for these files in one run, in this order."""
    feeds: dict[str, list[dict[str, Any]]] = {"account_parties": parties()} if first else {}
    for name in files:
        for feed, records in FILES[name].items():
            where = {"_file": f"{feed}/{name}.csv", "_run": lake.run_number}
            feeds.setdefault(feed, []).extend({**record, **where, "_line": n} for n, record in enumerate(records, 2))
    for feed, records in feeds.items():
        schema = lake.catalogue.table(f"bronze.{feed}").struct_type
        plain = {"_file": "p.csv", "_line": 2, "_run": lake.run_number}
        full = [{**dict.fromkeys(schema.names), **plain, **record} for record in records]
        lake.append(f"bronze.{feed}", lake.spark.createDataFrame(full, schema))
    lake.complete("ingest", as_of=None, inputs={}, seconds=0.0)


def bank(spark: SparkSession, root: Path, catalogue: Catalogue, conf: Path, runs: list[list[str]]) -> Lake:
    """A lake after these runs, each of some files."""
    for place, files in enumerate(runs):
        with Lease(root) as lease, shared_lake(Lake(spark, root, catalogue, lease=lease)) as lake:
            deliver(lake, files, first="parties" if place == 0 else None)
            for name in ("entities", "transactions", "balances", "customer_daily"):
                run_job(name, "--as-of", "2024-03-31", "--conf", str(conf))
                lake.complete(name, as_of=None, inputs={}, seconds=0.0)
    return Lake(spark, root, catalogue)


def booked(lake: Lake) -> list[Row]:
    return lake.read("silver.transactions").select("account_id", "customer_id", "booked_on", "amount").collect()


def told(lake: Lake) -> list[tuple[str, str, str]]:
    rows = lake.read("ops.conflicts").where("feed = 'transactions'").orderBy("run", "file", "line").collect()
    return [(row.file.removeprefix("transactions/"), row.counts, row.why) for row in rows]


@pytest.fixture(scope="module")
def catalogue(schemas_dir: Path) -> Catalogue:
    return load_catalogue(schemas_dir)


TABLES = ("silver.transactions", "silver.customers", "silver.balances", "ops.conflicts", "ops.reconciliation")


def test_files_of_one_run_give_the_same_tables_in_every_order(
    spark: SparkSession, tmp_path: Path, catalogue: Catalogue, conf_dir: Path
) -> None:
    orders = [list(order) for order in permutations(FILES)][::2]
    digests = []
    for number, order in enumerate(orders):
        lake = bank(spark, tmp_path / str(number), catalogue, conf_dir, [order])
        digests.append({table: digest(lake, table) for table in TABLES})
    assert digests == [digests[0]] * len(orders)
    assert [(row.account_id, row.amount) for row in booked(lake)] == [("a", Decimal("120.00"))]
    assert lake.read("silver.customers").count() == 0  # a delete is not undone by a tie


BY_RUNS = {
    ("pending", "posted", "reused"): ("a", 2, "120.00", [
        ("posted.csv", "record", "last_delivered"), ("reused.csv", "against", "other_account"),
    ]),
    ("reused", "posted", "pending"): ("b", 3, "9.00", [
        ("posted.csv", "against", "other_account"), ("pending.csv", "against", "other_account"),
    ]),
    ("posted", "reused", "pending"): ("a", 1, "100.00", [
        ("reused.csv", "against", "other_account"), ("pending.csv", "record", "last_delivered"),
    ]),
}  # fmt: skip


@pytest.fixture(scope="module")
def by_runs(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue, conf_dir: Path
) -> dict[tuple[str, ...], Lake]:
    """A lake for each order of runs, each of one file."""
    return {
        order: bank(spark, tmp_path_factory.mktemp("order"), catalogue, conf_dir, [[name] for name in order])
        for order in BY_RUNS
    }


@pytest.mark.parametrize("order", BY_RUNS)
def test_the_order_of_runs_shows_in_bookings_as_documented_and_in_conflicts(
    by_runs: dict[tuple[str, ...], Lake], order: tuple[str, ...]
) -> None:
    account, day, amount, conflicts = BY_RUNS[order]
    lake = by_runs[order]
    lake.register_all()
    assert [tuple(row) for row in booked(lake)] == [(account, f"of {account}", date(2024, 3, day), Decimal(amount))]
    assert told(lake) == conflicts


@pytest.mark.parametrize("order", BY_RUNS)
def test_what_is_computed_from_bookings_follows_the_one_that_counts(
    by_runs: dict[tuple[str, ...], Lake], order: tuple[str, ...]
) -> None:
    account, day, amount, _ = BY_RUNS[order]
    lake = Lake(by_runs[order].spark, by_runs[order].root, by_runs[order].catalogue)
    known, added_up = net(lake.read("silver.customer_daily"))
    rows = known.unionByName(added_up).select("customer_id", "booked_on", "amount_minor", "bookings").collect()
    assert [tuple(row) for row in rows] == [(f"of {account}", date(2024, 3, day), int(Decimal(amount) * 100), 1)]
    balances = lake.read("silver.balances").select("account_id", "from_day", "to_day", "balance").collect()
    assert [tuple(row) for row in balances] == [(account, date(2024, 3, day), None, Decimal(amount))]


def test_change_records_are_the_same_whatever_the_order_of_runs(by_runs: dict[tuple[str, ...], Lake]) -> None:
    found = []
    for known in by_runs.values():
        lake = Lake(known.spark, known.root, known.catalogue)
        changes = lake.read("ops.conflicts").where("feed = 'customers'").drop("run", "file")
        found.append((digest(lake, "silver.customers"), sorted(map(str, changes.collect()))))
    assert found == [found[0]] * len(found)
    assert len(found[0][1]) == 3


def test_a_rebuild_gives_the_tables_that_the_days_gave(
    spark: SparkSession, by_runs: dict[tuple[str, ...], Lake], conf_dir: Path
) -> None:
    known = by_runs["pending", "posted", "reused"]
    before = {table: digest(Lake(spark, known.root, known.catalogue), table) for table in TABLES}
    with Lease(known.root) as lease, shared_lake(Lake(spark, known.root, known.catalogue, lease=lease)) as lake:
        lake.fingerprints = dict.fromkeys(("entities", "transactions", "balances"), "other code")
        for name in ("entities", "transactions", "balances"):
            run_job(name, "--as-of", "2024-03-31", "--conf", str(conf_dir))
            lake.complete(name, as_of=None, inputs={}, seconds=0.0)
        assert {table: digest(lake, table) for table in TABLES} == before
