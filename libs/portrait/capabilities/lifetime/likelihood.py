"""Maximum likelihood for models with a few positive parameters: optimum, standard errors, and proof of convergence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from portrait.errors import PortraitError

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]
"""Log-likelihood and its gradient by parameter."""

_BOUND = 15.0  # of the logarithm of a parameter: beyond it the data do not determine it
_GRADIENT = 1e-6  # of the mean log-likelihood by log-parameter, at the optimum
_STEP = 1e-4  # of the central differences of the gradient, in log-parameters


class FitFailed(PortraitError):
    """The data do not determine the model; the message says how it showed."""


def weighted_sum(customers: Floats, part: Floats) -> float:
    """The sum of a term over all customers, the same on any number of cores; `@` adds up by threads."""
    return float(np.sum(customers * part))


@dataclass(frozen=True)
class Fit:
    """A fitted model: parameters by name, their standard errors, and how well it ended."""

    parameters: dict[str, float]
    standard_errors: dict[str, float]
    log_likelihood: float
    gradient: float
    """Largest component of the gradient of the mean log-likelihood by log-parameter."""
    observations: int

    @property
    def values(self) -> Floats:
        """The parameters in order."""
        return np.array(list(self.parameters.values()))


def maximise(
    objective: Objective, names: Sequence[str], *, start: Sequence[float], observations: int, model: str
) -> Fit:
    """The parameters of the greatest likelihood, by BFGS and Newton steps on their logarithms.

    Standard errors are those of the inverse observed information (delta method). Raises FitFailed when there is no
    interior optimum: the gradient does not vanish, the information is not positive definite, or a parameter runs off.
    """

    def negative(logs: Floats) -> tuple[float, Floats]:
        values = np.exp(logs)
        height, slope = objective(values)
        return -height / observations, -slope * values / observations

    bounds = [(-_BOUND, _BOUND)] * len(names)
    found = minimize(negative, np.log(start), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    logs = _newton(negative, found.x)
    gradient = float(np.max(np.abs(negative(logs)[1])))
    if np.any(np.abs(logs) > _BOUND - 1) or not np.all(np.isfinite(logs)):
        runaway = [name for name, value in zip(names, logs, strict=True) if not abs(value) <= _BOUND - 1]
        raise _failed(model, f"{', '.join(runaway)} runs off: the data do not determine it")
    if not gradient < _GRADIENT:
        raise _failed(model, f"the gradient of the mean log-likelihood is still {gradient:.1e}")
    information = _hessian(negative, logs) * observations
    try:
        np.linalg.cholesky(information)
    except np.linalg.LinAlgError as error:
        raise _failed(model, "the observed information is not positive definite") from error
    values = np.exp(logs)
    errors = np.sqrt(np.diag(np.linalg.inv(information))) * values
    return Fit(
        parameters=dict(zip(names, map(float, values), strict=True)),
        standard_errors=dict(zip(names, map(float, errors), strict=True)),
        log_likelihood=-negative(logs)[0] * observations,
        gradient=gradient,
        observations=observations,
    )


def _newton(negative: Callable[[Floats], tuple[float, Floats]], logs: Floats) -> Floats:
    """A few Newton steps, kept only while they go down: BFGS stops at a gradient that shows in the third decimal."""
    height, slope = negative(logs)
    for _ in range(20):
        try:
            step = np.linalg.solve(_hessian(negative, logs), -slope)
        except np.linalg.LinAlgError:
            return logs
        tried = np.clip(logs + np.clip(step, -1.0, 1.0), -_BOUND, _BOUND)
        new_height, new_slope = negative(tried)
        better = new_height < height or np.max(np.abs(new_slope)) < np.max(np.abs(slope))
        if not np.isfinite(new_height) or not better or new_height > height + 1e-9:
            return logs
        logs, height, slope = tried, new_height, new_slope
        if np.max(np.abs(step)) < 1e-10:
            return logs
    return logs


def _hessian(negative: Callable[[Floats], tuple[float, Floats]], logs: Floats) -> Floats:
    """Second derivatives, as central differences of the analytic gradient."""
    shifts = np.eye(len(logs)) * _STEP
    rows: Any = [(negative(logs + shift)[1] - negative(logs - shift)[1]) / (2 * _STEP) for shift in shifts]
    square: Floats = np.array(rows)
    return (square + square.T) / 2


def _failed(model: str, reason: str) -> FitFailed:
    return FitFailed(
        f"{model} was not fitted: {reason}",
        where="gold.customer_value",
        remedy="the model of the slice before stays in use; look at unit_days and window_units in conf/lifetime.yml",
    )
