"""Which credit paid for which debit, first in first out, to the cent.

    trace_fifo(bookings, account="account_id", at="booked_at", booking="booking_id", amount="amount_minor")

Windows only: an account's history is sorted once, whatever its length, and no pair of bookings is looked at twice.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType

from portrait.errors import ConfigurationError
from portrait.spark.columns import by_place, place_name, place_of


def trace_fifo(bookings: DataFrame, *, account: str, at: str, booking: str, amount: str) -> DataFrame:
    """(account, source, used_by, amount): one row per part of a credit and the debit that it paid for.

    `bookings`: one row per booking, credits positive, debits negative, in minor units (whole numbers); `booking`
    identifies one within its account, and orders those of the same instant.
    `used_by` NULL: what is left of the credit. `source` NULL: the part of a debit for which no credit was there
    (overdraft, or money from before the history). The parts of a booking add up to its amount, always.
    Raises ConfigurationError for absent columns, amounts that are no whole numbers, and bookings without any of these.
    """
    names = {"account": account, "at": at, "booking": booking, "amount": amount}
    places = {name: place_of(bookings, column, parameter=name) for name, column in names.items()}
    kind = bookings.schema.fields[places["amount"]].dataType
    if not isinstance(kind, IntegralType):
        raise ConfigurationError(
            f"the column is of type {kind.simpleString()}", where="amount", remedy="give minor units as whole numbers"
        )
    rows = by_place(bookings).select(*[F.col(place_name(place)).alias(name) for name, place in places.items()])
    unknown = rows.where(" or ".join(f"{name} is null" for name in names)).count()
    if unknown:
        raise ConfigurationError(
            f"{unknown} bookings have no account, time, identifier or amount",
            where=", ".join(f"{name}={column!r}" for name, column in names.items()),
            remedy="correct or remove them: a sum that leaves them out is not to the cent",
        )
    placed = _placed(rows)
    return _parts(placed).union(_unfunded(placed))


def _placed(rows: DataFrame) -> DataFrame:
    """Bookings with the stretch of the account's money, counted from its first credit, that they brought or used.

    With S the running sum, max(0, -min S) so far is what debits took beyond all credits: it comes from nowhere, and the
    rest of a debit follows the rest of the one before it.
    """
    upto = Window.partitionBy("account").orderBy("at", "booking")
    upto = upto.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    summed = rows.select(
        "account",
        "at",
        "booking",
        F.col("amount").cast("long").alias("amount"),
        F.sum(F.col("amount").cast("long")).over(upto).alias("running"),
        F.sum(F.greatest(F.col("amount").cast("long"), F.lit(0))).over(upto).alias("brought"),
        F.sum(F.greatest(-F.col("amount").cast("long"), F.lit(0))).over(upto).alias("taken"),
    )
    short = F.greatest(-F.min("running").over(upto), F.lit(0).cast("long"))
    before = Window.partitionBy("account").orderBy("at", "booking")
    followed = summed.withColumn("short", short)
    followed = followed.withColumn("unfunded", F.col("short") - F.lag("short", 1, 0).over(before))
    return followed.select(
        "account",
        "booking",
        "amount",
        "unfunded",
        (F.col("brought") - F.greatest("amount", F.lit(0))).alias("brought_from"),
        (F.col("taken") - F.col("short")).alias("used_until"),
        (F.greatest(-F.col("amount"), F.lit(0)) - F.col("unfunded")).alias("funded"),
    )


def _parts(placed: DataFrame) -> DataFrame:
    """Stretches between any two neighbouring limits: each lies in one credit and in one debit, or in what is left."""
    credits = placed.where("amount > 0").select(
        "account",
        F.col("brought_from").alias("place"),
        F.struct(F.col("booking").alias("id")).alias("credit"),
    )
    used = placed.where("funded > 0").select(
        "account", (F.col("used_until") - F.col("funded")).alias("place"), F.col("booking").alias("id")
    )
    # Where the last debit ends begins what is left: a debit without identifier.
    ended = placed.groupBy("account").agg(F.max("used_until").alias("place"))
    debits = used.unionByName(ended.withColumn("id", F.lit(None)))
    total = placed.groupBy("account").agg(F.sum(F.greatest("amount", F.lit(0))).alias("total"))
    limits = credits.unionByName(
        debits.select("account", "place", F.struct("id").alias("debit")), allowMissingColumns=True
    )
    # At a place at most one credit and one debit begin: both have more than nothing.
    limits = limits.groupBy("account", "place").agg(F.max("credit").alias("credit"), F.max("debit").alias("debit"))
    ordered = Window.partitionBy("account").orderBy("place")
    upto = ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    stretches = limits.join(total, on="account", how="inner").select(
        "account",
        F.last("credit", ignorenulls=True).over(upto)["id"].alias("source"),
        F.last("debit", ignorenulls=True).over(upto)["id"].alias("used_by"),
        (F.coalesce(F.lead("place").over(ordered), F.col("total")) - F.col("place")).alias("amount"),
    )
    return stretches.where("amount > 0")


def _unfunded(placed: DataFrame) -> DataFrame:
    return placed.where("unfunded > 0").select(
        "account", F.lit(None).alias("source"), F.col("booking").alias("used_by"), F.col("unfunded").alias("amount")
    )
