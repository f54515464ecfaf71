"""Closing balances of accounts, day by day, out of the balances that the bank reports after each booking.

The order of bookings within a day is unknown, so the chain is checked from day to day: the closing balance is that of
the day before plus the day's movements, where the day reports it; else the reported balance nearest to it.

Seen from the sum of all movements since the first booking, the closing balance is that sum plus an offset (what was on
the account before), and the offset changes exactly where the chain breaks. Accounts whose first offset holds on every
day need nothing but window sums; only those with a break are folded, day by day.

No closing balance depends on a later day: balances up to a date are the same whether or not later bookings are known.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from portrait.entities.money import to_amount, to_minor

# The member of an array that is nearest to a value, the smaller of two equally near. {values}, {value}: SQL.
_NEAREST = "array_min(transform({values}, x -> struct(abs(x - {value}) as distance, x as value))).value"

# Balances with which a chain of bookings can end: one more booking leads to them than starts from them.
_ENDS = """filter(reported, r ->
    size(filter(links, link -> link.after = r)) - size(filter(links, link -> link.before = r)) = 1)"""

# The offset of the first day. Its bookings alone decide, so that later data never change it.
_OPENING = f"""case
    when size(reported) = 0 then 0L
    when size({_ENDS}) = 1 then {_ENDS}[0] - movement
    else {_NEAREST.format(values="reported", value="movement")} - movement
end"""

# Carries the offset through the days of an account; a day that does not report it is a step to the nearest one.
_FOLD = f"""aggregate(days,
    struct(days[0].opening as offset,
           cast(array() as array<struct<day: date, before: bigint, after: bigint>>) as steps),
    (state, d) -> if(size(d.offsets) = 0 or array_contains(d.offsets, state.offset), state, struct(
        {_NEAREST.format(values="d.offsets", value="state.offset")} as offset,
        array_append(state.steps, struct(d.day as day, state.offset as before,
            {_NEAREST.format(values="d.offsets", value="state.offset")} as after)) as steps)),
    state -> state.steps)"""


def affected_accounts(received: DataFrame, *, new: DataFrame) -> DataFrame:
    """The accounts whose chain the new records touch: account_id, distinct.

    `received`: every bronze record; `new`: those that came since the last time. An id that had come before under
    another account touches both accounts.
    """
    ids = new.select("transaction_id").distinct()
    return received.join(ids, on="transaction_id", how="left_semi").select("account_id").distinct()


def measure_days(transactions: DataFrame) -> DataFrame:
    """Days of accounts: one row an account and day with bookings, amounts in minor units.

    `transactions`: every silver transaction of the accounts in question. `moved`: movements since the first booking,
    the day's included. `reported`: balances that the day reports, an empty array if none; a booking without
    balance_after counts as movement only. `opening`: what must be added to `moved` on the first day, so that this day
    closes with the balance at which its bookings, linked by the balances before and after them, end; if that is not
    one balance, with the reported one nearest to the movements, as if the account had opened with nothing; 0 if none is
    reported. `closes`: whether every day of the account meets `moved` + `opening`.
    """
    bookings = transactions.select(
        "account_id",
        F.col("booked_on").alias("day"),
        "signed_minor",
        to_minor(F.col("balance_after")).alias("after"),
    ).withColumn("first_day", F.min("day").over(_so_far()))
    link = F.struct((F.col("after") - F.col("signed_minor")).alias("before"), F.col("after").alias("after"))
    days = bookings.groupBy("account_id", "day").agg(
        F.sum("signed_minor").alias("movement"),
        F.collect_set("after").alias("reported"),
        F.collect_list(F.when((F.col("day") == F.col("first_day")) & F.col("after").isNotNull(), link)).alias("links"),
        F.min("first_day").alias("first_day"),
    )
    opening = F.when(F.col("day") == F.col("first_day"), F.expr(_OPENING))
    return (
        days.withColumn("moved", F.sum("movement").over(_so_far()))
        .withColumn("opening", F.first(opening, ignorenulls=True).over(_so_far()))
        .withColumn("met", F.expr("size(reported) = 0 or array_contains(reported, moved + opening)"))
        .withColumn("closes", F.min("met").over(_whole_account()))
        .select("account_id", "day", "moved", "reported", "opening", "closes")
    )


def close_days(days: DataFrame) -> DataFrame:
    """Closing balances of `measure_days`: one row an account and day with bookings, amounts in minor units.

    `expected_minor`: closing balance of the day before plus the day's movements; `closing_minor` differs from it
    where the day reports other balances only. A day that reports none closes with the expected one. On the first day
    nothing is expected (expected = closing). `days` is read twice: keep it where it is costly.
    """
    steps = _steps(days.where(~F.col("closes")))
    offset = F.coalesce(F.last("after", ignorenulls=True).over(_so_far()), F.col("opening"))
    return (
        days.join(steps, on=["account_id", "day"], how="left")
        .withColumn("offset", offset)
        .select(
            "account_id",
            "day",
            (F.col("moved") + F.coalesce(F.col("before"), F.col("offset"))).alias("expected_minor"),
            (F.col("moved") + F.col("offset")).alias("closing_minor"),
        )
    )


def balance_runs(closings: DataFrame) -> DataFrame:
    """silver.balances of `close_days`: one row an account and stretch of days that close with the same balance.

    `to_day` is the day before the next balance, null for the last one. Days before the first booking have no row.
    """
    previous = F.lag("closing_minor").over(_by_day())
    return (
        closings.withColumn("previous", previous)
        .where(~F.col("closing_minor").eqNullSafe(F.col("previous")))
        .withColumn("to_day", F.date_sub(F.lead("day").over(_by_day()), 1))
        .select(
            "account_id",
            F.col("day").alias("from_day"),
            "to_day",
            to_amount(F.col("closing_minor")).alias("balance"),
            F.col("closing_minor").alias("balance_minor"),
        )
    )


def _steps(days: DataFrame) -> DataFrame:
    """The breaks of accounts: account_id, day, the offset `before` and `after` it."""
    offsets = F.expr("transform(reported, r -> r - moved)")
    accounts = days.groupBy("account_id").agg(
        F.sort_array(F.collect_list(F.struct("day", "opening", offsets.alias("offsets")))).alias("days")
    )
    return accounts.select("account_id", F.expr(f"inline({_FOLD})"))


def _by_day() -> WindowSpec:
    return Window.partitionBy("account_id").orderBy("day")


def _so_far() -> WindowSpec:
    return _by_day().rowsBetween(Window.unboundedPreceding, Window.currentRow)


def _whole_account() -> WindowSpec:
    return Window.partitionBy("account_id").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
