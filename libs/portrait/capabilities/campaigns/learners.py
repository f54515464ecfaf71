"""Learners of uplift: T-learner and class transformation by logistic regression, X-learner by boosted trees.

Each fits on some rows that the driver holds and scores others, or becomes a column in Spark. Sources: Radcliffe and
Surry (2011) for two models, Jaskowski and Jaroszewicz (2012) for class transformation, Kunzel and others, PNAS 116
(2019) for the X-learner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.design import Design, design_of
from portrait.capabilities.campaigns.policy import UpliftPolicy
from portrait.capabilities.prospects.boosting import Codes, Trees, fit_trees
from portrait.capabilities.prospects.encoding import Bins
from portrait.capabilities.prospects.learners import Rows, evidence_of, fit_boosted, ranked, tree_column, tree_inputs
from portrait.capabilities.prospects.logistic import Linear, Vector, fit_logistic, sigmoid


@dataclass(frozen=True)
class Trial:
    """The rows of an experiment: features as values, as a design matrix and as bin numbers; arm and outcome 0/1."""

    columns: Mapping[str, np.ndarray]
    bins: Mapping[str, Bins]
    design: Design
    matrix: Vector
    codes: Mapping[str, Codes]
    treated: Vector
    outcome: Vector
    copies: Vector

    @property
    def share(self) -> float:
        """Share of the rows that are treated."""
        return float(np.average(self.treated, weights=self.copies))

    def part(self, rows: np.ndarray) -> Trial:
        """Some of the rows, by mask."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        codes = {name: values[rows] for name, values in self.codes.items()}
        labels = (self.treated[rows], self.outcome[rows], self.copies[rows])
        return Trial(columns, self.bins, self.design, self.matrix[rows], codes, *labels)


def trial_of(
    columns: Mapping[str, np.ndarray],
    bins: Mapping[str, Bins],
    *,
    treated: Vector,
    outcome: Vector,
    copies: Vector,
    policy: UpliftPolicy,
) -> Trial:
    """The rows of an experiment, encoded."""
    design = design_of(columns, bins, copies=copies, policy=policy)
    codes = {name: item.codes(columns[name]) for name, item in bins.items()}
    return Trial(columns, bins, design, design.matrix(columns), codes, treated, outcome, copies)


@dataclass(frozen=True)
class TLearner:
    """uplift = P(y | x, treated) - P(y | x, control), a logistic regression for each."""

    design: Design
    treated: Linear
    control: Linear

    def uplift(self, trial: Trial) -> Vector:
        """One value per row."""
        return sigmoid(self.treated.log_odds(trial.matrix)) - sigmoid(self.control.log_odds(trial.matrix))

    def inputs(self, names: Mapping[str, str]) -> list[Column]:
        """Nothing that must be selected before `column`."""
        return []

    def column(self, names: Mapping[str, str]) -> Column:
        """The same in Spark."""
        return _probability(self.design, self.treated, names) - _probability(self.design, self.control, names)


@dataclass(frozen=True)
class ClassTransformation:
    """z = 1 for treated with and control without the outcome; uplift = 2 P(z | x) - 1, if half are treated."""

    design: Design
    same: Linear

    def uplift(self, trial: Trial) -> Vector:
        """One value per row."""
        return 2 * sigmoid(self.same.log_odds(trial.matrix)) - 1

    def inputs(self, names: Mapping[str, str]) -> list[Column]:
        """Nothing that must be selected before `column`."""
        return []

    def column(self, names: Mapping[str, str]) -> Column:
        """The same in Spark."""
        return 2 * _probability(self.design, self.same, names) - 1


@dataclass(frozen=True)
class XLearner:
    """uplift = e tau0(x) + (1 - e) tau1(x); e the treated share, tau0 and tau1 trees on imputed effects of each arm."""

    share: float
    order: Mapping[str, Codes]
    bins: Mapping[str, Bins]
    of_control: Trees
    of_treated: Trees

    def uplift(self, trial: Trial) -> Vector:
        """One value per row."""
        codes = ranked(self.order, trial.codes)
        return self.share * self.of_control.value(codes) + (1 - self.share) * self.of_treated.value(codes)

    def inputs(self, names: Mapping[str, str]) -> list[Column]:
        """What `column` reads, to be selected before it."""
        return tree_inputs(self.bins, self.order, names)

    def column(self, names: Mapping[str, str]) -> Column:
        """The same in Spark, over the inputs."""
        tau0, tau1 = (tree_column(trees, self.bins) for trees in (self.of_control, self.of_treated))
        return F.lit(self.share) * tau0 + F.lit(1 - self.share) * tau1


Learner = TLearner | ClassTransformation | XLearner


def _probability(design: Design, linear: Linear, names: Mapping[str, str]) -> Column:
    return F.lit(1.0) / (F.lit(1.0) + F.exp(-design.log_odds(linear, names)))


def _arm(trial: Trial, arm: int, *, policy: UpliftPolicy) -> Linear:
    rows = trial.treated == arm
    return fit_logistic(trial.matrix[rows], trial.outcome[rows], weight=trial.copies[rows], ridge=policy.ridge)


def fit_t_learner(trial: Trial, *, policy: UpliftPolicy, seed: int) -> TLearner:
    """Two logistic regressions; nothing is drawn, so the seed plays no part."""
    return TLearner(trial.design, _arm(trial, 1, policy=policy), _arm(trial, 0, policy=policy))


def fit_class_transformation(trial: Trial, *, policy: UpliftPolicy, seed: int) -> ClassTransformation:
    """One logistic regression; only for a treated share of one half."""
    same = trial.outcome * trial.treated + (1 - trial.outcome) * (1 - trial.treated)
    return ClassTransformation(trial.design, fit_logistic(trial.matrix, same, weight=trial.copies, ridge=policy.ridge))


def fit_x_learner(trial: Trial, *, policy: UpliftPolicy, seed: int) -> XLearner:
    """Trees for the outcome in each arm, then trees for what each row's outcome differs from the other arm's model."""
    evidence = evidence_of(trial.bins, Rows(trial.codes, trial.outcome, trial.copies), smoothing=policy.bins.smoothing)
    arms = [trial.treated == arm for arm in (0, 1)]
    rows = [
        Rows({name: codes[arm] for name, codes in trial.codes.items()}, trial.outcome[arm], trial.copies[arm])
        for arm in arms
    ]
    mu0, mu1 = (fit_boosted(trial.bins, part, evidence=evidence, policy=policy.boosting, seed=seed) for part in rows)
    effects = [sigmoid(mu1.log_odds(rows[0].codes)) - rows[0].y, rows[1].y - sigmoid(mu0.log_odds(rows[1].codes))]
    order = mu0.order
    tau0, tau1 = (
        fit_trees(
            ranked(order, part.codes),
            effect,
            weight=part.copies,
            policy=policy.boosting,
            seed=seed,
            loss="squared",
        )
        for part, effect in zip(rows, effects, strict=True)
    )
    return XLearner(trial.share, order, trial.bins, tau0, tau1)


def response(trial: Trial, scored: Trial, *, policy: UpliftPolicy) -> Vector:
    """P(y | x, treated): what a campaign ranks by that does not ask what the contact causes."""
    return sigmoid(_arm(trial, 1, policy=policy).log_odds(scored.matrix))
