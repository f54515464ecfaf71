"""A new model judged on a bounded sample of customers: is it stable, and does it go on with the model before?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.groups.lasting import (
    KeptModel,
    KeptScale,
    Lasting,
    common_centres,
    jaccard_table,
    keep_ids,
    vectors_of,
)
from portrait.capabilities.groups.lloyd import Labels, Matrix, nearest
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.capabilities.groups.profiles import GroupProfile
from portrait.capabilities.groups.stability import Stability, adjusted_rand, refit_stability
from portrait.capabilities.groups.surrogate import fidelity, fit_tree, paths, predict, row_order, rule_in_words
from portrait.capabilities.groups.vectors import Measured, Scale

_PARTS = 1_000_000


@dataclass(frozen=True)
class Sample:
    """Customers to judge a model on, in an order of their own: their vectors, and features in their own unit.

    `raw` has NaN where the number is unknown for the customer.
    """

    x: Matrix
    raw: dict[str, Matrix]


@dataclass(frozen=True)
class Judgement:
    """Whether a new model is published, and why not (or why in spite of doubts); the figures behind it.

    `agreement`: adjusted Rand index between the new model and the one before, on today's customers.
    """

    stability: Stability
    agreement: float | None
    published: bool
    reason: str | None


@dataclass(frozen=True)
class Rules:
    """Per group, in the order of the model's centres: the rule in words, and how far it holds for customers held out.

    `exact`: share of them whom the rule of their own group selects, and no other. NaN where nobody is to be counted.
    """

    words: tuple[str | None, ...]
    fidelity: Matrix
    precision: Matrix
    recall: Matrix
    exact: float


def draw_sample(vectors: DataFrame, *, measured: Measured, customers: int, size: int) -> Sample:
    """About `size` customers by a hash of their id: the same ones whatever the layout; all where there are no more."""
    names = list(measured.means)
    share = max(1, -(-size * _PARTS // max(customers, 1)))
    picked = vectors.withColumn("hash", F.xxhash64("customer_id")).where(F.expr(f"pmod(hash, {_PARTS}) < {share}"))
    found = picked.select("hash", "customer_id", "x", *names).toArrow()  # bounded by `size`
    order = row_order(found.column("hash").to_numpy(), found.column("customer_id").to_pylist())
    width = len(measured.scales)
    x = found.column("x").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, width)[order]
    raw = {name: found.column(name).to_numpy().astype(np.float64)[order] for name in names}
    return Sample(x.astype(np.float64), raw)


def judge(
    sample: Sample, centres: Matrix, *, earlier: KeptModel | None, policy: GroupPolicy, can_go_on: bool
) -> Judgement:
    """Judge new `centres`. Without an earlier model that can go on assigning, they are published whatever they are."""
    rule, points = policy.stability, sample.x[: policy.stability.sample]
    stability = refit_stability(points, centres, refits=rule.refits, seed=policy.search.seeds[0])
    agreement = None
    if earlier is not None:
        before = nearest(vectors_of(earlier, sample.raw), earlier.centres)
        agreement = adjusted_rand(before, nearest(sample.x, centres))
    doubts = []
    if stability.ari_mean < rule.ari_least:
        doubts.append(f"adjusted Rand index over refits {stability.ari_mean:.2f}, needed {rule.ari_least:.2f}")
    if agreement is not None and agreement < policy.continuity.agreement_least:
        doubts.append(
            f"agreement with the model before {agreement:.2f}, needed {policy.continuity.agreement_least:.2f}"
        )
    if not doubts:
        return Judgement(stability, agreement, True, None)
    said = "; ".join(doubts)
    if can_go_on:
        return Judgement(stability, agreement, False, f"not published, the model before goes on: {said}")
    why = "no model before" if earlier is None else "the model before has features that conf/groups.yml lacks"
    return Judgement(stability, agreement, True, f"published in spite of {said}: {why}")


def lasting_ids(
    earlier: KeptModel | None, new: KeptModel, sample: Sample, order: list[int], *, policy: GroupPolicy
) -> Lasting:
    """Numbers for the clusters of `new` (its group ids are not read); `order`: clusters by falling wealth."""
    order = [*order, *sorted(set(range(len(new.groups))) - set(order))]  # those without customers last
    if earlier is None:
        return Lasting({cluster: place for place, cluster in enumerate(order, start=1)}, {}, len(order) + 1)
    before, centres = common_centres(earlier, new)
    old = nearest(vectors_of(earlier, sample.raw), earlier.centres)
    overlap = jaccard_table(old, nearest(sample.x, new.centres), rows=len(before), columns=len(centres))
    return keep_ids(
        before,
        centres,
        numbers=[group.group_id for group in earlier.groups],
        overlap=overlap,
        least_overlap=policy.continuity.overlap_least,
        order=order,
        next_id=earlier.next_id,
    )


def kept_scales(measured: Measured) -> tuple[KeptScale, ...]:
    """The scales as a model keeps them."""
    return tuple(
        KeptScale(scale.feature.id, scale.feature.kind, scale.centre, scale.spread, scale.feature.weight, scale.mean)
        for scale in measured.scales
    )


def can_go_on(earlier: KeptModel | None, policy: GroupPolicy) -> bool:
    """Whether the features of a model are still what the policy says they are."""
    declared = {(feature.id, feature.kind) for feature in policy.features}
    return earlier is not None and all((scale.feature, scale.kind) in declared for scale in earlier.scales)


def measured_as(earlier: KeptModel, measured: Measured, policy: GroupPolicy) -> Measured:
    """The scales of an earlier model, with the means of today."""
    declared = {feature.id: feature for feature in policy.features}
    scales = tuple(
        Scale(
            declared[scale.feature].model_copy(update={"weight": scale.weight}),
            scale.centre,
            scale.spread,
            measured.means.get(scale.feature, scale.mean),
        )
        for scale in earlier.scales
    )
    return Measured(scales, measured.dropped, measured.customers, measured.means)


def group_rules(sample: Sample, labels: Labels, profiles: list[GroupProfile], *, policy: GroupPolicy) -> Rules:
    """The rule of every group in words, each by a tree of its own on the features in their own unit."""
    rule, k = policy.surrogate, max(profile.cluster for profile in profiles) + 1
    means = {entry.feature: entry.overall_mean for entry in profiles[0].features}
    known = [feature for feature in policy.features if feature.id in sample.raw and feature.id in means]
    matrix = np.stack([np.nan_to_num(sample.raw[item.id], nan=means[item.id]) for item in known], axis=1)
    held_out = np.arange(len(matrix)) % rule.held_out == rule.held_out - 1
    least = max(1, int(rule.least_share * (~held_out).sum()))
    titles, kinds = [feature.title for feature in known], [feature.kind for feature in known]
    words: list[str | None] = []
    figures = np.full((3, k), np.nan)
    selected = np.zeros((k, int(held_out.sum())), dtype=np.int64)
    for group in range(k):
        inside = (labels == group).astype(np.int64)
        tree = fit_tree(matrix[~held_out], inside[~held_out], depth=rule.depth, least_rows=least)
        found = paths(tree).get(1)
        words.append(rule_in_words(found, titles, kinds) if found else None)
        judged = fidelity(tree, matrix[held_out], inside[held_out], k=2)
        figures[:, group] = judged.overall, judged.precision[1], judged.recall[1]
        selected[group] = predict(tree, matrix[held_out])
    own = selected[labels[held_out], np.arange(selected.shape[1])] == 1
    exact = float((own & (selected.sum(axis=0) == 1)).mean())
    return Rules(tuple(words), figures[0], figures[1], figures[2], exact)
