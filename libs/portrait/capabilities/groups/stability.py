"""How stable groups are: k-means is fitted again on bootstrap samples and compared with the fit on all rows.

Hennig, Cluster-wise assessment of cluster stability, Computational Statistics & Data Analysis 52 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from portrait.capabilities.groups.lloyd import Labels, Matrix, checked, k_means, nearest
from portrait.errors import ConfigurationError

STARTS = 10
"""Starts of k-means per fit: with fewer, fits differ for that reason alone."""
EDGES = (0.05, 0.95)
"""Quantiles over the refits that are given as intervals."""


@dataclass(frozen=True)
class Stability:
    """Groups of all rows, and how well bootstrap refits find them again; groups in order of size, the largest first.

    `ari_mean`: mean adjusted Rand index between `labels` and the labels that a refit gives to all rows.
    `jaccard`: per group, mean over refits of the largest Jaccard coefficient with a group of the refit, over the rows
    of the bootstrap sample: below .60 not to be trusted, from .75 a stable group, from .85 highly stable.
    `*_low`, `*_high`: 5 % and 95 % quantiles over the refits.
    """

    ari_mean: float
    ari_low: float
    ari_high: float
    jaccard: Matrix
    jaccard_low: Matrix
    jaccard_high: Matrix
    labels: Labels
    centres: Matrix


def bootstrap_stability(matrix: ArrayLike, *, k: int, refits: int = 20, seed: int = 1) -> Stability:
    """Fit k groups to all rows, and `refits` times to a bootstrap sample of as many rows.

    The matrix is clustered on the scale that it has, like the vectors of groups, which are standardised before: divide
    columns of different units by their standard deviations first. Rows are never left out. The same matrix and seed
    give the same result.
    Raises ConfigurationError for k below 2 or no refits, InputRefused for missing values or fewer than k distinct rows.

        found = bootstrap_stability(vectors, k=6)
        found.ari_mean, found.jaccard.min()
    """
    points = checked(matrix, k=k)
    if refits < 1:
        raise ConfigurationError("no refits", where="refits", remedy="give at least 1; 20 are usual")
    return refit_stability(points, k_means(points, k=k, starts=STARTS, seed=seed).centres, refits=refits, seed=seed)


def refit_stability(points: Matrix, centres: Matrix, *, refits: int, seed: int) -> Stability:
    """The same for groups that were found already: those around `centres`, in this order."""
    k, fitted = len(centres), nearest(points, centres)
    aris, jaccards = np.empty(refits), np.empty((refits, k))
    for refit in range(refits):
        rows = np.random.default_rng([seed, refit]).integers(0, len(points), len(points))
        again = k_means(points[rows], k=k, starts=STARTS, seed=seed)
        labels = nearest(points, again.centres)
        drawn = np.unique(rows)
        aris[refit] = adjusted_rand(fitted, labels)
        jaccards[refit] = best_jaccard(fitted[drawn], labels[drawn], k=k)
    # A group that no row of a sample belongs to says nothing in that refit.
    known = ~np.isnan(jaccards).all(axis=0)
    mean, low, high = (np.full(k, np.nan) for _ in range(3))
    mean[known] = np.nanmean(jaccards[:, known], axis=0)
    low[known], high[known] = np.nanquantile(jaccards[:, known], EDGES, axis=0)
    ari_low, ari_high = (float(edge) for edge in np.quantile(aris, EDGES))
    return Stability(float(aris.mean()), ari_low, ari_high, mean, low, high, fitted, centres)


def contingency(first: Labels, second: Labels, *, k: int) -> Matrix:
    """Rows per label 0..k-1 of `first` and label 0..k-1 of `second`."""
    return np.bincount(first * k + second, minlength=k * k).reshape(k, k).astype(np.float64)


def adjusted_rand(first: Labels, second: Labels) -> float:
    """Agreement of two clusterings of the same rows: 1 = equal, about 0 = random. Hubert and Arabie (1985)."""
    cells = contingency(first, second, k=int(max(first.max(), second.max())) + 1)

    def pairs(counts: Matrix) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, left, right = pairs(cells), pairs(cells.sum(axis=1)), pairs(cells.sum(axis=0))
    everything = pairs(np.array([cells.sum()]))
    if left == right in (0.0, everything):  # all rows apart, or all in one group, in both
        return 1.0
    chance = left * right / everything
    return (both - chance) / ((left + right) / 2 - chance)


def best_jaccard(first: Labels, second: Labels, *, k: int) -> Matrix:
    """Per label 0..k-1 of `first`, the largest |g and h| / |g or h| over labels h of `second`; NaN without rows."""
    cells = contingency(first, second, k=k)
    sizes = cells.sum(axis=1)
    best: Matrix = (cells / np.maximum(sizes[:, None] + cells.sum(axis=0)[None, :] - cells, 1)).max(axis=1)
    best[sizes == 0] = np.nan
    return best
