"""Closing balances beyond DECIMAL(18,2) and BIGINT: unknown on their days, and no other account is touched."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from tests.entities.test_balances import BY_HAND, CLOSINGS, day, frame

from portrait.contracts import load_catalogue
from portrait.entities.balances import _from_the_beginning, balance_runs, close_days, measure_days
from portrait.entities.money import unless_it_overflows
from portrait.entities.reconciliation import ReconciliationPolicy, differences
from portrait.lake import Lake, Lease

GIANT = 10**18 - 1
MOST = Decimal("9999999999999999.99")
WIDE = "decimal(38,0)"
POLICY = ReconciliationPolicy(tolerance=Decimal(0))
ACCOUNTS: dict[str, list[Any]] = {
    "plain": [(1, 700, None), (2, -100, 600)],
    "grows": [(number, GIANT, None) for number in range(1, 13)],
    "returns": [(1, GIANT, None)] * 12 + [(3, -GIANT, None)] * 12,
    "reported": [(number, GIANT, 500) for number in range(1, 13)],
    "falls": [(1, -GIANT, None), (2, -GIANT, None)],
}


def test_what_does_not_fit_is_unknown_on_its_days(spark: SparkSession) -> None:
    bookings, found = frame(spark, ACCOUNTS), {}

    def write(exact: bool) -> None:
        number = WIDE if exact else "bigint"
        closings = close_days(measure_days(bookings, number=number), number=number).persist()
        found["runs"] = balance_runs(closings).orderBy("account_id", "from_day").collect()
        found["differences"] = differences(closings, policy=POLICY).orderBy("day").collect()

    unless_it_overflows(write)
    runs: dict[str, list[Any]] = {}
    for row in found["runs"]:
        assert (row.balance is None) == (row.balance_minor is None)
        runs.setdefault(row.account_id, []).append((row.from_day, row.to_day, row.balance))
    assert runs == {
        "plain": [(day(1), day(1), Decimal(7)), (day(2), None, Decimal(6))],
        "grows": [(day(1), day(1), MOST), (day(2), None, None)],
        "returns": [(day(1), day(2), None), (day(3), None, Decimal(0))],
        "reported": [(day(1), None, Decimal(5))],
        "falls": [(day(1), day(1), -MOST), (day(2), None, None)],
    }
    assert {row.account_id for row in found["differences"]} == {"reported"}
    # 5.00 and a giant were expected, which does not fit; 5.00 was reported.
    told = [(row.day, row.expected, row.reported, row.difference) for row in found["differences"]]
    assert told == [(day(number), None, Decimal(5), -MOST) for number in range(2, 13)]


def test_the_wide_chain_is_the_chain(spark: SparkSession) -> None:
    accounts = {name: bookings for name, (bookings, _) in BY_HAND.items()}
    closings = close_days(measure_days(frame(spark, accounts), number=WIDE), number=WIDE)
    found = {(row.account_id, row.day): (int(row.expected_minor), int(row.closing_minor)) for row in closings.collect()}
    wanted = {(n, day(d)): (expected, closing) for n, (_, days) in BY_HAND.items() for d, expected, closing in days}
    assert found == wanted
    assert set(CLOSINGS.split()) >= {"expected_minor", "closing_minor"}


def test_an_account_with_an_unknown_balance_begins_anew(spark: SparkSession) -> None:
    balances = spark.createDataFrame(
        [("a", 5), ("b", 5), ("b", None), ("c", None)], "account_id string, balance_minor bigint"
    )
    since = spark.createDataFrame([("a", day(3)), ("b", day(4))], "account_id string, first_day date")
    found = {row.account_id: row.first_day for row in _from_the_beginning(since, balances).collect()}
    assert found == {"a": day(3), "b": date(1000, 1, 1)}


def test_a_lake_of_an_earlier_build_lets_go_of_not_null(spark: SparkSession, tmp_path: Path, schemas_dir: Path) -> None:
    catalogue = load_catalogue(schemas_dir)
    contract = catalogue.table("silver.balances")
    path = tmp_path / "lake" / "silver" / "balances"
    spark.sql("create database if not exists silver")
    spark.sql("drop table if exists silver.balances")
    required = contract.ddl(path).replace("`balance` DECIMAL(18,2)", "`balance` DECIMAL(18,2) NOT NULL")
    assert required != contract.ddl(path)
    spark.sql(required)
    with Lease(tmp_path / "lake", seconds=60) as lease:
        lake = Lake(spark, tmp_path / "lake", catalogue, lease=lease)
        lake.resume(None)
        nullable = {field.name: field.nullable for field in lake.read("silver.balances").schema.fields}
    assert nullable["balance"]
    assert not nullable["account_id"]
