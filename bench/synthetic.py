"""How fast the synthetic bank is made: our bookings beside as many rows of the same width from a plain `range`.

    python bench/synthetic.py [--customers 20000] [--months 12] [--repeat 3]

ours      land_synthetic of the feed of bookings: people, their events, balances, late and corrected records, files
          sorted by time, planted bad rows and the truth. The bytes depend on the seed only.
baseline  spark.range of as many rows with thirteen columns of the same shape, written as CSV by the same cores: what
          writing costs when nothing is drawn, balanced or sorted.
They take turns in one session; medians after one round that is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.session import start_embedded
from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic import land_synthetic

CONF = Path("conf")


def plain_rows(spark: SparkSession, rows: int) -> DataFrame:
    """As many rows with the columns of the feed, cheaply filled, about as long as a booking."""
    number = F.col("id").cast("string")
    values = {
        "transaction_id": F.concat(F.lit("A00000000101-2501-"), number),
        "account_id": F.lit("A00000000101"),
        "booked_at": F.lit("2025-01-31 12:00:00"),
        "amount": F.concat(number, F.lit(".25")),
        "direction": F.lit("debit"),
        "balance_after": F.concat(number, F.lit(".75")),
        "type": F.lit("card_payment"),
        "channel": F.lit("mobile"),
        "category": F.lit("grocery"),
        "merchant_id": F.lit("S010123"),
    }
    nothing = F.lit(None).cast("string")
    return spark.range(rows).select(*(values.get(name, nothing).alias(name) for name in FEED_COLUMNS["transactions"]))


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.csv"))


def one_round(spark: SparkSession, customers: int, months: int) -> tuple[int, tuple[float, int], tuple[float, int]]:
    """Rows; seconds and bytes of ours; seconds and bytes of the plain rows."""
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        landing, plain = Path(folder) / "landing", Path(folder) / "plain"
        started = time.perf_counter()
        landed = land_synthetic(
            spark, customers=customers, months=months, seed=7, landing=landing, feeds=("transactions",)
        )
        ours = time.perf_counter() - started
        frame = plain_rows(spark, landed["transactions"])
        started = time.perf_counter()
        frame.write.option("header", True).csv(str(plain))
        base = time.perf_counter() - started
        return landed["transactions"], (ours, size_of(landing)), (base, size_of(plain))


def main() -> None:
    """Make the bank and the plain rows in turns, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    spark = start_embedded(CONF)
    rounds = [one_round(spark, args.customers, args.months) for _ in range(args.repeat + 1)][1:]
    spark.stop()
    rows, (_, size), (_, plain_size) = rounds[0]
    seconds, base = (statistics.median(taken[side][0] for taken in rounds) for side in (1, 2))
    print("| what | rows | bytes | seconds | rows/s | of the range |\n| --- | --- | --- | --- | --- | --- |")
    print(f"| bookings | {rows:,} | {size:,} | {seconds:.1f} | {rows / seconds:,.0f} | {base / seconds:.2f} |")
    print(f"| plain range | {rows:,} | {plain_size:,} | {base:.1f} | {rows / base:,.0f} | 1.00 |")


if __name__ == "__main__":
    main()
