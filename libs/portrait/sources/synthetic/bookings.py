"""The bookings by number: one row per booking with the running balance of its account, in whole cents.

Everything is a projection of `people`: customer, then month, then slot. Nothing is shuffled, and codes stand for texts
until the lines are made: bookings are most of a bank, and this is where its time goes.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.sources.synthetic import codes, plan
from portrait.sources.synthetic.activities import number_of_events, with_events
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.corrupted import transaction_faults
from portrait.sources.synthetic.plan import by_group
from portrait.sources.synthetic.product_holdings import with_owed
from portrait.sources.synthetic.recurring import Booking, month_columns, recurring
from portrait.sources.synthetic.texts import looked_up

# Before the events of a month, which are slots 1..
SLOTS: Final = (*codes.OF_A_LIFE, *codes.OF_A_PATTERN, *codes.OF_A_MONTH)


def bookings(people: DataFrame, bank: Bank, until: date) -> DataFrame:
    """One row per booking up to the end of `until`, and one a planted bad row (code PLANTED_BAD), by number.

    Columns: k; account 1 current, 2 savings; day counted from the start, second of the day; code; `signed` cents
    (negative out of the account, null in a bad row) and `balance` after it; `event`, on which draws about the booking
    hang; numbers of type, channel, category (null: none), merchant and other side; `fault` of a bad row, else null.

    The balance of an account is the running sum of its bookings by (day, second, code). The money with which an
    account enters is booked the day before the first day; an account that closes pays out what is left.
    """
    return _balanced(_movements(people, bank, until))


def movements(people: DataFrame, bank: Bank) -> DataFrame:
    """One row per booking of the whole period, closings apart: k, day counted from the start, `signed` cents."""
    every = _movements(people, bank, bank.last_day)
    return every.where(F.col("signed").isNotNull()).select("k", "day", "signed")


def _movements(people: DataFrame, bank: Bank, until: date) -> DataFrame:
    slots = _slots(_months(_persons(people, bank), bank, until), bank)
    known = F.col("day") <= (until - bank.start).days
    return _lived(_placed(with_events(slots, bank), bank)).where(known)


def _persons(people: DataFrame, bank: Bank) -> DataFrame:
    """Days of a life counted from the start of the bookings."""
    return with_owed(people, bank).withColumns(
        {
            "joined_day": bank.day_of("joined_on"),
            "left_day": bank.day_of("left_on"),
            "silent_day": bank.day_of("silent_from"),
            "spending": by_group(lambda group: group.spending),
        }
    )


def _months(persons: DataFrame, bank: Bank, until: date) -> DataFrame:
    """Persons by month of the period; month -1 stands for what happens once in the life of an account."""
    started = [month for month in range(bank.months) if bank.first_of(month) <= (until - bank.start).days]
    offsets = [bank.first_of(month) for month in started]
    lengths = [bank.first_of(month + 1) - bank.first_of(month) for month in started]
    seasons = [plan.SEASON[(bank.start.month - 1 + month) % 12] for month in started]
    months = persons.withColumn("month", F.explode(F.array(*map(F.lit, (-1, *started)))))
    by_month = months.withColumns(
        {
            "offset": looked_up([0, *offsets], F.col("month") + 1),
            "length": looked_up([1, *lengths], F.col("month") + 1),
            "season": looked_up([0.0, *seasons], F.col("month") + 1),
        }
    )
    return by_month.withColumns(
        {**month_columns(bank), **transaction_faults(bank), "number": number_of_events(bank.draws)}
    )


def _slots(months: DataFrame, bank: Bank) -> DataFrame:
    """One row per slot: a possible booking of a customer and month."""
    fixed, with_pattern = len(codes.OF_A_MONTH), len(codes.OF_A_PATTERN) + len(codes.OF_A_MONTH)
    once, every = F.col("month") < 0, len(SLOTS)
    in_month = F.when(F.col("pattern_now"), -with_pattern + 1).otherwise(-fixed + 1)
    first = F.when(once, -every + 1).otherwise(in_month)
    last = F.when(once, -with_pattern).otherwise(F.col("number"))
    slots = months.withColumn("slot", F.explode(F.sequence(first, last)))
    code = F.when(F.col("slot") > 0, F.col("slot")).otherwise(looked_up(SLOTS, F.col("slot") + (every - 1)))
    return slots.withColumns(
        {"code": code, "doing": F.col("slot") > 0, "event": bank.draws.bits("event", "k", "month", "slot")}
    )


def _placed(events: DataFrame, bank: Bank) -> DataFrame:
    """Slots that take place, with day, second, cents and numbers, be they events or recurring."""
    kinds = recurring(bank)
    doing = F.col("doing")

    def by_code(event: Column, value: dict[int, Column | None]) -> Column:
        chosen = F.when(doing, event)
        for code, column in value.items():
            if column is not None:
                chosen = chosen.when(F.col("code") == code, column)
        return chosen

    def of(attribute: str) -> dict[int, Column | None]:
        return {kind.code: getattr(kind, attribute) for kind in kinds}

    bad = F.col("code") == codes.PLANTED_BAD
    takes_place = {**of("takes_place"), codes.PLANTED_BAD: F.col("fault").isNotNull()}
    here = events.where(by_code(F.lit(True), takes_place))
    seconds: dict[int, Column | None] = {
        kind.code: F.lit(kind.second) if isinstance(kind.second, int) else kind.second for kind in kinds
    }
    return here.select(
        *("k", "code", "event", "joined_day", "left_day", "silent_day", "fault"),
        F.when(_on_savings(kinds), 2).otherwise(1).alias("account"),
        by_code(F.col("e_day"), {**of("day"), codes.PLANTED_BAD: F.col("fault_day")}).cast("int").alias("day"),
        by_code(F.col("e_second"), {**seconds, codes.PLANTED_BAD: F.lit(43_200)}).cast("int").alias("second"),
        by_code(F.col("e_signed"), of("signed")).cast("bigint").alias("signed"),
        by_code(F.col("e_kind"), of("type")).cast("int").alias("type"),
        by_code(F.col("e_channel"), of("channel")).cast("int").alias("channel"),
        F.when(doing, F.col("e_category")).alias("category"),
        F.when(doing, F.col("e_merchant")).alias("merchant"),
        by_code(F.col("e_other"), {**of("other"), codes.PLANTED_BAD: F.col("month")}).cast("bigint").alias("other"),
        bad.alias("bad"),
    )


def _on_savings(kinds: list[Booking]) -> Column:
    return F.col("code").isin(*(kind.code for kind in kinds if kind.savings))


def _lived(placed: DataFrame) -> DataFrame:
    """Without the bookings before a customer came, after they fell silent, and after they left."""
    day, code = F.col("day"), F.col("code")
    opens = code.isin(codes.OPENING, codes.OPENING_SAVINGS)
    closes = code.isin(codes.CLOSING, codes.CLOSING_SAVINGS)
    goes_on = F.col("type").isin(*map(codes.TYPES.index, ("interest", "fee", "loan_payment")))
    came = (day > F.col("joined_day")) | opens
    there = F.col("left_day").isNull() | (day < F.col("left_day")) | closes
    speaks = F.col("silent_day").isNull() | (day < F.col("silent_day")) | goes_on | opens | closes
    return placed.where((came & there & speaks) | F.col("bad"))


def _balanced(lived: DataFrame) -> DataFrame:
    """With the running balance; an account without money left has no closing booking."""
    up_to_here = (
        Window.partitionBy("k", "account")
        .orderBy("day", "second", "code")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    running = lived.withColumn("running", F.sum(F.coalesce("signed", F.lit(0))).over(up_to_here))
    closing = F.col("signed").isNull() & ~F.col("bad")
    return (
        running.withColumns(
            {
                "balance": F.when(closing, F.lit(0)).otherwise(F.col("running")).cast("bigint"),
                "signed": F.when(closing, -F.col("running")).otherwise(F.col("signed")),
            }
        )
        .withColumn(
            "type",
            F.when(closing & (F.col("signed") > 0), codes.type_number("cash_deposit")).otherwise(F.col("type")),
        )
        .where((F.col("signed") != 0) | F.col("bad"))
        .drop("running", "joined_day", "left_day", "silent_day")
    )
