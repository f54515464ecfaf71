"""Ingest of bookings: typed, checked by every rule of the contract, hashed, quarantined, beside a plain Spark write.

    python bench/ingest.py [--rows 20000000] [--files 20] [--repeat 3] [--keep DIR] [--mapped]

ours      portrait.ingest of CSV files into a new lake: bronze, quarantine and ledger; one row in a thousand is broken.
mapped    (with --mapped) the same, the files lying in the folder of a source whose mapping names the same columns.
baseline  spark.read.csv(schema).write.format("delta") of the same files: what breaks becomes NULL, nobody knows where.

They take turns in one session; medians after a round that is quoted by itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from timing import in_turns, report

from portrait.ingest import ingest
from portrait.lake import Lake, Lease
from portrait.mappings import load_mappings
from portrait.run.suite import load_suite
from portrait.spark.session import start_embedded

CONF, SCHEMAS = Path("conf"), Path("schemas")
MAPPING = "title: The same columns\nfiles: '*.csv'\nfeed: transactions\ndelivery: append\n"


def bookings(spark: SparkSession, rows: int, files: int) -> DataFrame:
    """Rows of the feed as text; of every thousandth the amount is a word."""
    columns = {
        "transaction_id": "concat('T', lpad(id, 12, '0'))",
        "account_id": "concat('A', lpad(cast(id % 200000 as string), 9, '0'))",
        "booked_at": f"concat(date_add(date'2025-01-01', cast(id * 365 / {rows} as int)), ' 12:30:00')",
        "amount": "if(id % 1000 = 7, 'much', concat(cast(id % 9000 + 1 as string), '.25'))",
        "direction": "if(id % 5 = 0, 'credit', 'debit')",
        "balance_after": "concat(cast(id % 90000 as string), '.75')",
        "type": "if(id % 5 = 0, 'transfer_in', 'card_payment')",
        "channel": "if(id % 5 = 0, 'online', 'pos')",
        "category": "if(id % 5 = 0, '', 'grocery')",
        "merchant_id": "if(id % 5 = 0, '', concat('S', cast(id % 1000 as string)))",
        "counterparty_bank": "''", "counterparty_account": "''", "note": "''",
    }  # fmt: skip
    return spark.range(0, rows, 1, files).selectExpr(*(f"{value} as {name}" for name, value in columns.items()))


def main() -> None:
    """Land once, take in by turns, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=None, help="folder in which the files are kept for the next time")
    parser.add_argument("--mapped", action="store_true", help="measure the same files by a mapping too")
    args = parser.parse_args()
    spark, catalogue = start_embedded(CONF), load_suite(CONF, SCHEMAS)
    feed = catalogue.table("raw.transactions")
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        landing, lakes, plain = (args.keep or Path(folder)) / "landing", Path(folder) / "lake", Path(folder) / "plain"
        if not landing.exists():
            files = bookings(spark, args.rows, args.files)
            files.write.option("header", True).option("emptyValue", "").csv(str(landing / "transactions"))
            for extra in (landing / "transactions").glob("[._]*"):
                extra.unlink()

        def ours() -> None:
            shutil.rmtree(lakes, ignore_errors=True)
            with Lease(lakes) as lease:
                ingest(Lake(spark, lakes, catalogue, lease=lease), landing=landing, catalogue=catalogue)

        columns = ", ".join(f"{name}: {name}" for name in feed.column_names)
        source = Path(folder) / "conf" / "sources" / "bench"
        source.mkdir(parents=True)
        (source / "transactions.yml").write_text(MAPPING + f"columns: {{{columns}}}\n")
        mappings = load_mappings(Path(folder) / "conf", catalogue)
        shutil.copytree(landing / "transactions", Path(folder) / "mapped" / "bench", copy_function=os.link)

        def mapped() -> None:
            shutil.rmtree(lakes, ignore_errors=True)
            with Lease(lakes) as lease:
                lake = Lake(spark, lakes, catalogue, lease=lease)
                ingest(lake, landing=Path(folder) / "mapped", catalogue=catalogue, mappings=mappings)

        def baseline() -> None:
            read = spark.read.schema(feed.struct_type).option("header", True).csv(str(landing / "transactions"))
            read.write.format("delta").mode("overwrite").save(str(plain))

        contenders = {"mapped": mapped} if args.mapped else {}
        seconds = in_turns(contenders | {"ours": ours, "plain": baseline}, args.repeat)
        lake, broken = Lake(spark, lakes, catalogue), args.rows // 1000
        found = (lake.read("ops.quarantine").count(), lake.read("bronze.transactions").count())
        assert found == (broken, args.rows - broken), found
    spark.stop()
    report(f"{args.rows:,} rows in {args.files} files", seconds, rows=args.rows)


if __name__ == "__main__":
    main()
