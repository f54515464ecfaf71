"""Landing the synthetic bank: feeds into the landing folder, the planted truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.sources.delivery import Staging, delivery
from portrait.sources.synthetic import catalogue, records
from portrait.sources.synthetic.bank import DEFAULT_START, Bank, people
from portrait.sources.synthetic.bookings import bookings
from portrait.sources.synthetic.deliveries import DAY_SECONDS, booking_lines, delivered
from portrait.sources.synthetic.filing import By, Filing, booking_files, change_files
from portrait.sources.synthetic.lines import NO_MARKERS, feed_lines, write_lines, write_rows, write_truth
from portrait.sources.synthetic.possessions import holdings
from portrait.sources.synthetic.spoilt import spoilt_rows


def land_synthetic(
    spark: SparkSession,
    *,
    customers: int,
    months: int,
    seed: int,
    landing: Path,
    until: date | None = None,
    start: date = DEFAULT_START,
    by: By = "month",
) -> dict[str, int]:
    """Write the feeds of a bank of so many customers and months, and its truth; returns the rows of each feed.

    The same arguments give the same bytes, whatever the number of cores or partitions. `until`: only what the bank
    knew at the end of that day. What it knew before `start` stands in `opening.csv`; what came later in one file a
    month for bookings and one for changes, or `by="day"` in one file a feed and day (several for large banks).
    Truth (`docs/synthetic.md`) goes to `<landing>/../truth`. Raises ConfigurationError for impossible sizes, a start
    within a month, `until` before the start, or a landing folder that holds another bank.
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
        spoilt = _kept(spoilt_rows(planted, bank, end), staging, "spoilt")
        rows = _land_lists(staging, bank, end, by)
        filing = change_files(bank, end, by)
        for feed, changes in records.change_records(planted, held, bank).items():
            known = changes.where(F.col("on") <= F.lit(end))
            file = filing.file(bank.day_of("on"), F.col("k"))
            lines = feed_lines(feed, known, file=file, order=_seconds(bank, F.col("changed_at")))
            rows[feed] = write_lines(staging, feed, lines.unionByName(_bad_lines(spoilt, feed, bank, filing)), filing)
        rows["transactions"] = _land_bookings(spark, staging, bank, end, by)
        _land_truth(staging, planted, spoilt, bank, end, by)
    return rows


def _kept(frame: DataFrame, staging: Staging, name: str) -> DataFrame:
    """The frame from disk: computed once for all feeds that are derived from it."""
    path = str(staging.work(name))
    frame.write.options(**NO_MARKERS).parquet(path)
    return frame.sparkSession.read.parquet(path)


def _land_bookings(spark: SparkSession, staging: Staging, bank: Bank, end: date, by: By) -> int:
    """The bookings of a block of customers are made, sorted and written by one task: nothing is shuffled.

    Small banks, and files of a day, have fewer files than cores or smaller ones than tasks: there lines are shuffled.
    """
    filing = booking_files(bank, end, by)
    together = filing.block is not None and by == "month"
    made = bookings(people(spark, bank, block=filing.block if together else None), bank, end)
    known = delivered(made, bank).where(F.col("arrived") <= (end - bank.start).days)
    lines = booking_lines(known, bank, filing.file(F.col("arrived"), F.col("k")))
    return write_lines(staging, "transactions", lines, filing, together=together)


def _land_truth(staging: Staging, planted: DataFrame, spoilt: DataFrame, bank: Bank, end: date, by: By) -> None:
    here = planted.where(F.col("joined_on") <= F.lit(end))
    groups = here.select("customer_id", F.col("group_name").alias("group"), "dormant")
    write_truth(staging, "groups", groups, ["customer_id"])
    day, k = bank.day_of("on"), F.col("k")
    booked, changed = booking_files(bank, end, by), change_files(bank, end, by)
    file = F.when(F.col("feed") == "transactions", booked.name_of(day, k)).otherwise(changed.name_of(day, k))
    bad_rows = spoilt.select("feed", file.alias("file"), "kind", "rule", "record")
    write_truth(staging, "bad_rows", bad_rows, ["feed", "file", "record"])


def _land_lists(staging: Staging, bank: Bank, end: date, by: By) -> dict[str, int]:
    """Regions and products, which are short lists."""
    products = catalogue.product_rows(bank.start, end)
    return {
        "regions": write_rows(staging, "regions", catalogue.region_rows(bank.start), "opening"),
        "products": _land_changes(staging, "products", products, bank, end, by),
    }


def _land_changes(staging: Staging, feed: str, rows: Sequence[dict[str, object]], bank: Bank, end: date, by: By) -> int:
    """A short list of change records, in the files of their days."""
    files: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        day = str(row["changed_at"])[:10]
        name = "opening" if day < str(bank.start) else day if by == "day" else f"changes_to_{end}"
        files.setdefault(name, []).append(row)
    return sum(write_rows(staging, feed, listed, name) for name, listed in files.items())


def _seconds(bank: Bank, instant: Column) -> Column:
    return F.unix_timestamp(instant) - F.unix_date(F.lit(bank.start)) * DAY_SECONDS


def _bad_lines(spoilt: DataFrame, feed: str, bank: Bank, filing: Filing) -> DataFrame:
    """Lines among the good ones, at noon of their day."""
    day = bank.day_of("on")
    file = filing.file(day, F.col("k")).alias("file")
    noon = (day.cast("bigint") * DAY_SECONDS + DAY_SECONDS // 2).alias("order")
    return spoilt.where(F.col("feed") == feed).select(file, noon, F.col("record").alias("line"))
