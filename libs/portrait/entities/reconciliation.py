"""Reconciliation: the account-days where movements and reported balances do not meet."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.entities.money import to_amount
from portrait.settings import Strict, load_yaml


class ReconciliationPolicy(Strict):
    """conf/reconciliation.yml."""

    tolerance: Decimal = Field(ge=0, decimal_places=2, max_digits=18)
    """Largest difference, in account currency, that is not worth a row."""


def load_policy(conf: Path) -> ReconciliationPolicy:
    """The policy of `conf`/reconciliation.yml; ConfigurationError when it is absent or wrong."""
    return load_yaml(conf / "reconciliation.yml", ReconciliationPolicy)


def differences(closings: DataFrame, *, policy: ReconciliationPolicy) -> DataFrame:
    """ops.reconciliation of `close_days`: one row per account and day whose difference exceeds the tolerance.

    `difference` = reported - expected, where reported is the day's balance nearest to the expected one. What
    DECIMAL(18,2) cannot hold is NULL.
    """
    difference = F.col("closing_minor") - F.col("expected_minor")
    return closings.where(F.abs(difference) > F.lit(int(policy.tolerance * 100))).select(
        "account_id",
        "day",
        to_amount(F.col("expected_minor")).alias("expected"),
        to_amount(F.col("closing_minor")).alias("reported"),
        to_amount(difference).alias("difference"),
    )
