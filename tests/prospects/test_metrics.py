"""Metrics and learners against scikit-learn and arithmetic by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from portrait.capabilities.prospects.boosting import fit_trees
from portrait.capabilities.prospects.logistic import fit_logistic, logit, sampling_offset, sigmoid
from portrait.capabilities.prospects.metrics import auc, metrics, psi, with_intervals
from portrait.capabilities.prospects.policy import BoostingPolicy


@pytest.mark.parametrize(("sampled", "true"), [(0.5, 0.02), (0.8, 0.075472)])
def test_undersampling_vectors_by_hand(sampled: float, true: float) -> None:
    offset = sampling_offset(sampled_rate=0.5, true_rate=0.02)
    assert round(float(sigmoid(logit(np.array([sampled])) + offset)[0]), 6) == true


def test_auc_and_brier_are_scikit_learn_s_with_ties_and_weights() -> None:
    draw = np.random.default_rng(1)
    y, score = (draw.random(3000) < 0.2).astype(float), np.round(draw.random(3000), 1)
    weight = draw.integers(1, 5, 3000).astype(float)
    assert auc(y, score, weight=weight) == pytest.approx(roc_auc_score(y, score, sample_weight=weight))
    found = metrics(y, np.clip(score, 0.01, 0.99), weight=weight)
    assert found["gini"] == pytest.approx(2 * found["auc"] - 1)
    assert found["brier"] == pytest.approx(brier_score_loss(y, np.clip(score, 0.01, 0.99), sample_weight=weight))


def test_ks_and_lift_by_hand() -> None:
    y = np.array([1.0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
    found = metrics(y, np.linspace(0.9, 0.1, 10), weight=np.ones(10))
    assert found["ks"] == pytest.approx(1 - 1 / 7)  # after four rows: 3 of 3 positives, 1 of 7 negatives
    assert found["lift_at_10"] == pytest.approx(1 / 0.3)
    tied = metrics(y, np.full(10, 0.3), weight=np.ones(10))
    assert (tied["auc"], tied["lift_at_10"]) == pytest.approx((0.5, 1.0))


def test_true_probabilities_are_calibrated_and_inside_their_interval() -> None:
    draw = np.random.default_rng(2)
    p = sigmoid(draw.normal(-2, 1.5, 8000))
    y = (draw.random(8000) < p).astype(float)
    found = with_intervals(y, p, weight=np.ones(8000), resamples=50, confidence=0.95, seed=1)
    assert found["calibration_slope"] == pytest.approx(1, abs=0.1)
    assert found["calibration_slope_low"] < 1 < found["calibration_slope_high"]
    flat = metrics(y, sigmoid(2 * logit(p)), weight=np.ones(8000))
    assert flat["calibration_slope"] == pytest.approx(found["calibration_slope"] / 2, rel=1e-6)


def test_psi_by_hand() -> None:
    # (.6 - .5) ln(.6/.5) + (.4 - .5) ln(.4/.5)
    assert psi(np.array([50.0, 50]), np.array([60.0, 40])) == pytest.approx(0.1 * np.log(1.2) - 0.1 * np.log(0.8))


def test_logistic_regression_is_scikit_learn_s() -> None:
    draw = np.random.default_rng(3)
    x, weight = draw.normal(0, 1, (2000, 4)), draw.integers(1, 4, 2000).astype(float)
    y = (draw.random(2000) < sigmoid(x @ np.array([1.0, -2, 0, 0.5]) - 1)).astype(float)
    ours = fit_logistic(x, y, weight=weight, ridge=2.0)
    reference = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(x, y, sample_weight=weight)
    assert ours.coefficients == pytest.approx(reference.coef_[0], abs=1e-5)
    assert ours.intercept == pytest.approx(reference.intercept_[0], abs=1e-5)
    separable = fit_logistic(x, (x[:, 0] > 0).astype(float), weight=weight, ridge=1.0)
    assert np.isfinite(separable.coefficients).all()


def test_trees_rank_as_well_as_scikit_learn_s_where_features_interact() -> None:
    draw = np.random.default_rng(4)
    codes = draw.integers(0, 16, (12_000, 6)).astype(np.int32)
    odds = 0.5 * ((codes[:, 0] > 7) ^ (codes[:, 1] > 7)) * 4 + 0.2 * np.abs(codes[:, 2] - 8) - 2.5
    y = (draw.random(12_000) < sigmoid(odds)).astype(float)
    train, test = slice(0, 8000), slice(8000, None)
    policy = BoostingPolicy(trees=60)
    trees = fit_trees(codes[train], y[train], weight=np.ones(8000), policy=policy, seed=1)
    reference = HistGradientBoostingClassifier(max_iter=60, max_depth=4, learning_rate=0.07, random_state=1)
    reference.fit(codes[train], y[train])
    theirs = roc_auc_score(y[test], reference.predict_proba(codes[test])[:, 1])
    assert roc_auc_score(y[test], trees.value(codes[test])) >= theirs - 0.005
    assert np.array_equal(
        fit_trees(codes[train], y[train], weight=np.ones(8000), policy=policy, seed=1).leaves, trees.leaves
    )
