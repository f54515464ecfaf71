"""PSI and Jeffreys by hand and by scipy, calibration on what came later only, decisions by groups."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from pyspark.sql import SparkSession

from portrait.capabilities.credit.monitoring import calibration_rows, fairness, jeffreys, stability
from portrait.capabilities.credit.policy import Monitoring

DAY = date(2025, 3, 31)
POLICY = Monitoring(least_applications=2)


def test_stability_by_hand() -> None:
    # (.3 - .5) ln(.3/.5) + (.7 - .5) ln(.7/.5) = .10217 + .06729
    assert stability([50, 50], [3, 7]) == pytest.approx(0.16946, abs=1e-5)
    assert stability([1, 2, 3], [10, 20, 30]) == pytest.approx(0)
    assert stability([50, 50], [100, 0]) > 0.25


def test_jeffreys_of_the_published_kind() -> None:
    # 0 of 20 at 5 %: Beta(.5, 20.5); one at 1 % and two bad of ten is not credible
    assert jeffreys(0, 20, 0.05) == pytest.approx(0.8462, abs=5e-3)
    assert jeffreys(2, 10, 0.01) < 0.01
    assert jeffreys(1, 2, 0.5) == pytest.approx(0.5)


def test_calibration_is_of_outcomes_that_came_after_the_decision(spark: SparkSession) -> None:
    decided = date(2024, 1, 31)
    decisions = spark.createDataFrame(
        [(str(n), decided, 0.02, "A") for n in range(4)] + [("x", decided, None, None)],
        "application_id string, decided_on date, probability double, grade string",
    )
    rows = [
        ("0", "bad", date(2025, 1, 1)),
        ("1", "bad", date(2025, 1, 1)),
        ("2", "good", date(2025, 1, 1)),
        ("3", "bad", date(2024, 1, 1)),  # known before it was decided
        ("x", "bad", date(2025, 1, 1)),
    ]
    applications = spark.createDataFrame(
        [(*row, datetime(2024, 1, 1), None) for row in rows],
        "application_id string, outcome string, outcome_on date, valid_from timestamp, valid_to timestamp",
    )
    (found,) = calibration_rows(decisions, applications, policy=POLICY, as_of=DAY)
    assert found[1:6] == ("calibration", "A", 3, 2, pytest.approx(0.02))
    assert found[7] == "too_low"


def test_decisions_are_compared_between_groups(spark: SparkSession) -> None:
    decisions = spark.createDataFrame(
        [
            *[("f", "approve"), ("f", "decline"), ("f", "refer")],
            *[("m", "approve"), ("m", "approve")],
            *[("n", "approve"), ("old", "decline")],
        ],
        "customer_id string, decision string",
    ).selectExpr("*", "if(customer_id = 'old', date'2023-01-01', date'2025-03-01') decided_on")
    customers = spark.createDataFrame(
        [("f", "F"), ("m", "M"), ("n", None)], "customer_id string, gender string"
    ).selectExpr(
        "*", "date'1980-01-01' birth_date", "'urban' residence",
        "timestamp'2020-01-01' valid_from", "cast(null as timestamp) valid_to",
    )  # fmt: skip
    rows = fairness(decisions, customers, policy=POLICY, as_of=DAY).where("attribute = 'gender'").collect()
    found = {row.applicant_group: (row.applications, row.approval_rate, row.rate_ratio, row.verdict) for row in rows}
    assert found == {
        "F": (3, 0.5, 0.5, "uneven"), "M": (2, 1.0, 1.0, "even"), "unknown": (1, 1.0, None, "few"),
    }  # fmt: skip
