"""Groups of members that are connected by any chain of edges: large-star and small-star in Spark.

Kiveris et al., Connected Components in MapReduce and Beyond (2014). Nothing grows on the driver.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from portrait.capabilities.relations.holdings import common_type
from portrait.capabilities.relations.policy import Groups, RelationsPolicy
from portrait.errors import ConfigurationError, PortraitError
from portrait.spark.columns import by_place, place_name, place_of


def groups(edges: DataFrame, *, left: str, right: str, policy: RelationsPolicy | None = None) -> DataFrame:
    """(member, group): one row per member of any edge; the group is its smallest member, so it is the same every time.

    Direction and repetition of edges say nothing; a member whose only edge leads to itself is a group of one.
    Raises ConfigurationError for edges without a member on either side, or with sides of different types.
    """
    first, second = place_of(edges, left, parameter="left"), place_of(edges, right, parameter="right")
    where = f"left={left!r}, right={right!r}"
    kind = common_type(edges, first, second, parameter=where)
    rows = by_place(edges).select(
        F.col(place_name(first)).cast(kind).alias("left"), F.col(place_name(second)).cast(kind).alias("right")
    )
    members = rows.select(F.explode(F.array("left", "right")).alias("member")).distinct().persist()
    try:
        seed = _seed(members, where=where)
        coded = rows.select(_code("left", seed).alias("u"), _code("right", seed).alias("v")).distinct()
        stars = _stars(coded.where("u <> v"), (policy or RelationsPolicy()).groups)
        joined = members.select("member", _code("member", seed).alias("v")).join(stars, on="v", how="left")
        root = Window.partitionBy(F.coalesce("u", "v"))
        return joined.select("member", F.min("member").over(root).alias("group"))
    finally:
        members.unpersist()


def groups_of_few(edges: DataFrame, *, policy: RelationsPolicy) -> DataFrame:
    """As `groups` for edges (left, right) of texts: on the driver where they are at most `most_on_driver`."""
    most = policy.groups.most_on_driver
    listed = edges.select("left", "right").limit(most + 1).toArrow() if most else None
    if listed is None or listed.num_rows > most:
        return groups(edges, left="left", right="right", policy=policy)
    both = pa.chunked_array([*listed.column("left").chunks, *listed.column("right").chunks], type=pa.string())
    coded = both.combine_chunks().dictionary_encode()
    names = coded.dictionary.to_numpy(zero_copy_only=False)
    ends = coded.indices.to_numpy().reshape(2, -1)
    graph = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(len(names), len(names)))
    _, part = connected_components(graph, directed=False)
    order = np.argsort(names, kind="stable")  # the first of each part is its smallest member
    _, first = np.unique(part[order], return_index=True)
    group = names[order][first][part]
    table = pa.table({"member": pa.array(names, pa.string()), "group": pa.array(group, pa.string())})
    found: DataFrame = edges.sparkSession.createDataFrame(table, schema="member string, group string")
    return found


def _code(column: str, seed: int) -> Column:
    """A member as a number: rounds of joins on numbers take half the time of those on texts."""
    return F.xxhash64(F.col(column), F.lit(seed))


def _seed(members: DataFrame, *, where: str) -> int:
    """A seed with which no two members have the same number. Raises ConfigurationError for a missing member."""
    for seed in range(10):
        codes = members.select(_code("member", seed).alias("code"), F.col("member").isNull().alias("missing"))
        found = codes.agg(
            F.count("*").alias("members"), F.countDistinct("code").alias("codes"), F.max("missing").alias("missing")
        ).collect()[0]
        if found["missing"]:
            raise ConfigurationError(
                "edges have no member on one side",
                where=where,
                remedy="remove these edges: what is unknown connects nobody",
            )
        if found["members"] == found["codes"]:
            return seed
    raise PortraitError("no numbering of the members without collisions", where=where, remedy="report this fault")


def _stars(edges: DataFrame, policy: Groups) -> DataFrame:
    """(v, u): every member but the smallest number of each group, beside that number."""
    known, seen = edges.localCheckpoint(), None
    for _ in range(policy.rounds):
        stars = _small_star(_large_star(known)).localCheckpoint()
        # Large-star and small-star never remove a connection: what neither changes is a star for each group.
        digest = stars.agg(F.count("*"), F.sum(F.xxhash64("u", "v").cast("decimal(38,0)"))).collect()[0]
        if digest == seen:
            return stars
        known, seen = stars, digest
    raise PortraitError(
        f"groups were not found in {policy.rounds} rounds",
        where="conf/relations.yml groups.rounds",
        remedy="raise it",
    )


def _large_star(edges: DataFrame) -> DataFrame:
    """Every neighbour above a member is connected to the smallest of the member and its neighbours."""
    both = edges.select("u", "v").union(edges.select(F.col("v").alias("u"), F.col("u").alias("v")))
    least = F.least("u", F.min("v").over(Window.partitionBy("u")))
    return both.select(least.alias("least"), "u", "v").where("v > u").select(F.col("least").alias("u"), "v").distinct()


def _small_star(edges: DataFrame) -> DataFrame:
    """A member and its neighbours below it are connected to the smallest of these."""
    least = F.min("u").over(Window.partitionBy("v"))
    found = edges.select(least.alias("least"), "u", "v")  # u < v
    below = found.where("u <> least").select(F.col("least").alias("u"), F.col("u").alias("v"))
    return below.union(found.select(F.col("least").alias("u"), "v")).distinct()
