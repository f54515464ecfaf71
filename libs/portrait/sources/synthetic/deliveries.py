"""Bookings as the lines of delivered files: some come days after they were booked, some come wrong and then right.

A record that is delivered twice comes first without what makes it useful, or with another amount and a later instant;
the right one comes in a later file, or in a later line of the same file (`schemas/raw/transactions.yml`).
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic import codes, plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.corrupted import transaction_record
from portrait.sources.synthetic.plan import CATEGORIES
from portrait.sources.synthetic.product_holdings import OWED
from portrait.sources.synthetic.texts import amount_text, instant_text, looked_up, padded

DAY_SECONDS: Final = 86_400
WHOLE, INCOMPLETE, OTHER_AMOUNT, CORRECTED = range(4)  # how a record is delivered
SECOND_THOUGHTS: Final = 60  # seconds by which a record with another amount is stamped too late


def delivered(booked: DataFrame, bank: Bank) -> DataFrame:
    """One row per record and delivery: `booked` with `version` and the day `arrived`, counted from the start.

    Only what customers do of their own accord is ever late or corrected, and all of it has arrived by the bank's last
    day.
    """
    draws, last, day = bank.draws, (bank.last_day - bank.start).days, F.col("day")
    doing = codes.is_event(F.col("code"))
    late = doing & draws.happens(plan.ARRIVES_LATE_SHARE, "late", "event")
    arrived = F.when(late, F.least(day + 1 + draws.whole(plan.LATEST_DAYS, "late days", "event"), F.lit(last)))
    wrong = doing & (day < last) & draws.happens(plan.CORRECTED_SHARE, "corrected", "event")
    how = 1 + draws.whole(2, "correction", "event")
    versions = F.when(wrong, F.array(how, F.lit(CORRECTED))).otherwise(F.array(F.lit(WHOLE)))
    each = booked.withColumns({"wrong": wrong, "arrived": F.coalesce(arrived, day)}).withColumn(
        "version", F.explode(versions)
    )
    corrected = F.least(F.col("arrived") + 1 + draws.whole(3, "corrected days", "event"), F.lit(last))
    again = F.col("version") == CORRECTED
    return each.withColumn("arrived", F.when(again, corrected).otherwise(F.col("arrived"))).drop("wrong")


def booking_lines(records: DataFrame, bank: Bank, file: Column) -> DataFrame:
    """Delivered records as (file, order, line); `order` is the instant of booking in seconds from the start, of a
    corrected record a little after the wrong one that it follows."""
    bad = F.col("code") == codes.PLANTED_BAD
    second = F.col("second") + F.when(F.col("version") == OTHER_AMOUNT, SECOND_THOUGHTS).otherwise(0)
    after = F.when(F.col("version") == CORRECTED, SECOND_THOUGHTS + 1).otherwise(0)
    order = F.col("day").cast("bigint") * DAY_SECONDS + second + after
    timed = records.withColumns({"second": second, "order": order, "file": file})
    planted = timed.withColumns(
        {
            "month": F.when(bad, F.col("other")).cast("int"),
            "on": F.date_add(F.lit(bank.start), F.col("day")),
            "account_id": _account(F.col("k"), F.col("account")),
        }
    )
    fields = texts(bank)
    line = F.concat_ws(",", *(F.coalesce(fields[name], F.lit("")) for name in FEED_COLUMNS["transactions"]))
    return planted.select("file", "order", F.when(bad, transaction_record(bank)).otherwise(line).alias("line"))


def texts(bank: Bank) -> dict[str, Column]:
    """The fields of the feed as they stand in a line."""
    day, code, version = F.col("day"), F.col("code"), F.col("version")
    incomplete, wrong_amount = version == INCOMPLETE, version == OTHER_AMOUNT
    minor = F.abs("signed")
    # digits that were swapped, or a comma that slipped
    amount = F.when(wrong_amount, minor * 10).otherwise(minor)

    def unless(column: Column) -> Column:
        return F.when(~incomplete, column)

    account = _account(F.col("k"), F.col("account"))
    month = looked_up([f"-{on:%y%m}-" for on in bank.calendar], day + 1)
    return {
        "transaction_id": F.concat(account, month, codes.code_text(code)),
        "account_id": account,
        "booked_at": instant_text(bank.calendar, day, F.col("second")),
        "amount": amount_text(amount),
        "direction": F.when(F.col("signed") > 0, "credit").otherwise("debit"),
        "balance_after": F.when(~wrong_amount, amount_text(F.col("balance"))),
        "type": looked_up(codes.TYPES, F.col("type")),
        "channel": unless(looked_up(codes.CHANNELS, F.col("channel"))),
        "category": unless(_category(code)),
        "merchant_id": unless(F.concat(F.lit("S"), padded(F.col("merchant"), 6))),
        "counterparty_bank": unless(_bank(code)),
        "counterparty_account": unless(_other(code)),
        "note": _note(code),
    }


def _account(k: Column, account: Column) -> Column:
    return F.concat(F.lit("A"), padded(k, 9), F.when(account == 2, "02").otherwise("01"))


def _insurances(code: Column) -> Column:
    insured = [codes.FIRST_OWED + place for place, product in enumerate(OWED) if product.kind == "insurance"]
    return code.isin(*insured)


def _category(code: Column) -> Column:
    return (
        F.when(codes.is_event(code), looked_up(CATEGORIES, F.col("category")))
        .when(code == codes.HOUSEHOLD, "household")
        .when(code == codes.UTILITIES, "utilities")
        .when(_insurances(code), "insurance")
    )


def _bank(code: Column) -> Column:
    ours = (codes.SALARY, codes.HOUSEHOLD, codes.UTILITIES, codes.SAVED_OUT, codes.SAVED_IN)
    return (
        F.when(codes.is_event(code) | (code == codes.INCOME), F.when(F.col("other").isNotNull(), "OTHB"))
        .when(code.isin(*ours, codes.RING_IN, codes.RING_OUT, *codes.OF_A_PATTERN), "SYNB")
        .when(code == codes.PENSION, "STATE")
        .when(_insurances(code), "INSU")
    )


def _other(code: Column) -> Column:
    other, k = F.col("other"), F.col("k")
    return (
        F.when(codes.is_event(code) | (code == codes.INCOME), F.concat(F.lit("F"), padded(other, 9)))
        .when(code == codes.SALARY, F.concat(F.lit("E"), padded(other, 4)))
        .when(code == codes.UTILITIES, "POWER")
        .when(code == codes.SAVED_OUT, _account(k, F.lit(2)))
        .when(code == codes.SAVED_IN, _account(k, F.lit(1)))
        .when(code.isin(codes.RING_IN, codes.RING_OUT, *codes.OF_A_PATTERN), _account(other, F.lit(1)))
    )


def _note(code: Column) -> Column:
    loans = [codes.FIRST_OWED + place for place, product in enumerate(OWED) if product.kind == "loan"]
    return (
        F.when(codes.is_event(code), None)
        .when(code == codes.SALARY, "salary")
        .when(code == codes.PENSION, "pension")
        .when(code == codes.HOUSEHOLD, '"Rent, heating, water"')
        .when(code.isin(codes.SAVED_OUT, codes.SAVED_IN), "savings")
        .when(code == codes.INTEREST, "interest")
        .when(code == codes.FEE, "account fee")
        .when(code.isin(*loans), "instalment")
        .when(code.isin(codes.CLOSING, codes.CLOSING_SAVINGS), "closing")
        .when(
            code.isin(codes.OPENING, codes.OPENING_SAVINGS),
            F.when(F.col("type") != codes.TYPES.index("cash_deposit"), "Balance brought forward"),
        )
    )
