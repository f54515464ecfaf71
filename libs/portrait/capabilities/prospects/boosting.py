"""Gradient-boosted trees on binned features, the same to the last bit for the same rows in the same order.

MLlib's trees add their statistics in the order in which tasks end, and pay several jobs per tree; these take a bounded
sample that the driver holds, seconds for hundreds of trees, so cross-fitting is affordable. Every tree is complete:
2^depth leaves, a node that does not split sends all rows to the left.
Method: Friedman, Annals of Statistics 29 (2001); Newton leaves and gain as in Chen and Guestrin, KDD 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from portrait.capabilities.prospects.logistic import Vector, logit, sigmoid
from portrait.capabilities.prospects.policy import BoostingPolicy

Codes = NDArray[np.int32]
Loss = Literal["logistic", "squared"]
_NO_SPLIT = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Trees:
    """A sum of trees: `features` and `thresholds` (trees x inner nodes), `leaves` (trees x 2^depth).

    A row with code <= threshold goes left. The value is in log-odds for loss "logistic", else in the target's unit.
    """

    start: float
    depth: int
    features: NDArray[np.int32]
    thresholds: NDArray[np.int32]
    leaves: Vector

    def value(self, codes: Codes) -> Vector:
        """One value per row; `codes` rows x features."""
        total = np.full(len(codes), self.start)
        rows = np.arange(len(codes))
        for features, thresholds, leaves in zip(self.features, self.thresholds, self.leaves, strict=True):
            total += leaves[_leaf(codes, rows, features, thresholds, self.depth)]
        return total

    def first(self, trees: int) -> Trees:
        """The sum of the first trees only."""
        return Trees(self.start, self.depth, self.features[:trees], self.thresholds[:trees], self.leaves[:trees])


def fit_trees(
    codes: Codes,
    target: Vector,
    *,
    weight: Vector,
    policy: BoostingPolicy,
    seed: int,
    loss: Loss = "logistic",
    validation: tuple[Codes, Vector, Vector] | None = None,
) -> Trees:
    """Trees grown on rows x features of bin numbers (0, 1, ...).

    With `validation` (codes, target, weight) the sum ends at the tree with the lowest loss on it.
    """
    draw = np.random.default_rng(seed)
    bins = int(codes.max(initial=0)) + 1
    start = _start(target, weight, loss)
    value, held = np.full(len(target), start), np.full(0 if validation is None else len(validation[1]), start)
    grown: list[tuple[NDArray[np.int32], NDArray[np.int32], Vector]] = []
    best, best_loss = 0, np.inf
    rows = np.arange(len(target))
    for _ in range(policy.trees):
        gradient, curvature = _derivatives(target, value, loss)
        seen = weight * (draw.random(len(target)) < policy.row_share) if policy.row_share < 1 else weight
        features, thresholds, leaves = _grow(codes, gradient * seen, curvature * seen, seen, policy=policy, bins=bins)
        grown.append((features, thresholds, leaves))
        value += leaves[_leaf(codes, rows, features, thresholds, policy.depth)]
        if validation is not None:
            held += leaves[_leaf(validation[0], np.arange(len(held)), features, thresholds, policy.depth)]
            now = _loss(validation[1], held, validation[2], loss)
            if now < best_loss:
                best, best_loss = len(grown), now
            if len(grown) - best >= policy.patience:
                break
    kept = grown if validation is None else grown[: max(best, 1)]
    return Trees(start, policy.depth, *(np.array(part) for part in zip(*kept, strict=True)))


def _start(target: Vector, weight: Vector, loss: Loss) -> float:
    mean = float(np.average(target, weights=weight))
    return float(logit(np.array([mean]))[0]) if loss == "logistic" else mean


def _derivatives(target: Vector, value: Vector, loss: Loss) -> tuple[Vector, Vector]:
    if loss == "squared":
        return value - target, np.ones(len(target))
    p = sigmoid(value)
    return p - target, np.maximum(p * (1 - p), 1e-9)


def _loss(target: Vector, value: Vector, weight: Vector, loss: Loss) -> float:
    if loss == "squared":
        return float(np.sum(weight * (target - value) ** 2))
    return float(np.sum(weight * (np.logaddexp(0.0, value) - target * value)))


def _leaf(
    codes: Codes, rows: NDArray[np.int64], features: NDArray[np.int32], thresholds: NDArray[np.int32], depth: int
) -> NDArray[np.int64]:
    node = np.zeros(len(rows), dtype=np.int64)
    for _ in range(depth):
        node = 2 * node + 1 + (codes[rows, features[node]] > thresholds[node])
    return np.asarray(node - (2**depth - 1))


def _grow(
    codes: Codes, gradient: Vector, curvature: Vector, weight: Vector, *, policy: BoostingPolicy, bins: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], Vector]:
    """One tree, level by level: for every node the split with the largest gain, the first of equals."""
    inner = 2**policy.depth - 1
    features, thresholds = np.zeros(inner, dtype=np.int32), np.full(inner, _NO_SPLIT, dtype=np.int32)
    place = np.zeros(len(gradient), dtype=np.int64)  # position of the row's node within its level
    rows = np.arange(len(gradient))
    for level in range(policy.depth):
        nodes, first = 2**level, 2**level - 1
        best = np.full(nodes, 1e-9)
        for feature in range(codes.shape[1]):
            gain = _gains(place * bins + codes[:, feature], gradient, curvature, weight, nodes, bins, policy)
            cut = gain.argmax(axis=1)
            better = gain[np.arange(nodes), cut] > best
            best = np.where(better, gain[np.arange(nodes), cut], best)
            features[first : first + nodes][better] = feature
            thresholds[first : first + nodes][better] = cut[better]
        node = first + place
        place = 2 * place + (codes[rows, features[node]] > thresholds[node])
    sums = np.bincount(place, gradient, 2**policy.depth)
    heights = np.bincount(place, curvature, 2**policy.depth)
    return features, thresholds, -policy.rate * sums / np.maximum(heights + policy.ridge, 1e-12)


def _gains(
    cell: NDArray[np.int64],
    gradient: Vector,
    curvature: Vector,
    weight: Vector,
    nodes: int,
    bins: int,
    policy: BoostingPolicy,
) -> Vector:
    """nodes x bins: what a split after the bin gains; -inf where a branch would have too few rows."""
    size = nodes * bins
    left = [np.bincount(cell, part, size).reshape(nodes, bins).cumsum(axis=1) for part in (gradient, curvature, weight)]
    total = [part[:, -1:] for part in left]
    (g, h, n), (g_all, h_all, n_all) = left, total
    ridge = policy.ridge + 1e-12
    gain = g**2 / (h + ridge) + (g_all - g) ** 2 / (h_all - h + ridge) - g_all**2 / (h_all + ridge)
    enough = (n >= policy.least_rows) & (n_all - n >= policy.least_rows)
    return np.asarray(np.where(enough, gain, -np.inf))
