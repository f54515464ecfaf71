"""The groups of a slice: customers, summary, profiles and the model behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.groups.judging import (
    Judgement,
    Rules,
    can_go_on,
    draw_sample,
    group_rules,
    judge,
    kept_scales,
    lasting_ids,
    measured_as,
)
from portrait.capabilities.groups.kmeans import Groups, fit_groups, silhouette, with_nearest
from portrait.capabilities.groups.lasting import KeptGroup, KeptModel, vectors_of
from portrait.capabilities.groups.lloyd import nearest
from portrait.capabilities.groups.naming import group_description, group_names
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.capabilities.groups.profiles import GroupProfile, group_profiles
from portrait.capabilities.groups.vectors import ALL_ALIKE, TOO_FEW, Measured, habits, measure, scaled_vectors
from portrait.spark.frames import frame_of

SUMMARY = "as_of date, group_id int, group_name string, description string, customers bigint, share double"
PROFILE = "as_of date, group_id int, feature string, mean double, overall_mean double, z double, tgi double"
RULE = (
    "as_of date, group_id int, rule string, rule_fidelity double, rule_precision double, rule_recall double, "
    "jaccard double, jaccard_low double, jaccard_high double, stability string, centre_moved double"
)
MODEL = (
    "as_of date, model_version string, is_published boolean, reason string, groups int, customers bigint, "
    "ari_mean double, ari_low double, ari_high double, agreement double, rule_fidelity double, is_rough boolean"
)


@dataclass(frozen=True)
class FittedModel:
    """What is kept of a fit: the groups, how vectors were scaled, the figures, what the next fit goes on from."""

    groups: Groups
    measured: Measured
    metrics: dict[str, float]
    kept: KeptModel


@dataclass(frozen=True)
class Grouping:
    """gold.customer_group, group_summary, group_profile, group_rule, group_model.

    `model` is None when no groups were made, or when the model of the slice before goes on assigning.
    """

    customers: DataFrame
    summary: DataFrame
    profile: DataFrame
    rules: DataFrame
    judged: DataFrame
    model: FittedModel | None


@contextmanager
def group_customers(
    features: DataFrame, *, policy: GroupPolicy, as_of: date, model_version: str, earlier: KeptModel | None = None
) -> Iterator[Grouping]:
    """The groups of the slice `features`; the frames can be read while the block is open.

    Every customer is a row of `customers`: in a group, or with the reason why not. The same slice and the same
    `earlier` model (of the slice before) give the same groups whatever the number of cores and partitions.
    """
    all_customers = habits(features, policy=policy)
    groupable = all_customers.where(F.col("not_grouped_reason").isNull())
    measured = measure(groupable, policy=policy)
    reason = _why_none(measured, policy=policy)
    if reason is not None:
        yield _without_groups(all_customers, reason=reason, as_of=as_of)
        return
    vectors = scaled_vectors(groupable, measured=measured, policy=policy).persist()
    try:
        groups = fit_groups(vectors, customers=measured.customers, search=policy.search)
        size = max(policy.stability.sample, policy.surrogate.sample)
        sample = draw_sample(vectors, measured=measured, customers=measured.customers, size=size)
        goes_on = can_go_on(earlier, policy)
        judgement = judge(sample, groups.centres, earlier=earlier, policy=policy, can_go_on=goes_on)
        kept, points = _unnumbered(groups, measured, version=model_version, policy=policy), sample.x
        if earlier is not None and not judgement.published:
            kept, points = earlier, vectors_of(earlier, sample.raw)
            measured = measured_as(earlier, measured, policy)
            vectors.unpersist()
            vectors = scaled_vectors(groupable, measured=measured, policy=policy, clip=earlier.clip).persist()
        assigned = with_nearest(vectors, kept.centres)
        profiles = group_profiles(assigned, measured=measured, smoothing=policy.smoothing)
        moved: dict[int, float] = {}
        model = None
        if judgement.published:
            order = [profile.cluster for profile in profiles]
            lasting = lasting_ids(earlier, kept, sample, order, policy=policy)
            profiles = [replace(profile, group_id=lasting.ids[profile.cluster]) for profile in profiles]
            names = group_names(profiles, policy=policy, kept=_names(earlier))
            kept, moved = _numbered(kept, lasting.ids, names, next_id=lasting.next_id), lasting.moved
            metrics = groups.metrics | {"silhouette": silhouette(assigned), "ari": judgement.stability.ari_mean}
            model = FittedModel(groups, measured, metrics, kept)
        else:
            profiles = [replace(item, group_id=kept.groups[item.cluster].group_id) for item in profiles]
            names = _names(kept)
        rules = group_rules(sample, nearest(points, kept.centres), profiles, policy=policy)
        grouped = _named(assigned, profiles, names, model_version=kept.version)
        yield Grouping(
            customers=_all_customers(all_customers, grouped, as_of=as_of),
            summary=_summary(features, profiles, names, policy=policy, as_of=as_of),
            profile=_profile(features, profiles, as_of=as_of),
            rules=_rules(features, profiles, rules, judgement, moved, policy=policy, as_of=as_of),
            judged=_judged(features, kept, profiles, rules, judgement, policy=policy, as_of=as_of),
            model=model,
        )
    finally:
        vectors.unpersist()


def _unnumbered(groups: Groups, measured: Measured, *, version: str, policy: GroupPolicy) -> KeptModel:
    """The new model; its groups have no numbers yet."""
    centres = [tuple(float(value) for value in centre) for centre in groups.centres]
    found = tuple(KeptGroup(0, "", centre) for centre in centres)
    return KeptModel(version, kept_scales(measured), policy.clip, found, 1)


def _numbered(model: KeptModel, ids: dict[int, int], names: dict[int, str], *, next_id: int) -> KeptModel:
    # A cluster that no customer is nearest to has no profile, and so no name.
    numbered = [
        KeptGroup(ids[place], names.get(ids[place], f"Group {ids[place]}"), group.centre)
        for place, group in enumerate(model.groups)
    ]
    return replace(model, groups=tuple(numbered), next_id=next_id)


def _names(model: KeptModel | None) -> dict[int, str]:
    return {} if model is None else {group.group_id: group.name for group in model.groups}


def _why_none(measured: Measured, *, policy: GroupPolicy) -> str | None:
    if measured.customers < policy.least_customers:
        return TOO_FEW
    return None if measured.scales else ALL_ALIKE


def _named(
    assigned: DataFrame, profiles: list[GroupProfile], names: dict[int, str], *, model_version: str
) -> DataFrame:
    """One row per grouped customer, cluster numbers replaced by group ids and names."""
    ids = F.create_map(*[F.lit(item) for profile in profiles for item in (profile.cluster, profile.group_id)])
    words = F.create_map(*[F.lit(item) for profile in profiles for item in (profile.cluster, names[profile.group_id])])
    return assigned.select(
        "customer_id",
        ids[F.col("cluster")].alias("group_id"),
        words[F.col("cluster")].alias("group_name"),
        "distance",
        "margin",
        F.lit(model_version).alias("model_version"),
    )


def _all_customers(customers: DataFrame, grouped: DataFrame, *, as_of: date) -> DataFrame:
    return (
        customers.select("customer_id", "not_grouped_reason")
        .join(grouped, on="customer_id", how="left")
        .select(
            F.lit(as_of).alias("as_of"),
            "customer_id",
            "group_id",
            "group_name",
            "distance",
            "margin",
            "not_grouped_reason",
            "model_version",
        )
    )


def _without_groups(customers: DataFrame, *, reason: str, as_of: date) -> Grouping:
    spark = customers.sparkSession
    rows = customers.select(
        F.lit(as_of).alias("as_of"),
        "customer_id",
        F.lit(None).cast("int").alias("group_id"),
        F.lit(None).cast("string").alias("group_name"),
        F.lit(None).cast("double").alias("distance"),
        F.lit(None).cast("double").alias("margin"),
        F.coalesce("not_grouped_reason", F.lit(reason)).alias("not_grouped_reason"),
        F.lit(None).cast("string").alias("model_version"),
    )
    summary, profile, rules, judged = (frame_of(spark, [], layout) for layout in (SUMMARY, PROFILE, RULE, MODEL))
    return Grouping(rows, summary, profile, rules, judged, None)


def _summary(
    features: DataFrame, profiles: list[GroupProfile], names: dict[int, str], *, policy: GroupPolicy, as_of: date
) -> DataFrame:
    rows = [
        (
            as_of,
            profile.group_id,
            names[profile.group_id],
            group_description(profile, policy=policy),
            profile.customers,
            profile.share,
        )
        for profile in profiles
    ]
    return frame_of(features.sparkSession, rows, SUMMARY)


def _profile(features: DataFrame, profiles: list[GroupProfile], *, as_of: date) -> DataFrame:
    rows = [
        (as_of, profile.group_id, entry.feature, entry.mean, entry.overall_mean, entry.z, entry.tgi)
        for profile in profiles
        for entry in profile.features
    ]
    return frame_of(features.sparkSession, rows, PROFILE)


def _rules(
    features: DataFrame,
    profiles: list[GroupProfile],
    rules: Rules,
    judgement: Judgement,
    moved: dict[int, float],
    *,
    policy: GroupPolicy,
    as_of: date,
) -> DataFrame:
    rows = []
    for profile in profiles:
        place, found = profile.cluster, judgement.stability
        jaccard = _known(found.jaccard[place]) if judgement.published else None
        rows.append(
            (
                as_of,
                profile.group_id,
                rules.words[place],
                _known(rules.fidelity[place]),
                _known(rules.precision[place]),
                _known(rules.recall[place]),
                jaccard,
                _known(found.jaccard_low[place]) if judgement.published else None,
                _known(found.jaccard_high[place]) if judgement.published else None,
                _trust(jaccard, policy=policy),
                _known(moved.get(place)),
            )
        )
    return frame_of(features.sparkSession, rows, RULE)


def _judged(
    features: DataFrame,
    kept: KeptModel,
    profiles: list[GroupProfile],
    rules: Rules,
    judgement: Judgement,
    *,
    policy: GroupPolicy,
    as_of: date,
) -> DataFrame:
    found, agreed = judgement.stability, rules.exact
    row: tuple[Any, ...] = (
        as_of,
        kept.version,
        judgement.published,
        judgement.reason,
        len(profiles),
        sum(profile.customers for profile in profiles),
        _known(found.ari_mean),
        _known(found.ari_low),
        _known(found.ari_high),
        _known(judgement.agreement),
        _known(agreed),
        bool(agreed < policy.surrogate.fidelity_least),
    )
    return frame_of(features.sparkSession, [row], MODEL)


def _known(number: float | None) -> float | None:
    """Six decimals; None for what is not known."""
    return None if number is None or np.isnan(number) else round(float(number), 6)


def _trust(jaccard: float | None, *, policy: GroupPolicy) -> str:
    if jaccard is None:
        return "not_measured"
    if jaccard < policy.stability.jaccard_least:
        return "not_trusted"
    return "stable" if jaccard >= policy.stability.jaccard_stable else "doubtful"
