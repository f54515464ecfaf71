"""The bookings: what customers do, what recurs each month, and the running balance of every account, in whole cents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.sources.synthetic import plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.draws import Draws, pick
from portrait.sources.synthetic.plan import BANK_CHANNELS, CATEGORIES, EVENT_KINDS, PAYMENT_CHANNELS

SEASON: Final = (
    0.95,
    0.92,
    1.0,
    1.0,
    1.02,
    1.02,
    1.06,
    1.04,
    0.98,
    1.0,
    1.02,
    1.2,
)  # events by calendar month
MERCHANTS: Final = 300  # a category
FEE_MINOR: Final = 290
Words = Mapping[str, str | Column]
WORDS: Final = ("channel", "category", "merchant", "bank", "other", "note")
DAY_SECONDS: Final = 86_400


def bookings(people: DataFrame, held: DataFrame, bank: Bank, until: date) -> DataFrame:
    """One row a booking up to the end of `until`: columns of the feed, with `amount` and `balance` in cents.

    The balance of an account is the running sum of its bookings by (booked_at, transaction_id). The money with which
    an account enters is booked the day before the first day; an account that closes pays out what is left.
    """
    by_month = _by_month(people, bank, until)
    parts = [
        _each(by_month, _recurring(bank)),
        _each(_by_month(held.where("kind in ('insurance', 'loan')"), bank, until), _owed(bank)),
        _events(by_month, bank),
        _each(people, _openings(bank)),
        _each(people, _closings(bank)),
    ]
    rows = reduce(DataFrame.unionByName, parts)
    placed = rows.select(*LIFE, "b.*").withColumn("booked_on", F.date_add(F.lit(bank.start), F.col("day")))
    return _balanced(_lived(placed).where(F.col("booked_on") <= F.lit(until)), bank)


LIFE: Final = ("joined_on", "left_on", "silent_from")


def _each(rows: DataFrame, made: list[Column]) -> DataFrame:
    """One row a booking of the given kinds; a kind is null where it does not take place."""
    return rows.select(*LIFE, F.explode(F.array_compact(F.array(*made))).alias("b"))


def _by_month(people: DataFrame, bank: Bank, until: date) -> DataFrame:
    """People by month of the period: `month` 0.., its first day as an offset from the start, its length."""
    months = [month for month in range(bank.months) if _first(bank, month) <= until]
    rows = F.array(
        *(
            F.struct(
                F.lit(month).alias("month"),
                F.lit((_first(bank, month) - bank.start).days).alias("offset"),
                F.lit((_first(bank, month + 1) - _first(bank, month)).days).alias("length"),
                F.lit(SEASON[_first(bank, month).month - 1]).alias("season"),
            )
            for month in months
        )
    )
    return people.withColumn("m", F.explode(rows)).select("*", "m.*")


def _first(bank: Bank, month: int) -> date:
    years, index = divmod(bank.start.month - 1 + month, 12)
    return date(bank.start.year + years, index + 1, 1)


def _booking(
    code: str | Column,
    day: Column,
    second: int | Column,
    signed: Column,
    kind: str | Column,
    words: Words,
    *,
    to: Column | None = None,
) -> Column:
    """A booking of `signed` cents on the current account, or on `to`, as a struct.

    `day` counts from the start, `code` tells the bookings of an account and month apart. Words: channel, category,
    merchant, bank, other (account), note.
    """
    given = {name: F.lit(word) if isinstance(word, str) else word for name, word in words.items()}
    fields = {
        "account": F.col("account_id") if to is None else to,
        "day": day.cast("int"),
        "second": (F.lit(second) if isinstance(second, int) else second).cast("int"),
        "signed": signed.cast("bigint"),
        "type": F.lit(kind) if isinstance(kind, str) else kind,
        **{name: given.get(name, F.lit(None)).cast("string") for name in WORDS},
        "code": F.lit(code) if isinstance(code, str) else code,
    }
    return F.struct(*(value.alias(name) for name, value in fields.items()))


def _recurring(bank: Bank) -> list[Column]:
    """What comes to or leaves an account each month or quarter."""
    return [*_income(bank.draws), *_household(bank.draws), *_saving(bank.draws), *_of_the_bank()]


def _income(draws: Draws) -> list[Column]:
    """Salary in the last week, pension on the eighth, or somebody's transfer on any of the first twenty days."""
    income, offset = F.col("income_minor"), F.col("offset")
    retired = F.col("group_name") == "retired"
    paid, payday = F.col("salaried") & ~retired, offset + F.col("length") - 7 + draws.whole(3, "payday", "k")
    pay = F.round(income * draws.lognormal(0.02, "pay", "k", "month"))
    sent = F.round(income * draws.lognormal(0.25, "sent", "k", "month"))
    sent_on = offset + draws.whole(20, "sent_on", "k", "month")
    employer: Words = {"bank": "SYNB", "other": F.col("employer_id"), "note": "salary"}
    sender: Words = {"bank": "OTHB", "other": F.format_string("F%07d", "k")}
    return [
        F.when(paid, _booking("SAL", payday, 14_400, pay, "salary", employer)),
        F.when(retired, _booking("PEN", offset + 7, 14_400, pay, "pension", {"bank": "STATE", "note": "pension"})),
        F.when(~paid & ~retired, _booking("INC", sent_on, 36_000, sent, "transfer_in", sender)),
    ]


def _household(draws: Draws) -> list[Column]:
    """The standing order for the household, and the direct debit for utilities, which varies with the meter."""
    rent, offset = F.col("household_minor"), F.col("offset")
    meter = F.round(F.col("utilities_minor") * draws.lognormal(0.15, "meter", "k", "month"))
    landlord: Words = {"category": "household", "bank": "SYNB", "note": "Rent, heating, water"}
    power: Words = {"category": "utilities", "bank": "SYNB", "other": "POWER"}
    return [
        F.when(rent.isNotNull(), _booking("HOU", offset + 2, 10_800, -rent, "transfer_out", landlord)),
        F.when(meter.isNotNull(), _booking("UTI", offset + 11, 10_900, -meter, "direct_debit", power)),
    ]


def _saving(draws: Draws) -> list[Column]:
    """Most customers with a savings account, students apart, move money to it each month: two bookings."""
    savings, offset = F.col("savings_id"), F.col("offset")
    student = F.col("group_name") == "students"
    saves = savings.isNotNull() & ~student & draws.happens(0.6, "saves", "k")
    saved = F.round(F.col("income_minor") * 0.06)
    channel = _channel(draws, "banks", BANK_CHANNELS, "saving_channel", "k", "month")
    there: Words = {"channel": channel, "bank": "SYNB", "other": savings, "note": "savings"}
    here: Words = {"bank": "SYNB", "other": F.col("account_id"), "note": "savings"}
    return [
        F.when(saves, _booking("SVO", offset + 1, 39_600, -saved, "transfer_out", there)),
        F.when(saves, _booking("SVI", offset + 1, 39_601, saved, "transfer_in", here, to=savings)),
    ]


def _of_the_bank() -> list[Column]:
    """At the end of a quarter: interest on what the savings account began with, and the fee of the current one."""
    savings, end = F.col("savings_id"), F.col("offset") + F.col("length") - 1
    quarter = F.col("month") % 3 == 2
    interest = F.greatest(F.round(F.col("savings_minor") * 0.015 / 4), F.lit(1))
    paid = _booking("INT", end, 82_000, interest, "interest", {"note": "interest"}, to=savings)
    fee = _booking("FEE", end, 82_800, F.lit(-FEE_MINOR), "fee", {"note": "account fee"})
    return [F.when(quarter & savings.isNotNull(), paid), F.when(quarter, fee)]


def _owed(bank: Bank) -> list[Column]:
    """Premiums of insurances in force, and instalments of loans: up to the end of the term, none once in arrears."""
    day = F.col("offset") + F.when(F.col("kind") == "loan", 4).otherwise(14)
    due = F.date_add(F.lit(bank.start), day)
    stops = F.least("closed_on", "arrears_on")  # `least` skips null
    owed = (due > F.col("opened_on")) & (stops.isNull() | (due <= stops))
    code, loan = F.concat(F.lit("Z"), F.col("product_id")), F.col("kind") == "loan"
    instalment = _booking(code, day, 11_200, -F.col("instalment_minor"), "loan_payment", {"note": "instalment"})
    insurer: Words = {"category": "insurance", "bank": "INSU"}
    premium = _booking(code, day, 11_100, -F.col("amount_minor"), "transfer_out", insurer)
    return [F.when(owed, F.when(loan, instalment).otherwise(premium))]


def _channel(draws: Draws, bounds: str, channels: tuple[str, ...], name: str, *keys: str) -> Column:
    return pick(channels, _places(bounds, channels), draws.uniform(name, *keys))


def _places(bounds: str, values: tuple[str, ...]) -> list[Column]:
    return [F.col(bounds)[place] for place in range(len(values))]


def _events(by_month: DataFrame, bank: Bank) -> DataFrame:
    """What customers do of their own accord: payments, cash, transfers, trades; each draws its kind by weight."""
    draws, key = bank.draws, ("k", "month", "slot")
    busy = F.lit(0.6) + F.lit(0.8) * draws.uniform("busy", "k", "month")
    number = F.floor(F.col("events") * F.col("season") * busy + draws.uniform("rounding", "k", "month")).cast("int")
    each = by_month.withColumn("number", number).where("number > 0")
    slots = each.withColumn("slot", F.explode(F.sequence(F.lit(1), F.col("number"))))
    kinds = pick(EVENT_KINDS, _places("kinds", EVENT_KINDS), draws.uniform("kind", *key))
    bought = pick(CATEGORIES, _places("spends", CATEGORIES), draws.uniform("category", *key))
    drawn = slots.withColumn("kind", kinds).withColumn("category", F.when(F.col("kind") == "card_payment", bought))
    return drawn.select(*LIFE, _event(draws, key).alias("b"))


def _event(draws: Draws, key: tuple[str, ...]) -> Column:
    kind, income = F.col("kind"), F.col("income_minor")
    noise = draws.lognormal(plan.TICKET_SPREAD, "amount", *key)
    place = F.array_position(F.array(*map(F.lit, CATEGORIES)), F.col("category")).cast("int")
    ticket = F.element_at(F.array(*map(F.lit, plan.TICKET)), place)
    # about three quarters of the events are payments, and they share what the customer spends a month
    payment = income * F.col("spending") / F.greatest(F.col("events") * 0.75, F.lit(1.0)) * ticket * noise
    rare = F.when(draws.happens(plan.EXTREME_SHARE, "extreme", *key), plan.EXTREME_TIMES).otherwise(1.0)
    notes = F.greatest(F.round(income * 0.035 * noise / 1_000), F.lit(1)) * 1_000  # cash comes in tens
    minor = (
        F.when(kind == "card_payment", payment * rare)
        .when(kind.isin("card_withdrawal", "cash_withdrawal", "cash_deposit"), notes)
        .when(kind.isin("investment_buy", "investment_sell"), income * 0.25 * noise)
        .otherwise(income * 0.04 * noise)
    )
    sign = F.when(kind.isin("cash_deposit", "transfer_in", "investment_sell"), 1).otherwise(-1)
    channel = (
        F.when(kind == "card_payment", _channel(draws, "pays", PAYMENT_CHANNELS, "channel", *key))
        .when(kind == "card_withdrawal", "atm")
        .when(kind.isin("cash_withdrawal", "cash_deposit"), "branch")
        .when(kind != "transfer_in", _channel(draws, "banks", BANK_CHANNELS, "channel", *key))
    )
    # half of a category's payments go to an eighth of its merchants
    shop = F.floor(F.pow(draws.uniform("merchant", *key), F.lit(3.0)) * MERCHANTS).cast("int")
    merchant = F.when(F.col("category").isNotNull(), F.format_string("S%02d%04d", place, shop))
    friend = F.format_string("F%07d", draws.whole(10_000_000, "friend", *key))
    other = F.when(kind.isin("transfer_in", "transfer_out"), friend)
    words: Words = {
        "channel": channel,
        "category": F.col("category"),
        "merchant": merchant,
        "bank": F.when(other.isNotNull(), "OTHB"),
        "other": other,
    }
    day = F.col("offset") + draws.whole(F.col("length"), "day", *key)
    second = 28_800 + draws.whole(50_400, "second", *key)  # from eight to ten in the evening
    signed = F.greatest(F.round(minor), F.lit(1)) * sign
    return _booking(F.format_string("E%03d", "slot"), day, second, signed, kind, words)


def _openings(bank: Bank) -> list[Column]:
    """The money with which each account enters: brought forward, or paid in on the day of joining."""
    joined = F.datediff("joined_on", F.lit(bank.start))
    new, savings = joined >= 0, F.col("savings_id")
    day, kind = F.when(new, joined).otherwise(-1), F.when(new, "cash_deposit").otherwise("transfer_in")
    words: Words = {"channel": F.when(new, "branch"), "note": F.when(~new, "Balance brought forward")}
    first = _booking("OPN", day, 32_400, F.col("opening_minor"), kind, words)
    second = _booking("OPN", day, 32_400, F.col("savings_minor"), kind, words, to=savings)
    return [first, F.when(savings.isNotNull(), second)]


def _closings(bank: Bank) -> list[Column]:
    """The last booking of an account that closes; what is left is not known yet, so its amount is null."""
    left, savings = F.col("left_on"), F.col("savings_id")
    day, unknown = F.datediff(left, F.lit(bank.start)), F.lit(None).cast("bigint")
    words: Words = {"channel": "branch", "note": "closing"}
    first = _booking("CLO", day, 64_800, unknown, "transfer_out", words)
    second = _booking("CLO", day, 64_800, unknown, "transfer_out", words, to=savings)
    return [F.when(left.isNotNull(), first), F.when(left.isNotNull() & savings.isNotNull(), second)]


def _lived(placed: DataFrame) -> DataFrame:
    """Without the bookings before a customer came, after they fell silent, and after they left."""
    came = (F.col("booked_on") > F.col("joined_on")) | (F.col("code") == "OPN")
    there = F.col("left_on").isNull() | (F.col("booked_on") < F.col("left_on")) | (F.col("code") == "CLO")
    goes_on = F.col("type").isin("interest", "fee", "loan_payment") | F.col("code").isin("OPN", "CLO")
    speaks = F.col("silent_from").isNull() | (F.col("booked_on") < F.col("silent_from")) | goes_on
    return placed.where(came & there & speaks)


def _balanced(lived: DataFrame, bank: Bank) -> DataFrame:
    """The feed's columns with the running balance; an account without money left has no closing booking."""
    seconds = (F.unix_date(F.lit(bank.start)) + F.col("day")).cast("bigint") * DAY_SECONDS + F.col("second")
    named = lived.withColumns(
        {
            "booked_at": F.timestamp_seconds(seconds),
            "transaction_id": F.concat_ws("-", "account", F.date_format("booked_on", "yyMM"), "code"),
        }
    )
    up_to_here = (
        Window.partitionBy("account")
        .orderBy("booked_at", "transaction_id")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    running = named.withColumn("running", F.sum(F.coalesce("signed", F.lit(0))).over(up_to_here))
    closing = F.col("signed").isNull()
    signed = F.coalesce("signed", -F.col("running"))
    return (
        running.withColumn("amount_minor", F.abs(signed))
        .where("amount_minor > 0")
        .select(
            "transaction_id",
            F.col("account").alias("account_id"),
            "booked_at",
            "amount_minor",
            F.when(signed > 0, "credit").otherwise("debit").alias("direction"),
            F.when(closing, F.lit(0)).otherwise(F.col("running")).cast("bigint").alias("balance_minor"),
            F.when(closing & (signed > 0), "cash_deposit").otherwise(F.col("type")).alias("type"),
            "channel",
            "category",
            F.col("merchant").alias("merchant_id"),
            F.col("bank").alias("counterparty_bank"),
            F.col("other").alias("counterparty_account"),
            "note",
        )
    )
