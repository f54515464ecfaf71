"""Windows of days and of complete calendar months: how declarations spell them, and which days they are at a date.

`<n>d` are the n days that end with as_of, `mtd` the month of as_of up to it, `life` everything up to it; `<n>cm` the
last n calendar months of which as_of has seen the last day. A month's last day completes it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

WindowName = Literal["7d", "30d", "90d", "180d", "365d", "mtd", "1cm", "3cm", "6cm", "12cm", "life"]

IN_WORDS = {
    **{f"{days}d": f"over the {days} days that end with as_of" for days in (7, 30, 90, 180, 365)},
    "mtd": "from the first of the month to as_of",
    "1cm": "over the last complete calendar month",
    **{f"{months}cm": f"over the last {months} complete calendar months" for months in (3, 6, 12)},
    "life": "since the beginning",
}


@dataclass(frozen=True)
class Period:
    """Days from `first` (None: from the beginning) to `last`, both included."""

    first: date | None
    last: date

    @property
    def end(self) -> date:
        """The day after."""
        return self.last + timedelta(days=1)


def period(window: str | None, as_of: date) -> Period:
    """The days of a window at a date; what has no window looks at everything up to it."""
    if window in (None, "life"):
        return Period(None, as_of)
    if window == "mtd":
        return Period(as_of.replace(day=1), as_of)
    if (months := months_of(window)) is not None:
        last = last_complete_month(as_of)
        before = last.year * 12 + last.month - months
        return Period(date(before // 12, before % 12 + 1, 1), last)
    return Period(as_of - timedelta(days=int(window.removesuffix("d")) - 1), as_of)


def months_of(window: str | None) -> int | None:
    """How many complete calendar months a window has; None: it is not of months."""
    return int(window.removesuffix("cm")) if window is not None and window.endswith("cm") else None


def last_complete_month(as_of: date) -> date:
    """The last day of the last month that is over at the end of `as_of`."""
    tomorrow = as_of + timedelta(days=1)
    return tomorrow.replace(day=1) - timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """Days from `first` (None: from the beginning) to before `end` (None: without end) that all windows treat alike."""

    first: date | None
    end: date | None

    def within(self, window: Period) -> bool:
        """Whether the span is within a window, at the borders of which spans end."""
        begins = window.first is None or (self.first is not None and self.first >= window.first)
        return begins and self.end is not None and self.end <= window.end

    @property
    def test(self) -> str:
        """SQL: whether booked_on is in the span."""
        parts = [f"booked_on >= date'{self.first}'"] if self.first else []
        parts += [f"booked_on < date'{self.end}'"] if self.end else []
        return " and ".join(parts) or "true"


def spans(windows: Collection[Period]) -> Sequence[Span]:
    """All days, cut where some window begins or ends, in their order."""
    borders = sorted({window.end for window in windows} | {window.first for window in windows if window.first})
    return [Span(first, end) for first, end in zip([None, *borders], [*borders, None], strict=True)]
