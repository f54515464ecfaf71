"""Planted bad rows: additional records, each with one fault, which ingest has to find under the expected rule.

They repeat no key of a good record, so that the bank without them is whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.sources.feeds import FEED_COLUMNS
from portrait.sources.synthetic import plan
from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.lines import csv_line
from portrait.sources.synthetic.texts import looked_up

SHORT_ROW: Final = "short_row"
LONG_ROW: Final = "long_row"


@dataclass(frozen=True)
class Fault:
    """One kind of fault: the column that gets `text` (None: the row has too few or too many fields), and its rule."""

    kind: str
    column: str
    text: str | None
    rule: str


FAULTS: Final[dict[str, tuple[Fault, ...]]] = {
    "transactions": (
        Fault("malformed_date", "booked_at", "31/01/25 9:15", "booked_at.type"),
        Fault("impossible_date", "booked_at", "2025-02-30 10:00:00", "booked_at.type"),
        Fault("malformed_amount", "amount", "12.5O", "amount.type"),
        Fault("negative_amount", "amount", "-25.10", "amount.range"),
        Fault("unknown_direction", "direction", "sideways", "direction.enum"),
        Fault("missing_key", "transaction_id", "", "transaction_id.required"),
        Fault("unknown_code", "category", "lottery", "category.enum"),
        Fault("wrong_column_count", SHORT_ROW, None, "row.malformed"),
        Fault("wrong_column_count", LONG_ROW, None, "row.malformed"),
    ),
    "customers": (
        Fault("impossible_date", "birth_date", "1985-13-41", "birth_date.type"),
        Fault("unknown_code", "risk_level", "C9", "risk_level.enum"),
    ),
    "accounts": (
        Fault("unknown_code", "currency", "eur", "currency.pattern"),
        Fault("malformed_date", "opened_on", "yesterday", "opened_on.type"),
    ),
    "holdings": (
        Fault("negative_amount", "amount", "-1.00", "amount.range"),
        Fault("missing_key", "holding_id", "", "holding_id.required"),
    ),
}
ROWS_A_CUSTOMER: Final = {"customers": 1.0, "accounts": 1.5, "holdings": 3.0}  # about, before the first day
ROWS_A_CUSTOMER_MONTH: Final = 10.0


def transaction_faults(bank: Bank) -> dict[str, Column]:
    """Of a customer and month (-1: none): number of the planted fault, null for most, and its day from the start."""
    # every fault stands once in the first month, however small the bank
    certain = (F.col("month") == 0) & (F.col("k") <= len(FAULTS["transactions"]))
    share = plan.BAD_SHARE * ROWS_A_CUSTOMER_MONTH
    chosen = certain | ((F.col("month") >= 0) & bank.draws.happens(share, "corrupted/transactions", "k", "month"))
    drawn = bank.draws.whole(len(FAULTS["transactions"]), "corrupted/kind", "k", "month")
    return {
        "fault": F.when(chosen, F.when(certain, (F.col("k") - 1).cast("int")).otherwise(drawn)),
        "fault_day": F.col("offset") + bank.draws.whole(28, "corrupted/day", "k", "month"),
    }


def transaction_record(bank: Bank) -> Column:
    """The line of a planted bad booking, from the columns k, month, on (its day), account_id and fault."""
    return _record("transactions", _transaction(bank))


def corrupted_rows(people: DataFrame, bank: Bank, until: date) -> DataFrame:
    """One row per planted record: feed, day `on`, number `k` of the customer, kind, rule, record (the raw line)."""
    months = F.explode(F.array(*map(F.lit, range(bank.months))))
    offset = looked_up([bank.first_of(month) for month in range(bank.months)], F.col("month"))
    by_month = people.select("k", "account_id", months.alias("month")).withColumn("offset", offset)
    chosen = by_month.withColumns(transaction_faults(bank)).where(F.col("fault").isNotNull())
    dated = chosen.withColumn("on", F.date_add(F.lit(bank.start), F.col("fault_day")))
    parts = [_spoilt("transactions", dated, _transaction(bank))]
    before = people.where(F.col("joined_on") < F.lit(bank.start)).withColumn("on", F.col("joined_on"))
    for feed, rows in ROWS_A_CUSTOMER.items():
        some = before.where(bank.draws.happens(plan.BAD_SHARE * rows, f"corrupted/{feed}", "k"))
        kind = bank.draws.whole(len(FAULTS[feed]), f"corrupted/{feed}/kind", "k")
        parts.append(_spoilt(feed, some.withColumn("fault", kind), _before(feed)))
    return reduce(DataFrame.unionByName, parts).where(F.col("on") <= F.lit(until))


def _of_fault(feed: str, values: Callable[[Fault], str]) -> Column:
    return looked_up([values(fault) for fault in FAULTS[feed]], F.col("fault"))


def _spoilt(feed: str, rows: DataFrame, good: dict[str, Column]) -> DataFrame:
    """The rows as records of the feed with the fault of their number."""
    return rows.select(
        F.lit(feed).alias("feed"),
        "on",
        "k",
        _of_fault(feed, lambda fault: fault.kind).alias("kind"),
        _of_fault(feed, lambda fault: fault.rule).alias("rule"),
        _record(feed, good).alias("record"),
    )


def _record(feed: str, good: dict[str, Column]) -> Column:
    """A line of the feed from good values, with the fault of the column `fault`."""
    fields = []
    for name in FEED_COLUMNS[feed]:
        field = good.get(name, F.lit("")).cast("string")
        for number, fault in enumerate(FAULTS[feed]):
            if fault.column == name:
                field = F.when(F.col("fault") == number, F.lit(fault.text)).otherwise(field)
        fields.append(field)
    shape, line = _of_fault(feed, lambda fault: fault.column), csv_line(fields)
    return (
        F.when(shape == SHORT_ROW, csv_line(fields[:-3]))
        .when(shape == LONG_ROW, F.concat(line, F.lit(",surplus")))
        .otherwise(line)
    )


def _transaction(bank: Bank) -> dict[str, Column]:
    cents = 100 + bank.draws.whole(20_000, "corrupted/amount", "k", "month")
    return {
        "transaction_id": F.format_string("X%09d-%03d", "k", "month"),
        "account_id": F.col("account_id"),
        "booked_at": F.concat(F.col("on").cast("string"), F.lit(" 12:00:00")),
        "amount": (cents / 100).cast("decimal(18,2)"),
        "direction": F.lit("debit"),
        "type": F.lit("card_payment"),
        "channel": F.lit("pos"),
        "category": F.lit("grocery"),
    }


def _change(entity: str, letter: str) -> dict[str, Column]:
    since = F.concat(F.col("on").cast("string"), F.lit(" 00:00:00"))
    return {entity: F.format_string(f"{letter}%09d-X", "k"), "op": F.lit("I"), "changed_at": since}


def _before(feed: str) -> dict[str, Column]:
    """Values of a sound record of a change feed."""
    if feed == "customers":
        return {
            **_change("customer_id", "C"),
            "birth_date": F.lit("1980-01-01"),
            "region_id": F.col("region_id"),
        }
    if feed == "accounts":
        sound = {"kind": F.lit("current"), "opened_on": F.col("on"), "currency": F.lit("EUR")}
        return {**_change("account_id", "A"), **sound}
    owner = {"customer_id": F.col("customer_id"), "product_id": F.lit("debit_card"), "opened_on": F.col("on")}
    # the line must tell the customers apart even where the key is what is missing
    return {**_change("holding_id", "H"), **owner, "amount": F.lit("10.00")}
