"""Whether the scorecard still fits (PSI, calibration per grade) and how decisions differ between groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from scipy.stats import beta

from portrait.capabilities.credit.policy import Monitoring
from portrait.capabilities.credit.scorecard import Scorecard
from portrait.entities.versions import as_of as versions_at
from portrait.settings import UTC
from portrait.spark.columns import by_place, place_name, place_of

Row = tuple[Any, ...]
GRADES = "ABCDE"
_LEAST_SHARE = 0.0001  # an empty bin counts as so much: the logarithm of nothing is not a number


def stability(before: Sequence[float], now: Sequence[float]) -> float:
    """Population stability index of two distributions over the same bins, by counts or shares."""
    shares = [[max(value / max(sum(side), 1e-300), _LEAST_SHARE) for value in side] for side in (before, now)]
    return math.fsum((new - old) * math.log(new / old) for old, new in zip(*shares, strict=True))


def jeffreys(bad: int, rows: int, expected: float) -> float:
    """Posterior probability that the true default rate is at most `expected`, given `bad` of `rows` (Jeffreys)."""
    return float(beta.cdf(expected, bad + 0.5, rows - bad + 0.5))


def stability_rows(
    scores: DataFrame, card: Scorecard, grades: Mapping[str, int], *, policy: Monitoring, as_of: date
) -> list[Row]:
    """PSI rows of gold.credit_monitoring: the score by grade, and every feature of the card by its bins."""
    grade = F.col(place_name(place_of(scores, "grade", parameter="scores")))
    counts = [F.count_if(grade == name).alias(f"g{name}") for name in GRADES]
    for place, bins in enumerate(card.bins_of_row(scores)):
        size = len(card.features[place].bins)
        counts += [F.count_if(bins == number).alias(f"f{place}_{number}") for number in range(size)]
    found = by_place(scores).agg(F.count("*").alias("rows"), *counts).collect()[0]
    if not found["rows"]:
        return []
    compared = [("score", [grades.get(name, 0) for name in GRADES], [found[f"g{name}"] for name in GRADES])]
    for place, feature in enumerate(card.features):
        now = [found[f"f{place}_{number}"] for number in range(len(feature.bins))]
        compared.append((feature.name, [item.rows for item in feature.bins], now))
    rows = []
    for subject, before, now in compared:
        value = stability(before, now)
        verdict = "changed" if value > policy.psi_changed else "moved" if value > policy.psi_moved else "stable"
        few = found["rows"] < policy.least_applications
        rows.append((as_of, "psi", subject, found["rows"], None, None, value, "few" if few else verdict))
    return rows


def calibration_rows(
    decisions: DataFrame, applications: DataFrame, *, policy: Monitoring, as_of: date, zone: str = UTC
) -> list[Row]:
    """Calibration rows of gold.credit_monitoring: decided applications whose outcome is known by now, per grade.

    `decisions`: gold.credit_decisions; `applications`: silver.applications. An outcome that was known when it was
    decided says nothing.
    """
    known = versions_at(applications, as_of, zone=zone).where(F.col("outcome_on") <= F.lit(as_of))
    judged = decisions.where("probability is not null").join(
        known.select("application_id", "outcome", "outcome_on"), on="application_id", how="inner"
    )
    found = (
        judged.where(F.col("outcome_on") > F.col("decided_on"))
        .groupBy("grade")
        .agg(
            F.count("*").alias("rows"),
            F.count_if(F.col("outcome") == "bad").alias("bad"),
            F.avg("probability").alias("expected"),
        )
        .orderBy("grade")
        .collect()
    )
    rows = []
    for row in found:
        value = jeffreys(row["bad"], row["rows"], row["expected"])
        verdict = "too_low" if value < policy.calibration_level else "fits"
        few = row["rows"] < policy.least_applications
        rows.append(
            (as_of, "calibration", row["grade"], row["rows"], row["bad"], row["expected"], value,
             "few" if few else verdict)
        )  # fmt: skip
    return rows


def fairness(
    decisions: DataFrame, customers: DataFrame, *, policy: Monitoring, as_of: date, zone: str = UTC
) -> DataFrame:
    """gold.credit_fairness: decisions of `fairness_days` by gender, age band and residence of the applicant."""
    first = as_of - timedelta(policy.fairness_days)
    recent = decisions.where((F.col("decided_on") > F.lit(first)) & (F.col("decided_on") <= F.lit(as_of)))
    known = versions_at(customers, as_of, zone=zone)
    years = F.floor(F.months_between(F.lit(as_of), "birth_date") / 12)
    band = F.when(years < 30, "below 30").when(years < 60, "30 to 59").when(years >= 60, "60 and above")
    people = known.select("customer_id", "gender", band.alias("age_band"), "residence")
    attributes = ("gender", "age_band", "residence")
    each = F.explode(
        F.array(
            *[
                F.struct(F.lit(name).alias("attribute"), F.coalesce(name, F.lit("unknown")).alias("applicant_group"))
                for name in attributes
            ]
        )
    ).alias("one")
    counted = (
        recent.join(people, on="customer_id", how="left")
        .select("decision", each)
        .groupBy("one.attribute", "one.applicant_group")
        .agg(
            F.count("*").alias("applications"),
            *[F.count_if(F.col("decision") == name).alias(column) for name, column in
              (("approve", "approved"), ("refer", "referred"), ("decline", "declined"))],
        )
    )  # fmt: skip
    return _compared(counted, policy).drop("enough").withColumn("as_of", F.lit(as_of))


def _compared(counted: DataFrame, policy: Monitoring) -> DataFrame:
    decided = F.col("approved") + F.col("declined")
    rate = F.when(decided > 0, F.col("approved") / decided)
    enough = (decided >= policy.least_applications) & (F.col("applicant_group") != "unknown")
    rated = counted.withColumns({"approval_rate": rate, "enough": enough})
    best: Column = F.max(F.when(F.col("enough"), F.col("approval_rate"))).over(Window.partitionBy("attribute"))
    ratio = F.when(F.col("enough") & (best > 0), F.col("approval_rate") / best)
    return rated.withColumn("rate_ratio", ratio).withColumn(
        "verdict",
        F.when(F.col("rate_ratio").isNull(), "few")
        .when(F.col("rate_ratio") < policy.fairness_ratio, "uneven")
        .otherwise("even"),
    )
