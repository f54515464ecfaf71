"""How well probabilities rank and how true they are: AUC, Gini, KS, lift, Brier, calibration, PSI; with intervals.

All take rows with weights, and treat rows of equal probability together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from portrait.capabilities.prospects.logistic import Vector, fit_logistic, logit

_TOP = 0.1
_DECILES = 10


def auc(y: Vector, score: Vector, *, weight: Vector | None = None) -> float:
    """Probability that a positive row scores above a negative one, ties counting half; NaN without both classes."""
    _, tie = np.unique(score, return_inverse=True)
    weights = np.ones(len(y)) if weight is None else weight
    return _auc(_sums(tie, weights * y), _sums(tie, weights * (1 - y)))


def _sums(tie: NDArray[np.int64], part: Vector) -> Vector:
    return np.bincount(tie, part).astype(float)


def _auc(positives: Vector, negatives: Vector) -> float:
    below = np.cumsum(negatives) - negatives
    pairs = positives.sum() * negatives.sum()
    return float(np.sum(positives * (below + 0.5 * negatives)) / pairs) if pairs > 0 else float("nan")


def metrics(y: Vector, probability: Vector, *, weight: Vector) -> dict[str, float]:
    """auc, gini, ks, lift_at_10, brier, calibration_slope, calibration_intercept.

    Lift: rate among the highest 10 % over the rate of all.
    Calibration: the logistic regression of the outcome on the log-odds of the probability; 1 and 0 are perfect.
    """
    _, tie = np.unique(probability, return_inverse=True)
    positives, negatives = _sums(tie, weight * y), _sums(tie, weight * (1 - y))
    area = _auc(positives, negatives)
    share = [np.cumsum(part) / part.sum() if part.sum() > 0 else part * np.nan for part in (positives, negatives)]
    line = fit_logistic(logit(probability)[:, None], y, weight=weight, ridge=0.0)
    return {
        "auc": area,
        "gini": 2 * area - 1,
        "ks": float(np.max(np.abs(share[0] - share[1]))),
        "lift_at_10": _lift(positives, negatives),
        "brier": float(np.average((y - probability) ** 2, weights=weight)),
        "calibration_slope": float(line.coefficients[0]),
        "calibration_intercept": line.intercept,
    }


def _lift(positives: Vector, negatives: Vector) -> float:
    """Of the tie that crosses the border the part that fits counts, at the rate of the tie."""
    hits, rows = positives[::-1], (positives + negatives)[::-1]
    taken = np.clip(_TOP * rows.sum() - (np.cumsum(rows) - rows), 0.0, rows)
    rate = hits.sum() / rows.sum()
    found = np.sum(taken * np.divide(hits, rows, out=np.zeros(len(hits)), where=rows > 0))
    return float(found / taken.sum() / rate) if rate > 0 else float("nan")


def with_intervals(
    y: Vector, probability: Vector, *, weight: Vector, resamples: int, confidence: float, seed: int
) -> dict[str, float]:
    """`metrics`, and for each `<name>_low` and `<name>_high`: percentiles of bootstrap resamples of the rows."""
    result = metrics(y, probability, weight=weight)
    draws = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        counts = np.bincount(draws.integers(0, len(y), len(y)), minlength=len(y))
        kept = counts > 0
        if 0 < y[kept].sum() < kept.sum():
            drawn.append(metrics(y[kept], probability[kept], weight=(weight * counts)[kept]))
    edges = [(1 - confidence) / 2, (1 + confidence) / 2]
    for name in list(result):
        low, high = np.quantile([item[name] for item in drawn], edges) if drawn else (np.nan, np.nan)
        result |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return result


def decile_edges(score: Vector, *, weight: Vector) -> list[float]:
    """The nine scores that divide the rows into ten parts, fewer where scores are tied."""
    order = np.argsort(score, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    places = np.searchsorted(reached, np.arange(1, _DECILES) / _DECILES)
    return sorted({float(score[order][min(place, len(score) - 1)]) for place in places})


def psi(expected: NDArray[np.float64], actual: NDArray[np.float64]) -> float:
    """sum (A - E) ln(A / E) over shares; < .10 none, .10-.25 minor, > .25 major. An empty part counts as half a row."""
    e, a = np.maximum(expected, 0.5) / expected.sum(), np.maximum(actual, 0.5) / actual.sum()
    return float(np.sum((a - e) * np.log(a / e)))
