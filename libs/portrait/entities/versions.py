"""Versions of entities (slowly changing dimension, type 2) out of change records or snapshots.

The versions of a key are rebuilt from everything bronze ever received about it, so neither the order nor the number of
deliveries matters. A version holds from `valid_from` (included) to `valid_to` (excluded); between a delete and the next
insert there is none. Which of several records of one key and instant counts: see `settle_instants`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.settings import UTC
from portrait.spark.days import start_of

VERSION_COLUMNS = ("valid_from", "valid_to", "is_current")
DELIVERED = ("_run", "_file", "_line")
"""Where a record was delivered; null where it follows from others (a key that a snapshot lacks)."""
_CHANGE_COLUMNS = ("op", "changed_at", *DELIVERED)

# Of `records` (all of one key and instant) the last one of each file; one without a place is a file of its own.
_ENDS = """if(size(records) = 1, records,
    filter(records, r -> not exists(records, x -> x._file = r._file and x._line > r._line)))"""
# Those of `ends` whose content is not followed by another one in any file.
_NOT_FOLLOWED = """if(size(ends) = 1, ends, filter(ends, e -> not exists(records, r ->
    r.version <=> e.version and not exists(ends, x -> x._file <=> r._file and x.version <=> e.version))))"""
_FIRST_BY_CONTENT = "array_max(transform({versions}, r -> struct(r.version.op = 'D' as gone, r.version))).version"


def rebuild_versions(changes: DataFrame, *, key: Sequence[str]) -> DataFrame:
    """All versions of the keys in `changes`: one row per key and valid_from.

    `changes`: every change record of these keys, full images: the key, `op` (I, U, D), `changed_at`, the attributes,
    and where it was delivered (`DELIVERED`). A record that changes nothing starts no version. `valid_to` null: open,
    and only then `is_current`.
    """
    attributes = attribute_names(changes, key=key)
    # The state is null while the key does not exist; a struct of nulls is a state like any other.
    state = F.when(F.col("counts.op") != "D", F.col("counts.content"))
    states = settle_instants(changes, key=key).withColumn("state", state)
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


def attribute_names(changes: DataFrame, *, key: Sequence[str]) -> list[str]:
    """The columns of change records that describe the entity."""
    return [name for name in changes.columns if name not in {*key, *_CHANGE_COLUMNS}]


def settle_instants(changes: DataFrame, *, key: Sequence[str]) -> DataFrame:
    """One row per key and `changed_at`: `records`, all of it; `even`, those that lines do not decide; `counts`.

    Within a file the later line is the later change: the last line of each file counts, and a content that some file
    has followed by another one is the earlier of the two wherever else it is delivered (`even` is what remains; all
    last lines, should files contradict each other). Between files that still differ a delete wins, then an update over
    an insert, then the greatest content, column by column (null lowest). So nothing depends on when, in which order
    or in which run files arrived. `counts` and the `version` of a record: `op` and `content`, a struct.
    """
    attributes = attribute_names(changes, key=key)
    content = F.struct(*attributes) if attributes else F.struct(F.lit(True))
    record = F.struct(*DELIVERED, F.struct(F.col("op"), content.alias("content")).alias("version"))
    gathered = changes.groupBy(*key, "changed_at").agg(F.collect_list(record).alias("records"))
    even = gathered.withColumn("ends", F.expr(_ENDS)).withColumn("even", F.expr(_NOT_FOLLOWED))
    decided = even.withColumn("even", F.expr("if(size(even) = 0, ends, even)"))
    only = F.expr("records[0].version")
    counts = F.when(F.size("records") == 1, only).otherwise(F.expr(_FIRST_BY_CONTENT.format(versions="even")))
    return decided.withColumn("counts", counts).select(*key, "changed_at", "records", "even", "counts")


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
