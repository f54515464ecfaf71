"""Where the columns of a file of fixed width begin and end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from portrait.sources.inference.dates import day_of
from portrait.sources.inference.layout import Field

_LEAST = 10  # shorter lines are no records
_DATES = (("yyyyMMdd", 8), ("ddMMyyyy", 8))
_SHORTEST = 3  # digits of a number that is cut off another
_MANY, _HARDLY = 7, 2  # different digits at the end and at the beginning of numbers
_LIKE = 0.95
_PLAUSIBLE = range(1900, 2101)


def is_fixed(lines: Sequence[str]) -> bool:
    """Whether nearly all lines have one length."""
    lengths = [len(line) for line in lines if line.strip()]
    if len(lengths) < 3 or max(lengths) < _LEAST:
        return False
    common = max(set(lengths), key=lengths.count)
    return lengths.count(common) >= _LIKE * (len(lengths) - 2)


def fields_of(lines: Sequence[str], header: str | None) -> tuple[tuple[Field, ...], bool]:
    """The columns, and whether blanks part all of them; where they do not, kinds of signs and dates do.

    `header`: a line of names above the records; each name stands over its column.
    """
    width = max(map(len, lines))
    padded = [line.ljust(width) for line in lines]
    filled = [any(line[place] != " " for line in padded) for place in range(width)]
    runs = _runs(filled)
    cuts = [cut for start, end in runs for cut in _cuts(padded, start, end)]
    spans = _spread(cuts, padded, width)
    if header is not None:  # a blank that stands in all texts parts no column: no name begins behind it
        named = [span for span in spans if header[span[0] : span[1]].strip()]
        spans = list(
            zip([0, *[start for start, _ in named[1:]]], [*[start for start, _ in named[1:]], width], strict=True)
        )
    found = []
    for place, (start, end) in enumerate(spans, 1):
        name = "" if header is None else re.sub(r"\s+", "_", header[start:end].strip())
        found.append(Field(name or f"column_{place}", start + 1, end))
    return tuple(found), len(cuts) == len(runs)


def _runs(filled: Sequence[bool]) -> list[tuple[int, int]]:
    runs, start = [], None
    for place, is_filled in enumerate([*filled, False]):
        if is_filled and start is None:
            start = place
        elif not is_filled and start is not None:
            runs.append((start, place))
            start = None
    return runs


def _cuts(lines: Sequence[str], start: int, end: int) -> list[tuple[int, int]]:
    """A run without blanks, cut where a date begins and ends, and where digits become letters in all lines."""
    for pattern, size in _DATES:
        for place in range(start, end - size + 1):
            if (place, place + size) != (start, end) and _is_date(lines, place, size, pattern):
                around = [(start, place), (place, place + size), (place + size, end)]
                return [cut for left, right in around if left < right for cut in _cuts(lines, left, right)]
    for place in range(start + _SHORTEST, end - _SHORTEST):  # last digits differ, first digits hardly do
        if _differing(lines, place - 1) >= _MANY and _differing(lines, place) <= _HARDLY:
            around = [(start, place), (place, end)]
            return [cut for left, right in around for cut in _cuts(lines, left, right)]
    kinds = [{_kind(line[place]) for line in lines} for place in range(start, end)]
    cuts, first = [], start
    for place in range(start + 1, end):
        before, here = kinds[place - 1 - start], kinds[place - start]
        if ("digit" in before) != ("digit" in here) and not before & here and "sign" not in before | here:
            cuts.append((first, place))
            first = place
    return [*cuts, (first, end)]


def _differing(lines: Sequence[str], place: int) -> int:
    """How many digits stand there; none where anything else does."""
    signs = {line[place] for line in lines}
    return len(signs) if all(map(str.isdigit, signs)) else _HARDLY + 1


def _is_date(lines: Sequence[str], place: int, size: int, pattern: str) -> bool:
    texts = [line[place : place + size] for line in lines if line[place : place + size].strip()]
    days = [day_of(pattern, text) for text in texts]
    good = sum(day is not None and day.year in _PLAUSIBLE for day in days)
    return len(texts) > len(lines) / 2 and good == len(texts) and len(set(texts)) > 1


def _kind(sign: str) -> str:
    return "digit" if sign.isdigit() else "letter" if sign.isalpha() else "blank" if sign == " " else "sign"


def _spread(cuts: Sequence[tuple[int, int]], lines: Sequence[str], width: int) -> list[tuple[int, int]]:
    """Blanks between columns belong to the one that they fill up: left of numbers, right of texts."""
    if not cuts:
        return [(0, width)]
    edges = [0]
    for (start, end), (after, until) in pairwise(cuts):
        right_aligned = all(line[until - 1] != " " for line in lines if line[after:until].strip()) and any(
            line[after] == " " for line in lines
        )
        edges.append(end if right_aligned and start < end else after)
    return list(zip(edges, [*edges[1:], width], strict=True))
