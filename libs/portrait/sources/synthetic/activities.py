"""What customers do of their own accord: payments, cash, transfers, trades; each event draws its kind by weight."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.synthetic import plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.codes import CHANNELS
from portrait.sources.synthetic.draws import Draws, place
from portrait.sources.synthetic.plan import BANK_CHANNELS, CATEGORIES, EVENT_KINDS, PAYMENT_CHANNELS, TICKET
from portrait.sources.synthetic.texts import looked_up

MERCHANTS: Final = 300  # a category
FRIENDS: Final = 10_000_000
PAY, WITHDRAW, TAKE_CASH, BRING_CASH, SEND, RECEIVE, BUY, SELL = range(len(EVENT_KINDS))


def number_of_events(draws: Draws) -> Column:
    """How many events of a customer a month has, at most 999."""
    busy = F.lit(0.6) + F.lit(0.8) * draws.uniform("busy", "k", "month")
    number = F.floor(F.col("events") * F.col("season") * busy + draws.uniform("rounding", "k", "month"))
    return F.least(number, F.lit(999)).cast("int")


def with_events(slots: DataFrame, bank: Bank) -> DataFrame:
    """Slots (customer, month, code) with kind, category and channel by number, day, second and cents of an event.

    `event` is the number on which everything about it hangs. All of it is null or without meaning where the slot is
    no event. `e_other` is the other side of a transfer, `e_merchant` the shop of a payment.
    """
    draws = bank.draws
    kind = place("kinds", len(EVENT_KINDS), draws.uniform("kind", "event"))
    category = place("spends", len(CATEGORIES), draws.uniform("category", "event"))
    pays = place("pays", len(PAYMENT_CHANNELS), draws.uniform("channel", "event"))
    banks = place("banks", len(BANK_CHANNELS), draws.uniform("channel", "event"))
    named = slots.withColumns(
        {
            "e_kind": F.when(F.col("doing"), kind),
            "e_category": F.when(F.col("doing"), category),
            "e_pays": F.when(F.col("doing"), looked_up([CHANNELS.index(c) for c in PAYMENT_CHANNELS], pays)),
            "e_banks": F.when(F.col("doing"), looked_up([CHANNELS.index(c) for c in BANK_CHANNELS], banks)),
        }
    )
    kind = F.col("e_kind")
    channel = (
        F.when(kind == PAY, F.col("e_pays"))
        .when(kind == WITHDRAW, CHANNELS.index("atm"))
        .when(kind.isin(TAKE_CASH, BRING_CASH), CHANNELS.index("branch"))
        .when(kind != RECEIVE, F.col("e_banks"))
    )
    friend = draws.whole(FRIENDS, "friend", "event").cast("bigint")
    # half of a category's payments go to an eighth of its merchants
    shop = F.floor(F.pow(draws.uniform("merchant", "event"), F.lit(3.0)) * MERCHANTS).cast("int")
    return named.withColumns(
        {
            "e_channel": channel,
            "e_category": F.when(kind == PAY, F.col("e_category")),
            "e_merchant": F.when(kind == PAY, (F.col("e_category") + 1) * 10_000 + shop),
            "e_other": F.when(kind.isin(SEND, RECEIVE), friend),
            "e_day": F.when(F.col("doing"), _day(bank)),
            "e_second": 28_800 + draws.whole(50_400, "second", "event"),  # from eight to ten in the evening
        }
    ).withColumns({"e_day": _open_day(bank), "e_signed": F.when(F.col("doing"), _signed(draws))})


def _day(bank: Bank) -> Column:
    """Any day of the month, and another one where the first is of the week's quieter days."""
    first = F.col("offset") + bank.draws.whole(F.col("length"), "day", "event")
    again = F.col("offset") + bank.draws.whole(F.col("length"), "day again", "event")
    stays = bank.draws.uniform("day stays", "event") < looked_up(plan.WEEKDAY, bank.weekday(first))
    return F.when(stays, first).otherwise(again)


def _open_day(bank: Bank) -> Column:
    """Branches and markets are closed at weekends: the Friday before, or the Monday after in a month's first days."""
    day, kind = F.col("e_day"), F.col("e_kind")
    weekday = bank.weekday(day)
    at_branch = F.col("e_channel") == CHANNELS.index("branch")
    friday, monday = day - (weekday - 4), day + (7 - weekday)
    moved = F.when(friday >= F.col("offset"), friday).otherwise(monday)
    return F.when((weekday >= 5) & (at_branch | kind.isin(BUY, SELL)), moved).otherwise(day)


def _signed(draws: Draws) -> Column:
    """Cents, positive into the account. Amounts have a tail: one payment in a thousand is ten times the mean."""
    kind, income = F.col("e_kind"), F.col("income_minor")
    noise = draws.fisk(plan.TICKET_SPREAD, "amount", "event")
    ticket = looked_up(TICKET, F.col("e_category"))
    # about three quarters of the events are payments, and they share what the customer spends a month
    payment = income * F.col("spending") / F.greatest(F.col("events") * 0.75, F.lit(1.0)) * ticket * noise
    notes = F.greatest(F.round(income * 0.035 * noise / 1_000), F.lit(1)) * 1_000  # cash comes in tens
    minor = (
        F.when(kind == PAY, payment)
        .when(kind.isin(WITHDRAW, TAKE_CASH, BRING_CASH), notes)
        .when(kind.isin(BUY, SELL), income * 0.25 * noise)
        .otherwise(income * 0.04 * noise)
    )
    sign = F.when(kind.isin(BRING_CASH, RECEIVE, SELL), 1).otherwise(-1)
    return (F.greatest(F.round(minor), F.lit(1)) * sign).cast("bigint")
