"""Bookings of customers by day, kind and amount: silver.customer_daily, a multiset of numbers that changes by addition.

A row says how many bookings there are (`bookings`); a change of silver.transactions is rows of +1 and -1. So a day's
run appends what changed and rewrites nothing, and whatever is linear in bookings (counts, sums) needs no more than the
sum of the rows. What is not (largest amount, last day) must not see bookings that were taken back: see `net`.

With accounts of several currencies the amounts are those in the reporting currency, NULL where that is unknown; when
rates or accounts change, all rows are made anew.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.entities.currencies import Conversion
from portrait.lake import Lake

BOOKING = ("customer_id", "booked_on", "kind_code", "amount_minor")
"""What tells bookings apart here."""

_DAILY, _TRANSACTIONS = "silver.customer_daily", "silver.transactions"
_APPENDS = 30  # so many days' rows may lie beside those in order
_YEARS = 2  # nearly all that comes is of this year or the last
_ADDED = ("insert", "update_postimage")


def bring_up_to_date(lake: Lake, *, conversion: Conversion | None = None) -> None:
    """Write silver.customer_daily: all of it, or what silver.transactions changed since it was written last."""
    transactions = lake.read(_TRANSACTIONS)  # before its version is asked for: opening a table may alter it
    version = lake.version(_TRANSACTIONS)
    # The note is part of the commit that it is about: after a crash nothing is appended twice.
    state = conversion.state if conversion else {}
    last_note = lake.note(_DAILY) if lake.completed(_DAILY) else {}
    if {table: version for table, version in last_note.items() if "." in table} != state:
        last_note = {}
    changes = lake.changes(_TRANSACTIONS, after=last_note["transactions"], until=version) if last_note else None
    if changes is None:
        rows = daily_bookings(converted(transactions, conversion))
        lake.overwrite(_DAILY, rows, note={"transactions": version, "appends": 0, **state})
        return
    appends = last_note["appends"]
    if last_note["transactions"] != version:
        appends += 1
        note = {"transactions": version, "appends": appends, **state}
        lake.append(_DAILY, changed_bookings(converted(changes, conversion)), note=note)
    if appends > _APPENDS:
        put_in_order(lake, version=version, conversion=conversion)


def converted(bookings: DataFrame, conversion: Conversion | None) -> DataFrame:
    """Rows of silver.transactions with amount_minor in the reporting currency; as they are where there is but one."""
    return conversion.of_bookings(bookings, "amount_minor") if conversion else bookings


def put_in_order(lake: Lake, *, version: int, conversion: Conversion | None = None) -> None:
    """Write the newest years anew, without corrections and in the order of customers; `version` of the transactions."""
    newest = lake.read(_DAILY).agg(F.max("booked_year").alias("year")).collect()[0]["year"]
    since = (newest or 0) - _YEARS
    rows = daily_bookings(converted(lake.read(_TRANSACTIONS).where(F.year("booked_on") > since), conversion))
    note = {"transactions": version, "appends": 0, **(conversion.state if conversion else {})}
    lake.overwrite(_DAILY, rows, where=f"booked_year > {since}", note=note)


def daily_bookings(transactions: DataFrame) -> DataFrame:
    """silver.customer_daily of silver.transactions, rows of a customer together and in order of day."""
    owned = transactions.where(F.col("customer_id").isNotNull()).select(*BOOKING)
    # A range of customers a task: the grouping needs no further shuffle, and a file holds customers from A to B.
    together = owned.repartitionByRange("customer_id")
    counted = together.groupBy(*BOOKING).agg(F.count("*").cast("int").alias("bookings"))
    return _partitioned(counted).sortWithinPartitions("booked_year", "taken_back", "customer_id", "booked_on")


def changed_bookings(changes: DataFrame) -> DataFrame:
    """Rows to be added to silver.customer_daily for changes of silver.transactions (its Delta change feed).

    Changes of columns that do not stand here cancel out and give no row.
    """
    sign = F.when(F.col("_change_type").isin(*_ADDED), 1).otherwise(-1)
    signed = changes.where(F.col("customer_id").isNotNull()).select(*BOOKING, sign.alias("sign"))
    counted = signed.groupBy(*BOOKING).agg(F.sum("sign").cast("int").alias("bookings"))
    return _partitioned(counted.where("bookings <> 0"))


def net(daily: DataFrame) -> tuple[DataFrame, DataFrame]:
    """The same bookings with no row below 1, in two parts: columns of `BOOKING` and bookings.

    Only the rows of customers who had bookings taken back are added up, in the second part; the others, nearly all,
    pass as they are. Two parts, because a union would cut a scan from the aggregate that reads it (twice the time).
    """
    # These rows are partitions of their own, so that Spark knows how few they are when it plans a join. Not distinct:
    # after that shuffle, with nearly all its partitions empty, Spark would take the broadcast back and sort all rows.
    corrected = daily.where("taken_back").select("customer_id")
    rows = daily.select(*BOOKING, "bookings")
    touched = rows.join(corrected, on="customer_id", how="left_semi")
    added_up = touched.groupBy(*BOOKING).agg(F.sum("bookings").cast("int").alias("bookings")).where("bookings > 0")
    return rows.join(corrected, on="customer_id", how="left_anti"), added_up


def _partitioned(counted: DataFrame) -> DataFrame:
    return counted.withColumn("booked_year", F.year("booked_on")).withColumn("taken_back", F.col("bookings") < 0)
