"""Numbers as text, cheaply: `format_string` and `date_format` cost more than everything else about a booking."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F


def padded(number: Column, width: int) -> Column:
    """A whole number from 0 as text of so many digits, with leading zeros; its last digits if it has more."""
    return F.substring((number + F.lit(10**width)).cast("string"), 2, width)


def amount_text(minor: Column) -> Column:
    """Cents as an amount with two decimals."""
    whole, cents = F.floor(F.abs(minor) / 100).cast("bigint"), F.abs(minor) % 100
    return F.concat(F.when(minor < 0, "-").otherwise(""), whole.cast("string"), F.lit("."), padded(cents, 2))


def looked_up(values: Sequence[str | int | float | date | None], index: Column) -> Column:
    """The value at a place 0.. of a short list; null where the place is null."""
    # Spark 4.1 takes `element_at` of a constant array for never null, checks nothing, and reads the last value
    return F.when(index.isNotNull(), F.element_at(F.array(*map(F.lit, values)), index + 1))


def instant_text(days: Sequence[date], day: Column, second: Column) -> Column:
    """A second of a day as `2025-01-31 09:15:00`; `days` begin with the day before the first, which is day -1."""
    minute, rest = F.floor(second / 60).cast("int"), second % 60
    return F.concat(
        looked_up([f"{on} " for on in days], day + 1),
        looked_up([f"{at // 60:02d}:{at % 60:02d}:" for at in range(1440)], minute),
        looked_up([f"{at:02d}" for at in range(60)], rest),
    )
