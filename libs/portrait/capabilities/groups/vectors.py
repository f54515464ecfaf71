"""From a customer's features to the vector that is clustered.

Vectors are rounded to multiples of 2^-12. Sums of such numbers are exact in binary floating point (to 30 million
customers and beyond), whatever their order: centroids, and with them assignments, do not depend on how many cores added
them up or in which order partitions arrived.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.ml.functions import array_to_vector
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.groups.policy import GroupPolicy, VectorFeature
from portrait.features.population import OWNER

GRID = 4096.0
NO_ACCOUNT = "owns_no_account"
NO_TRANSACTION = "no_transaction_in_window"
TOO_FEW = "too_few_customers"
ALL_ALIKE = "no_distinguishing_feature"


@dataclass(frozen=True)
class Scale:
    """How one feature enters the vector: (transformed value - centre) / spread, cut at the clip, times weight."""

    feature: VectorFeature
    centre: float
    spread: float
    mean: float
    """Mean of the untransformed feature over the customers to be grouped."""


@dataclass(frozen=True)
class Measured:
    """The scales of the features that are used, why the others are not, and how many customers there are.

    `means`: mean of every feature that is known for someone, untransformed.
    """

    scales: tuple[Scale, ...]
    dropped: dict[str, str]
    customers: int
    means: dict[str, float]


def habits(features: DataFrame, *, policy: GroupPolicy) -> DataFrame:
    """One row per customer: `order_by`, not_grouped_reason (NULL: can be grouped) and every feature of the policy.

    Features are DOUBLE in their own unit (shares 0..1, amounts, counts). NULL: the bank lacks the columns, or a number
    of the customer is unknown.
    """
    available = set(features.columns)
    bookings = F.col(policy.activity) if policy.activity in available else F.lit(0)
    enough = F.coalesce(bookings, F.lit(0)) >= policy.least_transactions
    owns = F.coalesce(F.col("relationship") == OWNER, F.lit(True)) if "relationship" in available else F.lit(True)
    order = _sum([F.coalesce(F.col(name), F.lit(0)) for name in policy.order_by if name in available])
    return features.select(
        "customer_id",
        order.cast("double").alias("order_by"),
        F.when(~owns, F.lit(NO_ACCOUNT)).when(~enough, F.lit(NO_TRANSACTION)).alias("not_grouped_reason"),
        *[_value(feature, policy=policy, available=available).alias(feature.id) for feature in policy.features],
    )


def _value(feature: VectorFeature, *, policy: GroupPolicy, available: set[str]) -> Column:
    parts = [F.col(name).cast("double") for name in feature.of if name in available]
    if not parts:
        return F.lit(None).cast("double")
    amount = F.greatest(_sum([F.coalesce(part, F.lit(0.0)) for part in parts]), F.lit(0.0))
    known = _all_known(parts)
    if feature.kind == "level":
        if feature.per is None or feature.per not in available:
            return F.when(known, amount)
        return F.when(known, amount / F.greatest(F.coalesce(F.col(feature.per), F.lit(1)), F.lit(1)).cast("double"))
    whole = [F.col(name).cast("double") for name in policy.totals[feature.over or ""] if name in available]
    total = _sum([F.coalesce(part, F.lit(0.0)) for part in whole])
    return F.when(
        known & _all_known(whole), F.when(total > 0, F.least(amount / total, F.lit(1.0))).otherwise(F.lit(0.0))
    )


def measure(groupable: DataFrame, *, policy: GroupPolicy) -> Measured:
    """Centre and spread of each feature over the customers to be grouped; which features say nothing and why."""
    aggregates = [F.count(F.lit(1)).alias("customers")]
    for feature in policy.features:
        value = _transformed(feature)
        aggregates += [
            F.count(feature.id).alias(f"{feature.id}_known"),
            F.avg(feature.id).alias(f"{feature.id}_raw"),
            F.avg(value).alias(f"{feature.id}_mean"),
            F.stddev_pop(value).alias(f"{feature.id}_sd"),
        ]
        if policy.scaling == "robust":
            quartiles = F.percentile(F.round(value, 4), F.array(F.lit(0.25), F.lit(0.5), F.lit(0.75)))
            aggregates.append(quartiles.alias(f"{feature.id}_quartiles"))
    row = groupable.agg(*aggregates).first()
    assert row is not None, "an aggregate without keys has one row"
    scales: list[Scale] = []
    dropped: dict[str, str] = {}
    for feature in policy.features:
        if row[f"{feature.id}_known"] == 0:
            dropped[feature.id] = "unknown for all customers"
        elif row[f"{feature.id}_sd"] < 1e-9:
            dropped[feature.id] = "the same for all customers"
        else:
            centre, spread = row[f"{feature.id}_mean"], row[f"{feature.id}_sd"]
            if policy.scaling == "robust":
                low, middle, high = row[f"{feature.id}_quartiles"]
                # 1.349: the interquartile range of a standard normal. A range of 0 would blow the feature up.
                centre, spread = (middle, (high - low) / 1.349) if high > low else (centre, spread)
            scales.append(Scale(feature, _steady(centre), _steady(spread), _steady(row[f"{feature.id}_raw"])))
    known = [feature.id for feature in policy.features if row[f"{feature.id}_known"]]
    means = {name: _steady(row[f"{name}_raw"]) for name in known}
    return Measured(tuple(scales), dropped, int(row["customers"]), means)


def scaled_vectors(
    groupable: DataFrame, *, measured: Measured, policy: GroupPolicy, clip: float | None = None
) -> DataFrame:
    """The rows with `x` (ARRAY<DOUBLE>) and `vector` (MLlib), in a layout that depends on the data alone.

    A feature unknown for one customer is put at the centre. `clip`: that of an earlier model, else of the policy.
    k-means|| draws by partition, so number and order of partitions are fixed by the number of customers, and rows
    within them by customer_id.
    """
    partitions = -(-measured.customers // policy.search.customers_per_partition)
    # Laid out first: the vector would be the wider part of what is sent and sorted.
    placed = groupable.repartition(partitions, "customer_id").sortWithinPartitions("customer_id")
    elements, most = [], policy.clip if clip is None else clip
    for scale in measured.scales:
        deviation = (_transformed(scale.feature) - F.lit(scale.centre)) / F.lit(scale.spread)
        cut = F.least(F.greatest(deviation, F.lit(-most)), F.lit(most))
        # rint, because round takes every number through its decimal digits.
        on_grid = F.rint(cut * F.lit(scale.feature.weight * GRID)) / F.lit(GRID)
        # least and greatest pass over NULL, so the unknown is asked for, not coalesced.
        elements.append(F.when(F.col(scale.feature.id).isNull(), F.lit(0.0)).otherwise(on_grid))
    return placed.withColumn("x", F.array(*elements)).withColumn("vector", array_to_vector(F.col("x")))


def _transformed(feature: VectorFeature) -> Column:
    value = F.col(feature.id)
    return F.sqrt(value) if feature.kind == "share" else F.log1p(value)


def _steady(number: float) -> float:
    """Ten significant digits: what is left of a sum when the order in which it was added is taken away."""
    return float(f"{number:.10g}")


def _all_known(parts: list[Column]) -> Column:
    known = F.lit(True)
    for part in parts:
        known = known & part.isNotNull()
    return known


def _sum(parts: list[Column]) -> Column:
    total = F.lit(0.0)
    for part in parts:
        total = total + part
    return total
