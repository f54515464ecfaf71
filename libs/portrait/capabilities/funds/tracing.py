"""Which credit paid for which debit, to the cent: first in first out, last in first out, or pro rata.

    trace_fifo(bookings, account="account_id", at="booked_at", booking="booking_id", amount="amount_minor")

First in first out is made of windows only: an account's history is sorted once, whatever its length, and no pair of
bookings is looked at twice. The other two follow each account booking by booking, in Arrow batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType, StructType

from portrait.errors import ConfigurationError
from portrait.spark.columns import by_place, place_name, place_of
from portrait.spark.workers import use_own_python

Method = Literal["fifo", "lifo", "pro_rata"]


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
    rows = rows.withColumn("amount", F.col("amount").cast("long"))
    unknown = rows.where(" or ".join(f"{name} is null" for name in names)).count()
    if unknown:
        raise ConfigurationError(
            f"{unknown} bookings have no account, time, identifier or amount",
            where=", ".join(f"{name}={column!r}" for name, column in names.items()),
            remedy="correct or remove them: a sum that leaves them out is not to the cent",
        )
    return traced(rows)


def traced(bookings: DataFrame, *, method: Method = "fifo") -> DataFrame:
    """(account, source, used_by, amount) of bookings (account, at, booking, amount) without any null.

    `booking` may be a struct, whose first field identifies it within its account: it is carried to both sides of a
    part. What each method takes for a debit: `fifo` the oldest money there is; `lifo` the newest; `pro_rata` of every
    credit its share, in whole units by the largest remainder (of equal ones the older credit).
    """
    if method == "fifo":
        return _parts(_placed(bookings))
    use_own_python(bookings.sparkSession)
    kinds = {field.name: field.dataType.simpleString() for field in bookings.schema.fields}
    layout = f"account {kinds['account']}, source {kinds['booking']}, used_by {kinds['booking']}, amount bigint"
    kind = bookings.schema["booking"].dataType
    key = F.col("booking").getField(kind.names[0]) if isinstance(kind, StructType) else F.col("booking")
    # What passes BIGINT is refused, not cut.
    whole = bookings.withColumns({"key": key, "amount": F.col("amount").cast("long")})
    return whole.groupBy("account").applyInArrow(_following(newest_first=method == "lifo"), layout)


def _placed(rows: DataFrame) -> DataFrame:
    """Bookings with the stretch of the account's money, counted from its first credit, that they brought or used.

    With S the running sum, max(0, -min S) so far is what debits took beyond all credits: it comes from nowhere, and the
    rest of a debit follows the rest of the one before it.
    """
    order = Window.partitionBy("account").orderBy("at", "booking")
    upto = order.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    amount = F.col("amount")
    summed = rows.select(
        *("account", "at", "booking", "amount"),
        F.sum(amount).over(upto).alias("running"),
        F.sum(F.greatest(amount, F.lit(0))).over(upto).alias("brought"),
        F.sum(F.greatest(-amount, F.lit(0))).over(upto).alias("taken"),
    )
    followed = summed.withColumn("short", F.greatest(-F.min("running").over(upto), F.lit(0)))
    followed = followed.withColumn("short_before", F.lag("short", 1).over(order))
    return followed.select(
        *("account", "booking", "amount", "brought", "short"),
        F.coalesce("short_before", F.lit(0)).alias("short_before"),
        (F.col("taken") - F.col("short")).alias("used"),
    )


def _parts(placed: DataFrame) -> DataFrame:
    """Stretches between any two neighbouring limits: each lies in one credit and in one debit, or in what is left.

    An account has two lines: the money that credits brought (`short` false), and what debits took beyond it.
    """
    amount, unfunded = F.col("amount"), F.col("short") - F.col("short_before")
    funded = -amount - unfunded
    kind = placed.schema["booking"].dataType.simpleString()
    begins, ends = F.struct(F.col("booking").alias("id")), F.struct(F.lit(None).cast(kind).alias("id"))
    none = F.lit(None).cast(f"struct<id:{kind}>")

    def limit(short: bool, place: Column, credit: Column, debit: Column) -> Column:
        named = {"short": F.lit(short), "place": place, "credit": credit, "debit": debit}
        return F.struct(*(column.alias(name) for name, column in named.items()))

    brought = F.array(limit(False, F.col("brought") - amount, begins, none), limit(False, F.col("brought"), ends, none))
    used = F.array(limit(False, F.col("used") - funded, none, begins), limit(False, F.col("used"), none, ends))
    missed = F.array(limit(True, F.col("short_before"), none, begins), limit(True, F.col("short"), none, ends))
    moved = F.array(F.when(amount > 0, brought), F.when(funded > 0, used), F.when(unfunded > 0, missed))
    limits = placed.select("account", F.inline(F.flatten(F.array_compact(moved))))
    # Where one credit (or debit) ends the next one may begin: what begins is the greater of the two.
    limits = limits.groupBy("account", "short", "place").agg(
        F.max("credit").alias("credit"), F.max("debit").alias("debit")
    )
    ordered = Window.partitionBy("account", "short").orderBy("place")
    upto = ordered.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    stretches = limits.select(
        "account",
        F.last("credit", ignorenulls=True).over(upto)["id"].alias("source"),
        F.last("debit", ignorenulls=True).over(upto)["id"].alias("used_by"),
        (F.lead("place").over(ordered) - F.col("place")).alias("amount"),
    )
    return stretches.where("amount > 0")


def _following(*, newest_first: bool) -> Callable[[pa.Table], pa.Table]:
    """The parts of one account, whose bookings come in a table; the function travels whole to the workers."""

    def follow(bookings: pa.Table) -> pa.Table:
        import pyarrow

        def shares(amounts: list[int], of: int) -> list[int]:
            whole = sum(amounts)
            parts = [of * amount // whole for amount in amounts]
            ranked = sorted(range(len(parts)), key=lambda place: (-(of * amounts[place] % whole), place))
            for place in ranked[: of - sum(parts)]:
                parts[place] += 1
            return parts

        order = list(zip(bookings.column("at").to_pylist(), bookings.column("key").to_pylist(), strict=True))
        every = bookings.column("amount").to_pylist()
        waiting: list[list[int]] = []  # of each credit with something left: its place, what is left
        found: list[tuple[int | None, int | None, int]] = []
        for place in sorted(range(len(order)), key=order.__getitem__):
            amount = every[place]
            if amount > 0:
                waiting.append([place, amount])
                continue
            there = min(-amount, sum(left for _, left in waiting))
            if not newest_first and there:
                taken = shares([left for _, left in waiting], there)
            else:
                taken, open_ = [0] * len(waiting), there
                for index in range(len(waiting) - 1, -1, -1):
                    taken[index] = min(open_, waiting[index][1])
                    open_ -= taken[index]
            for credit, part in zip(waiting, taken, strict=True):
                credit[1] -= part
                if part:
                    found.append((credit[0], place, part))
            waiting = [credit for credit in waiting if credit[1]]
            if -amount > there:
                found.append((None, place, -amount - there))
        found += [(credit, None, left) for credit, left in waiting]
        sources, users, parts = zip(*found, strict=True) if found else ((), (), ())
        given = bookings.column("booking").combine_chunks()
        account = bookings.column("account").combine_chunks()
        whole_number = pyarrow.int64()
        return pyarrow.table(
            {
                "account": account.take(pyarrow.array([0] * len(found), whole_number)),
                "source": given.take(pyarrow.array(sources, whole_number)),
                "used_by": given.take(pyarrow.array(users, whole_number)),
                "amount": pyarrow.array(parts, whole_number),
            }
        )

    return follow
