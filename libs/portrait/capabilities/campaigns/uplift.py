"""Uplift: the difference in outcome that a contact causes, per customer, and whether its ranking is worth using.

Fitting asks Spark twice: one aggregate, one bounded sample of the rows. Learners are compared by the Qini of
out-of-fold scores. Value of a contact = uplift x margin, never propensity x margin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.learners import (
    Learner,
    Trial,
    fit_class_transformation,
    fit_t_learner,
    fit_x_learner,
    response,
    trial_of,
)
from portrait.capabilities.campaigns.policy import UpliftPolicy
from portrait.capabilities.campaigns.ranking import Qini, Ties, coefficient_of, qini, qini_of, ties_of
from portrait.capabilities.prospects.encoding import Bins, bins_of, said_nothing
from portrait.capabilities.prospects.frames import (
    Sample,
    bounded_sample,
    feature_places,
    scoring_columns,
    unusable,
    with_result,
)
from portrait.capabilities.prospects.logistic import Vector
from portrait.errors import ConfigurationError, InputRefused
from portrait.spark.columns import place_of

__all__ = ["NOT_USABLE", "UPLIFT", "USABLE", "Qini", "Uplift", "fit_uplift", "qini"]

UPLIFT = "uplift"
USABLE = "usable"
NOT_USABLE = "no usable heterogeneity"

Fit = Callable[..., Learner]


@dataclass(frozen=True)
class Uplift:
    """A fitted model.

    `verdict`: "usable", or "no usable heterogeneity" (treat all or none); `reason` says why in words. `learner`: which
    one was taken. `left_out`: feature -> why it is not used. `report`: see `fit_uplift`.
    """

    learner: str
    features: tuple[str, ...]
    left_out: dict[str, str]
    verdict: str
    reason: str
    report: dict[str, float]
    _model: Learner | None = field(repr=False)
    _bins: Mapping[str, Bins] = field(repr=False)
    curve: pd.DataFrame | None = field(default=None, repr=False)
    """phi, q, random: the Qini curve of the out-of-fold scores; None where nothing was fitted."""

    def score(self, frame: DataFrame) -> DataFrame:
        """The rows, all of them, and `uplift` (DOUBLE, -1..1); a column of that name is replaced.

        Raises ConfigurationError when a feature of the model is absent or of another kind than it was.
        """
        if self._model is None:
            return with_result(frame, F.lit(self.report["effect"]), UPLIFT)
        names = scoring_columns(frame, {name: self._bins[name].kind for name in self.features})
        limited = F.least(F.greatest(self._model.column(names), F.lit(-1.0)), F.lit(1.0))
        return with_result(frame, limited, UPLIFT, inputs=self._model.inputs(names))


def fit_uplift(
    frame: DataFrame,
    *,
    treatment: str,
    outcome: str,
    features: Sequence[str],
    policy: UpliftPolicy | None = None,
    seed: int = 1,
) -> Uplift:
    """What the treatment changes in the outcome, given features that were known before it was assigned at random.

    Rows without treatment or outcome are scored but not learnt from. The verdict is "usable" where the out-of-fold
    Qini coefficient's bootstrap interval lies above 0 and the coefficient above that of the response model; the
    interval is widened by the number of learners tried. `report`: effect (treated minus control), treated_share,
    qini, qini_low, qini_high, qini_ratio, qini_response, qini_<learner>, rows, sampled_rows, rows_without_label.
    Raises ConfigurationError for column names, InputRefused for labels that are not 0/1 or too few rows.

        model = fit_uplift(experiment, treatment="mailed", outcome="visited", features=["recency", "channel"])
        model.verdict, model.score(customers)
    """
    policy = policy or UpliftPolicy()
    labels = {"treatment": treatment, "outcome": outcome}
    if place_of(frame, treatment, parameter="treatment") == place_of(frame, outcome, parameter="outcome"):
        remedy = "give two columns"
        raise ConfigurationError("treatment and outcome are the same column", where="treatment", remedy=remedy)
    places = feature_places(frame, features, taken=labels)
    sample = bounded_sample(frame, labels=labels, features=places, rows=policy.rows, seed=seed, by_class=False)
    _check_cells(sample, labels=labels, policy=policy)
    left_out = unusable(frame, places) | said_nothing(sample.columns)
    bins = {
        name: bins_of(values, sample.kinds[name], copies=sample.copies, policy=policy.bins)
        for name, values in sample.columns.items()
        if name not in left_out
    }
    treated, outcomes = sample.labels
    rates = [float(np.average(outcomes[treated == arm], weights=sample.copies[treated == arm])) for arm in (0, 1)]
    report = {
        "effect": rates[1] - rates[0],
        "treated_share": float(np.average(treated, weights=sample.copies)),
        "rows": float(sample.rows),
        "sampled_rows": float(sample.copies.sum()),
        "rows_without_label": float(sample.rows_without_label),
    }
    if not bins:
        return Uplift("none", (), left_out, NOT_USABLE, "no feature is left", report, None, {})
    trial = trial_of(sample.columns, bins, treated=treated, outcome=outcomes, copies=sample.copies, policy=policy)
    learners = _learners(trial.share, policy)
    scores = _out_of_fold(trial, learners, policy=policy, seed=seed)
    ties = {name: ties_of(score, treated, outcomes, copies=sample.copies) for name, score in scores.items()}
    qinis = {name: qini_of(item).coefficient for name, item in ties.items()}
    # The simpler learner stays unless another is better by more than chance: one standard error of its own figure.
    drawn = _resampled(trial, scores, policy=policy, seed=seed)
    chosen = next(iter(learners))
    for name in list(learners)[1:]:
        gain = drawn[name] - drawn[chosen]
        if qinis[name] - qinis[chosen] > float(gain.std()):
            chosen = name
    tail = (1 - policy.confidence) / 2 / len(learners)
    low, high = (float(edge) for edge in np.quantile(drawn[chosen], [tail, 1 - tail]))
    report |= {f"qini_{name}": value for name, value in qinis.items()}
    report |= {"qini": qinis[chosen], "qini_low": low, "qini_high": high, "qini_ratio": _ratio(ties[chosen])}
    verdict, reason = _verdict(qinis[chosen], low, qinis["response"])
    model = learners[chosen](trial, policy=policy, seed=seed)
    curve = qini_of(ties[chosen]).curve
    return Uplift(chosen, tuple(bins), left_out, verdict, reason, report, model, bins, curve)


def _learners(share: float, policy: UpliftPolicy) -> dict[str, Fit]:
    """The candidates, the simplest first."""
    found: dict[str, Fit] = {"t_learner": fit_t_learner}
    if abs(share - 0.5) <= policy.even_treatment:
        found["class_transformation"] = fit_class_transformation
    return found | {"x_learner": fit_x_learner}


def _out_of_fold(trial: Trial, learners: Mapping[str, Fit], *, policy: UpliftPolicy, seed: int) -> dict[str, Vector]:
    """Learner (and "response") -> a score per row, by a model of the other folds.

    Folds are drawn within arm and outcome; rows come in the order of a hash, so every k-th is a random draw.
    """
    fold = np.empty(len(trial.outcome), dtype=int)
    for arm in (0, 1):
        for value in (0, 1):
            cell = np.flatnonzero((trial.treated == arm) & (trial.outcome == value))
            fold[cell] = np.arange(len(cell)) % policy.folds
    scores = {name: np.empty(len(fold)) for name in [*learners, "response"]}
    for held in range(policy.folds):
        train, test = trial.part(fold != held), trial.part(fold == held)
        for name, fit in learners.items():
            scores[name][fold == held] = fit(train, policy=policy, seed=seed).uplift(test)
        scores["response"][fold == held] = response(train, test, policy=policy)
    return scores


def _resampled(trial: Trial, scores: Mapping[str, Vector], *, policy: UpliftPolicy, seed: int) -> dict[str, Vector]:
    """Learner -> Qini coefficients of bootstrap resamples; the same resamples for all, so differences can be taken."""
    draws = np.random.default_rng(seed)
    orders = {name: np.argsort(-score, kind="stable") for name, score in scores.items()}
    found: dict[str, list[float]] = {name: [] for name in scores}
    parts = [trial.treated, 1 - trial.treated]
    parts += [part * trial.outcome for part in parts]
    n = len(trial.outcome)
    chance = trial.copies / trial.copies.sum()
    for _ in range(policy.resamples):
        counts = draws.multinomial(int(trial.copies.sum()), chance) if n < trial.copies.sum() else _counts(draws, n)
        for name, order in orders.items():
            found[name].append(coefficient_of(Ties(*[(part * counts)[order] for part in parts])))
    return {name: np.array(values) for name, values in found.items()}


def _counts(draws: np.random.Generator, n: int) -> np.ndarray:
    return np.bincount(draws.integers(0, n, n), minlength=n)


def _ratio(ties: Ties) -> float:
    return qini_of(ties).ratio


def _verdict(coefficient: float, low: float, responses: float) -> tuple[str, str]:
    if low <= 0:
        return NOT_USABLE, f"treat all or none: the interval of the Qini coefficient begins at {low:.4f}, not above 0"
    if coefficient <= responses:
        return NOT_USABLE, (
            f"treat all or none: the uplift model's Qini coefficient {coefficient:.4f} is not above "
            f"the response model's {responses:.4f}"
        )
    return USABLE, f"Qini coefficient {coefficient:.4f}, at least {low:.4f}; response model {responses:.4f}"


def _check_cells(sample: Sample, *, labels: Mapping[str, str], policy: UpliftPolicy) -> None:
    treated, outcomes = sample.labels
    for arm in (0, 1):
        for value in (0, 1):
            rows = round(float(np.sum(sample.copies[(treated == arm) & (outcomes == value)])))
            if rows < policy.least_per_cell:
                raise InputRefused(
                    f"treatment {arm} with outcome {value} has {rows} rows; {policy.least_per_cell} are needed",
                    where=f"columns {labels['treatment']!r}, {labels['outcome']!r}",
                    remedy="wait for more outcomes, or lower uplift.least_per_cell in conf/campaigns.yml",
                )
