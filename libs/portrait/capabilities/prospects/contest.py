"""The model of a target for a day: the one in use, or a new one that beats it on the same later rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.prospects.declaration import FEATURES, SCORES, CheckedTarget
from portrait.capabilities.prospects.frames import bounded_sample
from portrait.capabilities.prospects.metrics import auc, with_intervals
from portrait.capabilities.prospects.model import PROBABILITY, Propensity, fit_propensity
from portrait.capabilities.prospects.policy import PropensityPolicy
from portrait.capabilities.prospects.saved import load_propensity, save_propensity
from portrait.capabilities.prospects.scores import Judged
from portrait.capabilities.prospects.training import (
    KNOWN,
    TARGET,
    Split,
    event_days,
    labelled,
    population,
    split_by_time,
)
from portrait.entities.ownership import People
from portrait.errors import InputRefused
from portrait.lake import Lake, Model, ModelStore

TABLE = f"gold.{FEATURES}"
_CONTACTS = "contact_count_90d"
_NEVER = 0.499  # no trees are better by as much: the logistic regression stays
_METRICS = (
    "auc", "auc_low", "auc_high", "gini", "ks", "lift_at_10", "brier", "calibration_slope", "calibration_slope_low",
    "calibration_slope_high", "calibration_intercept", "calibration_intercept_low", "calibration_intercept_high",
    "targeted_share",
)  # fmt: skip


@dataclass(frozen=True)
class _Measured:
    """A model and its metrics on the validation slice."""

    model: Propensity
    metrics: dict[str, float]
    champion_auc: float | None


def judge_targets(
    lake: Lake,
    targets: Sequence[CheckedTarget],
    tables: Mapping[str, DataFrame],
    *,
    people: People,
    policy: PropensityPolicy,
    as_of: date,
) -> list[tuple[Judged, DataFrame | None]]:
    """Every target with its model, or with the reason why nothing is scored, and what made its events.

    `tables`: see `event_days`. A target whose events the bank does not deliver has no model, and None for its events.
    """
    judged: list[tuple[Judged, DataFrame | None]] = []
    for target in targets:
        days = event_days(tables, people, target.target.event, as_of=as_of, zone=lake.catalogue.time_zone)
        if days is None:
            absent = f"the bank does not deliver what says who did it ({target.source})"
            judged.append((Judged(target, None, {"reason": absent}), None))
        else:
            judged.append((judge_target(lake, target, days, policy=policy, as_of=as_of), days))
    return judged


def judge_target(
    lake: Lake, target: CheckedTarget, days: DataFrame, *, policy: PropensityPolicy, as_of: date
) -> Judged:
    """The model that scores a target at `as_of`, from what was known then.

    `days`: see `event_days`. A new model is fitted when the validation slice has moved, and saved only when it ranks
    that slice no worse than the one in use; the slice is later than all that either has learnt from.
    """
    store, name = ModelStore(lake), f"propensity_{target.target.id}"
    declaration = target.target.model_dump_json()
    # Not a model of this very day: a rerun does what the first run did.
    # Where no earlier day was scored there is none, and nothing is asked.
    earlier = lake.previous_as_of(SCORES, as_of) is not None
    known = store.current(name, until=as_of - timedelta(days=1)) if earlier else None
    champion = known if known is not None and known.parameters["declaration"] == declaration else None
    months, training = target.target.horizon_months, policy.training
    past = [day for day in lake.slices(TABLE) if day < as_of]
    split = split_by_time(past, as_of=as_of, months=months, policy=training)
    why = _too_few(past, as_of, target, policy)
    if split is not None and (champion is None or _moved(champion, split, training.again_days)):
        present = None if champion is None else load_propensity(champion.folder)
        try:
            found = _measured(lake, target, days, split, policy=policy, champion=present)
        except InputRefused as error:
            why = f"{error.message} in the slices {split.learnt[0]} to {split.validation}"
        else:
            if found.champion_auc is None or found.metrics["auc"] >= found.champion_auc + training.least_gain:
                return _kept(store, name, target, found, split, declaration=declaration, as_of=as_of)
            note = f"a new model reached an AUC of {found.metrics['auc']:.3f} only"
            assert champion is not None
            return _of_champion(target, champion, champion_auc=found.champion_auc, note=note)
    return Judged(target, None, {"reason": why}) if champion is None else _of_champion(target, champion)


def _too_few(past: list[date], as_of: date, target: CheckedTarget, policy: PropensityPolicy) -> str:
    months, least = target.target.horizon_months, policy.training.least_slices
    return (
        f"too few past slices ({len(past)}): a model is measured on one that is {months} months old on {as_of}, and "
        f"learns from {least} that were {months} months old on the day of that one; "
        "`portrait run --from ... --to ... --every month-end` computes earlier slices"
    )


def _moved(champion: Model, split: Split, again_days: int) -> bool:
    return split.validation >= date.fromisoformat(champion.parameters["validated_on"]) + timedelta(days=again_days)


def _measured(
    lake: Lake,
    target: CheckedTarget,
    days: DataFrame,
    split: Split,
    *,
    policy: PropensityPolicy,
    champion: Propensity | None,
) -> _Measured:
    chosen = lake.read(TABLE).where(F.col("as_of").isin(*split.learnt, split.validation))
    also = [_CONTACTS] if _CONTACTS in chosen.columns else []
    also += list(champion.features) if champion else []
    rows = labelled(population(chosen, target, days), target, also=also)
    is_validation = F.col(KNOWN) == F.lit(split.validation)
    rules = policy if target.target.learner == "best" else policy.model_copy(update={"challenger_gain": _NEVER})
    model = fit_propensity(rows.where(~is_validation), target=TARGET, features=target.features, policy=rules)
    later = model.score(rows.where(is_validation)).withColumnRenamed(PROBABILITY, "new")
    if champion:
        later = champion.score(later).withColumnRenamed(PROBABILITY, "old")
    contacted = (F.col(_CONTACTS) > 0) if _CONTACTS in chosen.columns else F.lit(None).cast("boolean")
    asked = later.select(TARGET, "new", *(["old"] if champion else []), contacted.alias("contacted"))
    places = {column: place for place, column in enumerate(asked.columns) if column != TARGET}
    sample = bounded_sample(
        asked, labels={"target": TARGET}, features=places, rows=policy.sample.rows, seed=1, by_class=True
    )
    y, weight = sample.labels[0], sample.weight
    if not 0 < y.sum() < len(y):
        raise InputRefused(
            f"nobody, or everybody, did it within the horizon of {split.validation}", where=target.target.id,
            remedy="wait for a later slice",
        )  # fmt: skip
    report = policy.report
    metrics = with_intervals(
        y, sample.columns["new"], weight=weight, resamples=report.resamples, confidence=report.confidence, seed=1
    )
    metrics["targeted_share"] = float((sample.columns["contacted"] * weight).sum() / weight.sum())
    rival = auc(y, sample.columns["old"], weight=weight) if champion else None
    return _Measured(model, metrics, rival)


def _kept(
    store: ModelStore,
    name: str,
    target: CheckedTarget,
    found: _Measured,
    split: Split,
    *,
    declaration: str,
    as_of: date,
) -> Judged:
    """The new model, saved; the pointer moves with it."""
    model, metrics = (
        found.model,
        {key: found.metrics[key] for key in _METRICS if found.metrics[key] == found.metrics[key]},
    )
    parameters = {
        "learner": model.learner,
        "learnt_from": str(split.learnt[0]),
        "learnt_until": str(split.learnt[-1]),
        "validated_on": str(split.validation),
        "declaration": declaration,
    }
    version = store.save(
        name, lambda folder: save_propensity(model, folder), as_of=as_of, metrics=metrics, parameters=parameters
    )
    decision = "first model" if found.champion_auc is None else "new model replaced the one in use"
    facts = _facts(model, version, as_of, metrics, parameters)
    return Judged(target, model, facts | {"decision": decision, "champion_auc": found.champion_auc})


def _of_champion(
    target: CheckedTarget, champion: Model, *, champion_auc: float | None = None, note: str | None = None
) -> Judged:
    model = load_propensity(champion.folder)
    facts = _facts(model, champion.version, champion.as_of, champion.metrics, champion.parameters)
    notes = [*facts["notes"], *([note] if note else [])]
    decision = "model in use kept: the new one was worse" if note else "model in use kept"
    return Judged(target, model, facts | {"decision": decision, "champion_auc": champion_auc, "notes": notes})


def _facts(
    model: Propensity, version: str, fitted: date, metrics: Mapping[str, float], parameters: Mapping[str, str]
) -> dict[str, Any]:
    days = {key: date.fromisoformat(parameters[key]) for key in ("learnt_from", "learnt_until", "validated_on")}
    return {
        "learner": model.learner,
        "model_version": version,
        "fitted_at": fitted,
        **days,
        **{key: metrics.get(key) for key in _METRICS},
        "base_rate": model.report["positives"] / model.report["rows"],
        "left_out": dict(model.left_out),
        "notes": list(model.notes),
    }
