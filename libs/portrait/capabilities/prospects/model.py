"""Propensity: the probability that a customer does something within a period, fitted on any frame.

Fitting asks Spark twice: one aggregate (how many rows of each class), one bounded sample of the rows. Logistic
regression on weight of evidence is the champion; boosted trees replace it where they rank validation rows better. Both
are computed by the driver from rows in a fixed order, so the result depends on data and seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.prospects.encoding import Bins, bins_of, said_nothing
from portrait.capabilities.prospects.frames import (
    Sample,
    bounded_sample,
    feature_places,
    scoring_columns,
    unusable,
    with_result,
)
from portrait.capabilities.prospects.leaks import Trial, single_aucs, suspected
from portrait.capabilities.prospects.learners import EvidenceModel, Rows, TreesModel, fit_boosted, fit_evidence
from portrait.capabilities.prospects.logistic import Vector, sampling_offset, sigmoid
from portrait.capabilities.prospects.metrics import auc, decile_edges, psi, with_intervals
from portrait.capabilities.prospects.policy import PropensityPolicy
from portrait.errors import InputRefused
from portrait.spark.columns import by_place

PROBABILITY = "probability"


@dataclass(frozen=True)
class Propensity:
    """A fitted model.

    `left_out`: feature -> why it is not used. `report`: metrics of the validation rows, each with `_low` and `_high`
    (bootstrap), and counts; see `fit_propensity`. `learner`: "logistic regression" or "boosted trees".
    `notes`: what a reader of the report should know, in words.
    """

    learner: str
    features: tuple[str, ...]
    left_out: dict[str, str]
    report: dict[str, float]
    notes: tuple[str, ...]
    _model: EvidenceModel | TreesModel | None = field(repr=False)
    _offset: float = field(repr=False)
    _deciles: tuple[tuple[float, ...], tuple[float, ...]] = field(repr=False)
    evidence: EvidenceModel | None = field(default=None, repr=False)
    """The logistic regression, which gives reasons whatever learner was taken."""

    def score(self, frame: DataFrame) -> DataFrame:
        """The rows, all of them, and `probability` (DOUBLE, 0..1); a column of that name is replaced.

        Raises ConfigurationError when a feature of the model is absent or of another kind than it was.
        """
        if self._model is None:
            return with_result(frame, F.lit(float(sigmoid(np.array([self._offset]))[0])), PROBABILITY)
        names = scoring_columns(frame, {name: self._model.bins[name].kind for name in self.features})
        log_odds = self._model.column(names) + F.lit(self._offset)
        probability = F.lit(1.0) / (F.lit(1.0) + F.exp(-log_odds))
        return with_result(frame, probability, PROBABILITY, inputs=self._model.inputs(names))

    def psi(self, frame: DataFrame) -> float:
        """How far the scores moved from those of the fit: PSI over the fit's deciles; NaN without rows."""
        scored = self.score(frame)
        scored = by_place(scored).select(F.col(f"c{len(scored.columns) - 1}").alias("p"))
        counts = np.zeros(self.parts)
        for part, count in scored.groupBy(self.part_of("p").alias("part")).count().collect():
            counts[part] = count
        return self.moved(counts)

    @property
    def parts(self) -> int:
        """Into how many parts the scores of the fit are cut: ten, fewer where scores are tied."""
        return len(self._deciles[1])

    def part_of(self, probability: str) -> Column:
        """INT, 0 ... : the part in which the score in a column lies."""
        return Bins("number", edges=self._deciles[0]).column(probability) - 1

    def moved(self, counts: Sequence[float] | Vector) -> float:
        """PSI of rows by part against the fit; NaN without rows."""
        found = np.asarray(counts, dtype=float)
        return psi(np.array(self._deciles[1]), found) if found.sum() > 0 else float("nan")


def fit_propensity(
    frame: DataFrame,
    *,
    target: str,
    features: Sequence[str],
    policy: PropensityPolicy | None = None,
    seed: int = 1,
) -> Propensity:
    """The probability of target = 1 given the features: numbers, booleans or texts, nulls allowed.

    Rows whose target is null are scored but not learnt from; the report counts them. Above `policy.sample.rows` rows
    the driver learns from a sample by class, and the probability is corrected for it. Metrics are those of validation
    rows (a share of each class, drawn by a hash of the row and the seed) before the final fit on all: auc, gini, ks,
    lift_at_10, brier, calibration_slope, calibration_intercept, with `_low` and `_high`; psi of the validation scores
    against the training scores; auc_logistic_regression, auc_boosted_trees; rows, positives, rows_without_target,
    sampled_rows, validation_rows.
    Raises ConfigurationError for column names, InputRefused for a target that is not 0/1 or a class with too few rows.

        model = fit_propensity(customers, target="took_card", features=["age", "salary_amount_90d", "region"])
        model.score(customers).orderBy("probability", ascending=False)
    """
    policy = policy or PropensityPolicy()
    places = feature_places(frame, features, taken={"target": target})
    sample = bounded_sample(
        frame, labels={"target": target}, features=places, rows=policy.sample.rows, seed=seed, by_class=True
    )
    _check_classes(sample, target=target, policy=policy)
    left_out = unusable(frame, places) | said_nothing(sample.columns)
    bins = {
        name: bins_of(values, sample.kinds[name], copies=sample.copies, policy=policy.bins)
        for name, values in sample.columns.items()
        if name not in left_out
    }
    rows = Rows(
        {name: item.codes(sample.columns[name]) for name, item in bins.items()}, sample.labels[0], sample.copies
    )
    held = _held_out(rows.y, share=policy.sample.validation_share)
    contest = _Contest(bins, rows.part(~held), rows.part(held), sample.weight[held], policy, seed)
    alone = single_aucs(bins, contest.train, contest.valid, weight=contest.weight, smoothing=policy.bins.smoothing)
    for name in [name for name, area in alone.items() if area > policy.leak.single_auc]:
        left_out[name] = f"leak suspected: alone its AUC is {alone[name]:.3f} (limit {policy.leak.single_auc:.2f})"
    usable = [name for name in bins if name not in left_out]
    true_rate = float(np.average(rows.y, weights=sample.weight))
    offset = sampling_offset(sampled_rate=float(np.average(rows.y, weights=rows.copies)), true_rate=true_rate)
    counts = {
        "rows": float(sample.rows),
        "positives": float(round(np.sum(sample.weight * rows.y))),
        "rows_without_target": float(sample.rows_without_label),
        "sampled_rows": float(sample.copies.sum()),
        "validation_rows": float(contest.valid.copies.sum()),
    }
    if not usable:
        base = float(np.log(true_rate / (1 - true_rate)))
        nothing = "no feature is left: every row gets the overall rate"
        return Propensity("none", (), left_out, counts, (nothing,), None, base, ((), (1.0,)))
    first = contest.fit(usable)
    leaks, _, note = suspected(first, contest.fit, contest.valid, weight=contest.weight, policy=policy.leak, seed=seed)
    left_out |= leaks
    chosen = contest.outcome([name for name in usable if name not in leaks])
    weights = sample.weight
    train_p, valid_p = (sigmoid(chosen.model.log_odds(part.codes) + offset) for part in (contest.train, contest.valid))
    edges = tuple(decile_edges(valid_p, weight=weights[held]))
    shares = [_shares(p, weight, edges) for p, weight in ((train_p, weights[~held]), (valid_p, weights[held]))]
    report = with_intervals(
        contest.valid.y,
        valid_p,
        weight=contest.weight,
        resamples=policy.report.resamples,
        confidence=policy.report.confidence,
        seed=seed,
    )
    report |= {"psi": psi(shares[0], shares[1])} | chosen.aucs | counts
    model, evidence = chosen.on_all(rows)
    fitted = sigmoid(model.log_odds(rows.codes) + offset)
    deciles = tuple(decile_edges(fitted, weight=weights))
    return Propensity(
        chosen.learner,
        tuple(chosen.bins),
        left_out,
        report,
        () if note is None else (note,),
        model,
        offset,
        (deciles, tuple(float(share) for share in _shares(fitted, weights, deciles))),
        evidence,
    )


@dataclass(frozen=True)
class _Outcome:
    """Which learner won on some features, and its model of the training rows."""

    learner: str
    bins: Mapping[str, Bins]
    model: EvidenceModel | TreesModel
    aucs: dict[str, float]
    policy: PropensityPolicy
    seed: int

    def on_all(self, rows: Rows) -> tuple[EvidenceModel | TreesModel, EvidenceModel]:
        """The same learner fitted on all rows, with as many trees as validation chose; and the logistic regression."""
        linear = fit_evidence(self.bins, rows, policy=self.policy)
        if isinstance(self.model, EvidenceModel):
            return linear, linear
        as_many = self.policy.boosting.model_copy(update={"trees": len(self.model.trees.leaves)})
        return fit_boosted(self.bins, rows, evidence=linear.evidence, policy=as_many, seed=self.seed), linear


class _Contest:
    """Logistic regression against boosted trees on the same validation rows, for any choice of features."""

    def __init__(
        self,
        bins: Mapping[str, Bins],
        train: Rows,
        valid: Rows,
        weight: Vector,
        policy: PropensityPolicy,
        seed: int,
    ) -> None:
        self.bins, self.train, self.valid, self.weight, self.policy, self.seed = (
            bins,
            train,
            valid,
            weight,
            policy,
            seed,
        )
        self._known: dict[tuple[str, ...], _Outcome] = {}

    def outcome(self, features: Sequence[str]) -> _Outcome:
        """The winner for these features; fitted once."""
        key = tuple(features)
        if key not in self._known:
            self._known[key] = self._fit({name: self.bins[name] for name in features})
        return self._known[key]

    def fit(self, features: Sequence[str]) -> Trial:
        """The same as the leak check wants it."""
        found = self.outcome(features)
        area = auc(self.valid.y, found.model.log_odds(self.valid.codes), weight=self.weight)
        return Trial(tuple(features), area, found.model.log_odds)

    def _fit(self, bins: Mapping[str, Bins]) -> _Outcome:
        linear = fit_evidence(bins, self.train, policy=self.policy)
        trees = fit_boosted(
            bins,
            self.train,
            evidence=linear.evidence,
            policy=self.policy.boosting,
            seed=self.seed,
            validation=self.valid,
        )
        champion, challenger = (
            auc(self.valid.y, model.log_odds(self.valid.codes), weight=self.weight) for model in (linear, trees)
        )
        aucs = {"auc_logistic_regression": champion, "auc_boosted_trees": challenger}
        if challenger > champion + self.policy.challenger_gain:
            return _Outcome("boosted trees", bins, trees, aucs, self.policy, self.seed)
        return _Outcome("logistic regression", bins, linear, aucs, self.policy, self.seed)


def _check_classes(sample: Sample, *, target: str, policy: PropensityPolicy) -> None:
    for value in (1, 0):
        found = round(np.sum(sample.copies * (sample.labels[0] == value)))
        if found < policy.sample.least_per_class:
            raise InputRefused(
                f"target is {value} in {found} rows; at least {policy.sample.least_per_class} are needed",
                where=f"column {target!r}",
                remedy="give more history, or lower sample.least_per_class in conf/prospects.yml",
            )


def _held_out(y: Vector, *, share: float) -> np.ndarray:
    """Every 1/share-th row of each class; rows come in the order of a hash, so that is a random draw."""
    held = np.zeros(len(y), dtype=bool)
    for value in (0, 1):
        rows = np.flatnonzero(y == value)
        steps = np.floor(np.arange(len(rows) + 1) * share + 0.5)
        held[rows] = np.diff(steps) > 0
    return held


def _shares(probability: Vector, weight: Vector, edges: tuple[float, ...]) -> Vector:
    counts = np.bincount(np.searchsorted(np.array(edges), probability, side="left"), weight, len(edges) + 1)
    return np.asarray(counts)
