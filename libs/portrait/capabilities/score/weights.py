"""Weights of criteria: from how much each tells customers apart (entropy), from pairwise judgement (AHP), or both.

Sources: Shannon entropy weights as in multi-criteria decision making; Saaty, The Analytic Hierarchy Process (1980).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

# Saaty's random index: mean consistency index of random matrices, by their size.
RANDOM_INDEX = {3: 0.58, 4: 0.90, 5: 1.12, 6: 1.24, 7: 1.32}
CONSISTENT = 0.10
"""Consistency ratio from which pairwise judgements contradict each other too much to be used."""


def ahp_weights(pairwise: Sequence[Sequence[float]]) -> tuple[list[float], float]:
    """The principal eigenvector, summing to 1, and the consistency ratio CR = (lambda - n) / (n - 1) / RI(n).

    Raises ValueError when the matrix is not square, of 3 to 7 criteria, positive and reciprocal.
    """
    matrix = np.array(pairwise, dtype=np.float64)
    n = len(matrix)
    if matrix.shape != (n, n) or n not in RANDOM_INDEX:
        raise ValueError("the pairwise matrix must be square, of 3 to 7 criteria")
    if np.any(matrix <= 0) or not np.allclose(matrix * matrix.T, 1.0, rtol=0.01):
        raise ValueError("the pairwise matrix must be positive, and each value 1 / the one across the diagonal")
    values, vectors = np.linalg.eig(matrix)
    principal = int(np.argmax(values.real))
    weights = np.abs(vectors[:, principal].real)
    ratio = (values[principal].real - n) / (n - 1) / RANDOM_INDEX[n]
    return [float(weight) for weight in weights / weights.sum()], float(max(ratio, 0.0))


def entropy_columns(units: dict[str, Column]) -> list[Column]:
    """Aggregates `total_<name>`, `log_<name>` and `rows` from which `entropy_weights` are made; units lie in [0, 1]."""
    columns = [F.count("*").alias("rows")]
    for name, unit in units.items():
        # Sums of rounded numbers do not depend on the order in which partitions are added.
        tenth = F.lit(1e9)
        product = F.when(unit > 0, unit * F.log(unit)).otherwise(0.0)
        columns.append((F.sum(F.round(unit * tenth).cast("bigint")) / tenth).alias(f"total_{name}"))
        columns.append((F.sum(F.round(product * tenth).cast("bigint")) / tenth).alias(f"log_{name}"))
    return columns


def entropy_weights(units: DataFrame, names: Sequence[str]) -> dict[str, float]:
    """w = (1 - e) / sum(1 - e), e = -sum(p ln p) / ln n, p = unit / sum(unit), of the columns `names`.

    One pass: with S the sum, -sum(p ln p) = ln S - sum(unit ln unit) / S. A criterion that is 0 for all, or equal for
    all, tells nobody apart and weighs nothing; where that holds for every one, all weigh the same.
    """
    row = units.agg(*entropy_columns({name: F.col(name) for name in names})).collect()[0]
    spread = {}
    for name in names:
        total, logs = float(row[f"total_{name}"] or 0), float(row[f"log_{name}"] or 0)
        entropy = (np.log(total) - logs / total) / np.log(row["rows"]) if total > 0 and row["rows"] > 1 else 1.0
        spread[name] = max(0.0, 1.0 - float(entropy))
        if spread[name] < 1e-9:
            spread[name] = 0.0
    whole = sum(spread.values())
    return {name: value / whole if whole > 0 else 1 / len(spread) for name, value in spread.items()}


def combined(first: dict[str, float], second: dict[str, float]) -> dict[str, float]:
    """Weights in proportion to the product of two; those of `first` where the products are all 0."""
    products = {name: weight * second[name] for name, weight in first.items()}
    whole = sum(products.values())
    return {name: value / whole for name, value in products.items()} if whole > 0 else dict(first)


def closeness(units: dict[str, Column], weights: dict[str, float]) -> Column:
    """TOPSIS: D- / (D+ + D-), distances to the worst and the best of weighted units in [0, 1]; 1 is the best."""

    def distance(ideal: float) -> Column:
        squares = [F.pow((unit - F.lit(ideal)) * F.lit(weights[name]), F.lit(2.0)) for name, unit in units.items()]
        return F.sqrt(sum(squares[1:], squares[0]))

    worst, best = distance(0.0), distance(1.0)
    return worst / (worst + best)
