"""How many groups there are, found on a sketch of the slice: a hundred small clusters with their weights.

One pass of k-means|| makes the sketch; on it, hundreds of restarts for every k cost a second on the driver, whatever
the number of customers. Restarts matter: two local optima of the same k can differ by more than the gain of one k more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.ml.clustering import KMeans
from pyspark.sql import DataFrame

from portrait.capabilities.groups.policy import Search

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sketch:
    """Centres of small clusters, one a row, and how many customers each stands for."""

    centres: Matrix
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """The best centres found for one k, and their cost on the sketch (sum of squared distances)."""

    k: int
    centres: Matrix
    cost: float


def sketch(vectors: DataFrame, *, customers: int, search: Search) -> Sketch:
    """At most `search.sketch` small clusters, and never fewer than five customers to one on average."""
    size = max(min(search.sketch, customers // 5), search.k.most + 2)
    kmeans = KMeans(
        featuresCol="vector", predictionCol="cluster", k=size, seed=search.seeds[0], maxIter=10, initSteps=2
    )
    model = kmeans.fit(vectors)
    return Sketch(np.array(model.clusterCenters()), np.array(model.summary.clusterSizes, dtype=np.float64))


def solutions(sketched: Sketch, *, search: Search) -> dict[int, Solution]:
    """The cheapest of `search.restarts` weighted k-means runs for every k of the range and its two neighbours."""
    found: dict[int, Solution] = {}
    for k in range(search.k.least - 1, search.k.most + 2):
        draws = np.random.default_rng(search.seeds[0] * 1000 + k)
        runs = [_run(sketched, k=k, draws=draws) for _ in range(search.restarts)]
        found[k] = min(runs, key=lambda run: digits(run.cost))
    return found


def total_scatter(sketched: Sketch) -> float:
    """The cost of k = 1 on the sketch."""
    mean = (sketched.weights[:, None] * sketched.centres).sum(axis=0) / sketched.weights.sum()
    return digits(float((sketched.weights * _squares(sketched.centres, mean[None, :])[:, 0]).sum()))


def _run(sketched: Sketch, *, k: int, draws: np.random.Generator) -> Solution:
    """k-means++ start, then Lloyd's steps until nothing moves. No BLAS: its threads would change the last digits."""
    points, weights = sketched.centres, sketched.weights
    chosen = [draws.choice(len(points), p=weights / weights.sum())]
    nearest = _squares(points, points[chosen])[:, 0]
    while len(chosen) < min(k, len(points)) and (weights * nearest).sum() > 0:
        chance = weights * nearest
        chosen.append(draws.choice(len(points), p=chance / chance.sum()))
        nearest = np.minimum(nearest, _squares(points, points[chosen[-1:]])[:, 0])
    centres, placed = points[chosen].copy(), np.full(len(points), -1)
    for _ in range(100):
        squares = _squares(points, centres)
        now = squares.argmin(axis=1)
        if (now == placed).all():
            break
        placed = now
        for cluster in range(len(centres)):
            inside = placed == cluster
            if inside.any():
                share = weights[inside, None]
                centres[cluster] = (share * points[inside]).sum(axis=0) / share.sum()
    cost = float((weights * _squares(points, centres).min(axis=1)).sum())
    return Solution(k, centres, digits(cost))


def _squares(points: Matrix, centres: Matrix) -> Matrix:
    """Squared distances, one row per point, one column per centre."""
    result: Matrix = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return result


def digits(number: float) -> float:
    """Eight significant digits: free of the order in which a sum was added."""
    return float(f"{number:.8g}")
