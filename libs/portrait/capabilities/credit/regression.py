"""The line through weights of evidence: MLlib's logistic regression, features of the wrong sign left out one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.ml.classification import LogisticRegression
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.credit.bins import Totals
from portrait.capabilities.credit.feature import BinnedFeature
from portrait.capabilities.credit.policy import Regression
from portrait.spark.columns import place_name

_TOLERANCE = 1e-12
_DIGITS = 6  # significant: sums of doubles differ with the order of partitions, far behind these


@dataclass(frozen=True)
class Line:
    """ln(odds of bad) = intercept + sum of coefficient x WOE; coefficients are negative."""

    intercept: float
    coefficients: tuple[float, ...]


def fit_line(
    rows: DataFrame, features: Sequence[BinnedFeature], *, target: str, totals: Totals, policy: Regression
) -> tuple[Line, list[tuple[BinnedFeature, float]]]:
    """The line of the features that stay, and those left out with the coefficient of the wrong sign they had.

    A higher WOE means more good ones, so a coefficient >= 0 contradicts what the feature says by itself: it repeats
    others. The worst is left out and the rest is fitted again, until none is wrong.
    """
    kept, wrong = list(features), list[tuple[BinnedFeature, float]]()
    constant = Line(math.log(totals.bad / totals.good), ())
    if not kept:
        return constant, wrong
    patterns = _patterns(rows, features, target=target, totals=totals, policy=policy).persist()
    try:
        while kept:
            line = _fitted(patterns, features, kept, totals=totals, policy=policy)
            worst, slope = max(zip(kept, line.coefficients, strict=True), key=lambda item: item[1])
            if slope < 0:
                return line, wrong
            wrong.append((worst, slope))
            kept.remove(worst)
    finally:
        patterns.unpersist()
    return constant, wrong


def _patterns(
    rows: DataFrame, features: Sequence[BinnedFeature], *, target: str, totals: Totals, policy: Regression
) -> DataFrame:
    """One row per combination of bins and result, with its number of rows, in a layout that the data alone decide."""
    places = [feature.place_of_bin(F.col(place_name(feature.source.place))) for feature in features]
    counted = rows.select(F.array(*places).alias("bins"), F.col(target).cast("double").alias("label"))
    counted = counted.groupBy("bins", "label").agg(F.count("*").cast("double").alias("weight"))
    partitions = math.ceil(totals.rows / policy.rows_per_partition)
    return counted.repartition(partitions, "bins").sortWithinPartitions("bins", "label")


def _fitted(
    patterns: DataFrame,
    features: Sequence[BinnedFeature],
    kept: Sequence[BinnedFeature],
    *,
    totals: Totals,
    policy: Regression,
) -> Line:
    values = [
        F.element_at(F.array(*[F.lit(item.woe) for item in feature.bins]), F.element_at("bins", place + 1) + 1)
        for place, feature in enumerate(features)
        if feature in kept
    ]
    vectors = patterns.select(array_to_vector(F.array(*values)).alias("features"), "label", "weight")
    regression = LogisticRegression(
        weightCol="weight",
        regParam=policy.penalty / totals.rows,
        standardization=False,
        tol=_TOLERANCE,
        maxIter=policy.iterations,
    )
    model = regression.fit(vectors)
    return Line(_digits(model.intercept), tuple(_digits(value) for value in model.coefficients))


def _digits(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
