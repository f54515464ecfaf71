"""The network of the deep view in numpy: PCA, soft assignment, target distribution, forward pass.

Xie et al., Unsupervised Deep Embedding for Clustering Analysis (2016); Guo et al., Improved Deep Embedded Clustering
(2017). Nothing here needs a deep-learning library, so that every worker can score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from portrait.capabilities.core_group.policy import DeepPolicy

Matrix = NDArray[np.float64]
Weights = Mapping[str, NDArray[np.float32]]
"""e0, e1, e2 (encoder) and d0, d1, d2 (decoder), each with `_w` and `_b`; `mu`, one row per cluster."""

LAYERS = 3
_FAR = 6.0  # standard deviations; further out are single outliers


@dataclass(frozen=True)
class Scale:
    """What is taken from each column, and by what it is then divided."""

    shift: Matrix
    divisor: Matrix

    def apply(self, matrix: Matrix) -> Matrix:
        """The matrix as the network sees it."""
        scaled: Matrix = (matrix - self.shift) / self.divisor
        return scaled


def scale_of(matrix: Matrix, policy: DeepPolicy) -> Scale:
    """Columns on one scale keep their ratios, others get the same standard deviation; then `spread` is that of all.

    Columns begin at their lowest value, as values between 0 and 1 do, but no further below the mean than `_FAR`: the
    perceptron sees x without centring, and seeds agree less on centred columns (docs/core_group.md). A column with a
    single value becomes 0.
    """
    mean, spreads = matrix.mean(axis=0), matrix.std(axis=0)
    # A constant column has a spread of rounding errors.
    varies = spreads > 1e-12 * np.abs(matrix).max(axis=0)
    shift = np.where(varies, np.maximum(matrix.min(axis=0), mean - _FAR * spreads), mean)
    divisor = np.ones_like(mean)
    if varies.any():
        used = spreads[varies]
        on_one_scale = used.max() <= policy.common_scale * used.min()
        divisor[varies] = (np.sqrt((used**2).mean()) if on_one_scale else used) / policy.spread
    return Scale(shift, divisor)


def principal_directions(x: Matrix, *, p: int) -> tuple[Matrix, Matrix]:
    """The mean m of the rows, and p principal directions as columns, the largest loading of each positive."""
    m = x.mean(axis=0)
    values, vectors = np.linalg.eigh((x - m).T @ (x - m))
    directions = vectors[:, np.argsort(-values, kind="stable")[:p]]
    largest = np.abs(directions).argmax(axis=0)
    signs = np.where(directions[largest, np.arange(p)] < 0, -1.0, 1.0)
    return m, directions * signs


def first_weights(d: int, p: int, *, hidden: int, draws: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Normal with standard deviation sqrt(2 / fan_in); both last layers are 0, so that the network begins as PCA."""
    weights: dict[str, NDArray[np.float32]] = {}
    for side, sizes in (("e", (d, hidden, hidden, p)), ("d", (p, hidden, hidden, d))):
        for layer in range(LAYERS):
            fan_in, fan_out = sizes[layer], sizes[layer + 1]
            drawn = draws.normal(0.0, np.sqrt(2 / fan_in), (fan_in, fan_out))
            weights[f"{side}{layer}_w"] = (drawn if layer < LAYERS - 1 else np.zeros_like(drawn)).astype(np.float32)
            weights[f"{side}{layer}_b"] = np.zeros(fan_out, dtype=np.float32)
    return weights


def embedded(x: Matrix, m: Matrix, directions: Matrix, weights: Weights) -> Matrix:
    """z = (x - m) W + MLP(x)."""
    h = x
    for layer in range(LAYERS):
        h = h @ weights[f"e{layer}_w"] + weights[f"e{layer}_b"]
        if layer < LAYERS - 1:
            h = np.maximum(h, 0.0)
    z: Matrix = (x - m) @ directions + h
    return z


def soft_assignment(z: Matrix, mu: Matrix) -> Matrix:
    """q: how much each row belongs to each centre, by a Student t of one degree of freedom; rows sum to 1."""
    kernel = 1 / (1 + cdist(z, mu, "sqeuclidean"))
    q: Matrix = kernel / kernel.sum(axis=1, keepdims=True)
    return q


def target_distribution(q: Matrix) -> Matrix:
    """p: q squared over the size of the cluster, over ALL rows of q; rows sum to 1. Never of one batch."""
    sharp = q**2 / q.sum(axis=0)
    p: Matrix = sharp / sharp.sum(axis=1, keepdims=True)
    return p


def size_entropy(labels: NDArray[np.int64], *, k: int) -> float:
    """Entropy of the cluster sizes in nats: ln k when all are equal, 0 when one has everything."""
    shares = np.bincount(labels, minlength=k) / len(labels)
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
