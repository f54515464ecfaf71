"""The Qini of a ranking, by our definition (docs/campaigns.md); other packages define other figures under this name.

    Q(phi) = Y_t - Y_c x N_t / N_c           within the highest phi of the customers; only Y_t while N_c = 0
    coefficient = area(Q - phi x Q(1)) / N_t(1)      trapezoid over phi = 1/n, 2/n, ..., 1
    ratio       = area(Q - phi x Q(1)) / |Q(1) / 2|  = 2 x coefficient / |effect|

Rows of equal score: a Spark frame has no order of input, so within a tie the four counts grow evenly, which is what the
average over all orders of the tie does. A constant score has the coefficient 0, and partitions do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyspark.ml.feature import Bucketizer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.prospects.frames import value_of
from portrait.capabilities.prospects.logistic import Vector
from portrait.errors import InputRefused
from portrait.spark.columns import by_place, place_of

_EXACT_SCORES = 1_000_000  # distinct scores that the driver takes one by one
_PARTS = 10_000  # what more are cut into, and points of a curve
_CHUNK = 1_000_000


@dataclass(frozen=True)
class Qini:
    """`coefficient`, `ratio` (NaN where the effect on all is 0) and `curve` (pandas: phi, q, random).

    The curve has a row per customer up to 10,000 customers, else 10,000 evenly spaced ones.
    """

    coefficient: float
    ratio: float
    curve: pd.DataFrame


@dataclass(frozen=True)
class Ties:
    """Counts per distinct score, the highest first: treated and control rows, and their positive outcomes."""

    treated: Vector
    control: Vector
    treated_outcomes: Vector
    control_outcomes: Vector


def qini(frame: DataFrame, *, score: str, treatment: str, outcome: str) -> Qini:
    """The Qini of `score`, highest first; treatment and outcome 0/1.

    Exact up to a million distinct scores; above, scores are cut into 10,000 parts of equal size that count as ties.
    Raises InputRefused for rows without score, treatment or outcome, for values other than 0 and 1, and where an arm is
    empty.

        qini(model.score(test), score="uplift", treatment="mailed", outcome="visited").ratio
    """
    placed = by_place(frame)
    columns = {"score": score, "treatment": treatment, "outcome": outcome}
    s, w, y = (value_of(f"c{place_of(frame, name, parameter=role)}", "number") for role, name in columns.items())
    rows = placed.select(s.alias("s"), w.alias("w"), y.alias("y"))
    wrong = [
        F.count_if(F.col("s").isNull()),
        *[F.count_if(~F.coalesce(F.col(n).isin(0.0, 1.0), F.lit(False))) for n in "wy"],
    ]
    checked = rows.agg(*wrong, F.count_if(F.col("w") == 1), F.count_if(F.col("w") == 0), F.approx_count_distinct("s"))
    found = checked.first()
    assert found is not None, "an aggregate without keys has one row"
    for (role, name), count in zip(columns.items(), found[:3], strict=True):
        if count:
            rule = "null or NaN" if role == "score" else "not 0 or 1"
            remedy = "score every row, and give 0 and 1 for treatment and outcome"
            raise InputRefused(f"{role} is {rule} in {count} rows", where=f"column {name!r}", remedy=remedy)
    if not found[3] or not found[4]:
        remedy = "give rows of both arms"
        raise InputRefused("there are no treated or no control rows", where=f"column {treatment!r}", remedy=remedy)
    if found[5] > _EXACT_SCORES:
        shares = [part / _PARTS for part in range(1, _PARTS)]
        edges = rows.agg(F.percentile_approx("s", shares, 10 * _PARTS)).head()
        assert edges is not None, "an aggregate without keys has one row"
        splits = [-float("inf"), *sorted({edge for edge in edges[0] if np.isfinite(edge)}), float("inf")]
        rows = Bucketizer(splits=splits, inputCol="s", outputCol="part").transform(rows).drop("s")
        rows = rows.withColumnRenamed("part", "s")
    counts = (
        rows.groupBy("s")
        .agg(F.sum("w"), F.sum(1 - F.col("w")), F.sum(F.col("w") * F.col("y")), F.sum((1 - F.col("w")) * F.col("y")))
        .orderBy(F.desc("s"))
        .toPandas()
    )
    return qini_of(Ties(*np.asarray(counts, dtype=float)[:, 1:].T))


def ties_of(score: Vector, treatment: Vector, outcome: Vector, *, copies: Vector | None = None) -> Ties:
    """The counts of rows that the driver holds; `copies`: how many rows each stands for."""
    weight = np.ones(len(score)) if copies is None else copies
    _, place = np.unique(-score, return_inverse=True)
    parts = (treatment, 1 - treatment, treatment * outcome, (1 - treatment) * outcome)
    return Ties(*[np.bincount(place, weight * part).astype(float) for part in parts])


def qini_of(ties: Ties) -> Qini:
    """Coefficient, ratio and curve of whole counts."""
    sizes = np.round(ties.treated + ties.control).astype(np.int64)
    n, last = int(sizes.sum()), _gain(*(np.array([part.sum()]) for part in _parts(ties)))[0]
    wanted = np.unique(np.round(np.linspace(1, n, min(n, _PARTS))).astype(np.int64))
    area, points = 0.0, []
    for first in range(1, n + 1, _CHUNK):  # positions 1..n, so many at a time that memory is bounded
        at = np.arange(first, min(first + _CHUNK, n + 1))
        q = _at(ties, sizes, at)
        area += float(np.sum(q - at / n * last))
        points.append(q[np.isin(at, wanted)])
    ends = _at(ties, sizes, np.array([1, n])) - np.array([1 / n, 1.0]) * last
    area = (area - ends.sum() / 2) / n
    phi = wanted / n
    curve = pd.DataFrame({"phi": phi, "q": np.concatenate(points), "random": phi * last})
    ratio = area / abs(last / 2) if last else float("nan")
    return Qini(float(area / ties.treated.sum()), float(ratio), curve)


def _at(ties: Ties, sizes: np.ndarray, positions: np.ndarray) -> Vector:
    """Q after so many rows."""
    ends = np.cumsum(sizes)
    tie = np.searchsorted(ends, positions)
    inside = (positions - (ends[tie] - sizes[tie])) / sizes[tie]
    counts = [np.cumsum(part)[tie] - part[tie] + inside * part[tie] for part in _parts(ties)]
    return _gain(*counts)


def _parts(ties: Ties) -> tuple[Vector, Vector, Vector, Vector]:
    return ties.treated, ties.control, ties.treated_outcomes, ties.control_outcomes


def _gain(treated: Vector, control: Vector, treated_outcomes: Vector, control_outcomes: Vector) -> Vector:
    """Y_t - Y_c x N_t / N_c."""
    some = np.where(control > 0, control, 1.0)
    return np.asarray(treated_outcomes - np.where(control > 0, control_outcomes * treated / some, 0.0))


def coefficient_of(ties: Ties, resampled: Vector | None = None) -> float:
    """The coefficient by one trapezoid per tie; `resampled`: a factor per tie. What bootstraps need, not the figure."""
    factor = np.ones(len(ties.treated)) if resampled is None else resampled
    counts = [np.concatenate([[0.0], np.cumsum(part * factor)]) for part in _parts(ties)]
    q = _gain(*counts)
    phi = (counts[0] + counts[1]) / (counts[0][-1] + counts[1][-1])
    height = q - phi * q[-1]
    return float(np.sum((height[1:] + height[:-1]) / 2 * np.diff(phi)) / counts[0][-1])
