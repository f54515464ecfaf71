"""What a tier is worth: the margin that its customers are expected to bring while they wander between tiers.

value = sum over steps t of pi P^t m / (1 + d)^t, from t = 0: P the chances of a step (leaving is for good and brings
nothing), m the margin of a step, d its discount rate. Intervals by bootstrap: the moves of every tier drawn anew.
All of it in numpy on a few counts; source: methods.md, lifetime value of balances and products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.lifetime.likelihood import Floats
from portrait.capabilities.tiers.migration import PLACES, Moves, chances, moves_by
from portrait.capabilities.tiers.policy import TIERS
from portrait.capabilities.tiers.value_policy import TierValuePolicy
from portrait.entities.money import MOST

ALL = "all"
_SHARES = (0.025, 0.975)


@dataclass(frozen=True)
class TierValue:
    """What a customer of a tier is worth: value, and the interval that holds it in 95 of 100 draws."""

    tier: str
    customers: int
    observed: int
    """Customers of the tier before, whose moves the chances are of; 0: they are taken to stay."""
    value: float
    low: float
    high: float


def chain_value(steps: Floats, margins: Floats, *, discount: float, horizon: int) -> Floats:
    """The discounted margins of `horizon` steps by the place one begins in; steps[i, j] is the chance of i to j."""
    total, weighed = np.zeros(len(margins)), margins.astype(np.float64)
    for _ in range(horizon):
        total = total + weighed
        weighed = steps @ weighed / (1 + discount)
    return total


def tier_values(
    moves: Moves, margins: Mapping[str, float], *, discount: float, horizon: int, draws: int, seed: int
) -> list[TierValue]:
    """The value of a customer of each tier, and of one of all (`all`) as they are spread now.

    `moves`: customers by tier before and now; `margins` and `discount` are of one step, which is the time between them.
    """
    counts = np.array([[moves.get((source, to), 0) for to in PLACES] for source in TIERS])
    now = np.array([sum(moves.get((source, tier), 0) for source in PLACES) for tier in TIERS])
    spread = now / max(now.sum(), 1)
    of_step = np.array([margins.get(tier, 0.0) for tier in PLACES])

    def valued(steps: Floats) -> Floats:
        each = chain_value(steps, of_step, discount=discount, horizon=horizon)[: len(TIERS)]
        return np.append(each, np.sum(spread * each))

    likely = chances(moves)
    dice = np.random.default_rng(seed)
    drawn = np.array([valued(_drawn(dice, counts, likely)) for _ in range(draws)])
    low, high = np.quantile(drawn, _SHARES, axis=0)
    numbers = zip([*TIERS, ALL], [*now, now.sum()], [*counts.sum(axis=1), counts.sum()], strict=True)
    value = valued(likely)
    return [
        TierValue(tier, int(customers), int(observed), float(value[place]), float(low[place]), float(high[place]))
        for place, (tier, customers, observed) in enumerate(numbers)
    ]


def _drawn(dice: np.random.Generator, counts: Floats, likely: Floats) -> Floats:
    """The chances of as many moves of each tier, drawn from those that were seen."""
    steps = likely.copy()
    for row, total in enumerate(counts.sum(axis=1)):
        if total:
            steps[row] = dice.multinomial(int(total), likely[row]) / total
    return steps


def tier_value(
    tiers: DataFrame,
    before: DataFrame,
    value: DataFrame,
    *,
    since: date,
    policy: TierValuePolicy,
    discount_rate: float,
    as_of: date,
) -> list[tuple[Any, ...]]:
    """Rows of gold.tier_value, one a tier and one of all, from the moves between the slices `since` and `as_of`.

    `value` is gold.customer_value of `as_of`; `discount_rate` is per year. Only counts of moves
    and sums by tier come to the driver.
    """
    months = (as_of.year - since.year) * 12 + as_of.month - since.month
    moves = {(row.from_tier, row.to_tier): int(row.customers) for row in moves_by(tiers, before).collect()}
    given = policy.margins
    monthly = (
        {str(tier): margin for tier, margin in given.items()}
        if isinstance(given, dict)
        else (_monthly_margins(tiers, value))
    )
    found = tier_values(
        moves,
        {tier: margin * months for tier, margin in monthly.items()},
        discount=(1 + discount_rate) ** (months / 12) - 1,
        horizon=max(1, round(policy.horizon_months / months)),
        draws=policy.draws,
        seed=policy.seed,
    )
    every = sum(item.customers for item in found if item.tier != ALL) or 1
    mean = sum(item.customers * monthly.get(item.tier, 0.0) for item in found if item.tier != ALL) / every
    return [
        (
            *(as_of, item.tier, since, item.customers, item.observed),
            *map(_money, ({**monthly, ALL: mean}.get(item.tier, 0.0), item.value, item.low, item.high)),
        )
        for item in found
    ]


def _monthly_margins(tiers: DataFrame, value: DataFrame) -> dict[str, float]:
    """A twelfth of the mean contribution of a customer by tier, account currency."""
    both = tiers.select("customer_id", "tier").join(value, on="customer_id", how="inner")
    sums = both.groupBy("tier").agg(F.sum("contribution").alias("total"), F.count("contribution").alias("customers"))
    return {row.tier: float(row.total) / row.customers / 12 for row in sums.collect() if row.customers}


def _money(amount: float) -> Decimal | None:
    """The amount; None where DECIMAL(18,2) cannot hold it."""
    if not abs(amount) < MOST / 100:  # so that NaN is none either
        return None
    return Decimal(amount).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)  # as `money.rounded` in Spark
