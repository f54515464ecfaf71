"""The first step: the populations, with features, contribution and labels of every customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.core_group.plans import ServicePlan
from portrait.capabilities.core_group.policy import CoreGroupPolicy, Population
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.capabilities.groups.vectors import habits


def people_of(measured: DataFrame, contribution: DataFrame, portrait: DataFrame, *, features: GroupPolicy) -> DataFrame:
    """One row per customer: not_grouped_reason, the features, contribution (DOUBLE, 0 without any), the labels."""
    habit = habits(measured, policy=features).drop("order_by")
    worth = contribution.groupBy("customer_id").agg(F.sum("contribution").cast("double").alias("contribution"))
    joined = habit.join(worth, on="customer_id", how="left").join(portrait.drop("as_of"), on="customer_id", how="left")
    return joined.withColumn("contribution", F.coalesce("contribution", F.lit(0.0)))


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
