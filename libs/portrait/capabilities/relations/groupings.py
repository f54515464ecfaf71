"""Families, company groups and connected customers, with ids that last and a log of what became of them."""

from __future__ import annotations

from datetime import date
from functools import reduce
from itertools import chain

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from portrait.capabilities.relations.components import groups_of_few
from portrait.capabilities.relations.policy import RelationsPolicy


def ties_of(edges: DataFrame, ownership: DataFrame, *, policy: RelationsPolicy) -> DataFrame:
    """One row per kind of group and tie: group_kind, from_id, to_id, tie, since.

    `edges` and `ownership` are the rows of a day of gold.relation_edges and gold.ownership.
    """
    stated = edges.select("from_id", "to_id", F.col("kind").alias("tie"), "since")
    control = ownership.where("controls").select(
        F.col("owner_id").alias("from_id"),
        F.col("company_id").alias("to_id"),
        F.lit("control").alias("tie"),
        F.lit(None).cast("date").alias("since"),
    )
    every = stated.unionByName(control)
    by_tie = {
        tie: [kind for kind, ties in policy.groups.ties.items() if tie in ties]
        for tie in chain.from_iterable(policy.groups.ties.values())
    }
    kinds = F.create_map(*[F.lit(item) for pair in ((tie, "|".join(kinds)) for tie, kinds in by_tie.items())
                           for item in pair])  # fmt: skip
    of_groups = every.where(F.col("tie").isin(*by_tie)).withColumn("kinds", F.split(kinds[F.col("tie")], r"\|"))
    return of_groups.select(F.explode("kinds").alias("group_kind"), "from_id", "to_id", "tie", "since")


def grouped_members(ties: DataFrame, before: DataFrame, *, policy: RelationsPolicy, as_of: date) -> DataFrame:
    """gold.relation_groups: one row per kind of group and member. `before` is the slice before, or has no rows.

    A group has the id of the earlier group of which more than half are in it now; of several such, that which gave it
    most members, then the least id. Every other group has a new id, which the day, the kind and its members decide.
    """
    coded = ties.select(
        F.concat("group_kind", F.lit(" "), "from_id").alias("left"),
        F.concat("group_kind", F.lit(" "), "to_id").alias("right"),
    )
    components = groups_of_few(coded, policy=policy).select(
        F.substring_index("member", " ", 1).alias("kind"),
        F.expr("substring(member, instr(member, ' ') + 1)").alias("member_id"),
        F.col("group").alias("component"),
    )
    whole = Window.partitionBy("component")
    sized = components.withColumn("members", F.count("*").over(whole))
    known = before.select("kind", "member_id", F.col("group_id").alias("old_id"), F.col("members").alias("old_members"))
    joined = sized.join(known, on=["kind", "member_id"], how="left")
    stayed = joined.withColumn(
        "stayed", F.when(F.col("old_id").isNotNull(), F.count("*").over(Window.partitionBy("component", "old_id")))
    )
    kept = F.when(F.col("stayed") * 2 > F.col("old_members"), F.struct(-F.col("stayed"), F.col("old_id").alias("id")))
    named = stayed.withColumn("kept", F.min(kept).over(whole)["id"])
    return named.join(_evidence(ties), on=["kind", "member_id"], how="inner").select(
        F.lit(as_of).alias("as_of"),
        "kind",
        "member_id",
        F.coalesce("kept", _new_id(as_of)).alias("group_id"),
        *("members", "ties", "tie", "tied_to", "since"),
    )


def _new_id(as_of: date) -> Column:
    """An id that no earlier group has: the day is in it, and the least member of the group."""
    digest = F.substring(F.sha2(F.concat(F.lit(f"{as_of} "), F.col("component")), 256), 1, 16)
    return F.concat(F.upper(F.substring("kind", 1, 2)), F.lit("-"), digest)


def _evidence(ties: DataFrame) -> DataFrame:
    """One row per kind of group and member: how many ties it has, and the first of them."""
    ends = [
        ties.select(
            F.col("group_kind").alias("kind"),
            F.col(own).alias("member_id"),
            F.struct("tie", F.col(other).alias("tied_to"), "since").alias("one"),
        )
        for own, other in (("from_id", "to_id"), ("to_id", "from_id"))
    ]
    first = reduce(DataFrame.unionByName, ends).groupBy("kind", "member_id")
    return first.agg(F.count("*").alias("ties"), F.min("one").alias("one")).select(
        "kind", "member_id", "ties", "one.tie", "one.tied_to", "one.since"
    )


def group_events(now: DataFrame, before: DataFrame, *, as_of: date) -> DataFrame:
    """gold.relation_group_events: what became of the groups of `before`, the slice before; see there."""
    sizes = _sizes(now, "now").join(_sizes(before, "before"), on=["kind", "group_id"], how="full")
    sizes = sizes.fillna(0, ["members_now", "members_before"])
    new = now.select("kind", "member_id", F.col("group_id").alias("new_id"))
    old = before.select("kind", "member_id", F.col("group_id").alias("old_id"))
    passed = (
        new.join(old, on=["kind", "member_id"], how="inner")
        .where("new_id <> old_id")
        .groupBy("kind", "new_id", "old_id")
        .agg(F.count("*").alias("moved"))
    )
    new_sizes, old_sizes = (
        sizes.select(
            "kind",
            F.col("group_id").alias(f"{side}_id"),
            F.col("members_before").alias(f"{side}_before"),
            F.col("members_now").alias(f"{side}_now"),
        )
        for side in ("new", "old")
    )
    both = passed.join(new_sizes, on=["kind", "new_id"], how="inner").join(
        old_sizes, on=["kind", "old_id"], how="inner"
    )
    # The id of the old group is no more, and the new one had members of its own before.
    merged = (F.col("old_now") == 0) & (F.col("new_before") > 0)
    exchanged = both.select(
        "kind",
        F.when(merged, F.col("old_id")).otherwise(F.col("new_id")).alias("group_id"),
        F.when(merged, "merged").when(F.col("new_before") == 0, "split").otherwise("moved").alias("event"),
        F.when(merged, F.col("new_id")).otherwise(F.col("old_id")).alias("other_group_id"),
        "moved",
        F.when(merged, F.col("old_before")).otherwise(F.col("new_before")).alias("members_before"),
        F.when(merged, F.col("old_now")).otherwise(F.col("new_now")).alias("members_after"),
    )
    named = passed.select("kind", F.explode(F.array("new_id", "old_id")).alias("group_id")).distinct()
    own = sizes.where("members_now <> members_before").join(named, on=["kind", "group_id"], how="left_anti")
    before_size, now_size = F.col("members_before"), F.col("members_now")
    alone = own.select(
        *("kind", "group_id"),
        F.when(before_size == 0, "formed").when(now_size == 0, "dissolved").when(now_size > before_size, "grown")
        .otherwise("shrunk").alias("event"),
        F.lit("").alias("other_group_id"),
        F.abs(now_size - before_size).alias("moved"),
        "members_before",
        now_size.alias("members_after"),
    )  # fmt: skip
    return exchanged.unionByName(alone).withColumn("as_of", F.lit(as_of))


def _sizes(members: DataFrame, when: str) -> DataFrame:
    return members.groupBy("kind", "group_id").agg(F.count("*").alias(f"members_{when}"))
