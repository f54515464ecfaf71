"""How customers move between the tiers of two slices: counts, probabilities, Shorrocks' mobility index.

P_ij = n_ij / n_i over customers who are in both slices; mobility = (K - trace P) / (K - 1), 0 when nobody moves.
Source: Shorrocks, The measurement of mobility, Econometrica 46 (1978).
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.tiers.policy import TIERS

OUTSIDE = "outside"
"""The tier of a customer who is not in one of the two slices."""
PLACES = (*TIERS, OUTSIDE)


def tier_migration(tiers: DataFrame, previous: DataFrame, *, as_of: date) -> DataFrame:
    """gold.tier_migration: one row per pair of tiers, also the empty ones; no row when there is no slice before.

    from_tier `outside` are customers who entered, to_tier `outside` those who left: with them the counts of a from_tier
    sum to the slice before and those of a to_tier to this slice. probability is NULL for entries and exits, and for a
    tier in which nobody who stayed had been. The mobility index counts only tiers with someone in them; NULL when
    fewer than two have.
    """
    now = tiers.select("customer_id", F.col("tier").alias("now"))
    before = previous.select("customer_id", F.col("tier").alias("before"))
    moves = (
        before.join(now, on="customer_id", how="full")
        .groupBy(
            F.coalesce("before", F.lit(OUTSIDE)).alias("from_tier"), F.coalesce("now", F.lit(OUTSIDE)).alias("to_tier")
        )
        .agg(F.count("*").alias("customers"))
    )
    slice_before = previous.select(F.col("as_of").alias("previous_as_of")).limit(1)
    places = F.array(*[F.lit(place) for place in PLACES])
    pairs = (
        slice_before.select("previous_as_of", F.explode(places).alias("from_tier"))
        .select("previous_as_of", "from_tier", F.explode(places).alias("to_tier"))
        .where(~((F.col("from_tier") == OUTSIDE) & (F.col("to_tier") == OUTSIDE)))
    )
    counted = pairs.join(F.broadcast(moves), on=["from_tier", "to_tier"], how="left").withColumn(
        "customers", F.coalesce("customers", F.lit(0))
    )
    return _with_probabilities(counted, as_of=as_of)


def _with_probabilities(counted: DataFrame, *, as_of: date) -> DataFrame:
    stayed = (F.col("from_tier") != OUTSIDE) & (F.col("to_tier") != OUTSIDE)
    totals = counted.where(stayed).groupBy("from_tier").agg(F.sum("customers").alias("total"))
    likely = counted.join(F.broadcast(totals), on="from_tier", how="left").withColumn(
        "probability", F.when(stayed & (F.col("total") > 0), F.col("customers") / F.col("total"))
    )
    diagonal = likely.where((F.col("from_tier") == F.col("to_tier")) & F.col("probability").isNotNull())
    states, trace = F.count("*"), F.sum("probability")
    index = diagonal.agg(F.when(states > 1, F.round((states - trace) / (states - 1), 9)).alias("mobility_index"))
    return likely.join(F.broadcast(index), how="cross").select(
        F.lit(as_of).alias("as_of"),
        "from_tier",
        "to_tier",
        "previous_as_of",
        "customers",
        "probability",
        "mobility_index",
    )


def moves_by(now: DataFrame, before: DataFrame, groups: DataFrame | None = None) -> DataFrame:
    """One row per group and pair of tiers with someone in it: group (STRING), from_tier, to_tier, customers.

    `groups`: customer_id and group, see `groups_of_both`; who is not in it is in the group `none`, as is everyone when
    it is None. Entries and exits are moves from and to `outside`.
    """
    moved = before.select("customer_id", F.col("tier").alias("before")).join(
        now.select("customer_id", F.col("tier").alias("now")), on="customer_id", how="full"
    )
    grouped = moved.withColumn("group", F.lit(None).cast("string")) if groups is None else moved.join(
        groups.select("customer_id", F.col("group").cast("string")), on="customer_id", how="left"
    )  # fmt: skip
    return grouped.groupBy(
        F.coalesce("group", F.lit("none")).alias("group"),
        F.coalesce("before", F.lit(OUTSIDE)).alias("from_tier"),
        F.coalesce("now", F.lit(OUTSIDE)).alias("to_tier"),
    ).agg(F.count("*").alias("customers"))


def groups_of_both(now: DataFrame, before: DataFrame) -> DataFrame:
    """The groups for `moves_by`: of the later slice, and of the earlier one for who has left since."""
    gone = before.join(now, on="customer_id", how="left_anti")
    return now.select("customer_id", "group").unionByName(gone.select("customer_id", "group"))


Moves = dict[tuple[str, str], int]
"""Customers by tier before and tier now."""


def mobility(moves: Moves) -> float | None:
    """Shorrocks' index over the tiers with someone who stayed with the bank; None when fewer than two have."""
    stayed = {tier: [moves.get((tier, to), 0) for to in TIERS] for tier in TIERS}
    totals = {tier: sum(row) for tier, row in stayed.items() if sum(row)}
    if len(totals) < 2:
        return None
    trace = sum(moves.get((tier, tier), 0) / total for tier, total in totals.items())
    return (len(totals) - trace) / (len(totals) - 1)


def expected_customers(moves: Moves, *, steps: int) -> dict[str, float]:
    """Customers by tier, and `outside`, from where nobody returns, after so many steps like the one in `moves`.

    Begins with those of the later slice. Entries are not forecast. Who stands in a tier that was empty before stays.
    """
    start = np.array([sum(moves.get((source, to), 0) for source in PLACES) for to in PLACES], dtype=np.float64)
    start[-1] = 0.0
    after = start @ np.linalg.matrix_power(chances(moves), steps)
    return {place: float(count) for place, count in zip(PLACES, after, strict=True)}


def chances(moves: Moves) -> NDArray[np.float64]:
    """The chance of every move by PLACES; who is outside stays there, and so does who is in a tier nobody was in."""
    steps = np.eye(len(PLACES))
    for row, tier in enumerate(TIERS):
        counts = np.array([moves.get((tier, to), 0) for to in PLACES], dtype=np.float64)
        if counts.sum():
            steps[row] = counts / counts.sum()
    return steps
