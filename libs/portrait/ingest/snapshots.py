"""Full copies of a source as change records: what is new, what differs, and what is gone since the copy before.

The day of a copy is its file's. Copies may come in any order and with days missing: one that comes late is compared
with the copy before its day, and the copy behind it is compared with it again, because the changes of that day were
found against an older state. The state of a day that is in already follows from the records that bronze has.

- A record that was quarantined says that its key is there, so it is neither changed nor deleted. Where the key cannot
  be read either, nothing is deleted on that day: the next copy decides.
- Keys belong to the mapping that delivers them: the copy of one system deletes nothing of another's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from portrait.spark.days import start_of
from portrait.spark.frames import frame_of

PLACE = ("_file", "_file_hash", "_line")


@dataclass(frozen=True)
class Copies:
    """The days of which copies are `new`, those that are `known` already, and new ones that must not delete.

    Only new days and their neighbours matter: they are numbered, and a row is compared with that of the number before.
    """

    new: tuple[date, ...]
    known: tuple[date, ...] = ()
    undecided: frozenset[date] = frozenset()

    @property
    def compared(self) -> list[date]:
        """New days, and the known ones just before or behind one of them, in order."""
        every = sorted({*self.new, *self.known})
        beside = {
            every[other]
            for place, day in enumerate(every)
            if day in self.new
            for other in (place - 1, place, place + 1)
            if 0 <= other < len(every)
        }
        return sorted(beside)

    def numbered(self) -> list[tuple[int, date, bool, date | None]]:
        """Number, day, whether changes of the day are told, and the day on which a key that ends here is deleted."""
        days = self.compared
        told = [day in self.new or (place > 0 and days[place - 1] in self.new) for place, day in enumerate(days)]
        rows = []
        for place, day in enumerate(days):
            ends = next((n for n in range(place + 1, len(days)) if days[n] not in self.undecided), None)
            rows.append((place, day, told[place], days[ends] if ends is not None and told[ends] else None))
        return rows


def sequence(copies: Copies, rows: DataFrame, states: DataFrame, *, key: Sequence[str], zone: str) -> DataFrame:
    """One row per key and compared day on which it is there, with its neighbours among them.

    `rows`: the new copies: key, attributes, `changed_at` (the beginning of the day), PLACE, `held` (the row is in
    quarantine, and only its key is known). `states`: the same for known days.
    """
    days = frame_of(rows.sparkSession, copies.numbered(), "idx int, day date, told boolean, ends_on date")
    days = days.withColumns({"changed_at": start_of(F.col("day"), zone), "ends_at": start_of(F.col("ends_on"), zone)})
    attributes = [name for name in rows.columns if name not in {*key, *PLACE, "changed_at", "held"}]
    once = Window.partitionBy(*key, "changed_at").orderBy("held", F.desc_nulls_last("_line"), "_file")
    every = rows.unionByName(states).withColumn("__nth", F.row_number().over(once)).where("__nth = 1").drop("__nth")
    numbered = every.join(F.broadcast(days.drop("day", "ends_on")), on="changed_at", how="inner")
    content = F.struct(*attributes) if attributes else F.struct(F.lit(True))
    of_key = Window.partitionBy(*key).orderBy("idx")
    return numbered.withColumn("content", content).withColumns(
        {
            "idx_before": F.lag("idx").over(of_key),
            "content_before": F.lag("content").over(of_key),
            "held_before": F.lag("held").over(of_key),
            "idx_behind": F.lead("idx").over(of_key),
            "at_behind": F.lead("changed_at").over(of_key),
        }
    )


def changes_of(found: DataFrame, *, columns: Sequence[str]) -> DataFrame:
    """The change records of a `sequence`: `columns` of the feed and PLACE; a deletion repeats the last values."""
    is_back = F.col("idx_before").isNull() | (F.col("idx_before") < F.col("idx") - 1)
    differs = F.col("held_before") | ~F.col("content").eqNullSafe(F.col("content_before"))
    # The first of all days is told only if it is new: then each of its keys is.
    changed = found.where(F.col("told") & ~F.col("held") & (is_back | differs))
    written = changed.withColumn("op", F.when(is_back, "I").otherwise("U"))
    is_last = F.col("at_behind").isNull() | (F.col("at_behind") > F.col("ends_at"))
    gone = found.where(F.col("ends_at").isNotNull() & is_last)
    deleted = gone.withColumns({"op": F.lit("D"), "changed_at": F.col("ends_at"), "_line": F.lit(None).cast("bigint")})
    return written.unionByName(deleted).select(*columns, *PLACE)


def lost_keys(found: DataFrame) -> dict[int, tuple[int, int]]:
    """Number of a compared day to the keys of the day before it, and how many of them it lacks."""
    missing = F.count_if(F.col("idx_behind").isNull() | (F.col("idx_behind") > F.col("idx") + 1))
    counts = found.groupBy("idx").agg(F.count(F.lit(1)).alias("keys"), missing.alias("lost")).collect()
    return {row["idx"] + 1: (row["keys"], row["lost"]) for row in counts}


def states_of(records: DataFrame, days: Collection[date], *, key: Sequence[str], zone: str) -> DataFrame:
    """The state of known days by change records of the feed: one row per key and day on which it is there."""
    at = frame_of(records.sparkSession, [(day,) for day in sorted(days)], "day date")
    at = at.select(start_of(F.col("day"), zone).alias("at"))
    reached = records.join(F.broadcast(at), on=F.col("changed_at") <= F.col("at"), how="inner")
    newest = Window.partitionBy(*key, "at").orderBy(
        F.desc("changed_at"), F.desc_nulls_last("_run"), (F.col("op") == "D").desc(), F.desc_nulls_last("_line")
    )
    held = reached.withColumn("__nth", F.row_number().over(newest)).where("__nth = 1 and op <> 'D'")
    return held.withColumn("changed_at", F.col("at")).drop("at", "op", "_run", "__nth").withColumn("held", F.lit(False))


def too_much_lost(losses: Mapping[int, tuple[int, int]], copies: Copies, most: float, *, feed: str) -> dict[date, str]:
    """New days whose copy lacks a larger share of the keys than it may, with the reason."""
    reasons = {}
    for place, day in enumerate(copies.compared):
        keys, lost = losses.get(place, (0, 0))
        if day in copies.new and keys and lost / keys > most:
            reasons[day] = (
                f"snapshot.lost: {lost:,} of {keys:,} keys of {feed} that were there before are not in the copy of "
                f"{day}, more than max_lost_share {most:.2%}; deliver it again, whole, or raise max_lost_share"
            )
    return reasons
