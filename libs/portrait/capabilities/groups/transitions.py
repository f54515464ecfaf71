"""How customers moved between the groups of two slices, and which groups began, ended, merged and split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

OUTSIDE = 0
"""Stands for customers who are in no group, or no customers of the bank, in one of the slices."""
TRANSITION = (
    "as_of date, from_group int, to_group int, previous_as_of date, event string, from_name string, to_name string, "
    "customers bigint, share_of_from double, share_of_to double"
)


@dataclass(frozen=True)
class Moved:
    """Customers who were in one group and are in another, or in the same; 0 is outside."""

    customers: int
    from_name: str | None
    to_name: str | None


Flows = Mapping[tuple[int, int], Moved]


def group_flows(now: DataFrame, before: DataFrame) -> dict[tuple[int, int], Moved]:
    """Customers by group before and group now, of two slices of gold.customer_group; who is in neither is left out."""
    were = before.select("customer_id", F.col("group_id").alias("a"), F.col("group_name").alias("from_name"))
    are = now.select("customer_id", F.col("group_id").alias("b"), F.col("group_name").alias("to_name"))
    both = were.join(are, on="customer_id", how="full_outer").where("a is not null or b is not null")
    keys = [F.coalesce("a", F.lit(OUTSIDE)).alias("a"), F.coalesce("b", F.lit(OUTSIDE)).alias("b")]
    counted = both.groupBy(*keys).agg(
        F.count(F.lit(1)).alias("customers"), F.max("from_name").alias("f"), F.max("to_name").alias("t")
    )
    return {(row["a"], row["b"]): Moved(row["customers"], row["f"], row["t"]) for row in counted.collect()}


def transition_rows(flows: Flows, *, as_of: date, previous_as_of: date, majority: float) -> list[tuple[object, ...]]:
    """Rows of gold.group_transition: one per pair between which customers moved, and per group that lasted or did not.

    Events: `kept` the same group; `ended`, `born` a group that is there in one slice only, with those who left or came
    from outside; `merged` into to_group, of a group that ended, the `majority` of whose grouped customers are there;
    `split` from from_group, of a group that is new, the `majority` of whose customers grouped before were there;
    `moved`, `entered`, `left` customers alone.
    """
    were = {a: moved.from_name for (a, _), moved in flows.items() if a != OUTSIDE}
    are = {b: moved.to_name for (_, b), moved in flows.items() if b != OUTSIDE}
    pairs = (
        set(flows) | {(a, a) if a in are else (a, OUTSIDE) for a in were} | {(OUTSIDE, b) for b in are if b not in were}
    )
    left, came, stayed, known = (defaultdict[int, int](int) for _ in range(4))
    for (a, b), moved in flows.items():
        left[a] += moved.customers
        came[b] += moved.customers
        if OUTSIDE not in (a, b):
            stayed[a] += moved.customers
            known[b] += moved.customers

    def event(a: int, b: int, customers: int) -> str:
        if a == b:
            return "kept"
        if b == OUTSIDE:
            return "left" if a in are else "ended"
        if a == OUTSIDE:
            return "entered" if b in were else "born"
        if a not in are and customers >= majority * stayed[a]:
            return "merged"
        return "split" if b not in were and customers >= majority * known[b] else "moved"

    rows: list[tuple[object, ...]] = []
    for a, b in sorted(pairs):
        customers = flows[a, b].customers if (a, b) in flows else 0
        share_of_from = customers / left[a] if a != OUTSIDE and left[a] else None
        share_of_to = customers / came[b] if b != OUTSIDE and came[b] else None
        names = (were.get(a), are.get(b))
        rows.append(
            (as_of, a, b, previous_as_of, event(a, b, customers), *names, customers, share_of_from, share_of_to)
        )
    return rows
