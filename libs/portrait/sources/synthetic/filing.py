"""Which file a record is delivered in: by the day of its arrival; in large banks also by the number of the customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.sources.synthetic.bank import Bank
from portrait.sources.synthetic.texts import looked_up

By = Literal["month", "day"]
ONE_FILE: Final = 200_000  # customers of whom a month, or the changes, stand in one file
CUSTOMERS_A_FILE: Final = 25_000  # in larger banks: about two million bookings per year
CUSTOMERS_A_DAY_FILE: Final = 2_000_000  # whose bookings of a day stand in one file


@dataclass(frozen=True)
class Filing:
    """The files of a feed by number: `periods` are their names, `period` the place in it by day from -1 on.

    `block` is how many customers share a file; None: all.
    """

    periods: tuple[str, ...]
    period: tuple[int, ...]
    block: int | None
    blocks: int

    def file(self, day: Column, k: Column) -> Column:
        """The number of the file of what arrives on a day (from the start; before it: the opening) of a customer."""
        place = looked_up(self.period, F.greatest(day, F.lit(-1)) + 1)
        if self.block is None:
            return place
        return place * self.blocks + F.floor((k - 1) / self.block).cast("int")

    def name(self, file: int) -> str:
        """The name of a file by its number."""
        place, block = divmod(file, self.blocks)
        return self.periods[place] if self.block is None else f"{self.periods[place]}_{block:03d}"

    def name_of(self, day: Column, k: Column) -> Column:
        """The same as a column."""
        place = looked_up(self.period, F.greatest(day, F.lit(-1)) + 1)
        period = looked_up(self.periods, place)
        if self.block is None:
            return period
        return F.concat(period, F.format_string("_%03d", F.floor((k - 1) / self.block).cast("int")))


def booking_files(bank: Bank, end: date, by: By) -> Filing:
    """`opening`, then `2025-01`, a month that `end` cuts saying so; or `2025-01-31`."""
    days = [bank.start + timedelta(days=offset) for offset in range(bank.days)]
    names = [f"{day}" if by == "day" else f"{day:%Y-%m}" for day in days]
    complete = end == bank.last_day or (end + timedelta(days=1)).day == 1
    if by == "month" and not complete:
        names = [f"{name}_to_{end}" if name == f"{end:%Y-%m}" else name for name in names]
    if by == "day":
        return _filing(names, CUSTOMERS_A_DAY_FILE if bank.customers > CUSTOMERS_A_DAY_FILE else None, bank)
    return _filing(names, CUSTOMERS_A_FILE if bank.customers > ONE_FILE else None, bank)


def change_files(bank: Bank, end: date, by: By) -> Filing:
    """`opening`, then `changes_to_2025-12-31`, or one file per day."""
    days = [bank.start + timedelta(days=offset) for offset in range(bank.days)]
    names = [f"{day}" if by == "day" else f"changes_to_{end}" for day in days]
    return _filing(names, CUSTOMERS_A_DAY_FILE if bank.customers > CUSTOMERS_A_DAY_FILE else None, bank)


def _filing(names: list[str], block: int | None, bank: Bank) -> Filing:
    periods = tuple(dict.fromkeys(["opening", *names]))
    places = {name: place for place, name in enumerate(periods)}
    blocks = 1 if block is None else -(-bank.customers // block)
    return Filing(periods, (0, *(places[name] for name in names)), block, blocks)
