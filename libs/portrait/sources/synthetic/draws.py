"""Randomness that depends on the seed and the keys of a row only: never on partitions, cores or order.

A draw is a hash of (seed, name of the draw, keys). Spark's `rand` is not used: it counts rows inside a partition.
Logarithms and powers are Java's `StrictMath` in Spark, so that the numbers agree on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Draws:
    """Draws of one bank; every draw has a name, and the same name with the same keys is the same number."""

    seed: int

    def uniform(self, name: str, *keys: str | Column) -> Column:
        """A double in [0, 1): the upper 53 bits of a 64-bit hash."""
        bits = F.xxhash64(F.lit(self.seed).cast("bigint"), F.lit(name), *(_column(key).cast("bigint") for key in keys))
        return F.shiftrightunsigned(bits, 11) * F.lit(2.0**-53)

    def normal(self, name: str, *keys: str | Column) -> Column:
        """Nearly normal, mean 0 and standard deviation 1: Tukey's lambda approximation, bounded at about 5."""
        u = self.uniform(name, *keys)
        return (F.pow(u, F.lit(0.135)) - F.pow(F.lit(1.0) - u, F.lit(0.135))) / F.lit(0.1975)

    def lognormal(self, sigma: float, name: str, *keys: str | Column) -> Column:
        """Lognormal with mean 1 (not median 1) and the given sigma of its logarithm."""
        return F.exp(F.lit(sigma) * self.normal(name, *keys) - F.lit(sigma * sigma / 2))

    def whole(self, below: int | Column, name: str, *keys: str | Column) -> Column:
        """A whole number in [0, below)."""
        limit = F.lit(below) if isinstance(below, int) else below
        return F.floor(self.uniform(name, *keys) * limit).cast("int")

    def happens(self, probability: float | Column, name: str, *keys: str | Column) -> Column:
        """True with the given probability."""
        return self.uniform(name, *keys) < (F.lit(probability) if isinstance(probability, float) else probability)

    def choice(self, weights: Mapping[str, float], name: str, *keys: str | Column) -> Column:
        """One of the values, by weight."""
        total, reached, bounds = sum(weights.values()), 0.0, []
        for weight in weights.values():
            reached += weight
            bounds.append(F.lit(reached / total))
        return pick(list(weights), bounds, self.uniform(name, *keys))

    def day(self, first: Column, last: Column, name: str, *keys: str | Column) -> Column:
        """A day in [first, last]; `first` when last is before it."""
        days = F.greatest(F.datediff(last, first) + F.lit(1), F.lit(1))
        return F.date_add(first, self.whole(days, name, *keys))


def pick(values: Sequence[str], bounds: Sequence[Column], u: Column) -> Column:
    """The first value whose bound is above `u`; the bounds rise to 1, and the last one is taken for granted."""
    chosen = F.when(u < bounds[0], values[0])
    for value, bound in zip(values[1:-1], bounds[1:-1], strict=True):
        chosen = chosen.when(u < bound, value)
    return chosen.otherwise(F.lit(values[-1]))


def bounds_of(weights: Column) -> Column:
    """Rising bounds up to 1 of an array of weights, as `pick` wants them."""
    total = F.aggregate(weights, F.lit(0.0), lambda reached, weight: reached + weight)
    return F.transform(
        weights,
        lambda _, place: (
            F.aggregate(F.slice(weights, 1, place + 1), F.lit(0.0), lambda reached, w: reached + w) / total
        ),
    )


def _column(key: str | Column) -> Column:
    return F.col(key) if isinstance(key, str) else key
