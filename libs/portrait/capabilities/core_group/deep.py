"""The deep view: groups in an embedding that begins as PCA and learns what PCA misses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from portrait.capabilities.core_group.idec import (
    Matrix,
    Scale,
    Weights,
    embedded,
    first_weights,
    principal_directions,
    scale_of,
    size_entropy,
    soft_assignment,
    target_distribution,
)
from portrait.capabilities.core_group.policy import DeepPolicy
from portrait.capabilities.core_group.training import Trainer
from portrait.capabilities.groups.lloyd import Labels, checked, k_means, nearest
from portrait.errors import InputRefused

_FREE_COMPARISONS = 2
"""Comparisons of labels with those of the epoch before that never stop the training."""


@dataclass(frozen=True)
class DeepView:
    """Groups of the rows, and the network that found them.

    `labels`: group of each row, 0..k-1. `embedding`: one row per row. `history`: mean loss per epoch, first the
    `reconstruction_epochs` epochs of reconstruction alone, then those with both losses.
    `entropy`: entropy of the group sizes after k-means on the embedding, then at the start of each epoch of the second
    kind, then of `labels`; see `collapsed`.
    `weights`: of the encoder, the decoder and the centres (`mu`); with `scale`, `mean` and `directions` all that
    scoring needs.
    """

    labels: Labels
    embedding: Matrix
    history: Matrix
    reconstruction_epochs: int
    entropy: Matrix
    scale: Scale = field(repr=False)
    mean: Matrix = field(repr=False)
    directions: Matrix = field(repr=False)
    weights: Weights = field(repr=False)

    @property
    def collapsed(self) -> bool:
        """Whether the sizes of the groups have less than half the entropy that k-means gave: use PCA instead."""
        return bool(self.entropy[-1] < 0.5 * self.entropy[0])

    def embed(self, matrix: ArrayLike) -> Matrix:
        """The embedding of other rows with the same columns, by numpy alone."""
        rows = np.asarray(matrix, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise InputRefused(
                f"the matrix has shape {rows.shape}; the view was trained on {len(self.mean)} columns",
                where="matrix",
                remedy="give the same columns in the same order",
            )
        return embedded(self.scale.apply(rows), self.mean, self.directions, self.weights)

    def memberships(self, matrix: ArrayLike) -> Matrix:
        """How much each row belongs to each group; rows sum to 1."""
        return soft_assignment(self.embed(matrix), self.weights["mu"].astype(np.float64))

    def assign(self, matrix: ArrayLike) -> Labels:
        """The group of other rows."""
        found: Labels = self.memberships(matrix).argmax(axis=1)
        return found


def deep_view(matrix: ArrayLike, *, k: int, seed: int = 1, policy: DeepPolicy | None = None) -> DeepView:
    """k groups by an autoencoder with a PCA skip connection, trained as IDEC (docs/core_group.md).

    The matrix has one row per customer; it is held in memory, so give a bounded sample and `assign` the others. It need
    not be standardised: columns whose standard deviations are within a factor of `policy.common_scale` keep their
    ratios, others get the same one. The same matrix, seed and machine type give the same result.
    Raises ConfigurationError for k below 2, InputRefused for missing values or fewer than k distinct rows,
    PortraitError when jax or optax are not installed.

        view = deep_view(features, k=10)
        view.labels, view.embedding, view.history
    """
    policy = policy or DeepPolicy()
    given = checked(matrix, k=k)
    scale = scale_of(given, policy)
    x = scale.apply(given)
    draws = np.random.default_rng(seed)
    p = min(policy.latent, x.shape[1])
    mean, directions = principal_directions(x, p=p)
    trainer = Trainer(x, mean, directions, first_weights(x.shape[1], p, hidden=policy.hidden, draws=draws), policy)
    history = [trainer.run(_batches(len(x), policy, draws)) for _ in range(policy.reconstruction_epochs)]

    # Centres begin at the groups of the PCA view, the same for every seed; those of the embedding differ by seed.
    z = embedded(x, mean, directions, trainer.weights)
    pca = k_means((x - mean) @ directions, k=k, starts=policy.starts, seed=1).labels
    centres = np.array([z[pca == group].mean(axis=0) for group in range(k)])
    labels = nearest(z, centres)
    entropy = [size_entropy(labels, k=k)]
    trainer.replace(trainer.weights | {"mu": centres.astype(np.float32)})
    for epoch in range(policy.clustering_epochs):
        q = _memberships(x, mean, directions, trainer.weights)
        now = q.argmax(axis=1)
        entropy.append(size_entropy(now, k=k))
        moved = float((now != labels).mean())
        labels = now
        if epoch >= _FREE_COMPARISONS and moved < policy.still:
            break
        history.append(trainer.run(_batches(len(x), policy, draws), targets=target_distribution(q), gamma=policy.gamma))
    weights = trainer.weights
    z = embedded(x, mean, directions, weights)
    final: Labels = soft_assignment(z, weights["mu"].astype(np.float64)).argmax(axis=1)
    entropy.append(size_entropy(final, k=k))
    return DeepView(
        final,
        z,
        np.array(history),
        policy.reconstruction_epochs,
        np.array(entropy),
        scale,
        mean,
        directions,
        weights,
    )


def _memberships(x: Matrix, mean: Matrix, directions: Matrix, weights: Weights) -> Matrix:
    return soft_assignment(embedded(x, mean, directions, weights), weights["mu"].astype(np.float64))


def _batches(n: int, policy: DeepPolicy, draws: np.random.Generator) -> NDArray[np.int64]:
    """A new permutation of the rows in full batches, one per line; what does not fill a batch is left out."""
    size = min(policy.batch, n)
    full = n // size
    return draws.permutation(n)[: full * size].reshape(full, size)
