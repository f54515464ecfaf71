"""Choosing k and fitting, against scikit-learn and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grouped_bank import small_policy
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.cluster import KMeans as Reference
from sklearn.metrics import davies_bouldin_score, silhouette_score

from portrait.capabilities.groups import kmeans
from portrait.capabilities.groups.kmeans import Quality, choose, fit_groups, quality_of, silhouette, with_nearest
from portrait.capabilities.groups.policy import Search, load_group_policy
from portrait.capabilities.groups.sketch import Sketch, Solution, solutions


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    draws = np.random.default_rng(8)
    middles = np.array([[0, 0, 0], [4, 0, 1], [0, 5, 0], [3, 4, 4]])
    return np.round((middles[draws.integers(0, 4, 400)] + draws.normal(0, 0.7, (400, 3))) * 4096) / 4096


@pytest.fixture(scope="module")
def vectors(spark: SparkSession, points: np.ndarray) -> DataFrame:
    rows = [(f"c{n:03d}", [float(x) for x in point]) for n, point in enumerate(points)]
    frame = spark.createDataFrame(rows, "customer_id string, x array<double>")
    return frame.withColumn("vector", array_to_vector("x")).repartition(2, "customer_id").persist()


def test_nearest_centre_distance_and_margin_by_hand(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [("a", [3.0, 4.0]), ("b", [10.0, 0.0]), ("c", [5.0, 0.0])], "id string, x array<double>"
    )
    rows = {row.id: row for row in with_nearest(frame, np.array([[0.0, 0.0], [10.0, 0.0]])).collect()}
    assert (rows["a"].cluster, rows["a"].distance) == (0, 5.0)
    assert rows["a"].margin == pytest.approx(1 - 5 / np.sqrt(65), abs=1e-6)
    assert (rows["b"].cluster, rows["b"].distance, rows["b"].margin) == (1, 0.0, 1.0)
    assert (rows["c"].cluster, rows["c"].margin) == (0, 0.0)


def test_quality_equals_scikit_learn(vectors: DataFrame, points: np.ndarray) -> None:
    reference = Reference(4, n_init=5, random_state=0).fit(points)
    quality = quality_of(vectors, reference.cluster_centers_)
    assert quality.cost == pytest.approx(reference.inertia_, rel=1e-5)
    assert sorted(quality.sizes) == sorted(np.bincount(reference.labels_))
    assert quality.davies_bouldin == pytest.approx(davies_bouldin_score(points, reference.labels_), rel=1e-4)


def test_silhouette_equals_scikit_learn(vectors: DataFrame, points: np.ndarray) -> None:
    reference = Reference(4, n_init=5, random_state=0).fit(points)
    got = silhouette(with_nearest(vectors, reference.cluster_centers_))
    assert got == pytest.approx(silhouette_score(points, reference.labels_, metric="sqeuclidean"), abs=1e-6)


def test_the_fit_is_as_cheap_as_scikit_learns(vectors: DataFrame, points: np.ndarray, conf_dir: Path) -> None:
    groups = fit_groups(vectors, customers=len(points), search=small_policy(conf_dir).search)
    assert groups.metrics["k"] == 4
    assert groups.metrics["cost"] <= Reference(4, n_init=10, random_state=0).fit(points).inertia_ * 1.001


def test_where_no_start_is_good_enough_the_sketch_is_the_start(
    vectors: DataFrame, points: np.ndarray, conf_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kmeans, "_started", lambda *_, **__: None)
    groups = fit_groups(vectors, customers=len(points), search=small_policy(conf_dir).search)
    assert (groups.start, groups.metrics["k"]) == ("sketch", 4)
    assert groups.metrics["cost"] <= Reference(4, n_init=10, random_state=0).fit(points).inertia_ * 1.001
    mine = with_nearest(vectors, groups.centres).select("customer_id", "cluster")
    predicted = groups.model.transform(vectors).select("customer_id", F.col("cluster").alias("predicted"))
    assert mine.join(predicted, on="customer_id", how="inner").where("cluster <> predicted").isEmpty()


def test_centres_are_moved_to_the_optimum_around_them(vectors: DataFrame, points: np.ndarray, conf_dir: Path) -> None:
    begun = points[:4]
    reference = Reference(4, init=begun, n_init=1, max_iter=300, tol=0).fit(points)
    moved = kmeans.settled(vectors, begun, search=load_group_policy(conf_dir).search)
    assert quality_of(vectors, moved).cost == pytest.approx(reference.inertia_, rel=1e-3)
    assert quality_of(vectors, moved).cost < quality_of(vectors, begun).cost


def test_assignments_are_those_of_the_saved_model(vectors: DataFrame, points: np.ndarray, conf_dir: Path) -> None:
    groups = fit_groups(vectors, customers=len(points), search=small_policy(conf_dir).search)
    mine = with_nearest(vectors, groups.centres).select("customer_id", "cluster")
    predicted = groups.model.transform(vectors).select("customer_id", F.col("cluster").alias("predicted"))
    assert mine.join(predicted, on="customer_id", how="inner").where("cluster <> predicted").isEmpty()


def test_the_sketch_is_solved_as_well_as_scikit_learn_does(points: np.ndarray, conf_dir: Path) -> None:
    weights = np.random.default_rng(1).integers(1, 9, 120).astype(float)
    found = solutions(Sketch(points[:120], weights), search=load_group_policy(conf_dir).search)
    for k in (4, 5, 6):
        reference = Reference(k, n_init=20, random_state=0).fit(points[:120], sample_weight=weights)
        assert found[k].cost <= reference.inertia_ * 1.001


GOOD = Quality(cost=1.0, sizes=(50, 50), davies_bouldin=1.0)


def costs(*values: float) -> dict[int, Solution]:
    return {k: Solution(k, np.zeros((k, 1)), cost) for k, cost in enumerate(values, start=3)}


@pytest.fixture
def search(conf_dir: Path) -> Search:
    return load_group_policy(conf_dir).search


# gains of k = 4..9: 200, 50, 50, 15, 15, 15 -> elbows of 4..8: 4, 1, 3.33, 1, 1
FALLING = costs(1000, 800, 750, 700, 685, 670, 655)


def test_the_largest_k_with_a_sharp_elbow_is_taken(search: Search) -> None:
    choice = choose(FALLING, search=search, total=1500, quality=lambda _: GOOD)
    assert (choice.k, choice.rule) == (6, "largest k with a sharp elbow")
    assert choice.metrics["elbow_k6"] == pytest.approx(50 / 15)


def test_gains_below_the_noise_make_no_elbow(search: Search) -> None:
    # The gain of 9 is 0.1; counted as 1 % of 1500 it makes no sharp elbow of 8.
    found = costs(1000, 800, 750, 700, 685, 670, 669.9)
    assert choose(found, search=search, total=1500, quality=lambda _: GOOD).k == 6


def test_a_group_too_small_is_a_veto(search: Search) -> None:
    tiny = Quality(cost=1.0, sizes=(1, 99), davies_bouldin=1.0)
    assert choose(FALLING, search=search, total=1500, quality=lambda item: tiny if item.k == 6 else GOOD).k == 4


def test_groups_that_blur_are_a_veto(search: Search) -> None:
    blurred = Quality(cost=1.0, sizes=(50, 50), davies_bouldin=2.51)
    assert choose(FALLING, search=search, total=1500, quality=lambda item: blurred if item.k == 6 else GOOD).k == 4


def test_without_a_sharp_elbow_the_sharpest_is_taken(search: Search) -> None:
    found = costs(1000, 900, 820, 756, 720, 690, 665)  # elbows 1.25, 1.25, 1.78, 1.2, 1.2
    choice = choose(found, search=search, total=1500, quality=lambda _: GOOD)
    assert (choice.k, choice.rule) == (6, "sharpest elbow, none is sharp")


def test_when_all_are_vetoed_the_rule_says_so(search: Search) -> None:
    tiny = Quality(cost=1.0, sizes=(1, 99), davies_bouldin=1.0)
    choice = choose(FALLING, search=search, total=1500, quality=lambda _: tiny)
    assert (choice.k, choice.rule) == (6, "every k is vetoed: the first by elbow")
