"""Bins of one feature by exact dynamic programming, from the counts of at most some fifty pre-bins.

Pure numpy on what one aggregate brought to the driver; nothing here sees a customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Shape = Literal["rising", "falling", "free"]
Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Totals:
    """Rows of the whole population: good and bad."""

    good: int
    bad: int

    @property
    def rows(self) -> int:
        """All of them."""
        return self.good + self.bad

    @property
    def noise(self) -> float:
        """Information value that one more boundary has on average when the feature says nothing.

        Rows n, n IV p q is about chi-square distributed with as many degrees of freedom as there are boundaries.
        """
        return self.rows / (self.good * self.bad)


def woe_of(good: Counts, bad: Counts, totals: Totals, *, zero_cell: float) -> Counts:
    """ln(%good / %bad) of each bin; `zero_cell` is added to both counts of a bin where one of them is 0."""
    add = np.where((good == 0) | (bad == 0), zero_cell, 0.0)
    woe: Counts = np.log(((good + add) / totals.good) / ((bad + add) / totals.bad))
    return woe


def information_of(good: Counts, bad: Counts, totals: Totals, *, zero_cell: float) -> Counts:
    """What each bin adds to the information value: (%good - %bad) WOE, with the counts of `woe_of`."""
    add = np.where((good == 0) | (bad == 0), zero_cell, 0.0)
    difference = (good + add) / totals.good - (bad + add) / totals.bad
    information: Counts = difference * woe_of(good, bad, totals, zero_cell=zero_cell)
    return information


@dataclass(frozen=True)
class Partition:
    """The ends of the bins (a bin holds the pre-bins from the end before it up to its own) and what they are worth."""

    ends: tuple[int, ...]
    worth: float


def best_partition(
    good: Counts,
    bad: Counts,
    totals: Totals,
    *,
    shape: Shape,
    least_rows: float,
    most_bins: int,
    noise: float,
    zero_cell: float,
) -> Partition:
    """The bins of consecutive pre-bins with the highest information value less `noise` x the noise of each boundary.

    Every bin has at least `least_rows` rows (one bin alone may have fewer) and there are at most `most_bins`. The bad
    rate never falls from bin to bin where the shape is `rising`, never rises where it is `falling`. Exact: the search
    is over all partitions, by the last bin of each (its start and its end).
    """
    size = len(good)
    worth = _information_of_runs(good, bad, totals, zero_cell=zero_cell)
    whole = Partition((size,), float(worth[0, size]))
    if size < 2 or most_bins < 2:
        return whole
    goods, bads = _cumulated(good), _cumulated(bad)
    rows = (goods + bads)[None, :] - (goods + bads)[:, None]  # rows[start, end]
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = (bads[None, :] - bads[:, None]) / rows
    allowed = rows >= max(least_rows, 1)
    cost = noise * totals.noise
    # best[count, start, end]: value of the best `count + 1` bins over the pre-bins up to `end`, the last from `start`.
    best = np.full((most_bins, size + 1, size + 1), -np.inf)
    before = np.full((most_bins, size + 1, size + 1), -1, dtype=np.int64)  # start of the bin before the last
    best[0, 0, :] = np.where(allowed[0], worth[0], -np.inf)
    for start in range(1, size):
        earlier = best[:-1, :start, start]  # by count and start of the bin before, which ends here
        if not np.isfinite(earlier).any():
            continue
        for end in range(start + 1, size + 1):
            if not allowed[start, end]:
                continue
            if shape == "free":
                candidates = earlier
            else:
                left, right = rate[:start, start], rate[start, end]
                fits = left <= right if shape == "rising" else left >= right
                candidates = np.where(fits[None, :], earlier, -np.inf)
            chosen = candidates.argmax(axis=1)
            best[1:, start, end] = candidates[np.arange(most_bins - 1), chosen] + worth[start, end] - cost
            before[1:, start, end] = chosen
    last = best[:, :, size]
    if not np.isfinite(last).any():
        return whole
    count, start = divmod(int(last.argmax()), size + 1)
    ends, end, found = [size], size, float(last[count, start])
    while count > 0:
        ends.append(start)
        count, start, end = count - 1, int(before[count, start, end]), start
    return Partition(tuple(reversed(ends)), found)


def _cumulated(counts: Counts) -> Counts:
    return np.concatenate([[0.0], np.cumsum(counts)])


def _information_of_runs(good: Counts, bad: Counts, totals: Totals, *, zero_cell: float) -> Counts:
    """Information of every run of pre-bins, by start and end."""
    goods, bads = _cumulated(good), _cumulated(bad)
    return information_of(
        np.maximum(goods[None, :] - goods[:, None], 0),
        np.maximum(bads[None, :] - bads[:, None], 0),
        totals,
        zero_cell=zero_cell,
    )
