"""Bins by dynamic programming: against every partition there is, and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from portrait.capabilities.credit.bins import Totals, best_partition, information_of, woe_of


def test_woe_and_information_by_hand() -> None:
    """Good 80 + 20, bad 5 + 15: WOE ln(.8/.25), ln(.2/.75); IV .55 x 1.1632 + .55 x 1.3218 = 1.3667."""
    good, bad, totals = np.array([80.0, 20.0]), np.array([5.0, 15.0]), Totals(100, 20)
    assert woe_of(good, bad, totals, zero_cell=0.5) == pytest.approx([1.16315, -1.32176], abs=1e-5)
    assert information_of(good, bad, totals, zero_cell=0.5).sum() == pytest.approx(1.36670, abs=1e-4)


def test_half_a_row_is_added_where_a_cell_is_empty() -> None:
    """10 good, no bad of 100 and 20: ln((10.5 / 100) / (.5 / 20)) = ln 4.2."""
    assert woe_of(np.array([10.0]), np.array([0.0]), Totals(100, 20), zero_cell=0.5)[0] == pytest.approx(math.log(4.2))


@pytest.mark.parametrize("shape", ["rising", "falling", "free"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_partition_is_better(shape: str, seed: int) -> None:
    draws = np.random.default_rng(seed)
    good, bad = draws.integers(0, 30, 9).astype(float), draws.integers(0, 12, 9).astype(float)
    totals = Totals(int(good.sum()), int(bad.sum()))
    least, most, noise = 20.0, 4, 1.0
    best = -math.inf
    for count in range(1, 10):
        for inner in itertools.combinations(range(1, 9), count - 1):
            limits = (0, *inner, 9)
            g = np.array([good[a:b].sum() for a, b in itertools.pairwise(limits)])
            b_ = np.array([bad[a:b].sum() for a, b in itertools.pairwise(limits)])
            steps = np.diff(b_ / np.maximum(g + b_, 1e-9))
            ordered = {"rising": (steps >= 0).all(), "falling": (steps <= 0).all(), "free": True}[shape]
            if len(g) > most or (g + b_ < least).any() or not ordered:
                continue
            worth = information_of(g, b_, totals, zero_cell=0.5).sum()
            best = max(best, worth - noise * totals.rows / (totals.good * totals.bad) * (len(g) - 1))
    found = best_partition(good, bad, totals, shape=shape, least_rows=least, most_bins=most, noise=noise, zero_cell=0.5)
    assert found.worth == pytest.approx(best, abs=1e-12)


def test_what_says_nothing_is_one_bin() -> None:
    """A bad rate of one in ten everywhere: a boundary adds nothing, and costs its noise."""
    good, bad = np.full(20, 90.0), np.full(20, 10.0)
    found = best_partition(
        good, bad, Totals(1800, 200), shape="free", least_rows=50, most_bins=8, noise=2.0, zero_cell=0.5
    )
    assert found.ends == (20,)
