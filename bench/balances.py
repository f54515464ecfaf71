"""Balances day by day on a long history, beside building them all over again.

    python bench/balances.py [--rows 5000000] [--accounts 50000] [--months 36] [--new 15000] [--days 3] [--memory 4g]

daily     what the job balances does for a day of `--new` bookings, one in thirty of them late by up to 60 days: the
          change feed of silver.transactions, the chains of these accounts from there on, both tables.
all       the same two tables from all bookings.
DuckDB    the runs alone, from all bookings in the same files: the last balance of each day by window functions, which
          trusts the order of ids within a day and checks no chain; written as Parquet.
features  day-weighted averages, lowest and highest balances of conf/features, of all customers, from silver.balances.

Every balance is reported, late bookings are in the bank's own balances from the beginning. Medians over `--days` days
that follow each other, after one that is quoted by itself. The results are compared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import timedelta
from functools import reduce
from itertools import count
from pathlib import Path

import duckdb
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from timing import in_turns, report

from features import AS_OF, CONF, SCHEMAS, TRANSACTIONS, bookings, files_of
from portrait.entities.balances import bring_up_to_date
from portrait.entities.money import to_amount
from portrait.entities.reconciliation import load_policy
from portrait.features import load_features
from portrait.features.balances import aggregate_balances
from portrait.lake import Lake, Lease
from portrait.run.suite import load_suite
from portrait.spark.session import start_embedded

BALANCES = "silver.balances"
RUNS = """
with days as (
    select account_id, booked_on, arg_max(balance_after, transaction_id) as balance
    from read_parquet({files}) group by 1, 2),
begun as (
    select * from (select *, lag(balance) over account as previous from days
                   window account as (partition by account_id order by booked_on))
    where balance is distinct from previous)
select account_id, booked_on as from_day, lead(booked_on) over account - 1 as to_day, balance
from begun window account as (partition by account_id order by booked_on)
"""


def main() -> None:
    """Make silver.transactions, then day by day what is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--new", type=int, default=15_000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--memory", default="4g")
    args = parser.parse_args()
    spark = start_embedded(CONF, overrides={"spark.driver.memory": args.memory})
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        root = Path(folder)
        with Lease(root / "lake") as lease:
            lake = Lake(spark, root / "lake", load_suite(CONF, SCHEMAS), lease=lease)
            measure(spark, lake, args, root)
        spark.stop()


def measure(spark: SparkSession, lake: Lake, args: argparse.Namespace, root: Path) -> None:
    """The days one after the other: what came, then every way by turns."""
    con = duckdb.connect()
    con.sql("set threads = 2")
    made = reported(spark, lake, args, root / "made")
    history = made.where("day = 0").drop("day").repartitionByRange("booked_on").sortWithinPartitions("booked_on")
    lake.overwrite(TRANSACTIONS, history)
    run_job(lake)
    days, codes = count(1), count(1)

    def arrive() -> None:
        today = made.where(F.col("day") == next(days)).drop("day")
        lake.append(TRANSACTIONS, today, transaction=("bench", time.time_ns()))

    def from_scratch() -> None:
        lake.fingerprints = {"balances": f"code {next(codes)}"}  # as if it had changed: everything anew
        run_job(lake)

    def elsewhere() -> None:
        con.sql(f"copy ({RUNS.format(files=files_of(lake, TRANSACTIONS))}) to '{root}/duck.parquet' (format parquet)")

    seconds = in_turns({"arrival": arrive, "daily": lambda: run_job(lake), "DuckDB": elsewhere}, args.days)
    found = [totals(lake.read(BALANCES)), totals(spark.read.parquet(str(root / "duck.parquet")))]
    seconds |= in_turns({"all": from_scratch}, args.days)
    found.append(totals(lake.read(BALANCES)))
    assert found[0] == found[1] == found[2], found
    title = f"balances, {args.rows:,} rows, {args.accounts:,} accounts, {args.months} months, {args.new:,} new a day"
    report(title, {name: seconds[name] for name in ("daily", "all", "DuckDB")})

    declared, today = load_features(CONF).of_source("balances"), AS_OF + timedelta(days=args.days + 1)
    owners = spark.range(args.accounts).selectExpr(
        "concat('C', lpad(id, 9, '0')) as customer_id", "concat('A', lpad(id, 9, '0')) as account_id",
        "'current' as kind", "date'2000-01-01' as opened_on", "cast(null as date) as closed_on",
    )  # fmt: skip
    wide = aggregate_balances(lake.read(BALANCES), owners=owners, features=declared, as_of=today)
    works = {"features": lambda: wide.write.format("noop").mode("overwrite").save()}
    report(f"{len(declared)} features of balances, {len(wide.inputFiles())} files of "
           f"{len(files_of(lake, BALANCES))} read", in_turns(works, args.days))  # fmt: skip


def reported(spark: SparkSession, lake: Lake, args: argparse.Namespace, folder: Path) -> DataFrame:
    """Bookings with the balance after each, and the day on which they come (0: history); as many days as are run."""
    days = round(args.months * 30.4)
    history = {"first": 0, "rows": args.rows, "start": AS_OF - timedelta(days=days - 1), "days": days, "late": False}
    later = [
        {"first": number * 10**10, "rows": args.new, "start": AS_OF + timedelta(days=number), "days": 1, "late": True}
        for number in range(1, args.days + 2)
    ]
    parts = [
        bookings(spark, lake, customers=args.accounts, **made).withColumn("day", F.lit(day))  # type: ignore[arg-type]
        for day, made in enumerate([history, *later])
    ]
    so_far = Window.partitionBy("account_id").orderBy("booked_on", "transaction_id")
    balance = to_amount(F.sum("signed_minor").over(so_far))
    whole = reduce(DataFrame.unionByName, parts).withColumn("balance_after", balance)
    whole.write.partitionBy("day").parquet(str(folder))
    return spark.read.parquet(str(folder)).select(*whole.columns)


def run_job(lake: Lake) -> None:
    """One run of the job balances."""
    lake.resume(None)
    bring_up_to_date(lake, policy=load_policy(CONF))
    lake.spark.catalog.clearCache()
    lake.complete("balances", as_of=None, inputs={}, seconds=0.0)


def totals(runs: DataFrame) -> list[tuple[object, ...]]:
    """Numbers that any difference between two tables of runs would change."""
    days = "coalesce(datediff(to_day, from_day), 0) + 1"
    sums = ("count(*)", "sum(balance)", f"sum({days})", "sum(unix_date(from_day) * balance)", f"sum({days} * balance)")
    return [tuple(row) for row in runs.selectExpr(*[f"cast({item} as decimal(38,2))" for item in sums]).collect()]


if __name__ == "__main__":
    main()
