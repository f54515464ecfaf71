"""The first step: the populations, with features, contribution and labels of every customer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.core_group.audience import usable_labels
from portrait.capabilities.core_group.plans import ServicePlan
from portrait.capabilities.core_group.policy import CoreGroupPolicy, Population
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.capabilities.groups.vectors import habits
from portrait.labels.declaration import Label


def people_of(
    measured: DataFrame,
    contribution: DataFrame,
    portrait: DataFrame,
    *,
    features: GroupPolicy,
    labels: Collection[str],
) -> DataFrame:
    """One row per customer: not_grouped_reason, the features, contribution (DOUBLE, 0 without any), `labels`."""
    habit = habits(measured, policy=features).drop("order_by")
    worth = contribution.groupBy("customer_id").agg(F.sum("contribution").cast("double").alias("contribution"))
    said = portrait.select("customer_id", *[name for name in portrait.columns if name in labels])
    joined = habit.join(worth, on="customer_id", how="left").join(said, on="customer_id", how="left")
    return joined.withColumn("contribution", F.coalesce("contribution", F.lit(0.0)))


def labels_read(labels: Sequence[Label], policy: CoreGroupPolicy, plans: Mapping[str, ServicePlan]) -> set[str]:
    """The labels that rules may name, and the signals of plans."""
    usable = {label.id for label in usable_labels(labels, policy=policy.rule)}
    return usable | {signal for plan in plans.values() for signal in plan.signals}


def populations_of(
    everybody: DataFrame, members: DataFrame, *, policy: CoreGroupPolicy, plans: Mapping[str, ServicePlan]
) -> Iterator[tuple[Population, DataFrame]]:
    """The customers of each population, with `signals`: the labels of its plan that are true."""
    for population in policy.populations:
        people = everybody
        if population.audience is not None:
            inside = members.where(F.col("audience") == population.audience).select("customer_id")
            people = everybody.join(inside, on="customer_id", how="left_semi")
        known = [name for name in plans[population.plan].signals if name in everybody.columns]
        said = [F.when(F.col(name), F.lit(name)) for name in known]
        signals = F.array_compact(F.array(*said)) if said else F.array().cast("array<string>")
        yield population, people.withColumn("signals", signals)
