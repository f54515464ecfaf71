"""How numbers are written: decimal and thousands marks of a file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

_DECIMALS = (".", ",")
_BLANKS = (" ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}")
_THOUSANDS = ("", ",", ".", *_BLANKS, "'", "\N{RIGHT SINGLE QUOTATION MARK}")
_MARKED = re.compile(r"[+-]?\d[\d., '\u00a0\u202f\u2019]*")


@dataclass(frozen=True)
class Marks:
    """The marks of the numbers of a file."""

    decimal: str = "."
    thousands: str = ""
    doubt: str | None = None

    def read(self, text: str) -> Decimal | None:
        """The number that a text is; None when it is none. A sign may stand at either end."""
        if _pattern(self.decimal, self.thousands).fullmatch(text) is None:
            return None
        sign = "-" if "-" in (text[0], text[-1]) else ""
        bare = text.strip("+-").replace(self.thousands, "") if self.thousands else text.strip("+-")
        return Decimal(sign + bare.replace(self.decimal, "."))


@cache
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    point = re.escape(decimal)
    whole = rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)" if thousands else r"\d+"
    return re.compile(rf"[+-]?(?:{whole}(?:{point}\d*)?|{point}\d+)|{whole}(?:{point}\d*)?[+-]")


def marks_of(columns: Mapping[str, Collection[str]], *, least: float) -> Marks:
    """The marks by which most columns are numbers; a doubt where two readings fit and differ.

    `columns`: the different values of each; `least`: the share of them that must be numbers.
    """
    marked = {
        name: [value for value in values if any(sign in value for sign in ".,' \u00a0\u202f\u2019")]
        for name, values in columns.items()
    }
    telling = {name: values for name, values in marked.items() if values and all(map(_MARKED.fullmatch, values[:50]))}
    if not telling:
        return Marks()
    fits: dict[tuple[str, str], float] = {}
    for decimal in _DECIMALS:
        for thousands in _THOUSANDS:
            if thousands != decimal:
                pattern = _pattern(decimal, thousands)
                shares = [sum(map(bool, map(pattern.fullmatch, each))) / len(each) for each in telling.values()]
                fits[decimal, thousands] = sum(share for share in shares if share >= least)
    best = max(fits, key=lambda pair: (fits[pair], -len(pair[1]), -_DECIMALS.index(pair[0])))
    if fits[best] == 0:
        return Marks()
    other = next(mark for mark in _DECIMALS if mark != best[0])
    twin = max((pair for pair in fits if pair[0] == other), key=lambda pair: fits[pair])
    doubt = None
    if fits[twin] >= fits[best]:
        doubt = f"{best[0]!r} as decimal mark and {twin[0]!r} as decimal mark fit alike"
    return Marks(best[0], best[1], doubt)
