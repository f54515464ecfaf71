"""Arbitration: one offer per customer, such that their value is highest and no capacity is exceeded.

The dual of the linear program prices every capacity; a customer takes the option with the highest value minus prices.
Small instances are priced and rounded by the driver. Larger ones are priced on a sample of customers first; Spark then
decides all customers whose choice is the same anywhere in a range around these prices, and the driver gets the others.
The bound is the dual value at the final prices over all customers, so the gap that is reported is certain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.clear import Prepared, priced
from portrait.capabilities.campaigns.policy import ArbitrationPolicy
from portrait.capabilities.prospects.frames import kind_of, value_of
from portrait.errors import ConfigurationError, InputRefused
from portrait.spark.columns import by_place, place_of

_DIGITS = 15  # of a sum that a double and a BIGINT hold exactly
_DECIMALS = 6
_LARGEST = 2**62


@dataclass(frozen=True)
class Allocation:
    """`chosen`: the rows of the options that were chosen, at most one per customer, cached.

    `prices`: capacity -> what one more unit of it would gain. `value`: sum over the chosen. `bound`: no allocation has
    more. `used`: capacity -> units used. `cost`: sum of the cost column over the chosen, None without one.
    """

    chosen: DataFrame
    prices: dict[str, float]
    value: float
    bound: float
    used: dict[str, float]
    cost: float | None

    @property
    def gap(self) -> float:
        """(bound - value) / bound; 0 where nothing can be gained."""
        return (self.bound - self.value) / self.bound if self.bound > 0 else 0.0


def allocate(
    options: DataFrame,
    *,
    customer: str,
    option: str,
    value: str,
    cost: str | None = None,
    capacities: Mapping[str, tuple[str, float]],
    policy: ArbitrationPolicy | None = None,
) -> Allocation:
    """The options to take: at most one row per customer, the sum of `value` as high as capacities allow.

    `options`: one row per customer and option. `capacities`: name -> (column with what the option uses of it, limit).
    A budget is a capacity whose column is the cost. `cost` is added up for the result and does not lower the value:
    give a value net of it where it should. Options without a positive value are never chosen.
    Raises ConfigurationError for columns and limits, InputRefused for rows without customer or value, or with a usage
    that is null or negative.

        allocate(options, customer="customer_id", option="offer", value="expected_margin", cost="cost",
                 capacities={"calls": ("calls", 5000), "budget": ("cost", 20000)}).prices
    """
    policy = policy or ArbitrationPolicy()
    limits = _limits(capacities)
    roles = {"customer": customer, "option": option, "value": value}
    roles |= {"cost": cost} if cost is not None else {}
    roles |= {f"usage of {name}": column for name, (column, _) in capacities.items()}
    places = {role: f"c{place_of(options, name, parameter=role)}" for role, name in roles.items()}
    placed = by_place(options)
    for role, place in places.items():
        if role not in ("customer", "option") and kind_of(placed.schema[place].dataType) != "number":
            raise ConfigurationError(f"{role} is not a number", where=f"column {roles[role]!r}", remedy="give a number")
    number = {role: value_of(place, "number") for role, place in places.items() if role not in ("customer", "option")}
    usage = [number[f"usage of {name}"] for name in capacities]
    totals = _checked(placed, roles, places, number)
    scales = [_scale(totals[f"usage of {name}"]) for name in capacities]
    floors = [math.floor(round(limit * by, 3)) for limit, by in zip(limits, scales, strict=True)]
    whole = np.array([min(floor, _LARGEST) for floor in floors], dtype=np.int64)
    # Rounded up against the capacity, so that nothing is exceeded; the inner rounding takes off what floats added.
    units = [
        F.ceil(F.round(part * F.lit(by), 3)).alias(f"u{i}")
        for i, (part, by) in enumerate(zip(usage, scales, strict=True))
    ]
    content = [F.col(places["customer"]), F.col(places["option"]), number["value"], *usage]
    hashed = F.xxhash64(*[part for item in content for part in (item.isNull(), item)])
    prepared = placed.select(
        "*",
        F.xxhash64(places["customer"]).alias("g"),
        hashed.alias("h"),
        number["value"].alias("v"),
        F.coalesce(number.get("cost", F.lit(0.0)), F.lit(0.0)).alias("paid"),
        *units,
    ).where(_possible(whole))
    level = totals["value"] / max(totals["options"], 1)
    found = priced(Prepared(prepared, whole, int(totals["options"]), level), policy=policy)
    chosen = found.chosen.persist()
    sums = _sums(chosen, totals, len(limits))
    for frame in found.held:
        frame.unpersist()
    return Allocation(
        chosen.select(*placed.columns).toDF(*options.columns),
        {name: float(price * by) for name, price, by in zip(capacities, found.prices, scales, strict=True)},
        sums[0],
        max(found.bound, sums[0]),
        {name: used / by for name, used, by in zip(capacities, sums[2:], scales, strict=True)},
        sums[1] if cost is not None else None,
    )


def _limits(capacities: Mapping[str, tuple[str, float]]) -> list[float]:
    for name, (_, limit) in capacities.items():
        if not (math.isfinite(limit) and limit >= 0):
            raise ConfigurationError(
                f"the limit of {name!r} is {limit}", where="capacities", remedy="give a number that is not negative"
            )
    return [float(limit) for _, limit in capacities.values()]


def _checked(
    placed: DataFrame, roles: Mapping[str, str], places: Mapping[str, str], number: Mapping[str, Column]
) -> dict[str, float]:
    """role -> sum of what is positive, and `options`: rows with a positive value."""
    gains = number["value"] > 0
    wrong = {"customer": F.col(places["customer"]).isNull(), "value": number["value"].isNull()}
    for role, column in number.items():
        if role != "value":
            wrong[role] = column.isNull() | (column < 0) | (column == float("inf"))
    wrong["value"] = wrong["value"] | (F.abs(number["value"]) == float("inf"))
    counts = [F.count_if(F.coalesce(rule, F.lit(True))).alias(f"wrong{i}") for i, rule in enumerate(wrong.values())]
    sums = [F.sum(F.when(gains, column)).alias(f"sum{i}") for i, column in enumerate(number.values())]
    row = placed.agg(*counts, *sums, F.count_if(gains).alias("options")).first()
    assert row is not None, "an aggregate without keys has one row"
    for place, role in enumerate(wrong):
        if found := row[f"wrong{place}"]:
            rule = (
                "null"
                if role == "customer"
                else "null or infinite"
                if role == "value"
                else "null, negative or infinite"
            )
            raise InputRefused(
                f"{role} is {rule} in {found} rows",
                where=f"column {roles[role]!r}",
                remedy="correct or remove the rows",
            )
    sums_by_role = {role: float(row[f"sum{place}"] or 0.0) for place, role in enumerate(number)}
    return sums_by_role | {"options": float(row["options"])}


def _scale(total: float, decimals: int = _DECIMALS) -> float:
    """Units per one of what sums up to `total`: whole units can be added in any order."""
    return 10.0 ** min(decimals, _DIGITS - math.ceil(math.log10(max(total, 1.0))))


def _possible(limits: np.ndarray) -> Column:
    """Options with a value, of which no one alone exceeds a capacity (which no allocation may take)."""
    possible = F.col("v") > 0
    for place, limit in enumerate(limits):
        possible = possible & (F.col(f"u{place}") <= F.lit(int(limit)))
    return possible


def _sums(chosen: DataFrame, totals: Mapping[str, float], capacities: int) -> list[float]:
    """Value, cost and units used, added as whole numbers: the same in whatever order."""
    by = [_scale(totals["value"], _DIGITS), _scale(totals.get("cost", 0.0), _DIGITS)]
    parts = [
        F.sum(F.round(F.col(name) * F.lit(scale)).cast("long")) for name, scale in zip(("v", "paid"), by, strict=True)
    ]
    row = chosen.agg(*parts, *[F.sum(f"u{place}") for place in range(capacities)]).first()
    assert row is not None, "an aggregate without keys has one row"
    value, cost, *used = [float(item or 0) for item in row]
    return [value / by[0], cost / by[1], *used]
