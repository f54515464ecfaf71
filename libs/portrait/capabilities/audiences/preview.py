"""What a change of label definitions would do to audiences, before it is applied."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.audiences.declaration import AudienceSet


def audience_preview(*, before: DataFrame, after: DataFrame, audiences: AudienceSet, names: Sequence[str]) -> DataFrame:
    """One row per audience: members before, members after, gained, lost. Every label that they read must be in both."""

    def members(portrait: DataFrame, side: str) -> DataFrame:
        flags = [F.expr(audiences.audience(name).member_sql).alias(name) for name in names]
        return portrait.select("customer_id", F.struct(*flags).alias(side))

    both = members(before, "before").join(members(after, "after"), on="customer_id", how="full_outer")
    counted = []
    for name in names:
        was = F.coalesce(F.col(f"before.{name}"), F.lit(False))
        now = F.coalesce(F.col(f"after.{name}"), F.lit(False))
        counted.append(
            F.struct(
                F.lit(name).alias("audience"),
                F.count_if(was).alias("members_before"),
                F.count_if(now).alias("members_after"),
                F.count_if(~was & now).alias("gained"),
                F.count_if(was & ~now).alias("lost"),
            )
        )
    return both.agg(F.array(*counted).alias("all")).select(F.inline("all"))
