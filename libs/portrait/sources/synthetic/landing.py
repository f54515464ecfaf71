"""Landing the synthetic bank: feeds into the landing folder, the planted truth beside it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.sources.delivery import Staging, delivery
from portrait.sources.synthetic import catalogue, records
from portrait.sources.synthetic.bank import DEFAULT_START, Bank, people
from portrait.sources.synthetic.bookings import bookings
from portrait.sources.synthetic.lines import NO_MARKERS, feed_lines, write_lines, write_rows, write_truth
from portrait.sources.synthetic.possessions import holdings
from portrait.sources.synthetic.spoilt import spoilt_rows

CUSTOMERS_A_FILE: Final = 200_000  # their bookings of a month stand in one file, about two million lines


def land_synthetic(
    spark: SparkSession,
    *,
    customers: int,
    months: int,
    seed: int,
    landing: Path,
    until: date | None = None,
    start: date = DEFAULT_START,
) -> dict[str, int]:
    """Write the feeds of a bank of so many customers and months, and its truth; returns the rows of each feed.

    The same arguments give the same bytes, whatever the number of cores or partitions. `until`: only what the bank
    knew at the end of that day. What it knew before `start` stands in `opening.csv`, later changes in one file a
    feed, bookings in one file a month (several for large banks). Truth: `<landing>/../truth/groups` (customer_id,
    group, dormant) and `truth/bad_rows` (feed, file, kind, rule, record). Raises ConfigurationError for impossible
    sizes, a start within a month, `until` before the start, or a landing folder that holds another bank.
    """
    bank = Bank(customers, months, seed, start)
    end = bank.last_day if until is None else min(until, bank.last_day)
    if end < start:
        raise ConfigurationError(
            "nothing is known before the bank starts", where=f"until {until}", remedy=f"from {start} on"
        )
    with delivery(landing) as staging:
        planted = _kept(people(spark, bank), staging, "people")
        held = _kept(holdings(planted, bank), staging, "held")
        spoilt = _kept(_placed(spoilt_rows(planted, bank, end), bank, end), staging, "spoilt")
        rows = _land_lists(staging, bank, end)
        for feed, changes in records.change_records(planted, held, bank).items():
            known = changes.where(F.col("on") <= F.lit(end))
            lines = feed_lines(feed, known, _change_file(bank, end), F.col("changed_at"))
            rows[feed] = write_lines(staging, feed, lines.unionByName(_bad_lines(spoilt, feed)))
        booked = bookings(planted, held, bank, end)
        amounts = {
            "amount": records.money(F.col("amount_minor")),
            "balance_after": records.money(F.col("balance_minor")),
        }
        file = _booking_file(F.to_date("booked_at"), F.substring("account_id", 2, 9).cast("bigint"), bank, end)
        lines = feed_lines("transactions", booked.withColumns(amounts), file, F.col("booked_at"))
        rows["transactions"] = write_lines(
            staging, "transactions", lines.unionByName(_bad_lines(spoilt, "transactions"))
        )
        groups = planted.select("customer_id", F.col("group_name").alias("group"), "dormant")
        write_truth(staging, "groups", groups.where(F.col("joined_on") <= F.lit(end)), ["customer_id"])
        write_truth(
            staging,
            "bad_rows",
            spoilt.select("feed", "file", "kind", "rule", "record"),
            ["feed", "file", "record"],
        )
    return rows


def _kept(frame: DataFrame, staging: Staging, name: str) -> DataFrame:
    """The frame from disk: computed once for all feeds that are derived from it."""
    path = str(staging.work(name))
    frame.write.options(**NO_MARKERS).parquet(path)
    return frame.sparkSession.read.parquet(path)


def _land_lists(staging: Staging, bank: Bank, end: date) -> dict[str, int]:
    """Regions and products, which are short lists."""
    opening, later = "opening", f"changes_to_{end}"
    products = catalogue.product_rows(bank.start, end)
    known = [row for row in products if str(row["changed_at"]) < str(bank.start)]
    changed = [row for row in products if str(row["changed_at"]) >= str(bank.start)]
    return {
        "regions": write_rows(staging, "regions", catalogue.region_rows(bank.start), opening),
        "products": write_rows(staging, "products", known, opening) + write_rows(staging, "products", changed, later),
    }


def _change_file(bank: Bank, end: date) -> Column:
    return F.when(F.col("on") < F.lit(bank.start), "opening").otherwise(f"changes_to_{end}")


def _booking_file(day: Column, k: Column, bank: Bank, end: date) -> Column:
    """`2025-01`; a month that `end` cuts says so; large banks number the files of a month."""
    month = F.date_format(day, "yyyy-MM")
    complete = end == bank.last_day or (end + timedelta(days=1)).day == 1
    cut = month if complete else F.when(month == f"{end:%Y-%m}", f"{end:%Y-%m}_to_{end}").otherwise(month)
    named = F.when(day < F.lit(bank.start), "opening").otherwise(cut)
    if bank.customers <= CUSTOMERS_A_FILE:
        return named
    return F.concat(named, F.format_string("_%03d", F.floor((k - 1) / CUSTOMERS_A_FILE).cast("int")))


def _placed(spoilt: DataFrame, bank: Bank, end: date) -> DataFrame:
    """Planted bad rows with the file in which each stands."""
    booked = _booking_file(F.col("on"), F.col("k"), bank, end)
    return spoilt.withColumn("file", F.when(F.col("feed") == "transactions", booked).otherwise(_change_file(bank, end)))


def _bad_lines(spoilt: DataFrame, feed: str) -> DataFrame:
    """Lines among the good ones, at their day."""
    noon = F.concat(F.col("on").cast("string"), F.lit(" 12:00:00"))
    return spoilt.where(F.col("feed") == feed).select("file", noon.alias("order"), F.col("record").alias("line"))
