"""k-means of a numpy matrix that fits into memory: k-means++ starts, Lloyd's steps, the cheapest of several starts.

Distances are summed without BLAS, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist

from portrait.errors import ConfigurationError, InputRefused

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

_STEPS = 300
_STILL = 1e-4  # squared movement of all centres, in mean variances of the columns, that counts as none


@dataclass(frozen=True)
class Clustering:
    """`labels`: cluster of each row. `centres`: one row per cluster. `cost`: sum of squared distances."""

    labels: Labels
    centres: Matrix
    cost: float


def k_means(points: Matrix, *, k: int, starts: int = 10, seed: int = 1) -> Clustering:
    """The cheapest of `starts` runs; clusters in order of size, the largest first.

    Points with fewer than k distinct rows leave clusters empty.
    """
    draws = np.random.default_rng(seed)
    best = min((_run(points, k=k, draws=draws) for _ in range(starts)), key=lambda run: run.cost)
    sizes = np.bincount(best.labels, minlength=k)
    order = np.argsort(-sizes, kind="stable")
    place = np.empty(k, dtype=np.int64)
    place[order] = np.arange(k)
    return Clustering(place[best.labels], best.centres[order], best.cost)


def nearest(points: Matrix, centres: Matrix) -> Labels:
    """The position of the nearest centre of each row; the first of equals."""
    found: Labels = cdist(points, centres, "sqeuclidean").argmin(axis=1)
    return found


def checked(matrix: object, *, k: int) -> Matrix:
    """The matrix as floats.

    Raises ConfigurationError for a k that is not 2 or more, InputRefused for a matrix that cannot be divided into k.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 2:
        raise ConfigurationError("k is no whole number of 2 or more", where="k", remedy="give at least two groups")
    try:
        points = np.array(matrix, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        remedy = "give a numpy array of numbers, one row per customer"
        raise InputRefused("the matrix holds values that are not numbers", where="matrix", remedy=remedy) from error
    if points.ndim != 2 or points.shape[1] == 0:
        raise InputRefused(
            f"the matrix has shape {points.shape}", where="matrix", remedy="give rows x features, at least one feature"
        )
    missing = int((~np.isfinite(points)).any(axis=1).sum())
    if missing:
        raise InputRefused(
            f"{missing} of {len(points)} rows have values that are missing or infinite",
            where="matrix",
            remedy="fill them in, or leave these rows out, first",
        )
    distinct = len(points) if len(points) < k else len(np.unique(points, axis=0))
    if distinct < k:
        raise InputRefused(
            f"the matrix has {distinct} distinct rows; {k} groups need at least {k}",
            where="matrix",
            remedy="lower k, or give more rows",
        )
    return points


def _run(points: Matrix, *, k: int, draws: np.random.Generator) -> Clustering:
    centres = _start(points, k=k, draws=draws)
    still = _STILL * float(points.var(axis=0).mean())
    labels: Labels = np.full(len(points), -1, dtype=np.int64)
    for _ in range(_STEPS):
        squares = cdist(points, centres, "sqeuclidean")
        now = squares.argmin(axis=1)
        if (now == labels).all():
            break
        labels = now
        moved = _means(points, labels, centres, squares)
        distance = float(((moved - centres) ** 2).sum())
        centres = moved
        if distance <= still:
            break
    squares = cdist(points, centres, "sqeuclidean")
    labels = squares.argmin(axis=1)
    return Clustering(labels, centres, float(squares[np.arange(len(points)), labels].sum()))


def _start(points: Matrix, *, k: int, draws: np.random.Generator) -> Matrix:
    """k-means++: each centre is the best of a few rows drawn in proportion to their squared distance."""
    trials = 2 + int(np.log(k))
    chosen = [int(draws.integers(len(points)))]
    squares = cdist(points[chosen], points, "sqeuclidean")[0]
    while len(chosen) < k:
        running = np.cumsum(squares)
        if running[-1] <= 0:  # every row is a centre already
            chosen.append(chosen[0])
            continue
        drawn = np.searchsorted(running, draws.random(trials) * running[-1], side="right").clip(max=len(points) - 1)
        tried = np.minimum(squares, cdist(points[drawn], points, "sqeuclidean"))
        best = int(tried.sum(axis=1).argmin())
        chosen.append(int(drawn[best]))
        squares = tried[best]
    return points[chosen].copy()


def _means(points: Matrix, labels: Labels, centres: Matrix, squares: Matrix) -> Matrix:
    """The mean of each cluster; a cluster without rows moves to the row that is farthest from its own centre."""
    n, k = len(points), len(centres)
    member = csr_matrix((np.ones(n), (labels, np.arange(n))), shape=(k, n))
    sizes = np.bincount(labels, minlength=k)
    means: Matrix = np.asarray(member @ points) / np.maximum(sizes, 1)[:, None]
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        own = squares[np.arange(n), labels]
        means[empty] = points[np.argsort(-own, kind="stable")[: len(empty)]]
    return means
