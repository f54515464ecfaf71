"""Money in two exact forms: DECIMAL(18,2) where people read it, BIGINT minor units where it is summed."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

MONEY = "decimal(18,2)"


def to_minor(amount: Column) -> Column:
    """Hundredths of the currency as BIGINT, exact; null stays null. Overflow is an error (ANSI mode)."""
    return (amount.cast(MONEY) * F.lit(100)).cast("bigint")


def to_amount(minor: Column) -> Column:
    """DECIMAL(18,2) of BIGINT hundredths, exact; null stays null."""
    return (minor.cast("decimal(20,0)") * F.lit("0.01").cast("decimal(2,2)")).cast(MONEY)
