"""Transactions: one row a transaction, with its sign, its minor units and the owner of the account that day."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.days import day_of
from portrait.entities.kinds import kind_code
from portrait.entities.money import MONEY, to_minor
from portrait.lake import Lake
from portrait.settings import UTC

_TABLE, _BOOKINGS = "silver.transactions", "bronze.transactions"

BOOKING_COLUMNS = (
    "transaction_id",
    "account_id",
    "booked_at",
    "amount",
    "direction",
    "balance_after",
    "type",
    "channel",
    "category",
    "merchant_id",
    "counterparty_bank",
    "counterparty_account",
    "note",
)


def bring_up_to_date(lake: Lake) -> None:
    """Write silver.transactions: all of it (the first time, or when the code changed), or what came since.

    Bookings with a new id, nearly all, are appended. Ids that had come before, and bookings of accounts whose parties
    changed, are resolved again, and merged where that changes a row; only days that hold them are looked at. The record
    that counted so far stands for all that came before: which one counts does not depend on the order in which they are
    compared.
    """
    parties = lake.read("silver.account_parties") if lake.has("silver.account_parties") else None
    new = lake.new_rows(_BOOKINGS, consumer=_TABLE)
    moved = None if parties is None else lake.new_rows("bronze.account_parties", consumer=_TABLE)
    if new.isEmpty() and (moved is None or moved.isEmpty()):
        return
    kind, zone = F.expr(kind_code(lake.catalogue.table(_TABLE))), lake.catalogue.time_zone

    def resolved(bookings: DataFrame) -> DataFrame:
        return resolve_transactions(bookings, parties=parties, zone=zone).withColumn("kind_code", kind)

    if not lake.has(_TABLE) or lake.completed(_TABLE) is None:  # another code may have chosen other records
        # Days together in files: what enters and leaves a window is read by day.
        whole = resolved(lake.read(_BOOKINGS)).repartitionByRange("booked_on")
        lake.overwrite(_TABLE, whole.sortWithinPartitions("booked_on"))
        return
    transactions = lake.read(_TABLE)
    again = known_bookings(transactions, new=new, moved=moved, zone=zone).persist()
    fresh = resolved(new.join(again, on="transaction_id", how="left_anti"))
    lake.append(_TABLE, fresh, transaction=(f"transactions:{_TABLE}:new", lake.run_number))
    first, last = again.agg(F.min("booked_on"), F.max("booked_on")).collect()[0]
    if first is not None:
        days = f"booked_on between date'{first}' and date'{last}'"
        ids = again.select("transaction_id")
        known = transactions.where(days).join(ids, on="transaction_id", how="left_semi").persist()
        records = known.select(*BOOKING_COLUMNS).unionByName(new.select(*BOOKING_COLUMNS))
        resolved_again = resolved(records.join(ids, on="transaction_id", how="left_semi"))
        # Nearly always the same record came again. A merge would write the files anew in which it finds its id.
        changed = resolved_again.select(*known.columns).subtract(known).persist()
        if not changed.isEmpty():
            lake.merge(_TABLE, changed, among=f"t.{days}")


def known_bookings(transactions: DataFrame, *, new: DataFrame, moved: DataFrame | None, zone: str = UTC) -> DataFrame:
    """Bookings of silver.transactions that must be resolved again: transaction_id, booked_on; some twice.

    `new`: records that came since the last time; their ids may have come before with other content. `moved`: change
    records of account parties that came since: bookings of these accounts may have another owner, from the day on of
    which the record tells.
    """
    found = transactions.join(new, on="transaction_id", how="left_semi").select("transaction_id", "booked_on")
    if moved is None:
        return found
    since = moved.groupBy("account_id").agg(F.min(day_of("changed_at", zone)).alias("since"))
    first = since.agg(F.min("since").alias("day")).collect()[0]["day"]
    if first is None:
        return found
    theirs = transactions.where(F.col("booked_on") >= F.lit(first)).join(since, on="account_id", how="inner")
    return found.unionByName(theirs.where("booked_on >= since").select("transaction_id", "booked_on"))


def resolve_transactions(bookings: DataFrame, *, parties: DataFrame | None, zone: str = UTC) -> DataFrame:
    """silver.transactions of `bookings`: one row a transaction_id.

    `bookings`: every bronze record of the ids in question. `parties`: silver.account_parties, or None where the bank
    has no such feed. `booked_on` is the day of `booked_at` in the bank's time zone, `customer_id` the owner at the end
    of that day, null when none is known. `signed_*` is positive for credits; `*_minor` are hundredths of the account's
    currency.
    """
    once = one_record_each(bookings).withColumn("booked_on", day_of("booked_at", zone))
    if parties is None:
        owned = once.withColumn("customer_id", F.lit(None).cast("string"))
    else:
        owned = _with_owner(once, owners=owner_days(parties, zone=zone))
    credit = F.col("direction") == "credit"
    return owned.withColumn("amount_minor", to_minor(F.col("amount"))).select(
        "transaction_id",
        "account_id",
        "customer_id",
        "booked_at",
        "booked_on",
        "direction",
        "amount",
        F.when(credit, F.col("amount")).otherwise(-F.col("amount")).cast(MONEY).alias("signed_amount"),
        "amount_minor",
        F.when(credit, F.col("amount_minor")).otherwise(-F.col("amount_minor")).alias("signed_minor"),
        *BOOKING_COLUMNS[5:],
    )


def one_record_each(bookings: DataFrame) -> DataFrame:
    """One record a transaction_id, the same whatever the order of arrival.

    The record booked first counts; then the one that knows most (fewest nulls); then the lowest by every column in
    turn (null last). Records that are still equal are the same record.
    """
    unknown: Column = F.lit(0)
    for name in BOOKING_COLUMNS:
        unknown = unknown + F.col(name).isNull().cast("int")
    by_content = [F.col(name).asc_nulls_last() for name in BOOKING_COLUMNS[1:]]
    order = Window.partitionBy("transaction_id").orderBy(
        F.col("booked_at").asc_nulls_last(), unknown.asc(), *by_content
    )
    return (
        bookings.select(*BOOKING_COLUMNS)
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") == 1)
        .select(*BOOKING_COLUMNS)
    )


def owner_days(parties: DataFrame, *, zone: str = UTC) -> DataFrame:
    """Who owns an account at the end of each day: account_id, customer_id, from_day, until_day (excluded, null = open).

    Owners are parties with role owner and party_kind person; of several the one with the smallest party_id. The
    periods of an account do not overlap; days without an owner are in none.
    """
    owners = (
        parties.where((F.col("role") == "owner") & (F.col("party_kind") == "person"))
        .select(
            "account_id",
            "party_id",
            # valid_from < midnight after day d  <=>  date(valid_from) <= d; the same for valid_to.
            day_of("valid_from", zone).alias("owner_from"),
            day_of("valid_to", zone).alias("owner_until"),
        )
        .where(F.col("owner_until").isNull() | (F.col("owner_from") < F.col("owner_until")))
    )
    starts = owners.select("account_id", F.col("owner_from").alias("from_day"))
    ends = owners.where(F.col("owner_until").isNotNull()).select("account_id", F.col("owner_until").alias("from_day"))
    boundaries = starts.unionByName(ends).distinct()
    following = F.lead("from_day").over(Window.partitionBy("account_id").orderBy("from_day"))
    periods = boundaries.withColumn("until_day", following)
    owns = (F.col("owner_from") <= F.col("from_day")) & (
        F.col("owner_until").isNull() | (F.col("owner_until") > F.col("from_day"))
    )
    return (
        periods.join(owners, on="account_id", how="inner")
        .where(owns)
        .groupBy("account_id", "from_day", "until_day")
        .agg(F.min("party_id").alias("customer_id"))
        .select("account_id", "customer_id", "from_day", "until_day")
    )


def _with_owner(bookings: DataFrame, *, owners: DataFrame) -> DataFrame:
    b, o = bookings.alias("b"), owners.alias("o")
    on_that_day = (
        (F.col("b.account_id") == F.col("o.account_id"))
        & (F.col("b.booked_on") >= F.col("o.from_day"))
        & (F.col("o.until_day").isNull() | (F.col("b.booked_on") < F.col("o.until_day")))
    )
    return b.join(o, on=on_that_day, how="left").select("b.*", "o.customer_id")
