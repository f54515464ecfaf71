"""silver.transactions day by day: what the job does with new bookings, beside a plain MERGE of the same records.

    python bench/transactions.py [--rows 20000000] [--new 300000] [--repeat 3] [--memory 4g]

daily     the job transactions: new ids appended, ids that came before resolved again and merged into their days.
MERGE     as anybody would write it: one record an id by row_number, MERGE ... WHEN NOT MATCHED THEN INSERT by id.
          Its table has no constraints, no change feed and no kind_code, which the product keeps.
all       the job after its code changed: everything from bronze again.

Of the new bookings one in thirty is late by up to 60 days, and one in a hundred came before (the same record). No bank
here delivers parties of accounts. Medians over the days that follow each other; number, amounts,
days and ids of all three are compared.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import timedelta
from itertools import count
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from timing import in_turns, report

from features import AS_OF, CONF, SCHEMAS, TRANSACTIONS, bookings
from portrait.entities.transactions import bring_up_to_date, counting, resolve_transactions, settle
from portrait.lake import Lake, Lease
from portrait.run.suite import load_suite
from portrait.spark.session import start_embedded

BRONZE = "bronze.transactions"


def delivered(spark: SparkSession, lake: Lake, *, first: int, rows: int, day: int, days: int) -> DataFrame:
    """bronze.transactions of the days that end with `day` (0: AS_OF), under the lake's run."""
    start = AS_OF + timedelta(days=day - days + 1)
    made = bookings(spark, lake, first=first, rows=rows, customers=200_000, start=start, days=days, late=days == 1)
    return made.select(
        *[
            F.col(column.name) if column.name in made.columns else F.lit(None).cast(column.physical_type)
            for column in lake.catalogue.table(BRONZE).columns
            if column.name != "_run"
        ],
        F.lit(lake.run_number).cast("bigint").alias("_run"),
    ).toDF(*lake.catalogue.table(BRONZE).column_names)


def run_job(lake: Lake) -> None:
    """One run of the job transactions."""
    bring_up_to_date(lake)
    lake.spark.catalog.clearCache()
    lake.complete("transactions", as_of=None, inputs={}, seconds=0.0)


def totals(rows: DataFrame) -> list[object]:
    """Numbers that any difference between two tables of bookings would change."""
    numbers = ("count(*)", "sum(signed_minor)", "sum(unix_date(booked_on))", "sum(xxhash64(transaction_id) % 1000003)")
    return list(rows.selectExpr(*numbers).collect()[0])


def measure(spark: SparkSession, lake: Lake, args: argparse.Namespace, plain: Path) -> None:
    """A history, then its days."""
    lake.append(BRONZE, delivered(spark, lake, first=0, rows=args.rows, day=0, days=365))
    run_job(lake)
    lake.read(TRANSACTIONS).write.format("delta").save(str(plain))
    days = count(1)

    def arrive() -> None:
        day = next(days)
        lake.resume(None)
        fresh = delivered(spark, lake, first=day * 10**10, rows=args.new, day=day, days=1)
        known = lake.read(BRONZE).where(f"_run < {lake.run_number}").limit(args.new // 100)
        lake.append(BRONZE, fresh.unionByName(known.withColumn("_run", F.lit(lake.run_number).cast("bigint"))))

    def merge() -> None:
        new = lake.read(BRONZE).where(f"_run = {lake.run_number}")
        once = resolve_transactions(counting(settle(new, wins="last")), parties=None).withColumn(
            "kind_code", F.lit(None).cast("int")
        )
        once.createOrReplaceTempView("arrived")
        spark.sql(
            f"merge into delta.`{plain}` t using arrived s on t.transaction_id = s.transaction_id"
            " when not matched then insert *"
        )

    seconds = in_turns({"arrival": arrive, "daily": lambda: run_job(lake), "MERGE": merge}, args.repeat)

    def from_scratch() -> None:
        lake.resume(None)
        lake.fingerprints = {"transactions": "other code"}  # everything anew
        run_job(lake)

    found = [totals(lake.read(TRANSACTIONS)), totals(spark.read.format("delta").load(str(plain)))]
    seconds |= in_turns({"all": from_scratch}, 0)
    found.append(totals(lake.read(TRANSACTIONS)))
    assert found[0] == found[1] == found[2], found
    title = f"silver.transactions, {args.rows:,} bookings of a year, {args.new:,} new a day"
    report(title, {name: seconds[name] for name in ("daily", "MERGE", "all")})


def main() -> None:
    """Print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--new", type=int, default=300_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", default="4g")
    args = parser.parse_args()
    spark = start_embedded(CONF, overrides={"spark.driver.memory": args.memory})
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        root = Path(folder)
        with Lease(root / "lake") as lease:
            lake = Lake(spark, root / "lake", load_suite(CONF, SCHEMAS), lease=lease)
            measure(spark, lake, args, root / "plain")
        spark.stop()


if __name__ == "__main__":
    main()
