"""A real bank from landed files to published tables, made and asked by the commands of the README."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from tests.pipeline.conftest import CHECKOUT, Place
from tests.pipeline.readme import ASKING, PYTHON, commands
from tests.tiny_bank import FULL

from portrait.lake import Lake, digest
from portrait.run.suite import load_suite

pytestmark = [pytest.mark.delta, pytest.mark.process]

LAST_DAY = date(1994, 3, 31)
EARLIER = date(1993, 12, 31)


@pytest.fixture(scope="session")
def lake(berka: Place, spark: SparkSession) -> Lake:
    return Lake(spark, berka.folder / "bank" / "lake", load_suite(CHECKOUT / "conf", CHECKOUT / "schemas"))


@pytest.mark.parametrize(
    ("feed", "rows"),
    [
        ("transactions", 49_102),
        ("customers", 5_369),
        ("accounts", 4_500),
        ("cards", 892),
        ("loans", 682),
        ("standing_orders", 6_471),
        ("regions", 77),
    ],
)
def test_bronze_holds_every_record(lake: Lake, feed: str, rows: int) -> None:
    assert lake.read(f"bronze.{feed}").count() == rows


def test_nothing_is_quarantined(lake: Lake) -> None:
    files = lake.read("ops.files").collect()
    assert {row.status for row in files} == {"accepted"}
    assert all(row.rows_in == row.rows_good and row.rows_bad == 0 for row in files)
    assert not lake.has("ops.quarantine") or lake.read("ops.quarantine").isEmpty()


def test_every_transaction_has_an_owner(lake: Lake) -> None:
    owned = lake.read("silver.transactions")
    assert owned.count() == 49_102
    assert owned.where("customer_id is null").isEmpty()


def closing_balances(source: Path) -> dict[str, Decimal]:
    """Account to the sum of its movements, in plain Python: accounts of this bank open with their first booking."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    with (source / "trans_bankwide_19930101_19940331.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            sign = 1 if row["type"] == "PRIJEM" else -1
            totals[row["account_id"]] += sign * Decimal(row["amount"])
    return totals


def test_closing_balances_equal_the_sum_of_movements(lake: Lake, berka_dir: Path) -> None:
    expected = closing_balances(berka_dir)
    found = {row.account_id: row.balance for row in lake.read("silver.balances").where("to_day is null").collect()}
    breaks = {row.account_id for row in lake.read("ops.reconciliation").select("account_id").collect()}
    differing = {account for account, total in expected.items() if found[account] != total.quantize(Decimal("0.01"))}
    assert set(found) == set(expected)
    assert differing <= breaks


def test_sum_of_customers_equals_sum_of_accounts(lake: Lake) -> None:
    customers = lake.slice("gold.customer_features", LAST_DAY).selectExpr("sum(balance_last) as total").head()
    accounts = lake.read("silver.balances").where("to_day is null").selectExpr("sum(balance) as total").head()
    assert customers["total"] == accounts["total"]


def test_who_only_uses_an_account_is_a_customer_without_money(lake: Lake) -> None:
    features = lake.slice("gold.customer_features", LAST_DAY).groupBy("relationship").count().collect()
    # Read off the bank's files: owners of accounts opened by then, and people who may use one and own none.
    assert {row["relationship"]: row["count"] for row in features} == {"owner": 1229, "user": 260}
    tiers = lake.slice("gold.customer_tier", LAST_DAY).where("reason_code = 'owns_nothing'")
    told = tiers.groupBy("tier", "reason").agg(F.count("*").alias("customers"), F.sum("assets").alias("assets"))
    assert [tuple(row) for row in told.collect()] == [
        ("ordinary", "Owns no account and has no investments.", 260, Decimal("0.00"))
    ]
    groups = lake.slice("gold.customer_group", LAST_DAY).where("not_grouped_reason = 'owns_no_account'")
    value = lake.slice("gold.customer_value", LAST_DAY).where("relationship = 'user'")
    assert (groups.count(), value.where("score = 0 and assets = 0 and contribution = 0").count()) == (260, 260)
    contribution = lake.slice("gold.contribution", LAST_DAY)
    whole = contribution.agg(F.sum("contribution")).collect()[0][0]
    assert lake.slice("gold.customer_value", LAST_DAY).agg(F.sum("contribution")).collect()[0][0] == whole
    assert lake.slice("gold.segments", LAST_DAY).where("relationship = 'user'").count() == 260


def test_a_second_run_changes_nothing(berka: Place) -> None:
    logs = sorted((berka.folder / "bank" / "lake").glob("*/*/_delta_log"))
    before = {log: sorted(file.name for file in log.glob("*.json")) for log in logs}
    said = berka.done("portrait run --as-of 1994-03-31 --landing bank/landing --lake bank/lake")
    assert "Nothing to do" in said
    assert {log: sorted(file.name for file in log.glob("*.json")) for log in logs} == before


@FULL
@pytest.mark.fault
def test_f17_an_earlier_day_made_afterwards_equals_one_made_at_the_time(
    berka: Place, berka_dir: Path, lake: Lake
) -> None:
    berka.done(f"portrait land berka --from {berka_dir} --to then/landing --until {EARLIER}")
    berka.done(f"portrait run --as-of {EARLIER} --landing then/landing --lake then/lake --quiet")
    berka.done(f"portrait run --as-of {EARLIER} --landing bank/landing --lake bank/lake --quiet")
    then = Lake(lake.spark, berka.folder / "then" / "lake", lake.catalogue)
    now = Lake(lake.spark, lake.root, lake.catalogue)
    gold = [
        contract.id
        for contract in lake.catalogue.layer("gold")
        if contract.id in {t for t, _ in now.records.last_write}
    ]
    assert len(gold) > 10
    differing = [table for table in gold if digest(now, table, EARLIER) != digest(then, table, EARLIER)]
    assert differing == []


@FULL
@pytest.mark.fault
def test_f17_a_backfill_does_not_take_readers_back(berka: Place) -> None:
    served = berka.done("portrait sql 'select distinct as_of from published.segments' --lake bank/lake --format json")
    assert json.loads(served) == [{"as_of": str(LAST_DAY)}]


@pytest.mark.parametrize("command", [command for block in ASKING for command in commands(block)])
def test_a_command_of_the_readme_ends_well(berka: Place, command: str) -> None:
    berka.done(command)


def test_the_python_of_the_readme_reads_the_published_tables(berka: Place) -> None:
    (berka.folder / "readme.py").write_text(PYTHON)
    said = berka.done("python readme.py")
    assert all(tier in said for tier in ("diamond", "vip", "growing", "ordinary"))
