"""Benchmark of the SQL server: a point query on published.segments, by 5 clients at once, warm.

    python bench/sql_server.py [--customers 100000] [--seconds 30]

Baseline in the same run: the same query by one PySpark session on the same table without server and gateway, and by
DuckDB on delta-rs. Figures are medians and 95th percentiles in seconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable
from pyhive import hive
from pyspark.sql import functions as F

from portrait.lake import Lake, Lease, publish
from portrait.run.suite import load_suite
from portrait.serving import serving
from portrait.spark.session import start_embedded

AS_OF = date(2025, 12, 31)


def fill(lake: Lake, customers: int) -> None:
    """gold.segments with a row per customer: values of the right types, spread enough to be no special case."""
    rows = lake.spark.range(customers)
    columns = []
    for field in lake.catalogue.table("gold.segments").struct_type:
        kind = field.dataType.simpleString()
        number = F.pmod(F.xxhash64("id", F.lit(field.name)), F.lit(1000))
        value = F.concat(F.lit("v"), number.cast("string")) if kind == "string" else number
        if kind == "date":
            value = F.lit(AS_OF)
        elif kind == "boolean":
            value = number > 500
        elif kind.startswith(("array", "map", "struct")):
            value = F.lit(None)
        columns.append(value.cast(field.dataType).alias(field.name))
    frame = rows.select(*columns).withColumn("as_of", F.lit(AS_OF))
    frame = frame.withColumn("customer_id", F.concat(F.lit("C"), F.monotonically_increasing_id()))
    lake.replace("gold.segments", frame.coalesce(2), AS_OF)
    lake.complete("segments", as_of=AS_OF, inputs={}, seconds=0.0)
    publish(lake, as_of=AS_OF)


def timed(work: Callable[[str], Any], keys: list[str], until: float) -> list[float]:
    taken = []
    while time.monotonic() < until:
        started = time.perf_counter()
        work(keys[len(taken) % len(keys)])
        taken.append(time.perf_counter() - started)
    return taken


def line(name: str, taken: list[float]) -> None:
    taken = sorted(taken)
    p95 = taken[int(len(taken) * 0.95)]
    print(f"{name:<44} {len(taken):>6} queries  median {statistics.median(taken):6.3f} s  p95 {p95:6.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        conf = Path("conf")
        jars = ":".join(str(path) for path in sorted(Path("dist/jars").resolve().glob("*.jar")))
        spark = start_embedded(conf, overrides={"spark.driver.extraClassPath": jars, "spark.scheduler.mode": "FAIR"})
        catalogue = load_suite(conf, Path("schemas"))
        with Lease(Path(folder)) as lease:
            fill(Lake(spark, folder, catalogue, lease=lease), options.customers)
        lake = Lake(spark, folder, catalogue)
        table = lake.read("gold.segments").where(F.col("as_of") == AS_OF)
        keys = [row.customer_id for row in table.select("customer_id").limit(50).collect()]
        rows = table.count()
        print(f"published.segments, {rows:,} customers, 5 clients, {options.seconds:.0f} s each part")
        with serving(lake, host="127.0.0.1", port=0, users=None) as gateway:
            taken: list[float] = []

            def client() -> None:
                with hive.connect(*gateway.server_address[:2], username="bench") as connection:
                    cursor = connection.cursor()

                    def ask(key: str) -> None:
                        cursor.execute(f"select * from published.segments where customer_id = '{key}'")
                        assert len(cursor.fetchall()) == 1

                    timed(ask, keys, time.monotonic() + 10)  # not counted
                    taken.extend(timed(ask, keys, time.monotonic() + options.seconds))

            clients = [threading.Thread(target=client) for _ in range(5)]
            for thread in clients:
                thread.start()
            for thread in clients:
                thread.join()
            line("SQL server, 5 clients", taken)

        def by_spark(key: str) -> None:
            assert len(table.where(F.col("customer_id") == key).collect()) == 1

        line("PySpark session, 1 client", timed(by_spark, keys, time.monotonic() + options.seconds))
        dataset = DeltaTable(str(lake.path("gold.segments"))).to_pyarrow_dataset()
        duck = duckdb.connect()
        duck.register("segments", dataset)

        def by_duckdb(key: str) -> None:
            assert len(duck.execute("select * from segments where customer_id = ?", [key]).fetchall()) == 1

        line("DuckDB over delta-rs, 1 client", timed(by_duckdb, keys, time.monotonic() + options.seconds))
        spark.stop()


if __name__ == "__main__":
    main()
