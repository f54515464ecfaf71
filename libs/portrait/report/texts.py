"""How figures and names are written: the same everywhere in the report."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

Number = int | float | Decimal

NONE = "–"
"""What stands where there is no value."""

_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"))


def count(value: Number | None) -> str:
    """A whole number with commas: 49,102."""
    return NONE if value is None else f"{int(value):,}"


def amount(value: Number | None) -> str:
    """An amount without decimals: 1,234,568."""
    return NONE if value is None else f"{float(value):,.0f}"


def short(value: Number | None) -> str:
    """A large amount in words: 1.23 billion; below a million with commas."""
    if value is None:
        return NONE
    for scale, word in _SCALES:
        if abs(float(value)) >= scale:
            scaled = float(value) / scale
            return f"{scaled:,.2f} {word}" if abs(scaled) < 100 else f"{scaled:,.0f} {word}"
    return amount(value)


def exact(value: Number | None) -> str:
    """An amount to the cent: 1,234.50."""
    return NONE if value is None else f"{Decimal(value):,.2f}"


def chance(p: float) -> str:
    """A p-value: `0.941`, `below 0.001`."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def percent(share: Number | None) -> str:
    """A share as a percentage. What is not nothing never reads as 0 %, and what is not all never as 100 %."""
    if share is None:
        return NONE
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{100 * float(share):.1f} %"


def whole_percent(share: Number | None) -> str:
    """A share for the cell of a heat map: 94%, <1%."""
    if share is None:
        return NONE
    return "<1%" if 0 < share < 0.005 else f"{100 * float(share):.0f}%"


def ratio(part: Number | None, whole: Number | None) -> float | None:
    """part / whole; None where either is unknown or the whole is nothing."""
    return None if part is None or not whole else float(part) / float(whole)


def with_share(text: str, part: Number | None, whole: Number | None) -> str:
    """A figure and its share of the whole: 450 · 9.0 %."""
    return f"{text} · {percent(ratio(part, whole))}"


def signed(value: Number | None, digits: int = 1) -> str:
    """A number with its sign: +1.2, −0.4 (a true minus)."""
    if value is None:
        return NONE
    text = f"{abs(float(value)):,.{digits}f}"
    if not text.strip("0.,"):
        return text
    return f"{'+' if value > 0 else '−'}{text}"


def seconds(value: Number | None) -> str:
    """A duration: 0.4 s, 12 s, 3 min 20 s."""
    if value is None:
        return NONE
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60:02d} s"


def day(value: date) -> str:
    """A date as it is spoken, never broken over lines: 31 March 1994."""
    return f"{value.day} {value:%B %Y}".replace(" ", "\N{NO-BREAK SPACE}")


def moment(value: datetime) -> str:
    """An instant, UTC: 22 November 2026, 01:12 UTC."""
    return f"{day(value)}, {value:%H:%M} UTC"


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 customer, 2,000 customers."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def listing(items: Iterable[str]) -> str:
    """a, b and c."""
    names = list(items)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def plain(name: str) -> str:
    """A technical name for reading: `already_held` -> "already held"."""
    return name.replace("_", " ")


def title(name: str) -> str:
    """A technical name as a heading: `channel` -> "Channel"."""
    text = plain(name)
    return "VIP" if text == "vip" else text[:1].upper() + text[1:]


_WINDOWS = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "180d": "180 days", "365d": "365 days", "life": "ever"}


_FAMILIES = {"spend": "spending", "channel": "channel", "income": "income"}


def feature(name: str) -> str:
    """The name of a feature for reading: `debit_amount_category_grocery_90d` -> "debit amount grocery (90 days)".

    Those of the groups' vector name their family first: `spend_grocery` -> "spending: grocery".
    """
    family, _, member = name.partition("_")
    if family in _FAMILIES:
        return f"{_FAMILIES[family]}: {plain(member)}"
    stem, _, window = name.rpartition("_")
    text = plain(stem if window in _WINDOWS else name).replace(" category ", " ").replace(" channel ", " ")
    return f"{text} ({_WINDOWS[window]})" if window in _WINDOWS else text
