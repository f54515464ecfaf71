"""Features that know the outcome: which ones, and on what evidence.

Two rules. A feature that alone ranks the validation rows above `single_auc` is left out. Where the model as a whole
ranks them above `model_auc` (published models of bank marketing reach .93-.95 with the call's duration and .77-.80
without, so above .90 something is wrong), the features to which it owes most are taken away, one after the other, until
it does not. They are the leak if few suffice (`most_features`) and the model loses at least `least_drop`; else the data
is easy to rank, nothing is left out, and the alarm is noted.

A limit on single features alone cannot do it: duration ranks bank marketing's rows at .81-.82, honest leading features
(the euribor, the outcome of the last campaign) come near that, and a customer's balance may rank another bank's at .85.
What gives a leak away is that the model without it falls from "too good" to "usual". Honest strong features are many,
and stand in for each other: taking one away costs the model little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from portrait.capabilities.prospects.encoding import Bins
from portrait.capabilities.prospects.learners import Rows, evidence_of
from portrait.capabilities.prospects.logistic import Vector
from portrait.capabilities.prospects.metrics import auc
from portrait.capabilities.prospects.policy import LeakPolicy


def single_aucs(
    bins: Mapping[str, Bins], train: Rows, valid: Rows, *, weight: Vector, smoothing: float
) -> dict[str, float]:
    """Feature -> AUC on the validation rows of its weight of evidence, which was taken from the training rows."""
    evidence = evidence_of(bins, train, smoothing=smoothing)
    return {name: auc(valid.y, evidence[name][valid.codes[name]], weight=weight) for name in bins}


@dataclass(frozen=True)
class Trial:
    """A model of some features, as it ranks the validation rows."""

    features: tuple[str, ...]
    auc: float
    log_odds: Callable[[Mapping[str, np.ndarray]], Vector]


def responsible(trial: Trial, valid: Rows, *, weight: Vector, seed: int) -> str:
    """The feature whose values, shuffled among the validation rows, cost the model most AUC; the first of equals."""
    order = np.random.default_rng(seed).permutation(len(valid.y))
    codes = {name: valid.codes[name] for name in trial.features}
    left = {
        name: auc(valid.y, trial.log_odds({**codes, name: codes[name][order]}), weight=weight)
        for name in trial.features
    }
    return min(left, key=lambda name: (left[name], name))


def suspected(
    first: Trial,
    fit: Callable[[Sequence[str]], Trial],
    valid: Rows,
    *,
    weight: Vector,
    policy: LeakPolicy,
    seed: int,
) -> tuple[dict[str, str], Trial, str | None]:
    """feature -> reason, the model without them, and a note where the alarm has no culprit."""
    removed: list[str] = []
    now = first
    # Shuffling one of two leaks that say the same costs little, so honest features may be taken first: those come back.
    while now.auc > policy.model_auc and len(removed) < 2 * policy.most_features and len(now.features) > 1:
        name = responsible(now, valid, weight=weight, seed=seed)
        removed.append(name)
        now = fit([feature for feature in now.features if feature != name])
    if not removed:
        return {}, first, None
    found = now.auc <= policy.model_auc and first.auc - now.auc >= policy.least_drop
    for name in removed[:-1] if found else []:
        again = fit([feature for feature in first.features if feature in now.features or feature == name])
        if again.auc <= policy.model_auc and first.auc - again.auc >= policy.least_drop:
            removed.remove(name)
            now = again
    if not found or len(removed) > policy.most_features:
        note = f"AUC {first.auc:.3f} is above the alarm of {policy.model_auc:.2f}, but no few features explain it"
        return {}, first, note
    reason = (
        f"leak suspected: with {' and '.join(removed)} the model's AUC is {first.auc:.3f} "
        f"(alarm {policy.model_auc:.2f}), without {now.auc:.3f}"
    )
    return dict.fromkeys(removed, reason), now, None
