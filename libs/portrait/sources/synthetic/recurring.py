"""What comes to or leaves an account each month, each quarter or once: pay, rent, saving, premiums, fees.

A `Booking` says when one kind of booking takes place, on which day and with how many cents. Days count from the bank's
first day. Who pays on a fixed day pays before a weekend; who debits a fixed day debits after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.sources.synthetic import codes, patterns, plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.codes import CHANNELS
from portrait.sources.synthetic.draws import Draws, place
from portrait.sources.synthetic.plan import BANK_CHANNELS
from portrait.sources.synthetic.product_holdings import OWED
from portrait.sources.synthetic.texts import looked_up

SLOW_FROM: Final = 8  # days after its day, at least, that a slow payer pays
SLOW_SPREAD: Final = 11
FEE_MINOR: Final = 290


@dataclass(frozen=True)
class Booking:
    """One kind of booking: `signed` is null where the amount is what is left. `savings`: on the savings account."""

    code: int
    takes_place: Column
    day: Column
    second: int | Column
    signed: Column
    type: Column
    channel: Column | None = None
    other: Column | None = None
    savings: bool = False


def month_columns(bank: Bank) -> dict[str, Column]:
    """What is drawn once for a customer and month, on rows that have `month`, `offset`, `length`."""
    draws, income, offset = bank.draws, F.col("income_minor"), F.col("offset")
    payday = offset + F.col("length") - 7 + draws.whole(3, "payday", "k")
    retired_day = F.coalesce(bank.day_of("retired_on"), F.lit(1_000_000))
    was_retired = (F.col("group_name") == "retired") | (retired_day <= offset + 7)
    pension = F.when(F.col("group_name") == "retired", 1.0).otherwise(plan.PENSION_OF_INCOME)
    steady = F.round(income * draws.lognormal(0.02, "pay", "k", "month"))
    begins = draws.whole(max(bank.months - 2, 1), "ring month", "ring")
    return {
        "payday": before_weekend(bank, payday),
        "retired": was_retired,
        "paid": F.col("salaried") & (F.col("group_name") != "retired") & (retired_day > payday),
        "pay": steady,
        "pension": F.round(steady * pension),
        "sent": F.round(income * draws.lognormal(0.25, "sent", "k", "month")),
        "sent_day": offset + draws.whole(20, "sent_on", "k", "month"),
        "meter": F.round(F.col("utilities_minor") * draws.lognormal(0.15, "meter", "k", "month")),
        "ring_now": F.col("ring").isNotNull() & F.col("month").between(begins, begins + 2),
        "ring_day": offset + draws.whole(20, "ring day", "ring", "month"),
        "ring_minor": F.round(900_000 + 99_000 * draws.uniform("ring minor", "ring", "month")),
        "saving_channel": _bank_channel(draws),
        **patterns.month_columns(draws, bank.months),
    }


def before_weekend(bank: Bank, day: Column) -> Column:
    """The day, or the Friday before it at a weekend."""
    return day - F.greatest(bank.weekday(day) - 4, F.lit(0))


def after_weekend(bank: Bank, day: Column) -> Column:
    """The day, or the Monday after it at a weekend."""
    weekday = bank.weekday(day)
    return F.when(weekday >= 5, day + 7 - weekday).otherwise(day)


def recurring(bank: Bank) -> list[Booking]:
    """Every kind of booking that is nobody's doing of the moment."""
    of_month = [*_income(bank), *_household(bank), *_saving(bank), *_of_the_bank(), *_owed(bank)]
    return [*of_month, *_ring(), *_pattern(), *_of_a_life()]


def _income(bank: Bank) -> list[Booking]:
    """Salary in the last week, pension on the eighth, or somebody's transfer on any of the first twenty days."""
    pension_day = before_weekend(bank, F.col("offset") + 7)
    sent = ~F.col("salaried") & (F.col("group_name") != "retired")
    kind, employer = codes.type_number, F.col("employer").cast("bigint")
    return [
        Booking(codes.SALARY, F.col("paid"), F.col("payday"), 14_400, F.col("pay"), kind("salary"), other=employer),
        Booking(codes.PENSION, F.col("retired"), pension_day, 14_400, F.col("pension"), kind("pension")),
        Booking(codes.INCOME, sent, F.col("sent_day"), 36_000, F.col("sent"), kind("transfer_in"), other=F.col("k")),
    ]


def _household(bank: Bank) -> list[Booking]:
    """The standing order for the household, and the direct debit for utilities, which varies with the meter."""
    rent, offset, kind = F.col("household_minor"), F.col("offset"), codes.type_number
    rented, metered = after_weekend(bank, offset + 2), after_weekend(bank, offset + 11)
    meter = F.col("meter")
    return [
        Booking(codes.HOUSEHOLD, rent.isNotNull(), rented, 10_800, -rent, kind("transfer_out")),
        Booking(codes.UTILITIES, meter.isNotNull(), metered, 10_900, -meter, kind("direct_debit")),
    ]


def _saving(bank: Bank) -> list[Booking]:
    """Most customers with a savings account, students apart, move money to it each month: two bookings."""
    student = F.col("group_name") == "students"
    saves = F.col("savings_id").isNotNull() & ~student & bank.draws.happens(0.6, "saves", "k")
    saved, day = F.round(F.col("income_minor") * 0.06), after_weekend(bank, F.col("offset") + 1)
    out, into, channel = codes.type_number("transfer_out"), codes.type_number("transfer_in"), F.col("saving_channel")
    return [
        Booking(codes.SAVED_OUT, saves, day, 39_600, -saved, out, channel=channel),
        Booking(codes.SAVED_IN, saves, day, 39_601, saved, into, savings=True),
    ]


def _bank_channel(draws: Draws) -> Column:
    drawn = place("banks", len(BANK_CHANNELS), draws.uniform("saving_channel", "k", "month"))
    return looked_up([CHANNELS.index(channel) for channel in BANK_CHANNELS], drawn)


def _of_the_bank() -> list[Booking]:
    """At the end of a quarter: interest on what the savings account began with, and the fee of the current one."""
    end, quarter = F.col("offset") + F.col("length") - 1, F.col("month") % 3 == 2
    interest = F.greatest(F.round(F.col("savings_minor") * 0.015 / 4), F.lit(1))
    has, kind = F.col("savings_id").isNotNull(), codes.type_number
    return [
        Booking(codes.INTEREST, quarter & has, end, 82_000, interest, kind("interest"), savings=True),
        Booking(codes.FEE, quarter, end, 82_800, F.lit(-FEE_MINOR), kind("fee")),
    ]


def instalment_day(bank: Bank, offset: Column) -> Column:
    """The day on which an instalment that is due on the fifth of a month is paid."""
    return after_weekend(bank, offset + 4)


def paid_day(bank: Bank, offset: Column, slow: Column, product: Column) -> Column:
    """The day on which the instalment of a loan is paid: who is slow takes one to two and a half weeks more.

    `product`: the hash of its id; the column `month` is the month of the bank.
    """
    late = offset + 4 + SLOW_FROM + bank.draws.whole(SLOW_SPREAD, "slow days", "k", product, "month")
    return F.when(slow, late).otherwise(instalment_day(bank, offset))


def is_slow(due: Column, since: Column, until: Column) -> Column:
    """Whether what is due on a day is paid late; null bounds: it is not."""
    return F.coalesce((due >= since) & (due <= until), F.lit(False))


def _owed(bank: Bank) -> list[Booking]:
    """Premiums of insurances in force, and instalments of loans: up to the end of the term, none once in arrears."""
    made = []
    for index, product in enumerate(OWED):
        loan, held = product.kind == "loan", F.col(f"owed_{index}")
        due = F.col("offset") + (4 if loan else 14)
        opened, stops = bank.day_of(held["opened_on"]), bank.day_of(held["stops_on"])
        owed = held.isNotNull() & (due > opened) & (stops.isNull() | (due <= stops))
        slow = is_slow(due, bank.day_of(held["slow_from"]), bank.day_of(held["slow_until"]))
        paid = paid_day(bank, F.col("offset"), slow, F.xxhash64(F.lit(product.product_id)))
        day = paid if loan else after_weekend(bank, due)
        kind = codes.type_number("loan_payment" if loan else "transfer_out")
        made.append(Booking(codes.FIRST_OWED + index, owed, day, 11_200 if loan else 11_100, -held["minor"], kind))
    return made


def _ring() -> list[Booking]:
    """Five neighbours pass nearly the same amount on, from day to day, until it is back; in three months running."""
    seat, day = (F.col("k") - 1) % plan.RING_BLOCK, F.col("ring_day")
    before, after = (seat + plan.RING_SIZE - 1) % plan.RING_SIZE, (seat + 1) % plan.RING_SIZE

    def passed(giver: Column) -> Column:
        return F.round(F.col("ring_minor") * (F.lit(1.0) - F.lit(0.02) * giver))

    first = F.col("k") - seat
    sent = codes.type_number("transfer_out")
    got = codes.type_number("transfer_in")
    online = F.lit(CHANNELS.index("online"))
    now, giver_day, own_day = F.col("ring_now"), (day + before).cast("int"), (day + seat).cast("int")
    return [
        Booking(codes.RING_OUT, now, own_day, 45_000, -passed(seat), sent, channel=online, other=first + after),
        Booking(codes.RING_IN, now, giver_day, 45_001, passed(before), got, other=first + before),
    ]


def _pattern() -> list[Booking]:
    """What a member of a ring of seven pays and gets by the ring's typology."""
    made, online = [], F.lit(CHANNELS.index("online"))
    for number, code in enumerate(codes.OF_A_PATTERN):
        leg = patterns.leg_columns(number)
        out = leg.signed < 0
        kind = F.when(out, codes.type_number("transfer_out")).otherwise(codes.type_number("transfer_in"))
        channel = F.when(out, online)
        made.append(
            Booking(code, leg.takes_place, leg.day, leg.second, leg.signed, kind, channel=channel, other=leg.other)
        )
    return made


def _of_a_life() -> list[Booking]:
    """The money with which an account enters: brought forward, or paid in on joining; and the rest when it closes."""
    joined, left, has = F.col("joined_day"), F.col("left_day"), F.col("savings_id").isNotNull()
    new = joined >= 0
    day = F.when(new, joined).otherwise(-1)
    kind = F.when(new, codes.type_number("cash_deposit")).otherwise(codes.type_number("transfer_in"))
    branch, rest = F.lit(CHANNELS.index("branch")), F.lit(None).cast("bigint")
    brought, paid_in, out = F.col("opening_minor"), F.when(new, branch), codes.type_number("transfer_out")
    always, leaves = F.lit(True), left.isNotNull()
    saved = F.col("savings_minor")
    return [
        Booking(codes.OPENING, always, day, 32_400, brought, kind, paid_in),
        Booking(codes.OPENING_SAVINGS, has, day, 32_400, saved, kind, paid_in, savings=True),
        Booking(codes.CLOSING, leaves, left, 64_800, rest, out, branch),
        Booking(codes.CLOSING_SAVINGS, leaves & has, left, 64_800, rest, out, branch, savings=True),
    ]
