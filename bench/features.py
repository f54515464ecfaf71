"""Features of bookings: from the beginning and day by day, beside naive Spark and DuckDB on the same rows.

    python bench/features.py [--rows 20000000] [--customers 200000] [--months 12] [--new 300000] [--repeat 3]
                             [--memory 4g] [--keep DIR] [--without naive plain]

full      aggregate_bookings over silver.customer_daily as the product keeps it, all declared features of bookings.
daily     `--new` bookings come (one in thirty late by up to 60 days): append to silver.customer_daily, slide from the
          slice before, write the slice.
naive     Spark, one conditional aggregate a feature over the text columns of silver.transactions.
DuckDB    plain: the same query as naive on the same files. At its best: on the files of silver.customer_daily with
          condition bits, by buckets of age and by our own passes (baselines.py); the faster of the two is its best.
          For the day it computes all of it again, and writes it.

Everything is written as Parquet for `daily`, and thrown away otherwise. All results are compared, customer by customer.
Medians of rounds in which all take turns, after a first round that is quoted by itself.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
from baselines import DUCKDB, SPARK, best_sql, plain_sql
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from timing import in_turns, report

from portrait.entities.daily import bring_up_to_date, changed_bookings
from portrait.entities.kinds import kind_code
from portrait.features import Feature, load_features
from portrait.features.bookings import aggregate_bookings
from portrait.features.sliding import Earlier, slide_bookings
from portrait.features.values import as_declared
from portrait.lake import Lake, Lease
from portrait.run.suite import load_suite
from portrait.spark.session import start_embedded

CONF, SCHEMAS = Path("conf"), Path("schemas")
AS_OF = date(2025, 12, 29)  # the day after is one of the month, as most are
DAILY, TRANSACTIONS = "silver.customer_daily", "silver.transactions"
KINDS = [
    *[("debit", "card_payment", channel, category) for channel in ("pos", "online", "mobile")
      for category in ("grocery", "restaurant", "transport", "fuel", "health", "clothing", "electronics", "travel")],
    ("debit", "cash_withdrawal", "branch", None), ("debit", "card_withdrawal", "atm", None),
    ("debit", "transfer_out", "online", "household"), ("debit", "transfer_out", "mobile", None),
    ("debit", "direct_debit", None, "insurance"), ("debit", "fee", None, None), ("debit", "loan_payment", None, None),
    ("credit", "salary", None, None), ("credit", "transfer_in", "online", None), ("credit", "interest", None, None),
    ("credit", "cash_deposit", "branch", None), ("debit", "investment_buy", "phone", None),
]  # fmt: skip


def bookings(
    spark: SparkSession, lake: Lake, *, first: int, rows: int, customers: int, start: date, days: int, late: bool
) -> DataFrame:
    """silver.transactions of `rows` bookings, in order of day; activity of customers and amounts have a heavy tail."""
    kinds = ", ".join(f"struct({', '.join('null' if v is None else repr(v) for v in kind)})" for kind in KINDS)
    number = f"(id + {first})"
    draw = f"pmod(xxhash64({number}, {{}}), 1000000) / 1e6"
    day = f"date_add(date'{start}', cast(id * {days} / {rows} as int))"
    if late:
        day = f"if(pmod(id, 30) = 0, date_sub({day}, cast(1 + 60 * {draw.format(4)} as int)), {day})"
    ids = spark.range(0, rows, 1, max(4, rows // 1_000_000)).selectExpr(
        f"concat('T', lpad({number}, 12, '0')) as transaction_id",
        f"lpad(cast(cast({customers} * pow({draw.format(1)}, 1.5) as int) as string), 9, '0') as customer",
        f"{day} as booked_on",
        f"element_at(array({kinds}), cast(1 + {len(KINDS)} * pow({draw.format(2)}, 1.5) as int)) as kind",
        f"cast(100 + 5000 / (0.02 + {draw.format(3)}) as bigint) as amount_minor",
    )
    names = dict(zip(("direction", "type", "channel", "category"), ("col1", "col2", "col3", "col4"), strict=True))
    flat = ids.select(
        "transaction_id", "booked_on", "amount_minor",
        F.concat(F.lit("A"), "customer").alias("account_id"), F.concat(F.lit("C"), "customer").alias("customer_id"),
        *[F.col(f"kind.{column}").alias(name) for name, column in names.items()],
    )  # fmt: skip
    sign = F.when(F.col("direction") == "credit", 1).otherwise(-1)
    amount = (F.col("amount_minor").cast("decimal(16,0)") * F.lit(0.01).cast("decimal(2,2)")).cast("decimal(18,2)")
    contract = lake.catalogue.table(TRANSACTIONS)
    full = flat.withColumns(
        {
            "booked_at": F.col("booked_on").cast("timestamp"),
            "amount": amount,
            "signed_amount": (amount * sign).cast("decimal(18,2)"),
            "signed_minor": F.col("amount_minor") * sign,
            "kind_code": F.expr(kind_code(contract)),
        }
    )
    empty = [column for column in contract.columns if column.name not in full.columns]
    return full.withColumns({column.name: F.lit(None).cast(column.physical_type) for column in empty})


def files_of(lake: Lake, table: str) -> list[str]:
    return [path.removeprefix("file:") for path in lake.read(table).inputFiles()]


def make_rows(frame: DataFrame) -> None:
    """Every row of a result, as Spark's write to Delta makes it, and nothing kept.

    Not the `noop` format: beneath its command Delta leaves files that filters exclude in the plan, and Spark, which
    takes empty partitions for large ones then, shuffles where it would broadcast. Writes to Delta and Parquet do not.
    """
    frame.select("*")._jdf.queryExecution().toRdd().count()  # of a new plan: this one would find its shuffles made


def checksum(values: DataFrame, features: Sequence[Feature]) -> int:
    """One number that any difference between two results would change."""
    parts = ", ".join(f"coalesce(cast({item.name} as bigint), 0)" for item in features)
    return int(values.selectExpr(f"sum(cast(xxhash64(customer_id, {parts}) as decimal(38,0))) as s").collect()[0]["s"])


def peak_memory() -> dict[str, float]:
    """Largest resident memory, GiB, of this process and of its Java."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text, command = (folder / "status").read_text(), (folder / "comm").read_text().strip()
        except OSError:
            continue
        if command in ("java",) and (match := re.search(r"VmHWM:\s+(\d+) kB", text)):
            found[f"{command} {folder.name}"] = int(match.group(1)) / 2**20
    return found


def main() -> None:
    """Make silver tables, measure, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--new", type=int, default=300_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", default="4g")
    parser.add_argument("--keep", type=Path, default=None, help="folder in which silver is kept for the next time")
    parser.add_argument("--without", nargs="*", choices=["naive", "plain"], default=[], help="what takes longest")
    args = parser.parse_args()
    root = args.keep or Path(tempfile.mkdtemp(prefix="portrait-bench-"))
    spark = start_embedded(CONF, overrides={"spark.driver.memory": args.memory})
    con = duckdb.connect()
    con.sql("set threads = 2")
    features = load_features(CONF).aggregates("transactions")
    with Lease(root / "lake") as lease:
        lake = Lake(spark, root / "lake", load_suite(CONF, SCHEMAS), lease=lease)
        lake.fingerprints = {"customer_daily": "bench"}
        measure(spark, con, lake, features, args, root)
    spark.stop()
    if args.keep is None:
        shutil.rmtree(root)


def measure(
    spark: SparkSession, con: duckdb.DuckDBPyConnection, lake: Lake, features: Sequence[Feature],
    args: argparse.Namespace, root: Path,
) -> None:  # fmt: skip
    """The three parts: what is there, features from the beginning, features of the next day."""
    days = round(args.months * 30.4)
    make = {"rows": args.rows, "customers": args.customers, "start": AS_OF - timedelta(days=days - 1), "days": days}
    if not lake.has(DAILY):
        booked = bookings(spark, lake, first=0, late=False, **make)
        steps = {"transactions": lambda: lake.overwrite(TRANSACTIONS, booked), "daily": lambda: bring_up_to_date(lake)}
        seconds = in_turns(steps, 0)
        lake.complete("customer_daily", as_of=None, inputs={}, seconds=0.0)
        print(f"silver made, s: { {name: round(taken.first, 1) for name, taken in seconds.items()} }", flush=True)
    contract = lake.catalogue.table(TRANSACTIONS)
    tables = {name: files_of(lake, name) for name in (TRANSACTIONS, DAILY)}
    megabytes = {name: sum(Path(path).stat().st_size for path in paths) / 1e6 for name, paths in tables.items()}
    print(f"MB: {megabytes}; files: { {name: len(paths) for name, paths in tables.items()} }", flush=True)

    full = aggregate_bookings(lake.read(DAILY), contract=contract, features=features, as_of=AS_OF)
    naive = spark.sql(plain_sql(features, AS_OF, TRANSACTIONS, SPARK))
    plain = plain_sql(features, AS_OF, f"read_parquet({tables[TRANSACTIONS]})", DUCKDB)
    best = best_sql(features, AS_OF, tables[DAILY], con, contract=contract, days=days)
    works: dict[str, Callable[[], object]] = {
        "ours": lambda: make_rows(full),
        "DuckDB, buckets": lambda: con.sql(best["buckets"]).to_arrow_table(),
        "DuckDB, passes": lambda: con.sql(best["passes"]).to_arrow_table(),
    }
    slow: dict[str, tuple[Callable[[], object], Callable[[], DataFrame]]] = {
        "naive": (lambda: make_rows(naive), lambda: naive),
        "plain": (lambda: con.sql(plain).to_arrow_table(), lambda: _frame(spark, con, plain)),
    }
    names = {"naive": "naive Spark", "plain": "DuckDB, plain"}
    asked = [name for name in names if name not in args.without]
    works |= {names[name]: slow[name][0] for name in asked}
    times = in_turns(works, args.repeat)
    sums = {"ours": checksum(full, features)}
    sums |= {name: checksum(_frame(spark, con, query), features) for name, query in best.items()}
    sums |= {name: checksum(slow[name][1](), features) for name in asked}
    assert len(set(sums.values())) == 1, sums
    report(
        f"full, {args.rows:,} rows, {args.customers:,} customers, {args.months} months, {len(features)} features", times
    )

    # The day after.
    shown = ["customer_id", *[as_declared(feature, available=True) for feature in features]]
    before, today = root / "before", AS_OF + timedelta(days=1)
    customers = spark.range(args.customers).selectExpr("concat('C', lpad(id, 9, '0')) as customer_id")
    everybody = customers.join(full, on="customer_id", how="left")
    everybody.selectExpr(*shown).write.mode("overwrite").parquet(str(before))
    then = lake.version(TRANSACTIONS)
    lake.resume(None)  # the day's run has a number of its own
    new = bookings(spark, lake, first=10**11, rows=args.new, customers=args.customers, start=today, days=1, late=True)
    lake.append(TRANSACTIONS, new, transaction=("bench", time.time_ns()))
    now = lake.version(TRANSACTIONS)

    def slide() -> DataFrame:
        spark.catalog.clearCache()
        changed = lake.changes(TRANSACTIONS, after=then, until=now)
        assert changed is not None
        changes = changed_bookings(changed).persist()
        earlier = Earlier(AS_OF, spark.read.parquet(str(before)), changes, lake.read(TRANSACTIONS))
        return slide_bookings(
            lake.read(DAILY), earlier=earlier, customers=customers, contract=contract, features=features, as_of=today
        )

    upkeep = in_turns({"append to customer_daily": lambda: bring_up_to_date(lake)}, 0)
    best = best_sql(features, today, files_of(lake, DAILY), con, contract=contract, days=days + 1)
    again = aggregate_bookings(lake.read(DAILY), contract=contract, features=features, as_of=today)
    works = {
        "ours, sliding": lambda: slide().selectExpr(*shown).write.mode("overwrite").parquet(str(root / "today")),
        "ours, from the beginning": lambda: (
            again.selectExpr(*shown).write.mode("overwrite").parquet(str(root / "full"))
        ),
        **{
            f"DuckDB, {name}": lambda query=query: con.sql(f"copy ({query}) to '{root}/duck.parquet' (format parquet)")
            for name, query in best.items()
        },
    }
    times = in_turns(works, args.repeat)
    slid, rebuilt = slide(), customers.join(again, on="customer_id", how="left")
    assert checksum(slid.selectExpr(*shown), features) == checksum(rebuilt.selectExpr(*shown), features)
    report(f"daily, {args.new:,} new rows", times | upkeep)
    print(f"peak memory, GiB: {peak_memory()}")


def _frame(spark: SparkSession, con: duckdb.DuckDBPyConnection, query: str) -> DataFrame:
    return spark.createDataFrame(con.sql(query).to_arrow_table())


if __name__ == "__main__":
    main()
