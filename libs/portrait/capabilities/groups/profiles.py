"""How each group differs from all grouped customers: means, z, target group index, and the order of the groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from portrait.capabilities.groups.vectors import Measured
from portrait.spark.target_group import target_group_index


@dataclass(frozen=True)
class FeatureProfile:
    """One feature in one group, beside all grouped customers."""

    feature: str
    mean: float
    overall_mean: float
    z: float
    tgi: float | None


@dataclass(frozen=True)
class GroupProfile:
    """One group: its cluster in the model, its number by falling wealth, its size and features."""

    cluster: int
    group_id: int
    customers: int
    share: float
    features: tuple[FeatureProfile, ...]


def group_profiles(assigned: DataFrame, *, measured: Measured, smoothing: float) -> list[GroupProfile]:
    """The groups in the order of falling mean `order_by`; equal ones by size, then by cluster.

    z = (mean in the group - mean of all) / standard deviation of all, on the scale that was clustered. The target
    group index is that of customers whose feature is above the overall mean; None where nobody's is.
    """
    rows = _sums(assigned, measured=measured).collect()  # one row per group
    total = sum(row["customers"] for row in rows)
    ordered = sorted(rows, key=lambda row: (-round(row["order_by"], 4), -row["customers"], row["cluster"]))
    return [
        GroupProfile(
            cluster=row["cluster"],
            group_id=position,
            customers=row["customers"],
            share=row["customers"] / total,
            features=tuple(
                _feature_profile(row, rows, index, measured=measured, smoothing=smoothing)
                for index in range(len(measured.scales))
            ),
        )
        for position, row in enumerate(ordered, start=1)
    ]


def _sums(assigned: DataFrame, *, measured: Measured) -> DataFrame:
    aggregates = [F.count(F.lit(1)).alias("customers"), F.avg("order_by").alias("order_by")]
    for index, scale in enumerate(measured.scales):
        element, name = F.col("x")[index], scale.feature.id
        aggregates += [
            F.avg(name).alias(f"raw_{index}"),
            F.sum(element).alias(f"x_{index}"),
            F.sum(element * element).alias(f"xx_{index}"),
            F.count_if(F.col(name) > F.lit(scale.mean)).alias(f"above_{index}"),
        ]
    return assigned.groupBy("cluster").agg(*aggregates)


def _feature_profile(row: Row, rows: list[Row], index: int, *, measured: Measured, smoothing: float) -> FeatureProfile:
    customers = sum(other["customers"] for other in rows)
    mean = math.fsum(other[f"x_{index}"] for other in rows) / customers
    variance = math.fsum(other[f"xx_{index}"] for other in rows) / customers - mean * mean
    sd = math.sqrt(max(variance, 0.0))
    scale = measured.scales[index]
    overall = sum(other[f"above_{index}"] for other in rows) / customers
    tgi = target_group_index(row[f"above_{index}"], row["customers"], overall=overall, smoothing=smoothing)
    return FeatureProfile(
        feature=scale.feature.id,
        mean=_steady(row[f"raw_{index}"] or 0.0),
        overall_mean=_steady(scale.mean),
        z=_steady((row[f"x_{index}"] / row["customers"] - mean) / sd) if sd > 0 else 0.0,
        tgi=None if tgi is None else _steady(tgi),
    )


def _steady(number: float) -> float:
    """Eight significant digits and at most six decimals: free of the order in which sums were added."""
    return round(float(f"{number:.8g}"), 6)
