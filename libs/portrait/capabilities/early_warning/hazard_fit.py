"""The monthly hazard of falling into arrears: logit h(t) = a_t + b x, fitted on counted loan-months."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from portrait.capabilities.early_warning.policy import Hazard

LATE_MOST: Final = 3
"""More late instalments than this count as this many."""
_ROUNDS: Final = 50
_CLOSE: Final = 1e-10


class Pattern(NamedTuple):
    """Loan-months of one month end that the model cannot tell apart."""

    month_end: date
    stretch: int
    late: int
    past_due: bool
    loans: int
    fell: int
    """Into arrears within a month."""
    fell_later: int
    """Within `judged_months`."""


@dataclass(frozen=True)
class HazardModel:
    """`base`: a_t before the first of `bounds` (months on book), and from each of them on."""

    bounds: tuple[int, ...]
    base: tuple[float, ...]
    of_late: float
    of_past_due: float

    def hazard(self, pattern: Pattern) -> float:
        """The probability of falling into arrears within a month."""
        odds = self.base[pattern.stretch] + self.of_late * pattern.late + self.of_past_due * pattern.past_due
        return 1 / (1 + math.exp(-odds))

    def write(self, folder: Path) -> None:
        """Write `hazard.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        told = {"bounds": self.bounds, "base": self.base, "of_late": self.of_late, "of_past_due": self.of_past_due}
        (folder / "hazard.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def fit_hazard(patterns: Sequence[Pattern], policy: Hazard) -> HazardModel | None:
    """The model of all patterns; None where fewer than `least_events` loan-months ended in arrears.

    Maximum likelihood by Newton's steps with a small penalty: on what a stretch of months on book differs from all, and
    on the coefficients, so that a stretch without any event has a hazard that is not 0.
    """
    if sum(pattern.fell for pattern in patterns) < policy.least_events:
        return None
    stretches = len(policy.months_on_book) + 1
    x = np.zeros((len(patterns), 1 + stretches + 2))
    x[:, 0] = 1
    for row, pattern in enumerate(patterns):
        x[row, 1 + pattern.stretch] = 1
        x[row, 1 + stretches :] = (pattern.late, pattern.past_due)
    loans = np.array([pattern.loans for pattern in patterns], dtype=float)
    fell = np.array([pattern.fell for pattern in patterns], dtype=float)
    penalty = np.full(x.shape[1], policy.penalty)
    penalty[0] = 0
    beta = np.zeros(x.shape[1])
    beta[0] = math.log((fell.sum() + 0.5) / (loans.sum() - fell.sum() + 0.5))

    def loss(at: NDArray[np.float64]) -> float:
        odds = x @ at
        return float(loans @ np.logaddexp(0, odds) - fell @ odds + penalty @ at**2 / 2)

    for _ in range(_ROUNDS):
        hazard = expit(x @ beta)
        slope = x.T @ (fell - loans * hazard) - penalty * beta
        curve = (x * (loans * hazard * (1 - hazard))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        # Arrears are rare: from an almost empty hazard a whole step may lead too far, and the next ones nowhere.
        while loss(beta + step) > loss(beta) and np.abs(step).max() > _CLOSE:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < _CLOSE:
            break
    rounded = [float(f"{value:.9g}") for value in beta]
    return HazardModel(
        bounds=tuple(policy.months_on_book),
        base=tuple(rounded[0] + value for value in rounded[1 : 1 + stretches]),
        of_late=rounded[1 + stretches],
        of_past_due=rounded[2 + stretches],
    )


@dataclass(frozen=True)
class Judged:
    """How a model that was fitted on earlier months ranked the loans of a month end."""

    day: date
    loans: int
    events: int
    """Loans that fell into arrears within `judged_months`."""
    found: float
    """Of these among the `capacity` likeliest; of loans that are alike, in proportion."""
    worked: int
    """Loans that are worked on: the capacity, or all."""

    @property
    def precision(self) -> float:
        """Share of the worked loans that fell."""
        return self.found / self.worked

    @property
    def recall(self) -> float:
        """Share of the events that were among the worked loans."""
        return self.found / self.events if self.events else math.nan


def judge(patterns: Sequence[Pattern], ends: Sequence[date], policy: Hazard) -> Judged | None:
    """The newest month end of which the outcome is known, judged by a model of the months before it.

    None where these have too few events, or no month end is old enough.
    """
    if len(ends) < policy.judged_months + 2:
        return None
    day = ends[-1 - policy.judged_months]
    model = fit_hazard([pattern for pattern in patterns if pattern.month_end < day], policy)
    here = [pattern for pattern in patterns if pattern.month_end == day]
    if model is None or not here:
        return None
    return _ranked(day, [(model.hazard(pattern), pattern) for pattern in here], policy.capacity)


def _ranked(day: date, scored: Iterable[tuple[float, Pattern]], capacity: int) -> Judged:
    left, found, loans, events = capacity, 0.0, 0, 0
    by_hazard: dict[float, list[Pattern]] = {}
    for hazard, pattern in scored:
        by_hazard.setdefault(hazard, []).append(pattern)
    for hazard in sorted(by_hazard, reverse=True):
        alike = sum(pattern.loans for pattern in by_hazard[hazard])
        fell = sum(pattern.fell_later for pattern in by_hazard[hazard])
        taken = min(left, alike)
        found, left = found + fell * taken / alike, left - taken
        loans, events = loans + alike, events + fell
    return Judged(day, loans, events, found, min(capacity, loans))
