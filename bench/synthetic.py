"""How fast the synthetic bank is made: our bookings beside as many rows of the same width from a plain `range`.

    python bench/synthetic.py [--customers 20000] [--months 12] [--repeat 3]

ours      land_synthetic of the feed of bookings: people, their events, balances, late and corrected records, files
          sorted by time, planted bad rows and the truth. The bytes depend on the seed only.
baseline  spark.range of as many rows with thirteen columns of the same shape, written as CSV by the same cores: what
          writing costs when nothing is drawn, balanced or sorted.
They take turns in one session; medians after a round that is quoted by itself.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from timing import in_turns, report

from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic import land_synthetic
from portrait.spark.session import start_embedded

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


def main() -> None:
    """Make the bank and the plain rows in turns, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    spark = start_embedded(CONF)
    landed: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        bank, plain = Path(folder) / "bank", Path(folder) / "plain"  # the truth is written beside the landing folder

        def ours() -> None:
            shutil.rmtree(bank, ignore_errors=True)
            size = {"customers": args.customers, "months": args.months}
            landed.update(land_synthetic(spark, **size, seed=7, landing=bank / "landing", feeds=("transactions",)))

        def baseline() -> None:
            frame = plain_rows(spark, landed["transactions"])
            frame.write.option("header", True).mode("overwrite").csv(str(plain))

        seconds = in_turns({"bookings": ours, "plain range": baseline}, args.repeat)
        sizes = {"bookings": size_of(bank / "landing"), "plain range": size_of(plain)}
    spark.stop()
    rows = landed["transactions"]
    report(f"{rows:,} bookings of {args.customers:,} customers; bytes: {sizes}", seconds, rows=rows)


if __name__ == "__main__":
    main()
