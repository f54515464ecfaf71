"""Behaviour groups: our standardisation and fit beside plain MLlib and scikit-learn on the same customers.

    python bench/kmeans.py [--customers 1000000] [--features 20] [--k 8] [--repeat 3] [--search]

ours           measure, scaled_vectors (log, centre, spread, cut, rounding that makes sums exact), MLlib's fit of one k
ours, search   (--search) the same, then fit_groups: the sketch, every k from 3 to 12, the figures that choose one
plain MLlib    VectorAssembler and KMeans of the same k, nothing standardised
standardised   VectorAssembler, StandardScaler, KMeans
scikit-learn   StandardScaler and KMeans(n_init=1, lloyd) on the columns in memory, read beforehand

Vectors are cached before a fit, as MLlib asks for; `not cached` leaves it to MLlib, which is faster where vectors are
cheap to make. They take turns; medians after a round quoted by itself.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.sql import DataFrame, SparkSession
from sklearn.cluster import KMeans as Reference
from sklearn.preprocessing import StandardScaler as ReferenceScaler
from timing import in_turns, report

from portrait.capabilities.groups.kmeans import fit_groups
from portrait.capabilities.groups.policy import GroupPolicy, VectorFeature, load_group_policy
from portrait.capabilities.groups.vectors import measure, scaled_vectors
from portrait.spark.session import start_embedded

CONF = Path("conf")


def blobs(spark: SparkSession, customers: int, names: list[str], k: int) -> DataFrame:
    """Customers around `k` centres, every feature positive."""
    centre = f"pmod(xxhash64(pmod(id, {k}), {{0}}), 100) / 10.0"
    values = [f"exp({centre.format(i)} / 3 + randn({i})) as {name}" for i, name in enumerate(names)]
    return spark.range(0, customers, 1, 8).selectExpr("concat('C', lpad(id, 9, '0')) as customer_id", *values)


def main() -> None:
    """Make customers, fit by turns, print one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--k", type=int, default=8)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--search", action="store_true", help="also the search for k, which takes longest")
    args = parser.parse_args()
    spark = start_embedded(CONF)
    names = [f"f{number}" for number in range(args.features)]
    features = [VectorFeature(id=n, kind="level", of=[n], family="habits", title="Title", high="High") for n in names]
    policy = load_group_policy(CONF).model_copy(update={"features": features})
    with tempfile.TemporaryDirectory(prefix="portrait-bench-") as folder:
        blobs(spark, args.customers, names, args.k).write.parquet(f"{folder}/customers")
        customers = spark.read.parquet(f"{folder}/customers")
        points = customers.select(*names).toPandas().to_numpy()  # for scikit-learn only

        def reference() -> None:
            Reference(args.k, n_init=1, max_iter=policy.search.iterations, tol=1e-4, random_state=11).fit(
                ReferenceScaler().fit_transform(points)
            )

        def fresh(work: Callable[[], None]) -> Callable[[], None]:
            def one() -> None:
                work()
                spark.catalog.clearCache()

            return one

        works = {
            "ours": fresh(lambda: ours(customers, policy, args.k, search=False)),
            "plain MLlib": fresh(lambda: plain(customers, policy, names, args.k)),
            "plain MLlib, not cached": fresh(lambda: plain(customers, policy, names, args.k, cached=False)),
            "MLlib, standardised": fresh(lambda: plain(customers, policy, names, args.k, scaled=True)),
            "scikit-learn": reference,
        }
        if args.search:
            works["ours, search"] = fresh(lambda: ours(customers, policy, args.k, search=True))
        seconds = in_turns(works, args.repeat)
    spark.stop()
    report(f"{args.customers:,} customers x {args.features}, k = {args.k}", seconds)


def ours(customers: DataFrame, policy: GroupPolicy, k: int, *, search: bool) -> None:
    """As jobs/groups/customer_group.py does it."""
    measured = measure(customers, policy=policy)
    vectors = scaled_vectors(customers, measured=measured, policy=policy).persist()
    if search:
        fit_groups(vectors, customers=measured.customers, search=policy.search)
    else:
        vectors.count()
        _fit(vectors.select("vector"), policy, k, solver="row")


def plain(
    customers: DataFrame, policy: GroupPolicy, names: list[str], k: int, *, scaled: bool = False, cached: bool = True
) -> None:
    """As MLlib's guide does it; not `cached`: MLlib keeps vectors of its own, and is told to take rows."""
    vectors = VectorAssembler(inputCols=names, outputCol="raw" if scaled else "vector").transform(customers)
    if scaled:
        scaler = StandardScaler(inputCol="raw", outputCol="vector", withMean=True)
        vectors = scaler.fit(vectors).transform(vectors)
    vectors = vectors.select("customer_id", "vector")
    if cached:
        vectors.persist().count()
    _fit(vectors, policy, k, solver="auto" if cached else "row")


def _fit(vectors: DataFrame, policy: GroupPolicy, k: int, *, solver: str) -> None:
    kmeans = KMeans(featuresCol="vector", k=k, seed=11, maxIter=policy.search.iterations, tol=1e-3, solver=solver)
    kmeans.fit(vectors)


if __name__ == "__main__":
    main()
