"""Versions of entities (slowly changing dimension, type 2) out of change records or snapshots.

The versions of a key are rebuilt from everything bronze ever received about it, so neither the order nor the number of
deliveries matters. A version holds from `valid_from` (included) to `valid_to` (excluded); between a delete and the next
insert there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.days import start_of
from portrait.settings import UTC

VERSION_COLUMNS = ("valid_from", "valid_to", "is_current")
_CHANGE_COLUMNS = ("op", "changed_at")


def rebuild_versions(changes: DataFrame, *, key: Sequence[str]) -> DataFrame:
    """All versions of the keys in `changes`: one row a key and valid_from.

    `changes`: every change record of these keys, full images: the key, `op` (I, U, D), `changed_at`, the attributes.
    Of several records of one key and instant the last counts, in the order D < I < U, then by every attribute in turn
    (null lowest): a total order by content, so a delete and an insert of the same instant are a replacement.
    A record that changes nothing starts no version. `valid_to` null: open, and only then `is_current`.
    """
    attributes = [name for name in changes.columns if name not in {*key, *_CHANGE_COLUMNS}]
    # The state is null while the key does not exist; a struct of nulls is a state like any other.
    content = F.struct(*attributes) if attributes else F.struct(F.lit(True))
    states = (
        changes.groupBy(*key, "changed_at")
        .agg(F.max(F.struct(F.col("op"), content.alias("content"))).alias("last"))
        .withColumn("state", F.when(F.col("last.op") != "D", F.col("last.content")))
    )
    history = Window.partitionBy(*key).orderBy("changed_at")
    previous = F.lag("state").over(history)
    changed = states.withColumn("previous", previous).where(~F.col("state").eqNullSafe(F.col("previous")))
    return (
        changed.withColumn("valid_to", F.lead("changed_at").over(history))
        .where(F.col("state").isNotNull())
        .select(
            *key,
            *(F.col("state")[name].alias(name) for name in attributes),
            F.col("changed_at").alias("valid_from"),
            "valid_to",
            F.col("valid_to").isNull().alias("is_current"),
        )
    )


def snapshots_as_changes(snapshots: DataFrame, *, key: Sequence[str], zone: str = UTC) -> DataFrame:
    """Change records out of whole snapshots: each row is an update at the beginning of its `snapshot_on`.

    A key that the next snapshot lacks is deleted at that snapshot. Needs every snapshot of the feed: a late one in the
    middle changes what the others mean.
    """
    rows = snapshots.select(
        *(name for name in snapshots.columns if name != "snapshot_on"),
        F.lit("U").alias("op"),
        start_of(F.col("snapshot_on"), zone).alias("changed_at"),
    )
    presence = rows.select(*key, "changed_at").distinct()
    instants = rows.select("changed_at").distinct()
    later = instants.select(F.col("changed_at").alias("next_at"))
    following = (
        instants.join(later, on=F.col("next_at") > F.col("changed_at"), how="inner")
        .groupBy("changed_at")
        .agg(F.min("next_at").alias("next_at"))
    )
    deletions = (
        presence.join(following, on="changed_at", how="inner")
        .select(*key, F.col("next_at").alias("changed_at"))
        .join(presence, on=[*key, "changed_at"], how="left_anti")
        .withColumn("op", F.lit("D"))
    )
    return rows.unionByName(deletions, allowMissingColumns=True)


def as_of(versions: DataFrame, as_of: date, *, zone: str = UTC) -> DataFrame:
    """The versions valid at the end of the day `as_of`, at most one a key; the columns stay as they are.

    `zone` says where that day ends.
    """
    return versions.where(valid_at_end_of(F.lit(as_of), zone=zone))


def valid_at_end_of(day: Column, *, zone: str = UTC) -> Column:
    """Whether a version is valid at the last instant of `day` (DATE) in a time zone."""
    midnight = start_of(F.date_add(day, 1), zone)
    return (F.col("valid_from") < midnight) & (F.col("valid_to").isNull() | (F.col("valid_to") >= midnight))
