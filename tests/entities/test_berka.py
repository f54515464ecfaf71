"""The real bank: every booking has an owner, every account-day closes as plain Python says, every break is explained.

The file is in tenths of a crown although the bank booked hundredths, so a balance may differ from the chain by a tenth
or two. And the file lacks the last 98 rows of 31 March 1994: where an account's interest is among them, the day misses
its reported balance by that interest.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import DataFrame, SparkSession
from tests.entities.chain import Booking, close_account

from portrait.contracts import load_catalogue
from portrait.entities.balances import balance_runs, close_days, measure_days
from portrait.entities.dimensions import dimensions
from portrait.entities.reconciliation import differences, load_policy
from portrait.entities.transactions import resolve_transactions
from portrait.ingest.trial import tried
from portrait.mappings import load_mappings
from portrait.sources.berka import land_berka

# The mapping of the real bank is judged whole here, which takes minutes.
pytestmark = pytest.mark.process

FILE = "trans_bankwide_19930101_19940331.csv"
LAST_DAY = date(1994, 3, 31)


@dataclass
class Bank:
    transactions: DataFrame
    runs: DataFrame
    closings: dict[tuple[str, date], tuple[int, int]]
    breaks: dict[tuple[str, date], Decimal]


@pytest.fixture(scope="module")
def bank(
    spark: SparkSession, berka_dir: Path, schemas_dir: Path, conf_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Bank:
    """The landed feeds through the transforms, without a lake."""
    landing = tmp_path_factory.mktemp("berka")
    land_berka(source=berka_dir, landing=landing)
    catalogue = load_catalogue(schemas_dir)
    mappings = load_mappings(conf_dir, catalogue)

    def feed(name: str) -> DataFrame:
        work = tmp_path_factory.mktemp(name)
        rows = tried(spark, landing=landing, feed=name, catalogue=catalogue, mappings=mappings, work=work)
        columns = catalogue.table(f"raw.{name}").column_names
        sound = rows.where("__reasons is null and __present")
        # As in bronze, which is written before anything is made from it: one plan of all would not be compiled.
        return sound.selectExpr(*columns, "1L as _run", "__file as _file", "__place as _line").localCheckpoint()

    parties = next(item for item in dimensions(catalogue) if item.table == "silver.account_parties")
    owners = parties.versions(feed("account_parties"))
    transactions = resolve_transactions(feed("transactions"), parties=owners).persist()
    closings = close_days(measure_days(transactions).persist()).persist()
    return Bank(
        transactions=transactions,
        runs=balance_runs(closings),
        closings={(row.account_id, row.day): (row.expected_minor, row.closing_minor) for row in closings.collect()},
        breaks={
            (row.account_id, row.day): row.difference
            for row in differences(closings, policy=load_policy(conf_dir)).collect()
        },
    )


def test_every_booking_has_an_owner(bank: Bank) -> None:
    assert (bank.transactions.count(), bank.transactions.where("customer_id is null").count()) == (49102, 0)


def test_owners_are_those_of_the_file(bank: Bank, berka_dir: Path) -> None:
    found = {(row.account_id, row.customer_id) for row in bank.transactions.collect()}
    with (berka_dir / "disp.asc").open(encoding="utf-8") as file:
        owners = {
            row["account_id"]: row["client_id"] for row in csv.DictReader(file, delimiter=";") if row["type"] == "OWNER"
        }
    assert found == {(account, owners[account]) for account, _ in found}


def test_every_account_day_closes_as_plain_python_says(bank: Bank, berka_dir: Path) -> None:
    accounts: dict[str, list[Booking]] = defaultdict(list)
    with (berka_dir / FILE).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            amount, after = (int(Decimal(row[name]) * 100) for name in ("amount", "balance"))
            signed = amount if row["type"] == "PRIJEM" else -amount
            accounts[row["account_id"]].append((date.fromisoformat(row["date"]).toordinal(), signed, after))
    expected = {
        (account, date.fromordinal(day)): (before, closing)
        for account, bookings in accounts.items()
        for day, before, closing in close_account(bookings)
    }
    assert bank.closings == expected


def test_runs_say_the_closing_balance_of_every_account_day(bank: Bank) -> None:
    runs = bank.runs.toPandas()
    days = bank.closings
    found = duckdb.sql(
        "select account_id, generate_series as day, balance_minor from runs, "
        f"generate_series(from_day::date, coalesce(to_day, date '{LAST_DAY}')::date, interval 1 day)"
    ).fetchall()
    by_day = {(account, day.date()): balance for account, day, balance in found}
    assert len(found) == len(by_day)
    assert {key: by_day[key] for key in days} == {key: closing for key, (_, closing) in days.items()}
    assert len(runs) <= len(days)


def test_breaks_before_the_last_day_are_the_tenths_of_the_file(bank: Bank) -> None:
    sizes = [abs(difference) for (_, day), difference in bank.breaks.items() if abs(difference) <= Decimal("0.20")]
    assert (len(sizes), sizes.count(Decimal("0.10")), sizes.count(Decimal("0.20"))) == (2229, 2227, 2)


def test_larger_breaks_are_interest_that_the_file_lacks_on_its_last_day(bank: Bank) -> None:
    larger = {key: difference for key, difference in bank.breaks.items() if abs(difference) > Decimal("0.20")}
    interest_of_a_month = [difference / (Decimal(bank.closings[key][0]) / 100) for key, difference in larger.items()]
    assert {day for _, day in larger} == {LAST_DAY}
    assert len(larger) == 28
    assert all(Decimal("0.0035") < rate < Decimal("0.0070") for rate in interest_of_a_month)
