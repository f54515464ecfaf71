"""Logistic regression by Newton's method on rows with weights; and the correction for a sampled class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_STEPS = 60
_STILL = 1e-10
_FURTHEST = 35.0  # beyond, a double cannot tell a probability from 0 or 1


@dataclass(frozen=True)
class Linear:
    """log-odds = intercept + x . coefficients."""

    intercept: float
    coefficients: Vector

    def log_odds(self, x: Vector) -> Vector:
        """One value per row of `x`."""
        return np.asarray(x @ self.coefficients + self.intercept)


def sigmoid(log_odds: Vector) -> Vector:
    """Probability of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -_FURTHEST, _FURTHEST))))


def logit(probability: Vector) -> Vector:
    """Log-odds of a probability, which is kept away from 0 and 1."""
    inside = np.clip(probability, np.exp(-_FURTHEST), 1 - 1e-15)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def fit_logistic(x: Vector, y: Vector, *, weight: Vector, ridge: float) -> Linear:
    """The maximum of the likelihood minus ridge/2 x squared coefficients; the intercept is not penalised.

    `y` in [0, 1], `weight` rows per row. A step that would lower the objective is halved, so separable data ends too.
    """
    design = np.column_stack([np.ones(len(y)), x])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-9  # only so that a class without rows has an end
    beta = np.zeros(design.shape[1])
    beta[0] = float(logit(np.array([np.average(y, weights=weight)]))[0])
    value = _objective(design, y, weight, penalty, beta)
    for _ in range(_STEPS):
        p = sigmoid(design @ beta)
        gradient = design.T @ (weight * (y - p)) - penalty * beta
        curvature = (design * (weight * np.maximum(p * (1 - p), 1e-12))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        scale = 1.0
        while (then := _objective(design, y, weight, penalty, beta + scale * step)) < value and scale > 1e-6:
            scale /= 2
        beta, gained, value = beta + scale * step, then - value, max(then, value)
        if gained <= _STILL * max(1.0, abs(value)):
            break
    return Linear(float(beta[0]), beta[1:])


def _objective(design: Vector, y: Vector, weight: Vector, penalty: Vector, beta: Vector) -> float:
    score = design @ beta
    return float(np.sum(weight * (y * score - np.logaddexp(0.0, score))) - 0.5 * np.sum(penalty * beta * beta))


def sampling_offset(*, sampled_rate: float, true_rate: float) -> float:
    """What is added to the log-odds of a model that was fitted where positives are `sampled_rate` of the rows.

    logit p = logit p_s + ln(pi / (1 - pi)) - ln(rho / (1 - rho)); pi the true rate, rho the sampled one.
    """
    return float(np.log(true_rate / (1 - true_rate)) - np.log(sampled_rate / (1 - sampled_rate)))
