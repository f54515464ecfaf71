"""gold.audience_members and gold.audiences: who is in which audience, and what each audience meant that day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.audiences.clauses import labels_read
from portrait.capabilities.audiences.declaration import AudienceSet
from portrait.capabilities.audiences.doubts import AudienceStatus, AudienceTrust
from portrait.spark.frames import frame_of


def audience_members(
    *, portrait: DataFrame, audiences: AudienceSet, as_of: date, trust: Mapping[str, AudienceTrust]
) -> DataFrame:
    """One row per audience and member of it; one scan of the portrait's slice, however many audiences.

    `trust`: what doubts about labels mean for each; an audience that refuses has no members.
    """
    built = {name: item for name, item in audiences.checked.items() if trust[name].status is not AudienceStatus.REFUSED}
    entered = [F.when(F.expr(item.member_sql), F.lit(name)) for name, item in built.items()]
    ids = F.array_compact(F.array(*entered)) if entered else F.array().cast("array<string>")
    return portrait.select(F.lit(as_of).alias("as_of"), F.explode(ids).alias("audience"), "customer_id")


def audience_summary(
    *, portrait: DataFrame, audiences: AudienceSet, as_of: date, trust: Mapping[str, AudienceTrust]
) -> DataFrame:
    """One row per audience: what it means and how many customers it has, and of how many it cannot be told.

    `expression` is whole: other audiences are written out, so that the row alone says who was meant.
    """
    schema = (
        "audience string, title string, purpose string, expression string, unknown_policy string, labels array<string>,"
        "trust string, doubts array<string>"
    )
    declared = [
        (
            name,
            item.audience.title,
            item.audience.purpose,
            item.clause.sql,
            item.audience.unknown,
            sorted(labels_read(item.clause)),
            trust[name].status,
            list(trust[name].doubts),
        )
        for name, item in audiences.checked.items()
    ]
    counted = [
        F.struct(
            F.lit(name).alias("audience"),
            F.count(F.lit(1)).alias("customers"),
            F.count_if(F.expr(item.member_sql) & F.lit(trust[name].status is not AudienceStatus.REFUSED)).alias(
                "members"
            ),
            F.count_if(F.expr(item.clause.sql).isNull()).alias("unknown"),
        )
        for name, item in audiences.checked.items()
    ]
    meant = frame_of(portrait.sparkSession, declared, schema)
    if not counted:
        zero = F.lit(0).cast("bigint")
        return meant.select(
            F.lit(as_of).alias("as_of"), *meant.columns, *[zero.alias(n) for n in ("customers", "members", "unknown")]
        )
    counts = portrait.agg(F.array(*counted).alias("all")).select(F.inline("all"))
    return meant.join(counts, on="audience", how="inner").select(
        F.lit(as_of).alias("as_of"), *meant.columns, "customers", "members", "unknown"
    )
