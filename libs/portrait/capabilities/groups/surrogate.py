"""A small decision tree that tells groups apart by readable features: the rule of each group in words.

Breiman et al., Classification and Regression Trees (1984): the split that lowers Gini impurity most, no pruning but of
leaves that say the same. In numpy, on a bounded sample; counts are whole numbers, so threads change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait.capabilities.groups.lloyd import Labels, Matrix

_DIGITS = 15


@dataclass(frozen=True)
class Bound:
    """One condition: column `feature` is above `above` (not included) and at most `most`; None: no such end."""

    feature: int
    above: float | None
    most: float | None


Path = tuple[Bound, ...]
"""Conditions that all hold, at most one per feature."""


@dataclass(frozen=True)
class Leaf:
    """Where a path ends: the label of most rows there."""

    label: int


@dataclass(frozen=True)
class Split:
    """Rows whose `feature` is at most `threshold` go to `low`, the others to `high`."""

    feature: int
    threshold: float
    low: Split | Leaf
    high: Split | Leaf


Tree = Split | Leaf


@dataclass(frozen=True)
class Fidelity:
    """Agreement of a tree with the groups, on rows that the tree was not fitted to.

    `overall`: share of rows where both agree. `precision` of a label: share of the rows that the rule selects which are
    in the group; `recall`: share of the group that the rule selects. NaN where there are no such rows.
    """

    overall: float
    precision: Matrix
    recall: Matrix


def fit_tree(matrix: Matrix, labels: Labels, *, depth: int, least_rows: int) -> Tree:
    """A tree of at most `depth` questions in a row, with at least `least_rows` rows in every leaf."""
    return _grown(matrix, labels, depth=depth, least_rows=least_rows, k=int(labels.max()) + 1)


def predict(tree: Tree, matrix: Matrix) -> Labels:
    """The label that the tree gives to each row."""
    if isinstance(tree, Leaf):
        return np.full(len(matrix), tree.label, dtype=np.int64)
    low = matrix[:, tree.feature] <= tree.threshold
    found = np.empty(len(matrix), dtype=np.int64)
    found[low] = predict(tree.low, matrix[low])
    found[~low] = predict(tree.high, matrix[~low])
    return found


def paths(tree: Tree) -> dict[int, list[Path]]:
    """Label to the paths that lead to it; a label that no leaf has is not there."""
    found: dict[int, list[Path]] = {}
    _walk(tree, {}, found)
    return found


def fidelity(tree: Tree, matrix: Matrix, labels: Labels, *, k: int) -> Fidelity:
    """How far the tree agrees with `labels` (0..k-1) on the rows of `matrix`."""
    said = predict(tree, matrix)
    right = np.bincount(labels[said == labels], minlength=k).astype(np.float64)
    with np.errstate(invalid="ignore"):
        precision: Matrix = right / np.bincount(said, minlength=k)
        recall: Matrix = right / np.bincount(labels, minlength=k)
    return Fidelity(float((said == labels).mean()), precision, recall)


def rule_in_words(found: Sequence[Path], titles: Sequence[str], kinds: Sequence[str]) -> str:
    """`monthly income above 2,300 and deposits at most 500; or ...`; `kinds`: `share` is printed in percent."""
    return "; or ".join(" and ".join(_words(bound, titles, kinds) for bound in path) or "everybody" for path in found)


def _grown(matrix: Matrix, labels: Labels, *, depth: int, least_rows: int, k: int) -> Tree:
    counts = np.bincount(labels, minlength=k)
    best = (
        None if depth == 0 or counts.max() == len(labels) else _best_split(matrix, labels, least_rows=least_rows, k=k)
    )
    if best is None:
        return Leaf(int(counts.argmax()))
    feature, threshold = best
    below = matrix[:, feature] <= threshold
    low, high = (
        _grown(matrix[side], labels[side], depth=depth - 1, least_rows=least_rows, k=k) for side in (below, ~below)
    )
    if isinstance(low, Leaf) and low == high:
        return low
    return Split(feature, threshold, low, high)


def _best_split(matrix: Matrix, labels: Labels, *, least_rows: int, k: int) -> tuple[int, float] | None:
    """Feature and threshold of the purest two halves; None where no split makes them purer. The first of equals."""
    n, best, found = len(labels), 0.0, None
    one_hot = (labels[:, None] == np.arange(k)[None, :]).astype(np.int64)
    whole = one_hot.sum(axis=0)
    impure = n - float((whole**2).sum()) / n
    for feature in range(matrix.shape[1]):
        order = np.argsort(matrix[:, feature], kind="stable")
        values = matrix[order, feature]
        left = np.cumsum(one_hot[order], axis=0)[:-1]
        sizes = np.arange(1, n)
        allowed = (values[1:] > values[:-1]) & (sizes >= least_rows) & (n - sizes >= least_rows)
        if not allowed.any():
            continue
        right = whole - left
        after = n - (left**2).sum(axis=1) / sizes - (right**2).sum(axis=1) / (n - sizes)
        gain = np.where(allowed, impure - after, -1.0)
        place = int(gain.argmax())
        if gain[place] > best + 1e-9:
            best, found = float(gain[place]), (feature, _short(float(values[place]), float(values[place + 1])))
    return found


def _short(low: float, high: float) -> float:
    """The number of fewest digits that is at least `low` and below `high`."""
    middle = (low + high) / 2
    for digits in range(1, _DIGITS + 1):
        number = float(f"{middle:.{digits}g}")
        if low <= number < high:
            return number
    return low


def _walk(tree: Tree, bounds: Mapping[int, tuple[float | None, float | None]], found: dict[int, list[Path]]) -> None:
    if isinstance(tree, Leaf):
        path = tuple(Bound(feature, above, most) for feature, (above, most) in bounds.items())
        found.setdefault(tree.label, []).append(path)
        return
    above, most = bounds.get(tree.feature, (None, None))
    _walk(tree.low, {**bounds, tree.feature: (above, tree.threshold)}, found)
    _walk(tree.high, {**bounds, tree.feature: (tree.threshold, most)}, found)


def _words(bound: Bound, titles: Sequence[str], kinds: Sequence[str]) -> str:
    said = []
    for number, word in ((bound.above, "above"), (bound.most, "at most")):
        if number is not None:
            said.append(f"{word} {_number(number, kinds[bound.feature])}")
    return f"{titles[bound.feature]} {' and '.join(said)}"


def _number(value: float, kind: str) -> str:
    if kind == "share":
        return f"{float(f'{100 * value:.6g}'):,} %".replace(".0 %", " %")
    return f"{value:,.0f}" if value == int(value) else f"{value:,}"


def row_order(hashes: NDArray[np.int64], ids: Sequence[str]) -> NDArray[np.int64]:
    """The places of rows in an order that has nothing to do with how they arrived, nor with what they hold."""
    return np.lexsort((np.array(ids, dtype=str), hashes)).astype(np.int64)
