"""`conf/marketing.yml`: what the bank records about its customers, and whether the data of a day say the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from portrait.settings import Strict, load_yaml

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FILE = "marketing.yml"


class RecordedColumns(Strict):
    """Columns of gold.customer_features; false: the bank does not record it."""

    consent_marketing: bool
    risk_level: bool


class Recorded(Strict):
    """Everything in `conf/marketing.yml`."""

    minimum_share: Annotated[float, Field(gt=0, le=1)]
    columns: RecordedColumns
    feeds: dict[str, bool]

    def contradictions(self, features: DataFrame) -> list[str]:
        """Why a slice of features is not what the file says, a sentence per column; nothing for an empty slice."""
        from pyspark.sql import functions as F

        columns = self.columns.model_dump()
        counts = [F.count(name).alias(name) for name in columns]
        row = features.agg(F.count(F.lit(1)).alias("customers"), *counts).collect()[0]
        if not row["customers"]:
            return []
        return [
            f"{name} is known of {row[name]:,} of {row['customers']:,} customers, but {FILE} says that the bank "
            + (f"records it (minimum_share {self.minimum_share:g})" if recorded else "does not record it")
            for name, recorded in columns.items()
            if self.is_enough(row[name], row["customers"]) != recorded
        ]

    def is_enough(self, known: int, customers: int) -> bool:
        """Whether a record that so many of the customers have is kept at all."""
        return known >= self.minimum_share * customers


def load_recorded(conf: Path) -> Recorded:
    """`conf/marketing.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / FILE, Recorded)
