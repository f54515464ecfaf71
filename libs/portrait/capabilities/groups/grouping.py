"""The groups of a slice: customers, summary, profiles and the model behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.groups.kmeans import Groups, fit_groups, silhouette, with_nearest
from portrait.capabilities.groups.naming import group_description, group_names
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.capabilities.groups.profiles import GroupProfile, group_profiles
from portrait.capabilities.groups.vectors import ALL_ALIKE, TOO_FEW, Measured, habits, measure, scaled_vectors
from portrait.spark.frames import frame_of

SUMMARY = "as_of date, group_id int, group_name string, description string, customers bigint, share double"
PROFILE = "as_of date, group_id int, feature string, mean double, overall_mean double, z double, tgi double"


@dataclass(frozen=True)
class FittedModel:
    """What is kept of a fit: the groups, how vectors were scaled, the figures."""

    groups: Groups
    measured: Measured
    metrics: dict[str, float]


@dataclass(frozen=True)
class Grouping:
    """gold.customer_group, gold.group_summary, gold.group_profile; `model` is None when no groups were made."""

    customers: DataFrame
    summary: DataFrame
    profile: DataFrame
    model: FittedModel | None


@contextmanager
def group_customers(features: DataFrame, *, policy: GroupPolicy, as_of: date, model_version: str) -> Iterator[Grouping]:
    """The groups of the slice `features`; the frames can be read while the block is open.

    Every customer is a row of `customers`: in a group, or with the reason why not. The same slice gives the same groups
    whatever the number of cores and partitions.
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
        assigned = with_nearest(vectors, groups.centres)
        profiles = group_profiles(assigned, measured=measured, smoothing=policy.smoothing)
        metrics = groups.metrics | {"silhouette": silhouette(assigned)}
        names = group_names(profiles, policy=policy)
        grouped = _named(assigned, profiles, names, model_version=model_version)
        yield Grouping(
            customers=_all_customers(all_customers, grouped, as_of=as_of),
            summary=_summary(features, profiles, names, policy=policy, as_of=as_of),
            profile=_profile(features, profiles, as_of=as_of),
            model=FittedModel(groups, measured, metrics),
        )
    finally:
        vectors.unpersist()


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
    return Grouping(rows, frame_of(spark, [], SUMMARY), frame_of(spark, [], PROFILE), None)


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
