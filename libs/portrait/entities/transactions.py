"""Transactions: one row per transaction, with its sign, its minor units and the owner of the account that day."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.entities.conflicts import record_booking_conflicts
from portrait.entities.kinds import kind_code
from portrait.entities.known import near_ids, on_days
from portrait.entities.money import MONEY, to_minor
from portrait.entities.versions import DELIVERED
from portrait.lake import Lake
from portrait.settings import UTC
from portrait.spark.days import day_of

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

    Bookings whose id comes once, nearly all, are appended as they are. Of the others, and of bookings of accounts whose
    parties changed, it is settled again which record counts, and rows that differ are merged; only days that hold them
    are looked at. What counted so far stands for all records before it, so the history of bronze is not read again.
    """
    parties = lake.read("silver.account_parties") if lake.has("silver.account_parties") else None
    contract = lake.catalogue.table(_TABLE)
    wins = contract.custom("conflicts", "last")
    kind, zone = F.expr(kind_code(contract)), lake.catalogue.time_zone

    def resolved(bookings: DataFrame) -> DataFrame:
        return resolve_transactions(bookings, parties=parties, zone=zone).withColumn("kind_code", kind)

    new = lake.new_rows(_BOOKINGS, consumer=_TABLE).select(*BOOKING_COLUMNS, *DELIVERED)
    if not lake.has(_TABLE) or lake.completed(_TABLE) is None:  # another code may have chosen other records
        again = repeated_ids(new).persist()
        settled = settle(new.join(again, on="transaction_id", how="left_semi"), wins=wins).persist()
        record_booking_conflicts(lake, conflicts_of(settled, zone=zone), whole=True)
        once = new.join(again, on="transaction_id", how="left_anti").select(*BOOKING_COLUMNS)
        # Days together in files: what enters and leaves a window is read by day.
        whole = resolved(once.unionByName(counting(settled))).repartitionByRange("booked_on")
        lake.overwrite(_TABLE, whole.sortWithinPartitions("booked_on"))
        return
    moved = None
    if parties is not None and lake.has_new_rows("bronze.account_parties", consumer=_TABLE):
        moved = lake.new_rows("bronze.account_parties", consumer=_TABLE)
    transactions = _as_it_is_now(lake)
    near = near_ids(new, "transaction_id") if lake.has_new_rows(_BOOKINGS, consumer=_TABLE) else None
    if near is None and moved is None:
        return
    earlier_bookings = known_bookings(transactions, new=new, near=near, moved=moved, zone=zone)
    again = earlier_bookings.unionByName(repeated_ids(new).withColumn("booked_on", F.lit(None).cast("date"))).persist()
    found = {row["booked_on"] for row in again.select("booked_on").distinct().collect()}
    ids = again.select("transaction_id")
    fresh = resolved(new.join(ids, on="transaction_id", how="left_anti"))
    if found:
        days = on_days(found - {None}, "booked_on")
        standing = transactions.where(days).join(ids, on="transaction_id", how="left_semi").persist()
        records = _delivered_before_all(standing).unionByName(new.join(ids, on="transaction_id", how="left_semi"))
        settled = settle(records, wins=wins).persist()
        record_booking_conflicts(lake, conflicts_of(settled, zone=zone), whole=False)
        # Nearly always the same record came again. A merge would write the files anew in which it finds its id.
        changed = resolved(counting(settled)).select(*standing.columns).subtract(standing).persist()
    lake.append(_TABLE, fresh, transaction=(f"transactions:{_TABLE}:new", lake.run_number))
    if found and not changed.isEmpty():
        lake.merge(_TABLE, changed, among=f"({on_days(found - {None}, 't.booked_on')})")


def _as_it_is_now(lake: Lake) -> DataFrame:
    """silver.transactions, whatever is committed to it while this runs: a commit makes Spark compute again what is kept
    in memory, and would find the new bookings among the known ones."""
    return lake.read(_TABLE, version=lake.version(_TABLE))


def known_bookings(
    transactions: DataFrame, *, new: DataFrame, near: Column | None, moved: DataFrame | None, zone: str = UTC
) -> DataFrame:
    """Bookings of silver.transactions that must be settled again: transaction_id, booked_on; some twice.

    `new`: records that came since the last time, whose ids `near` covers; some may have come before. `moved`: change
    records of account parties that came since: bookings of these accounts may have another owner, from the day on of
    which the record tells.
    """
    candidates = transactions.where(F.lit(False) if near is None else near)
    found = candidates.join(new.select("transaction_id"), on="transaction_id", how="left_semi")
    found = found.select("transaction_id", "booked_on")
    if moved is None:
        return found
    since = moved.groupBy("account_id").agg(F.min(day_of("changed_at", zone)).alias("since"))
    first = since.agg(F.min("since").alias("day")).collect()[0]["day"]
    if first is None:
        return found
    theirs = transactions.where(F.col("booked_on") >= F.lit(first)).join(since, on="account_id", how="inner")
    return found.unionByName(theirs.where("booked_on >= since").select("transaction_id", "booked_on"))


def repeated_ids(records: DataFrame) -> DataFrame:
    """Ids that several of these records have: transaction_id, distinct."""
    return records.groupBy("transaction_id").agg(F.count("*").alias("records")).where("records > 1").drop("records")


def settle(records: DataFrame, *, wins: str) -> DataFrame:
    """Which record of each booking counts: the columns of `records`, with `counts`, `admitted`, `before`, `owner`.

    Records are delivered in the order of their run, in a run of the names of their files, in a file of its lines
    (`DELIVERED`). The first one says to which account the id belongs (`owner`). Of the records of that account the
    last one counts, or with `wins` = "first" the first one. `admitted`: the record took the place of the one before;
    `before`: what counted until it came, a struct of the booking, null for the first one.
    """
    delivered = Window.partitionBy("transaction_id").orderBy(*DELIVERED)
    earlier = delivered.rowsBetween(Window.unboundedPreceding, -1)
    admitted = F.col("place") == 1 if wins == "first" else F.col("account_id") == F.col("owner")
    last = F.max(F.when(F.col("admitted"), F.col("place"))).over(Window.partitionBy("transaction_id"))
    return (
        records.withColumn("place", F.row_number().over(delivered))
        .withColumn("owner", F.first("account_id").over(delivered))
        .withColumn("admitted", admitted)
        .withColumn(
            "before", F.last(F.when(F.col("admitted"), F.struct(*BOOKING_COLUMNS)), ignorenulls=True).over(earlier)
        )
        .withColumn("counts", F.col("place") == last)
        .drop("place")
    )


def _delivered_before_all(standing: DataFrame) -> DataFrame:
    """Rows of silver.transactions as records that came before whatever is new."""
    return standing.select(
        *BOOKING_COLUMNS,
        F.lit(-1).cast("bigint").alias("_run"),
        F.lit("").alias("_file"),
        F.lit(0).cast("bigint").alias("_line"),
    )


def counting(settled: DataFrame) -> DataFrame:
    """The records of `settle` that count, one per transaction_id."""
    return settled.where("counts").select(*BOOKING_COLUMNS)


def conflicts_of(settled: DataFrame, *, zone: str = UTC) -> DataFrame:
    """ops.conflicts of `settle`: records that differ in anything from what counted when they came."""
    record = F.struct(*BOOKING_COLUMNS)
    differs = [F.when(~F.col(name).eqNullSafe(F.col(f"before.{name}")), F.lit(name)) for name in BOOKING_COLUMNS[1:]]
    why = F.when(F.col("admitted"), "last_delivered").when(F.col("account_id") != F.col("owner"), "other_account")
    conflicting = settled.where(F.col("before").isNotNull() & ~record.eqNullSafe(F.col("before")))
    return conflicting.select(
        F.lit("transactions").alias("feed"),
        F.col("_file").alias("file"),
        F.col("_line").alias("line"),
        F.to_json(F.struct("transaction_id")).alias("key"),
        day_of("booked_at", zone).alias("day"),
        F.when(F.col("admitted"), "record").otherwise("against").alias("counts"),
        why.otherwise("first_delivered").alias("why"),
        F.array_compact(F.array(*differs)).alias("differs"),
        F.to_json(record).alias("record"),
        F.to_json(F.col("before")).alias("against"),
        F.col("_run").alias("run"),
    )


def resolve_transactions(bookings: DataFrame, *, parties: DataFrame | None, zone: str = UTC) -> DataFrame:
    """silver.transactions of `bookings`, one record per transaction_id (see `settle`), without its kind_code.

    `parties`: silver.account_parties, or None where the bank has no such feed. `booked_on` is the day of `booked_at` in
    the bank's time zone, `customer_id` the owner at the end of that day, null when none is known.
    `signed_*` is positive for credits; `*_minor` are hundredths of the account's currency.
    """
    dated = bookings.select(*BOOKING_COLUMNS).withColumn("booked_on", day_of("booked_at", zone))
    if parties is None:
        owned = dated.withColumn("customer_id", F.lit(None).cast("string"))
    else:
        owned = _with_owner(dated, owners=owner_days(parties, zone=zone))
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
