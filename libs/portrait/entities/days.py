"""The day to which an instant belongs."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F


def day_of(instant: Column) -> Column:
    """The day of an instant, UTC."""
    return F.to_date(instant)
