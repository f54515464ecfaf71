"""Bootstrap stability by hand, beside scikit-learn, and on planted groups."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from portrait.capabilities.groups.lloyd import k_means
from portrait.capabilities.groups.stability import adjusted_rand, best_jaccard, bootstrap_stability
from portrait.errors import ConfigurationError, InputRefused


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The threads of scikit-learn wait for each other where other tests run."""
    with threadpool_limits(1):
        yield


def blobs(centres: list[list[float]], sizes: list[int], *, spread: float, seed: int = 3) -> np.ndarray:
    draws = np.random.default_rng(seed)
    parts = [draws.normal(centre, spread, (size, len(centre))) for centre, size in zip(centres, sizes, strict=True)]
    return np.vstack(parts)


@pytest.fixture(scope="module")
def overlapping() -> np.ndarray:
    return blobs([[0, 0, 0], [3, 0, 0], [0, 3, 1], [3, 3, -1]], [400, 300, 200, 100], spread=1.0)


def test_the_adjusted_rand_index_by_hand() -> None:
    # Pairs together in both: 1 ({0,1}); in the first: 3+3 of 15, in the second 3+1+... : sizes 3,2,1 -> 3+1+0 = 4.
    first, second = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 0])
    # cells 2,1,0 / 1,1,1 -> 1 pair; expected 6 * 4 / 15 = 1.6; maximum (6 + 4) / 2 = 5
    assert adjusted_rand(first, second) == pytest.approx((1 - 1.6) / (5 - 1.6))
    assert adjusted_rand(first, second) == pytest.approx(adjusted_rand_score(first, second))
    assert adjusted_rand(first, 1 - first) == 1
    assert adjusted_rand(np.zeros(4, dtype=int), np.zeros(4, dtype=int)) == 1


def test_the_jaccard_coefficient_by_hand() -> None:
    first, second = np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 0, 0, 0, 0])
    # Group 0: {0,1} is 2 of 3; group 1: {2,3,4,5} has its 3 of 4; no row of group 2 was drawn.
    assert best_jaccard(first, second, k=3)[:2] == pytest.approx([2 / 3, 3 / 4])
    assert np.isnan(best_jaccard(first, second, k=3)[2])


def test_k_means_is_as_cheap_as_that_of_scikit_learn(overlapping: np.ndarray) -> None:
    ours = k_means(overlapping, k=4, seed=1)
    theirs = KMeans(n_clusters=4, n_init=10, random_state=0).fit(overlapping)
    assert ours.cost <= theirs.inertia_ * 1.001
    assert adjusted_rand_score(ours.labels, theirs.labels_) > 0.98
    assert (np.diff(np.bincount(ours.labels)) <= 0).all()  # the largest first
    assert ours.cost == pytest.approx(((overlapping - ours.centres[ours.labels]) ** 2).sum())


def test_stability_is_that_of_a_bootstrap_by_scikit_learn(overlapping: np.ndarray) -> None:
    found = bootstrap_stability(overlapping, k=4, refits=10, seed=2)
    draws = np.random.default_rng(99)
    aris, jaccards = [], []
    for seed in range(10):
        rows = draws.integers(0, len(overlapping), len(overlapping))
        labels = KMeans(n_clusters=4, n_init=10, random_state=seed).fit(overlapping[rows]).predict(overlapping)
        aris.append(adjusted_rand_score(found.labels, labels))
        drawn = set(rows.tolist())
        groups = [{row for row in drawn if labels[row] == label} for label in range(4)]
        mine = [{row for row in drawn if found.labels[row] == label} for label in range(4)]
        jaccards.append([max(len(g & h) / len(g | h) for h in groups) for g in mine])
    assert found.ari_mean == pytest.approx(np.mean(aris), abs=0.04)
    assert found.jaccard == pytest.approx(np.mean(jaccards, axis=0), abs=0.06)
    assert found.ari_low <= found.ari_mean <= found.ari_high
    assert (found.jaccard_low <= found.jaccard).all()
    assert (found.jaccard <= found.jaccard_high).all()


def test_planted_groups_are_stable_and_invented_ones_are_not() -> None:
    planted = blobs([[0, 0], [9, 0], [0, 9]], [120, 60, 30], spread=1.0)
    found = bootstrap_stability(planted, k=3)
    assert found.ari_mean > 0.99
    assert found.jaccard.shape == (3,)
    assert (found.jaccard > 0.95).all()
    # One round cloud cut into five: where the cuts are is chance.
    cloud = blobs([[0.0] * 6], [300], spread=1.0)
    assert bootstrap_stability(cloud, k=5).ari_mean < 0.6
    assert (bootstrap_stability(cloud, k=5).jaccard < 0.75).all()


def test_the_same_seed_gives_the_same_figures(overlapping: np.ndarray) -> None:
    first, second, other = (bootstrap_stability(overlapping, k=5, refits=3, seed=seed) for seed in (7, 7, 8))
    assert first.ari_mean == second.ari_mean
    assert (first.jaccard == second.jaccard).all()
    assert first.ari_mean != other.ari_mean


def test_few_distinct_rows_are_enough() -> None:
    # Two values, 49 and 1 times: some samples have no row of the second group, which then says nothing.
    matrix = np.array([[0.0]] * 49 + [[1.0]])
    found = bootstrap_stability(matrix, k=2, refits=20)
    assert found.jaccard[0] == pytest.approx(1.0)
    assert found.jaccard[1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("matrix", "options", "error", "message"),
    [
        ([[1.0], [2.0]], {"k": 1}, ConfigurationError, "2 or more"),
        ([[1.0], [2.0]], {"k": 2, "refits": 0}, ConfigurationError, "no refits"),
        ([[1.0], [1.0], [2.0]], {"k": 3}, InputRefused, "2 distinct rows"),
        ([[1.0], [float("nan")]], {"k": 2}, InputRefused, "1 of 2 rows"),
        ([1.0, 2.0], {"k": 2}, InputRefused, "shape"),
        ([["a"], ["b"]], {"k": 2}, InputRefused, "not numbers"),
    ],
)
def test_what_cannot_be_grouped_is_refused(matrix: list, options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        bootstrap_stability(matrix, **options)
