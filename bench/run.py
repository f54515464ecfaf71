"""Benchmarks: each line is our figure beside a baseline measured in the same run, as medians and their ratio.

    python bench/run.py [--customers 5000] [--months 12] [--repeat 5]

ingest    landing folder to bronze, quarantine and ledger, against a plain Spark read of the same CSV files and a write
          to Parquet (no typing rules, no quarantine, no hashes): what the guarantees cost.
features  every feature of transactions in conf/features, on silver.transactions, against DuckDB on the same files with
          one filtered aggregate a feature: what a user on one machine would otherwise write. The sums are compared.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.cli.runs import execute
from portrait.features import load_features
from portrait.features.bookings import aggregate_bookings
from portrait.features.declaration import Feature
from portrait.job import load_suite
from portrait.lake import Lake
from portrait.session import start_embedded
from portrait.settings import load_settings
from portrait.sources.synthetic import land_synthetic, last_day

CONF = Path("conf")


def median_seconds(work: Callable[[], object], repeat: int) -> float:
    """Median of some runs after one that is not counted."""
    seconds = []
    for _ in range(repeat + 1):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def bench_ingest(spark: SparkSession, lake: Lake, landing: Path, scratch: Path, repeat: int) -> tuple[str, ...]:
    """One ingest is one measurement: its seconds stand in ops.table_versions; files are taken in only once."""
    ours = lake.read("ops.table_versions").where("job = 'ingest'").agg(F.max("seconds").alias("s")).head()["s"]
    rows = lake.read("ops.files").agg(F.sum("rows_in").alias("n")).head()["n"]

    def plain() -> None:
        for feed in sorted(path for path in landing.iterdir() if path.is_dir()):
            spark.read.option("header", True).csv(str(feed)).write.mode("overwrite").parquet(str(scratch / feed.name))

    base = median_seconds(plain, repeat)
    return ("ingest", f"{rows:,} rows", f"{ours:.1f} s", f"plain Spark {base:.1f} s", f"{ours / base:.1f}")


def bench_features(spark: SparkSession, lake: Lake, as_of: date, repeat: int) -> tuple[str, ...]:
    """The same sums and counts over the same files, and a check that they agree."""
    kinds = ("sum", "count")
    declared = load_features(CONF).features
    features = [item for item in declared if item.source == "transactions" and item.aggregate in kinds]
    transactions = lake.read("silver.transactions")
    contract = lake.catalogue.table("silver.transactions")
    ours = aggregate_bookings(transactions, contract=contract, features=features, as_of=as_of)
    files = DeltaTable(str(lake.path("silver.transactions"))).file_uris()
    query = duckdb_query(features, as_of, files)
    connection = duckdb.connect()
    connection.sql("set threads = 2")
    names = [item.name for item in features]
    total = " + ".join(f"sum({name})" for name in names)
    found = ours.selectExpr(f"{total} as total").head()["total"]
    expected = connection.sql(f"select {total} from ({query})").fetchone()[0]
    assert found == expected, (found, expected)
    spark_seconds = median_seconds(lambda: ours.write.format("noop").mode("overwrite").save(), repeat)
    duck_seconds = median_seconds(lambda: connection.sql(query).fetchall(), repeat)
    rows = transactions.count()
    size = f"{rows:,} rows, {len(features)} features"
    return (
        "features",
        size,
        f"{spark_seconds:.2f} s",
        f"DuckDB {duck_seconds:.2f} s",
        f"{spark_seconds / duck_seconds:.1f}",
    )


def duckdb_query(features: list[Feature], as_of: date, files: list[str]) -> str:
    """The declarations as anybody would write them: one filtered aggregate each, over text columns."""
    columns = []
    for item in features:
        parts = [f"{name} in ({', '.join(repr(value) for value in values)})" for name, values in item.where]
        days = item.days(as_of)
        parts += [f"booked_on > date '{as_of}' - {days}"] if days is not None else []
        value = {"signed_amount": "signed_minor", "amount": "amount_minor"}.get(item.of or "", "1")
        columns.append(f"coalesce(sum({value}) filter (where {' and '.join(parts) or 'true'}), 0) as {item.name}")
    where = f"booked_on <= date '{as_of}' and customer_id is not null"
    return f"select customer_id, {', '.join(columns)} from read_parquet({files}) where {where} group by 1"


def main() -> None:
    """Make a bank, run it once, measure, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    as_of = last_day(args.months)
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        root = Path(folder)
        flags = {"landing": root / "landing", "lake": root / "lake"}
        settings = load_settings(CONF, flags=flags)
        spark = start_embedded(CONF)
        land_synthetic(
            spark, customers=args.customers, months=args.months, seed=7, landing=settings.landing, until=None
        )
        execute(settings, None, as_of=as_of, select=None, quiet=True)
        spark = start_embedded(CONF)
        lake = Lake(spark, settings.lake, load_suite(CONF, settings.schemas))
        lines = [
            bench_ingest(spark, lake, settings.landing, root / "plain", args.repeat),
            bench_features(spark, lake, as_of, args.repeat),
        ]
        spark.stop()
    print("| what | size | ours | baseline | ours / baseline |\n| --- | --- | --- | --- | --- |")
    for line in lines:
        print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main()
