"""k-means over all vectors: one k by a stated rule, several starts, the same answer on any number of cores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.ml.linalg import Vectors
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.groups.policy import Search
from portrait.capabilities.groups.sketch import Matrix, Solution, digits, sketch, solutions, total_scatter

_STILL = 1e-3  # centres that move no further have been found


@dataclass(frozen=True)
class Quality:
    """What centres are worth on all vectors: cost (sum of squared distances), group sizes, Davies-Bouldin index."""

    cost: float
    sizes: tuple[int, ...]
    davies_bouldin: float

    @property
    def smallest_share(self) -> float:
        """Share of the customers in the smallest group."""
        return min(self.sizes) / sum(self.sizes)


@dataclass(frozen=True)
class Choice:
    """The k that was taken, its centres on the sketch, by which rule, and the figures it was taken on."""

    k: int
    rule: str
    quality: Quality
    metrics: dict[str, float]


@dataclass(frozen=True)
class Groups:
    """The fitted model, how its k was chosen, where the fit began (`seed 11`, or `sketch`), and its figures."""

    model: KMeansModel
    choice: Choice
    start: str
    metrics: dict[str, float]

    @property
    def centres(self) -> Matrix:
        """One row per cluster."""
        return np.array(self.model.clusterCenters())


def fit_groups(vectors: DataFrame, *, customers: int, search: Search) -> Groups:
    """Choose k on a sketch, then fit MLlib's k-means on all vectors.

    Starts are tried in the order of `search.seeds` until one is at least as cheap as the sketch's own centres. Where
    none is, the sketch's centres are moved to their own optimum and become the model: no fit is worse than they are.
    """
    sketched = sketch(vectors, customers=customers, search=search)
    found = solutions(sketched, search=search)
    choice = choose(
        found, search=search, total=total_scatter(sketched), quality=lambda item: quality_of(vectors, item.centres)
    )
    start, model = _started(vectors, choice, search=search) or (
        "sketch",
        _model_at(vectors, settled(vectors, found[choice.k].centres, search=search)),
    )
    quality = quality_of(vectors, np.array(model.clusterCenters()))
    metrics = choice.metrics | {
        "k": float(len(quality.sizes)),
        "customers": float(customers),
        "cost": quality.cost,
        "cost_of_sketch_centres": choice.quality.cost,
        "davies_bouldin": quality.davies_bouldin,
        "smallest_share": digits(quality.smallest_share),
    }
    return Groups(model, choice, start, metrics)


def _started(vectors: DataFrame, choice: Choice, *, search: Search) -> tuple[str, KMeansModel] | None:
    """The first of MLlib's own starts that is at least as cheap as the sketch's centres; None when none is."""
    for seed in search.seeds:
        kmeans = KMeans(featuresCol="vector", predictionCol="cluster", k=choice.k, seed=seed, solver="row")
        # The selection is a frame that is not cached: MLlib then keeps vectors of its own, and does not unpack the rows
        # of our cache anew in every step.
        model = kmeans.setMaxIter(search.iterations).setTol(_STILL).fit(vectors.select("vector"))
        if digits(model.summary.trainingCost) <= choice.quality.cost:
            return f"seed {seed}", model
    return None


def settled(vectors: DataFrame, centres: Matrix, *, search: Search) -> Matrix:
    """Centres moved by Lloyd's steps over all vectors, one pass each, until none moves beyond MLlib's tolerance."""
    size = centres.shape[1]
    for _ in range(search.iterations):
        means = [F.avg(F.col("x")[index]).alias(f"x{index}") for index in range(size)]
        rows = with_nearest(vectors, centres).groupBy("cluster").agg(*means).collect()  # one row per group
        moved = centres.copy()
        for row in rows:
            moved[row["cluster"]] = [digits(row[f"x{index}"]) for index in range(size)]
        far = max(_gap(one, other) for one, other in zip(centres, moved, strict=True))
        centres = moved
        if far <= _STILL:
            break
    return centres


def _model_at(vectors: DataFrame, centres: Matrix) -> KMeansModel:
    """MLlib's model with these centres. MLlib cannot begin at given centres, but k distinct points have one optimum."""
    points = vectors.sparkSession.createDataFrame([(Vectors.dense(centre),) for centre in centres], ["vector"])
    kmeans = KMeans(featuresCol="vector", predictionCol="cluster", k=len(centres), seed=1, initMode="random", maxIter=1)
    return kmeans.fit(points)


def choose(
    found: dict[int, Solution], *, search: Search, total: float, quality: Callable[[Solution], Quality]
) -> Choice:
    """The largest k whose last group still bought at least `least_elbow` times what the next one buys.

    gain(k) = cost(k - 1) - cost(k), but at least `least_gain` of `total`, the cost of k = 1: below it is noise.
    elbow(k) = gain(k) / gain(k + 1). Where no elbow is that sharp, the sharpest is taken. Vetoes, in turn: a group
    below smallest_share, a Davies-Bouldin index above the most allowed. When every k is vetoed, the first stands and
    the rule says so.
    """
    floor = total * search.least_gain
    gains = {k: max(found[k - 1].cost - found[k].cost, floor) for k in found if k - 1 in found}
    elbows = {k: digits(gains[k] / gains[k + 1]) for k in range(search.k.least, search.k.most + 1)}
    sharp = sorted((k for k, elbow in elbows.items() if elbow >= search.least_elbow), reverse=True)
    rest = sorted((k for k in elbows if k not in sharp), key=lambda k: (-elbows[k], k))
    metrics = {f"elbow_k{k}": elbow for k, elbow in elbows.items()}
    first: Quality | None = None
    for k in [*sharp, *rest]:
        judged = quality(found[k])
        first = first or judged
        metrics[f"davies_bouldin_k{k}"] = judged.davies_bouldin
        if judged.smallest_share >= search.smallest_share and judged.davies_bouldin <= search.davies_bouldin_most:
            rule = "largest k with a sharp elbow" if k in sharp else "sharpest elbow, none is sharp"
            return Choice(k, rule, judged, metrics)
    assert first is not None, "the range of k is not empty"
    return Choice([*sharp, *rest][0], "every k is vetoed: the first by elbow", first, metrics)


def with_nearest(vectors: DataFrame, centres: Matrix) -> DataFrame:
    """The rows with cluster (position of the nearest centre, 0-based; the first of equals), distance and margin.

    margin = 1 - distance / distance to the second nearest centre: 0 on the border, 1 at the centre itself.
    """
    located = vectors.withColumn("distances", F.array(*[_distance(centre) for centre in centres]))
    nearest = F.array_min("distances")
    second = F.sort_array("distances").getItem(1)
    return located.select(
        *vectors.columns,
        (F.array_position("distances", nearest) - 1).cast("int").alias("cluster"),
        F.round(nearest, 6).alias("distance"),
        F.round(F.when(second > 0, F.lit(1.0) - nearest / second).otherwise(F.lit(0.0)), 6).alias("margin"),
    )


def _distance(centre: Matrix) -> Column:
    # As text, because a thousand column objects take longer to build than to run.
    terms = [
        f"(x[{index}] - ({float(value)!r}D)) * (x[{index}] - ({float(value)!r}D))" for index, value in enumerate(centre)
    ]
    return F.expr(f"sqrt({' + '.join(terms)})")


def quality_of(vectors: DataFrame, centres: Matrix) -> Quality:
    """Cost, sizes and Davies-Bouldin index of the groups around `centres`, over all vectors in one pass.

    The index: mean over groups of the worst (spread_i + spread_j) / distance between centres, where spread is the mean
    distance to the centre; lower is better. Davies and Bouldin, IEEE PAMI 1 (1979).
    """
    distance = F.col("distance")
    rows = (
        with_nearest(vectors, centres)
        .groupBy("cluster")
        .agg(F.count(F.lit(1)).alias("size"), F.avg(distance).alias("spread"), F.sum(distance * distance).alias("cost"))
        .orderBy("cluster")
        .collect()
    )
    spread = {row["cluster"]: row["spread"] for row in rows}
    worst = [
        max((spread[i] + spread[j]) / max(_gap(centres[i], centres[j]), 1e-12) for j in spread if j != i)
        for i in spread
        if len(spread) > 1
    ]
    index = sum(worst) / len(worst) if worst else float("inf")
    return Quality(digits(sum(row["cost"] for row in rows)), tuple(row["size"] for row in rows), digits(index))


def _gap(one: Matrix, other: Matrix) -> float:
    return float(np.sqrt(((one - other) ** 2).sum()))


def silhouette(assigned: DataFrame) -> float:
    """Mean silhouette (squared Euclidean) over all customers, -1..1; linear in their number, no sampling."""
    evaluator = ClusteringEvaluator(featuresCol="vector", predictionCol="cluster", metricName="silhouette")
    return digits(evaluator.evaluate(assigned))
