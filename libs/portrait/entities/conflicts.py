"""Conflicts: records of one key that say different things, which of them counts and why (ops.conflicts).

A row is a delivered record, by file and line, that differs from another of its key. Of change records it is one that
does not count. Of bookings it is the one that was delivered later, whether it counts or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.entities.conflict_counts import CONFLICTS
from portrait.entities.dimensions import Dimension
from portrait.entities.versions import attribute_names, settle_instants
from portrait.lake import Lake
from portrait.settings import UTC
from portrait.spark.days import day_of


def change_conflicts(changes: DataFrame, *, feed: str, key: Sequence[str], zone: str = UTC) -> DataFrame:
    """ops.conflicts of change records (or of snapshots as such): records that do not count and differ from the one
    that does.

    Records of one key and instant differ when one is a delete and the other is not, or by an attribute; two deletes do
    not. `changes`: every record of the keys in question.
    """
    attributes = attribute_names(changes, key=key)
    settled = settle_instants(changes, key=key).where(F.size("records") > 1)
    state = "if({0}.op = 'D', null, {0}.content)"
    other = settled.select("*", F.explode("records").alias("r")).where(
        f"not ({state.format('r.version')} <=> {state.format('counts')})"
    )
    is_even = "exists(even, e -> e._file <=> r._file and e._line <=> r._line and e.version <=> r.version)"
    why = f"case when not {is_even} then 'later_line' when counts.op = 'D' then 'delete_wins' else 'content_order' end"
    differs = [F.when(F.expr("(r.version.op = 'D') <> (counts.op = 'D')"), F.lit("op"))]
    differs += [
        F.when(~F.col(f"r.version.content.{name}").eqNullSafe(F.col(f"counts.content.{name}")), F.lit(name))
        for name in attributes
    ]
    return other.select(
        F.lit(feed).alias("feed"),
        F.col("r._file").alias("file"),
        F.col("r._line").alias("line"),
        F.to_json(F.struct(*key)).alias("key"),
        day_of("changed_at", zone).alias("day"),
        F.lit("against").alias("counts"),
        F.expr(why).alias("why"),
        F.array_compact(F.array(*differs)).alias("differs"),
        _as_text("r.version", attributes).alias("record"),
        _as_text("counts", attributes).alias("against"),
        F.col("r._run").alias("run"),
    )


def _as_text(version: str, attributes: Sequence[str]) -> Column:
    columns = [
        F.col(f"{version}.op"),
        *[F.col(f"{version}.content.{name}") for name in attributes],
        F.col("changed_at"),
    ]
    return F.to_json(F.struct(*columns))


def record_change_conflicts(lake: Lake, changes: Mapping[Dimension, DataFrame]) -> None:
    """Write the conflicts of the keys whose change records are given, in one commit; none where there are none."""
    if not changes:
        return
    repeated = [
        frame.groupBy(*dimension.key, "changed_at").agg(F.count("*").alias("records")).where("records > 1")
        for dimension, frame in changes.items()
    ]
    # Narrow, and one query for all: nearly always no key has two records of one instant.
    named = [frame.select(F.lit(d.table).alias("table")).distinct() for d, frame in zip(changes, repeated, strict=True)]
    tables = {row["table"] for row in reduce(DataFrame.unionByName, named).collect()}
    found = [
        change_conflicts(frame.join(again, on=[*dimension.key, "changed_at"], how="left_semi"),
                         feed=dimension.feed, key=dimension.key, zone=dimension.zone)
        for (dimension, frame), again in zip(changes.items(), repeated, strict=True)
        if dimension.table in tables
    ]  # fmt: skip
    if not found:
        return
    conflicts = reduce(DataFrame.unionByName, found).persist()
    if not conflicts.isEmpty():
        # Another file may have changed which record counts: the rows of a key are replaced together.
        keys = conflicts.select("feed", "key").distinct()
        lake.merge(CONFLICTS, conflicts, replacing=keys, transaction=(f"entities:{CONFLICTS}", lake.run_number))


def record_booking_conflicts(lake: Lake, conflicts: DataFrame, *, whole: bool) -> None:
    """Write the conflicts of bookings: all there are (`whole`), or those that came since. See `conflicts_of`."""
    if whole and lake.has(CONFLICTS):
        lake.overwrite(CONFLICTS, conflicts, where="feed = 'transactions'")
    elif not conflicts.isEmpty():
        # By file and line, so that a run that died after this commit is repeated without a trace.
        lake.merge(CONFLICTS, conflicts, transaction=(f"transactions:{CONFLICTS}", lake.run_number))
