"""The fifth step: who of a core group gets the plan, who never does, and what became of both since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

SERVED, CONTROL = "served", "control"
_PARTS = 1_000_000
_Z = 1.959963984540054


def arm_of(population: str, *, control_share: float) -> Column:
    """served or control, by a hash of population and customer: the same at every slice, whatever the group is."""
    place = F.pmod(F.xxhash64(F.lit(f"core_group:{population}"), F.col("customer_id")), F.lit(_PARTS))
    return F.when(place < round(control_share * _PARTS), CONTROL).otherwise(SERVED)


@dataclass(frozen=True)
class Arm:
    """An arm of the slice before: customers, how many are still there, mean and variance of the change in value."""

    customers: int
    retained: int
    change: float
    variance: float


@dataclass(frozen=True)
class Effect:
    """Served less control since the slice before, with 95 % intervals; None where an arm has less than two."""

    served: int
    control: int
    retention: tuple[float, float, float] | None
    contribution: tuple[float, float, float] | None


def arms_since(before: DataFrame, now: DataFrame) -> dict[str, dict[str, Arm]]:
    """Population to arm to what became of it.

    `before`: the slice before of gold.core_group, of which those with an arm count. `now`: one row per customer of the
    bank with contribution (DOUBLE). Who is not there any more has lost all contribution.
    """
    was = before.where("arm is not null").select("population", "arm", "customer_id", F.col("contribution").alias("was"))
    both = was.join(
        now.select("customer_id", F.col("contribution").alias("is"), F.lit(1).alias("here")), "customer_id", "left"
    )
    change = F.coalesce(F.col("is"), F.lit(0.0)) - F.coalesce(F.col("was").cast("double"), F.lit(0.0))
    counted = both.groupBy("population", "arm").agg(
        F.count(F.lit(1)).alias("customers"),
        F.count("here").alias("retained"),
        F.avg(change).alias("change"),
        F.var_samp(change).alias("variance"),
    )
    found: dict[str, dict[str, Arm]] = {}
    for row in counted.collect():  # two rows per population
        arm = Arm(row["customers"], row["retained"], row["change"], row["variance"] or 0.0)
        found.setdefault(row["population"], {})[row["arm"]] = arm
    return found


def effect_of(arms: Mapping[str, Arm]) -> Effect | None:
    """Difference of the arms, with intervals of the normal approximation; None where nobody was served before."""
    if not arms:
        return None
    served, control = (arms.get(name, Arm(0, 0, 0.0, 0.0)) for name in (SERVED, CONTROL))
    if served.customers < 2 or control.customers < 2:
        return Effect(served.customers, control.customers, None, None)
    rates = [arm.retained / arm.customers for arm in (served, control)]
    spread = [rate * (1 - rate) / arm.customers for rate, arm in zip(rates, (served, control), strict=True)]
    means = [arm.variance / arm.customers for arm in (served, control)]
    return Effect(
        served.customers,
        control.customers,
        _interval(rates[0] - rates[1], sum(spread)),
        _interval(served.change - control.change, sum(means)),
    )


def _interval(difference: float, variance: float) -> tuple[float, float, float]:
    half = _Z * float(np.sqrt(variance))
    return difference, difference - half, difference + half
