"""Groups that last: which group of a new model is which group of the model before.

Centres are matched by the Hungarian algorithm (Kuhn 1955), and a pair counts as the same group where both models agree
on enough of today's customers. Numbers and names are then kept; a group without a partner gets a number that no group
ever had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from portrait.capabilities.groups.lloyd import Labels, Matrix


@dataclass(frozen=True)
class KeptScale:
    """How a model scaled one feature: (transformed - centre) / spread, cut at its clip, times weight."""

    feature: str
    kind: str
    centre: float
    spread: float
    weight: float
    mean: float


@dataclass(frozen=True)
class KeptGroup:
    """A group of a model: its number, its name, its centre in the model's own scale."""

    group_id: int
    name: str
    centre: tuple[float, ...]


@dataclass(frozen=True)
class KeptModel:
    """A saved model: what is needed to go on assigning customers, and to find its groups in a new model.

    `next_id` is a number that no group ever had.
    """

    version: str
    scales: tuple[KeptScale, ...]
    clip: float
    groups: tuple[KeptGroup, ...]
    next_id: int

    @property
    def centres(self) -> Matrix:
        """One row per group."""
        return np.array([group.centre for group in self.groups])


@dataclass(frozen=True)
class Lasting:
    """What becomes of the numbers of groups: cluster of the new model to number, and how far its centre moved."""

    ids: dict[int, int]
    moved: dict[int, float]
    """Distance between the centres of a group in both models, on the new scale; only for groups that lasted."""
    next_id: int


def keep_ids(
    before: Matrix,
    centres: Matrix,
    *,
    numbers: list[int],
    overlap: Matrix,
    least_overlap: float,
    order: list[int],
    next_id: int,
) -> Lasting:
    """Give the clusters of a new model (rows of `centres`) the numbers of the model before (rows of `before`).

    Both are on one scale. `overlap`: rows before, columns new, the Jaccard coefficient of their customers of today;
    pairs below `least_overlap` are no pairs. `order`: all new clusters, those that get lower new numbers first.
    How clusters and groups are numbered inside their models changes nothing.
    """
    # In an order of their own: of pairs that cost the same, the algorithm takes the first.
    old, new = _in_order(before), _in_order(centres)
    squares = cdist(before[old], centres[new], "sqeuclidean")
    pairs = [(int(old[row]), int(new[column])) for row, column in zip(*linear_sum_assignment(squares), strict=True)]
    lasted = {column: row for row, column in pairs if overlap[row, column] >= least_overlap}
    ids = {column: numbers[row] for column, row in lasted.items()}
    for cluster in order:
        if cluster not in ids:
            ids[cluster] = next_id
            next_id += 1
    moved = {column: float(np.sqrt(((centres[column] - before[row]) ** 2).sum())) for column, row in lasted.items()}
    return Lasting(ids, moved, next_id)


def jaccard_table(first: Labels, second: Labels, *, rows: int, columns: int) -> Matrix:
    """|g and h| / |g or h| of every label g of `first` and h of `second`; 0 where both are empty."""
    cells = np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns)
    either = cells.sum(axis=1)[:, None] + cells.sum(axis=0)[None, :] - cells
    found: Matrix = cells / np.maximum(either, 1)
    return found


def transformed(values: Matrix, kinds: list[str]) -> Matrix:
    """Raw features as they enter vectors: shares by square root, levels by log(1 + x)."""
    share = np.array([kind == "share" for kind in kinds])
    found: Matrix = np.where(share[None, :], np.sqrt(np.maximum(values, 0.0)), np.log1p(np.maximum(values, 0.0)))
    return found


def vectors_of(model: KeptModel, raw: dict[str, Matrix]) -> Matrix:
    """The vectors of customers on the scale of a model; `raw`: feature to values, NaN where unknown (the centre)."""
    unknown = np.full(len(next(iter(raw.values()))), np.nan)
    values = np.stack([raw.get(scale.feature, unknown) for scale in model.scales], axis=1)
    deviation = (transformed(values, [scale.kind for scale in model.scales]) - _of(model, "centre")) / _of(
        model, "spread"
    )
    placed: Matrix = np.nan_to_num(np.clip(deviation, -model.clip, model.clip), nan=0.0) * _of(model, "weight")
    return placed


def common_centres(before: KeptModel, after: KeptModel) -> tuple[Matrix, Matrix]:
    """The centres of two models as points of the scale of `after`, over the features that both have.

    The matrices have no columns where there is no such feature.
    """
    places = {(scale.feature, scale.kind): place for place, scale in enumerate(before.scales)}
    pairs = [
        (places[key], place)
        for place, scale in enumerate(after.scales)
        if (key := (scale.feature, scale.kind)) in places
    ]
    old, new = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    plain = before.centres / _of(before, "weight") * _of(before, "spread") + _of(before, "centre")
    moved = (plain[:, old] - _of(after, "centre")[new]) / _of(after, "spread")[new] * _of(after, "weight")[new]
    return moved, after.centres[:, new]


def _of(model: KeptModel, name: str) -> Matrix:
    return np.array([getattr(scale, name) for scale in model.scales], dtype=np.float64)


def _in_order(centres: Matrix) -> Labels:
    return np.lexsort(np.round(centres, 9).T[::-1]).astype(np.int64)
