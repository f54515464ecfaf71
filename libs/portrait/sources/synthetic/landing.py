"""Landing the synthetic bank: feeds into the landing folder, the planted truth beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.sources.delivery import Staging, delivery
from portrait.sources.synthetic import campaigns, catalogue, lending, lists, records, relations, service
from portrait.sources.synthetic.bank import DEFAULT_START, Bank, people
from portrait.sources.synthetic.bookings import bookings, movements
from portrait.sources.synthetic.corrupted import FAULTS, corrupted_rows
from portrait.sources.synthetic.deliveries import DAY_SECONDS, booking_lines, delivered
from portrait.sources.synthetic.feed import feeds_of_rooms
from portrait.sources.synthetic.filing import (
    CUSTOMERS_A_DAY_FILE,
    CUSTOMERS_A_FILE,
    By,
    Filing,
    booking_files,
    change_files,
)
from portrait.sources.synthetic.lines import NO_MARKERS, columns_of, feed_lines, write_lines, write_rows, write_truth
from portrait.sources.synthetic.product_holdings import holdings
from portrait.sources.synthetic.truth import tiers, truths
from portrait.spark.paths import as_named

CORE_FEEDS: Final = (
    *("regions", "products", "customers", "accounts", "account_parties", "cards", "loans", "standing_orders"),
    *("holdings", "transactions", "transfer_prices", "unit_costs"),
)  # what silver has tables for
ALL_FEEDS: Final = (
    *CORE_FEEDS,
    *("channel_events", "instalments", "campaigns", "contacts", "responses", "relations", "branches", "companies"),
    "feedback",
)

# Which column says when a record of a feed is of; otherwise it is a change record.
MOMENT: Final = {"channel_events": "at", "feedback": "at", "responses": "at", "contacts": "sent_at"}


def all_feeds() -> tuple[str, ...]:
    """Every feed that can be landed: those of the kit, then those of capabilities."""
    return (*ALL_FEEDS, *feeds_of_rooms())


def feeds_named(names: Collection[str]) -> tuple[str, ...]:
    """The feeds of some names, `core` and `all` among them. Raises ConfigurationError for a feed that no bank has."""
    groups = {"core": CORE_FEEDS, "all": all_feeds()}
    feeds = tuple(feed for name in names for feed in groups.get(name, (name,)))
    if unknown := sorted(set(feeds) - set(all_feeds())):
        raise ConfigurationError(
            f"the synthetic bank has no feed {', '.join(map(repr, unknown))}",
            where="feeds",
            remedy=f"core, all, or some of {', '.join(all_feeds())}",
        )
    return feeds


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
    feeds: Collection[str] = CORE_FEEDS,
    tier_path: bool = False,
) -> dict[str, int]:
    """Write feeds of a bank of so many customers and months, and its truth; returns the rows of each feed.

    The same arguments give the same bytes, whatever the number of cores or partitions. `until`: only what the bank
    knew at the end of that day. What it knew before `start` stands in `opening.csv`; what came later in one file a
    month for bookings and one for changes, or `by="day"` in one file per feed and day (several for large banks).
    `feeds`: which of `all_feeds`; a feed has the same bytes whichever others are landed with it. Truth
    (`docs/synthetic.md`) goes to `<landing>/../truth`; with `tier_path`, for which the bookings are made once more, the
    tier of every customer and month too. Raises ConfigurationError for impossible sizes, unknown feeds,
    a start within a month, `until` before the start, or a landing folder that holds another bank.
    """
    wanted = frozenset(feeds_named(feeds))
    bank = Bank(customers, months, seed, start)
    end = bank.last_day if until is None else min(until, bank.last_day)
    if end < start:
        raise ConfigurationError(
            "nothing is known before the bank starts", where=f"until {until}", remedy=f"from {start} on"
        )
    with delivery(landing) as staging:
        job = _Job(spark, staging, bank, end, by, wanted)
        planted = _kept(people(spark, bank), staging, "people")
        held = _kept(holdings(planted, bank), staging, "held")
        corrupted = _kept(corrupted_rows(planted, bank, end), staging, "corrupted")
        rows = {**_land_lists(job), **_land_frames(job, planted, held, corrupted), **_land_rooms(job, planted)}
        if "transactions" in job.feeds:
            rows["transactions"] = _land_bookings(job)
        _land_truth(job, planted, held, corrupted, tier_path)
    return rows


@dataclass(frozen=True)
class _Job:
    """What one call lands, up to the end of which day, and where."""

    spark: SparkSession
    staging: Staging
    bank: Bank
    end: date
    by: By
    feeds: frozenset[str]


def _land_frames(job: _Job, planted: DataFrame, held: DataFrame, corrupted: DataFrame) -> dict[str, int]:
    """The feeds that grow with the customers, but the bookings."""
    bank, filing, rows = job.bank, change_files(job.bank, job.end, job.by), {}
    for feed, changes in _frames(planted, held, bank).items():
        if feed in job.feeds:
            known = changes.where(F.col("day") <= (job.end - bank.start).days)
            order = _seconds(bank, F.col(MOMENT.get(feed, "changed_at")).cast("timestamp"))
            lines = feed_lines(feed, known, file=filing.file(F.col("day"), F.col("k")), order=order)
            more = lines.unionByName(_bad_lines(corrupted, feed, bank, filing)) if feed in FAULTS else lines
            with _short_methods(job.spark):
                rows[feed] = write_lines(job.staging, feed, more, filing)
    return rows


def _land_rooms(job: _Job, planted: DataFrame) -> dict[str, int]:
    """The feeds that capabilities bring, and what is planted in them."""
    bank, filing, rows = job.bank, change_files(job.bank, job.end, job.by), {}
    here = planted.where(F.col("joined_on") <= F.lit(job.end))
    for name, feed in feeds_of_rooms().items():
        if name not in job.feeds:
            continue
        known = feed.rows(planted, bank).where(F.col("day") <= (job.end - bank.start).days)
        order = _seconds(bank, F.col(feed.moment).cast("timestamp"))
        lines = feed_lines(name, known, file=filing.file(F.col("day"), F.col("k")), order=order)
        rows[name] = write_lines(job.staging, name, lines, filing, columns=columns_of(known))
        for title, make in feed.truths.items():
            truth = make(here, bank)
            write_truth(job.staging, title, truth.frame, truth.order, files=1)
    return rows


def _land_truth(job: _Job, planted: DataFrame, held: DataFrame, corrupted: DataFrame, tier_path: bool) -> None:
    bank, staging = job.bank, job.staging
    files = -(-bank.customers // CUSTOMERS_A_DAY_FILE)
    here = planted.where(F.col("joined_on") <= F.lit(job.end))
    known = held.where(F.col("joined_on") <= F.lit(job.end))
    for name, truth in truths(here, known, bank).items():
        write_truth(staging, name, truth.frame, truth.order, files=files)
    if tier_path:
        paths = tiers(here, held, movements(people(job.spark, bank, block=CUSTOMERS_A_FILE), bank), bank)
        with _short_methods(job.spark):
            write_truth(staging, "tiers", paths, ("customer_id", "month"), files=files)
    write_truth(staging, "bad_rows", _bad_rows(job, corrupted), ("feed", "file", "record"), files=1)


def _frames(people: DataFrame, held: DataFrame, bank: Bank) -> dict[str, DataFrame]:
    """What Spark makes of every feed but the bookings: its columns, the day from the start, the customer `k`."""
    changes = records.change_records(people, held, bank).items()
    return {
        **{feed: frame.withColumn("day", bank.day_of("on")) for feed, frame in changes},
        "channel_events": service.channel_events(people, bank),
        "instalments": lending.instalments(held, bank),
        "contacts": campaigns.contacts(people, bank),
        "responses": campaigns.responses(people, bank),
        "relations": relations.relations(people, held, bank),
        "feedback": service.feedback(people, bank),
    }


def _kept(frame: DataFrame, staging: Staging, name: str) -> DataFrame:
    """The frame from disk: computed once for all feeds that are derived from it."""
    path = str(staging.work(name))
    frame.write.options(**NO_MARKERS).parquet(path)
    return frame.sparkSession.read.parquet(as_named(path))


def _land_bookings(job: _Job) -> int:
    """The bookings of a block of customers are made, sorted and written by one task: nothing is shuffled.

    Small banks, and files of a day, have fewer files than cores or smaller ones than tasks: there lines are shuffled.
    """
    bank, end = job.bank, job.end
    filing = booking_files(bank, end, job.by)
    together = filing.block is not None and job.by == "month"
    made = bookings(people(job.spark, bank, block=filing.block if together else None), bank, end)
    known = delivered(made, bank).where(F.col("arrived") <= (end - bank.start).days)
    lines = booking_lines(known, bank, filing.file(F.col("arrived"), F.col("k")))
    with _short_methods(job.spark):
        return write_lines(job.staging, "transactions", lines, filing, together=together)


@contextmanager
def _short_methods(spark: SparkSession) -> Iterator[None]:
    """Java never compiles a method of more than 8,000 bytes of code, and one that makes a booking is longer.

    Without whole-stage generation Spark splits what an operator computes into short ones: a third of the time.
    """
    before = spark.conf.get("spark.sql.codegen.wholeStage")
    spark.conf.set("spark.sql.codegen.wholeStage", "false")
    try:
        yield
    finally:
        spark.conf.set("spark.sql.codegen.wholeStage", str(before))


def _bad_rows(job: _Job, corrupted: DataFrame) -> DataFrame:
    """The truth about the planted rows: feed, file, kind of fault, rule that must catch it, the raw record."""
    day, k = job.bank.day_of("on"), F.col("k")
    booked, changed = (files(job.bank, job.end, job.by) for files in (booking_files, change_files))
    file = F.when(F.col("feed") == "transactions", booked.name_of(day, k)).otherwise(changed.name_of(day, k))
    return corrupted.select("feed", file.alias("file"), "kind", "rule", "record")


def _land_lists(job: _Job) -> dict[str, int]:
    """The feeds that are short lists; they are the same for every seed, companies apart."""
    bank, end = job.bank, job.end
    snapshots = {
        "regions": catalogue.region_rows(bank.start),
        "branches": lists.branch_rows(bank.start),
        "unit_costs": lists.unit_cost_rows(bank.start),
    }
    dated = {
        "products": ("changed_at", catalogue.product_rows(bank.start, end)),
        "companies": ("changed_at", lists.company_rows(bank)),
        "campaigns": ("changed_at", campaigns.campaign_rows(bank, end)),
        "transfer_prices": ("priced_on", lists.transfer_price_rows(bank, end)),
    }
    opened = {
        feed: write_rows(job.staging, feed, rows, "opening") for feed, rows in snapshots.items() if feed in job.feeds
    }
    return opened | {
        feed: _land_dated(job, feed, rows, column) for feed, (column, rows) in dated.items() if feed in job.feeds
    }


def _land_dated(job: _Job, feed: str, rows: Sequence[dict[str, object]], column: str) -> int:
    """A short list of records, in the files of their days."""
    files: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        day = str(row[column])[:10]
        later = day if job.by == "day" else f"changes_to_{job.end}"
        files.setdefault("opening" if day < str(job.bank.start) else later, []).append(row)
    return sum(write_rows(job.staging, feed, listed, name) for name, listed in files.items())


def _seconds(bank: Bank, instant: Column) -> Column:
    return F.unix_timestamp(instant) - F.unix_date(F.lit(bank.start)) * DAY_SECONDS


def _bad_lines(corrupted: DataFrame, feed: str, bank: Bank, filing: Filing) -> DataFrame:
    """Lines among the good ones, at noon of their day."""
    day = bank.day_of("on")
    file = filing.file(day, F.col("k")).alias("file")
    noon = (day.cast("bigint") * DAY_SECONDS + DAY_SECONDS // 2).alias("order")
    return corrupted.where(F.col("feed") == feed).select(file, noon, F.col("record").alias("line"))
