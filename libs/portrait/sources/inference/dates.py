"""How days and instants are written: patterns as Spark has them, tried on values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache

_DAYS = (
    "yyyy-MM-dd", "dd.MM.yyyy", "d.M.yyyy", "dd/MM/yyyy", "MM/dd/yyyy", "d/M/yyyy", "M/d/yyyy", "dd-MM-yyyy",
    "MM-dd-yyyy", "yyyy/MM/dd", "yyyy.MM.dd", "dd-MMM-yyyy", "dd MMM yyyy", "d MMM yyyy", "MMM d, yyyy", "ddMMMyyyy",
    "dd.MM.yy", "dd/MM/yy",
    "MM/dd/yy", "d.M.yy", "d/M/yy", "M/d/yy", "dd-MMM-yy", "yy-MM-dd", "yyyyMMdd", "ddMMyyyy", "MMddyyyy", "yyMMdd",
    "d. M. yyyy",
)  # fmt: skip
_TIMES = (
    "", " HH:mm:ss", " HH:mm", "'T'HH:mm:ss", "'T'HH:mm:ssXXX", "'T'HH:mm:ss.SSS", "'T'HH:mm:ss.SSSXXX",
    " HH:mm:ss.SSS", " HH:mm:ss.SSSSSS", "'T'HH:mm:ss.SSSSSS", " HH:mm:ssXXX", " h:mm:ss a", " h:mm a", "HHmmss",
    " HHmmss", " H:mm:ss", " H:mm",
    ":HH:mm:ss", " HH.mm.ss", "'T'HH:mm", "-HH.mm.ss.SSSSSS",
)  # fmt: skip
_PARTS = {
    "yyyy": r"(?P<y>\d{4})",
    "yy": r"(?P<yy>\d{2})",
    "MMM": r"(?P<mmm>[A-Za-z]{3})",
    "MM": r"(?P<m>\d{2})",
    "M": r"(?P<m>\d{1,2})",
    "dd": r"(?P<d>\d{2})",
    "d": r"(?P<d>\d{1,2})",
    "HH": r"(?:[01]\d|2[0-4])",
    "H": r"(?:[01]?\d|2[0-3])",
    "h": r"(?:0?\d|1[0-2])",
    "mm": r"[0-5]\d",
    "ss": r"[0-5]\d",
    "SSSSSS": r"\d{6}",
    "SSS": r"\d{3}",
    "XXX": r"(?:Z|[+-]\d{2}:\d{2})",
    "a": r"(?:AM|PM|am|pm)",
    "'T'": "T",
}
_TOKEN = re.compile("|".join(sorted(_PARTS, key=len, reverse=True)) + "|.")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TRIED = 40  # values that a pattern must survive before all are asked
_FAR = 2100  # years after it stand for "never"


@dataclass(frozen=True)
class Written:
    """How the dates of a column are written."""

    pattern: str
    rivals: tuple[str, ...] = ()
    """Patterns that read the same values as other days."""

    @property
    def is_instant(self) -> bool:
        """Whether it has a time of day."""
        return any(sign in self.pattern for sign in "Hh")

    @property
    def has_zone(self) -> bool:
        """Whether it says its offset."""
        return "X" in self.pattern

    @property
    def short_year(self) -> bool:
        """Whether the century is left open."""
        return "yy" in self.pattern and "yyyy" not in self.pattern


def dates_of(values: Collection[str], *, least: float) -> tuple[Written, date, date] | None:
    """How the values are written as dates, the first and the last of them; None when they are none.

    `least`: the share of them that must be dates.
    """
    head = [value for _, value in zip(range(_TRIED), values, strict=False)]
    found: list[tuple[str, list[date]]] = []
    for pattern in _patterns():
        if sum(day_of(pattern, value) is not None for value in head) >= least * len(head) > 0:
            days = [day for value in values if (day := day_of(pattern, value)) is not None]
            if len(days) >= least * len(values):
                found.append((pattern, days))
    if not found:
        return None
    most = max(len(days) for _, days in found)
    best = [(pattern, days) for pattern, days in found if len(days) == most]
    pattern, days = min(best, key=lambda item: _spread(item[1]))
    others = {tuple(read): other for other, read in reversed(best) if read != days}
    rivals = tuple(reversed(others.values()))
    near = [day for day in days if day.year < _FAR] or days
    return Written(pattern, rivals), min(near), max(near)


def _spread(days: list[date]) -> int:
    """Days from first to last: read wrongly, dates lie further apart. Those that stand for "never" do not count."""
    near = [day for day in days if 1900 < day.year < _FAR] or days
    return (max(near) - min(near)).days


def day_of(pattern: str, text: str) -> date | None:
    """The day that a text is by a pattern; two digits of a year are of 1930 to 2029. None when it is none."""
    match = _compiled(pattern).fullmatch(text)
    if match is None:
        return None
    parts = match.groupdict()
    short = parts.get("yy")
    year = int(parts["y"]) if parts.get("y") else int(short or 0) + (1900 if int(short or 0) >= 30 else 2000)
    named = (parts.get("mmm") or "").lower()
    month = int(parts["m"]) if parts.get("m") else _MONTHS.index(named) + 1 if named in _MONTHS else 0
    if not 1800 <= year <= 9999:
        return None
    try:
        return date(year, month, int(parts["d"]))
    except ValueError:
        return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(_PARTS.get(token, re.escape(token)) for token in _TOKEN.findall(pattern)))


def _patterns() -> Iterator[str]:
    for time in _TIMES:
        for day in _DAYS:
            yield day + time
