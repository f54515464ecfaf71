"""Arbitration at scale: customers x options under five capacities.

    python bench/allocation.py [--customers 1000000] [--options 12]

The options are written to Parquet first; the time is that of `allocate`, which ends with the chosen rows cached.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from pyspark.sql import functions as F

from portrait.capabilities.campaigns.arbitration import allocate
from portrait.spark.session import start_embedded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--options", type=int, default=12)
    args = parser.parse_args()
    spark = start_embedded(Path("conf"))
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/options"
        chance = (F.pmod(F.xxhash64("customer", "option"), F.lit(1_000_003)) + 1) / F.lit(1_000_004.0)
        (
            spark.range(args.customers * args.options)
            .select(
                F.concat(F.lit("C"), F.floor(F.col("id") / args.options)).alias("customer"),
                F.pmod("id", F.lit(args.options)).cast("int").alias("option"),
            )
            .withColumn("value", -F.log(chance) * (1 + F.col("option") % 4))
            .withColumn("cost", 0.2 + 0.4 * (F.col("option") % 5))
            .withColumn("calls", (F.col("option") % 4 == 3).cast("int"))
            .withColumn("mails", (F.col("option") % 4 == 2).cast("int"))
            .withColumn("visits", (F.col("option") == 7).cast("int"))
            .withColumn("hours", F.when(F.col("calls") == 1, 0.25).otherwise(0.0) + 0.5 * F.col("visits"))
            .write.parquet(path)
        )
        shares = {"calls": 0.2, "mails": 0.3, "visits": 0.02, "hours": 0.05, "cost": 0.5}
        capacities = {name: (name, share * args.customers) for name, share in shares.items()}
        started = time.perf_counter()
        found = allocate(
            spark.read.parquet(path), customer="customer", option="option", value="value", cost="cost",
            capacities=capacities,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        print(f"{args.customers:,} customers x {args.options} options: {seconds:.1f} s, gap {found.gap:.5%}")
        for name, (_, limit) in capacities.items():
            print(f"{name}: {found.used[name]:,.2f} of {limit:,.2f}, price {found.prices[name]:.4f}")
            assert found.used[name] <= limit
    spark.stop()


if __name__ == "__main__":
    main()
