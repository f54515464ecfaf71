"""Which features of bookings are computed in one pass over their days: the cheapest way to cut them by their windows.

A pass reads the bookings from its first day on and adds up each of its features where the booking counts for it. So a
feature of 90 days costs nothing on the bookings before them, but every pass reads and groups its days once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from portrait.features.feature import Feature

_SCAN = 60
"""What a further pass costs a booking, in sums over it: twenty to read and group it, and its share of stages and join.

Chosen because it gives the fastest of the cuts that were measured: decision 0002.
"""
_MOST = 90
"""Features of a pass. Beyond 100 columns Spark generates no code."""


@dataclass(frozen=True)
class Pass:
    """Features that are computed from the bookings since `first` (None: from all)."""

    first: date | None
    features: tuple[Feature, ...]


def passes(features: Sequence[Feature], *, as_of: date, days: int) -> list[Pass]:
    """The passes that answer all features at least cost, the one of most days first; each lies within those before it.

    `days`: how long the history is, at most: windows beyond it cost no more.
    """
    by_first: dict[date | None, list[Feature]] = {}
    for feature in sorted(features, key=lambda feature: feature.period(as_of).first or date.min):
        by_first.setdefault(feature.period(as_of).first, []).append(feature)
    firsts = list(by_first)

    def cost(begin: int, end: int) -> int:
        first, count = firsts[begin], sum(len(by_first[first]) for first in firsts[begin:end])
        length = days if first is None else min(days, (as_of - first).days + 1)
        return length * (_scans(count) * _SCAN + count)

    # The cheapest cut of firsts[begin:] for every begin, out of those that begin later.
    cheapest: list[tuple[int, list[int]]] = [(0, [])] * (len(firsts) + 1)
    for begin in reversed(range(len(firsts))):
        cheapest[begin] = min(
            (cost(begin, end) + cheapest[end][0], [end, *cheapest[end][1]]) for end in range(begin + 1, len(firsts) + 1)
        )
    cuts = [0, *cheapest[0][1]]
    groups = [
        (firsts[begin], [feature for first in firsts[begin:end] for feature in by_first[first]])
        for begin, end in pairwise(cuts)
    ]
    return [Pass(first, tuple(part)) for first, group in groups for part in _even(group, _scans(len(group)))]


def _scans(count: int) -> int:
    return -(-count // _MOST)


def _even(features: list[Feature], parts: int) -> list[list[Feature]]:
    size = -(-len(features) // parts)
    return [features[start : start + size] for start in range(0, len(features), size)]
