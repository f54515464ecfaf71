"""What the values of a column are like: nulls, kinds, codes, dates, and whether they are a key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import islice

from portrait.sources.inference.dates import Written, dates_of
from portrait.sources.inference.knowledge import Knowledge
from portrait.sources.inference.layout import Layout, Sample
from portrait.sources.inference.numbers import Marks

_TRUTHS = (
    *({"true", "false"}, {"t", "f"}, {"y", "n"}, {"yes", "no"}, {"0", "1"}),
    *({"ja", "nein"}, {"j", "n"}, {"ano", "ne"}, {"a", "n"}, {"si", "no"}, {"oui", "non"}, {"tak", "nie"}),
)
_TRIED = 20_000  # different values that are looked at
_CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?")


@dataclass(frozen=True)
class Profile:
    """A column as its values are."""

    name: str
    rows: int
    filled: int
    """Records with a value."""
    distinct: int
    kind: str
    """empty, integer, decimal, date, time, boolean, code or text."""
    written: Written | None = None
    first: date | None = None
    last: date | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    negative: float = 0.0
    """Share of the numbers below zero."""
    padded: bool = False
    """Whether it is digits with leading zeros, or of one length: an identifier rather than a number."""
    fraction: bool = False
    """Whether all of them are whole numbers that end in `.0`, as data frames with gaps write them."""
    codes: dict[str, int] = field(default_factory=dict)
    """Different values with their counts, the most frequent first, where there are few."""
    masks: tuple[str, ...] = ()
    """What the most frequent values look like: 9 stands for a digit, A for a letter."""
    values: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def unique(self) -> bool:
        """Whether every record has a value of its own."""
        return self.filled == self.rows == self.distinct and self.rows > 1

    @property
    def null_share(self) -> float:
        """Share of the records without a value."""
        return 1 - self.filled / self.rows if self.rows else 0.0

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return self.kind in ("integer", "decimal")


def profiles_of(sample: Sample, knowledge: Knowledge) -> dict[str, Profile]:
    """The profile of every column, by name."""
    return {name: profile_of(name, cells, sample.layout, knowledge) for name, cells in sample.columns.items()}


def profile_of(name: str, cells: Sequence[str | None], layout: Layout, knowledge: Knowledge) -> Profile:
    """The profile of one column."""
    counted = Counter(cell for cell in cells if cell is not None and cell != "")
    filled = counted.total()
    few = len(counted) <= knowledge.codes_at_most and len(counted) < max(3, filled * 0.5)
    masks = Counter[str]()
    for value, number in islice(counted.items(), 2000):
        masks[mask_of(value)] += number
    profile = Profile(
        name=name,
        rows=len(cells),
        filled=filled,
        distinct=len(counted),
        kind="empty" if not filled else "code" if few else "text",
        codes=dict(counted.most_common()) if few else {},
        masks=tuple(mask for mask, _ in masks.most_common(3)),
        values=frozenset(counted),
    )
    return profile if not filled else _typed(profile, list(islice(counted, _TRIED)), layout, knowledge)


def _typed(profile: Profile, values: list[str], layout: Layout, knowledge: Knowledge) -> Profile:
    least = knowledge.least_fit
    if {value.lower() for value in values} in _TRUTHS:
        return replace(profile, kind="boolean")
    dated = [value for value in values if set(value) - set("0 -/.:")]  # 0000-00-00 stands for none
    if (found := dates_of(dated, least=least)) is not None and len(dated) > len(values) * 0.9:
        written, first, last = found
        return replace(profile, kind="date", written=written, first=first, last=last)
    if sum(_CLOCK.fullmatch(value) is not None for value in values) >= least * len(values):
        return replace(profile, kind="time")
    marks = Marks(layout.decimal, layout.thousands)
    numbers = [number for value in values if (number := marks.read(value)) is not None]
    if len(numbers) < least * len(values):
        return profile
    digits = [value for value in values if value.isdigit()]
    zeros = any(value.startswith("0") and len(value) > 1 for value in digits)
    alike = len(digits) == len(values) and len(set(map(len, digits))) == 1 and len(digits[0]) > 4
    alike = alike and (layout.type != "fixed_width" or not zeros)
    whole = all(number == number.to_integral_value() for number in numbers)
    return replace(
        profile,
        kind="integer" if whole else "decimal",
        least=min(numbers),
        most=max(numbers),
        negative=sum(number < 0 for number in numbers) / len(numbers),
        padded=alike if layout.type == "fixed_width" else zeros or alike,
        fraction=whole and all(value.endswith(".0") for value in values),
    )


def mask_of(value: str) -> str:
    """What a value looks like: `AB12` is `AA99`; runs of more than four are shortened, so that nothing is told."""
    signs = "".join("9" if sign.isdigit() else "A" if sign.isalpha() else sign for sign in value[:40])
    return re.sub(r"(.)\1{4,}", lambda run: f"{run[1]}+", signs)
