"""gold.hazard_model: what the model of arrears was fitted on, and how it ranked loans whose outcome is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from portrait.capabilities.early_warning.hazard_fit import Judged, Pattern
from portrait.capabilities.early_warning.policy import Hazard
from portrait.spark.frames import frame_of


def hazard_row(
    patterns: Sequence[Pattern], judged: Judged | None, version: str | None, policy: Hazard, as_of: date
) -> tuple[Any, ...]:
    """The row of a slice, in the order of the contract."""
    loan_months = sum(pattern.loans for pattern in patterns)
    state = "fitted" if version is not None else "too_few_events" if loan_months else "no_instalments"
    how: tuple[Any, ...] = (None,) * 6
    if judged is not None:
        recall = judged.recall if judged.events else None
        how = (judged.day, judged.loans, judged.events, judged.worked, judged.precision, recall)
    events = sum(pattern.fell for pattern in patterns)
    return (as_of, state, loan_months, events, policy.least_events, policy.capacity, *how, version)


def no_hazards(spark: SparkSession, layout: StructType) -> DataFrame:
    """gold.loan_hazards of a bank that delivers no instalments."""
    return frame_of(spark, [], layout)
