"""gold.audience_members and gold.audiences: who is in which audience, and what each audience meant that day."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.labels.audiences.clauses import labels_read
from portrait.labels.audiences.declaration import Audience, AudienceSet, CheckedAudience
from portrait.lake import Lake

MEMBERS = "gold.audience_members"
AUDIENCES = "gold.audiences"


def audience_members(*, portrait: DataFrame, audiences: AudienceSet, as_of: date) -> DataFrame:
    """One row an audience and member of it; one scan of the portrait's slice, however many audiences."""
    entered = [F.when(F.expr(item.member_sql), F.lit(name)) for name, item in audiences.checked.items()]
    ids = F.array_compact(F.array(*entered)) if entered else F.array().cast("array<string>")
    return portrait.select(F.lit(as_of).alias("as_of"), F.explode(ids).alias("audience"), "customer_id")


def audience_summary(*, portrait: DataFrame, audiences: AudienceSet, as_of: date) -> DataFrame:
    """One row an audience: what it means and how many customers it has, and of how many it cannot be told.

    `expression` is whole: other audiences are written out, so that the row alone says who was meant.
    """
    schema = (
        "audience string, title string, purpose string, expression string, unknown_policy string, labels array<string>"
    )
    declared = [
        (
            name,
            item.audience.title,
            item.audience.purpose,
            item.clause.sql,
            item.audience.unknown,
            sorted(labels_read(item.clause)),
        )
        for name, item in audiences.checked.items()
    ]
    counted = [
        F.struct(
            F.lit(name).alias("audience"),
            F.count(F.lit(1)).alias("customers"),
            F.count_if(F.expr(item.member_sql)).alias("members"),
            F.count_if(F.expr(item.clause.sql).isNull()).alias("unknown"),
        )
        for name, item in audiences.checked.items()
    ]
    meant = portrait.sparkSession.createDataFrame(declared, schema)
    if not counted:
        zero = F.lit(0).cast("bigint")
        return meant.select(
            F.lit(as_of).alias("as_of"), *meant.columns, *[zero.alias(n) for n in ("customers", "members", "unknown")]
        )
    counts = portrait.agg(F.array(*counted).alias("all")).select(F.inline("all"))
    return meant.join(counts, on="audience", how="inner").select(
        F.lit(as_of).alias("as_of"), *meant.columns, "customers", "members", "unknown"
    )


def audience_at(lake: Lake, *, audiences: AudienceSet, name: str, as_of: date | None) -> CheckedAudience:
    """An audience as its file says; with `as_of` as gold.audiences says that it was meant that day.

    Raises ConfigurationError when there is no such audience, or was none then; a label that the old expression reads
    must still be declared.
    """
    if as_of is None or as_of not in lake.slices(AUDIENCES):
        return audiences.audience(name)
    row = lake.slice(AUDIENCES, as_of).where(F.col("audience") == F.lit(name)).head()
    if row is None:
        raise ConfigurationError(
            f"there was no audience '{name}' on {as_of}", where=AUDIENCES, remedy="check the id, or --as-of"
        )
    meant = Audience(id=name, title=row.title, where=row.expression, purpose=row.purpose, unknown=row.unknown_policy)
    return CheckedAudience(meant, audiences.parse(row.expression, where=f"{AUDIENCES} of {as_of}, {name}"))
