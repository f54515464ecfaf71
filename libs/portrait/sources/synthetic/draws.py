"""Randomness that depends on the seed and the keys of a row only: never on partitions, cores or order.

A draw is a hash of the keys, salted with a number that stands for the seed and the name of the draw. Spark's `rand` is
not used: it counts rows inside a partition.
Logarithms and powers are Java's `StrictMath` in Spark, so that the numbers agree on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from pyspark.sql import Column
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Draws:
    """Draws of one bank; every draw has a name, and the same name with the same keys is the same number."""

    seed: int

    def uniform(self, name: str, *keys: str | Column) -> Column:
        """A double in [0, 1): the upper 53 bits of a 64-bit hash."""
        return F.shiftrightunsigned(self.bits(name, *keys), 11) * F.lit(2.0**-53)

    def bits(self, name: str, *keys: str | Column) -> Column:
        """64 bits. Seed and name are hashed here, once, and not again for every row."""
        salt = int.from_bytes(blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest(), "big", signed=True)
        return F.xxhash64(F.lit(salt).cast("bigint"), *(_column(key).cast("bigint") for key in keys))

    def normal(self, name: str, *keys: str | Column) -> Column:
        """Nearly normal, mean 0 and standard deviation 1: Tukey's lambda approximation, bounded at about 5."""
        u = self.uniform(name, *keys)
        return (F.pow(u, F.lit(0.135)) - F.pow(F.lit(1.0) - u, F.lit(0.135))) / F.lit(0.1975)

    def lognormal(self, sigma: float, name: str, *keys: str | Column) -> Column:
        """Lognormal with mean 1 (not median 1) and the given sigma of its logarithm."""
        return F.exp(F.lit(sigma) * self.normal(name, *keys) - F.lit(sigma * sigma / 2))

    def fisk(self, spread: float, name: str, *keys: str | Column) -> Column:
        """Log-logistic with mean 1: a power-law tail of index 1 / spread, which must be above 1."""
        u, angle = self.uniform(name, *keys), math.pi * spread
        return F.pow(u / (F.lit(1.0) - u), F.lit(spread)) * F.lit(math.sin(angle) / angle)

    def pareto(self, index: float, most: float, name: str, *keys: str | Column) -> Column:
        """At least 1, with a power-law tail of the given index, cut off at `most`."""
        return F.least(F.pow(F.lit(1.0) - self.uniform(name, *keys), F.lit(-1.0 / index)), F.lit(most))

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
    return _first_above([F.lit(value) for value in values], bounds, u)


def place(cumulated: str, size: int, u: Column) -> Column:
    """A place 0.. of an array of `size` cumulated weights (see `cumulated`), drawn by `u` in [0, 1)."""
    bounds = [F.col(cumulated)[index] for index in range(size)]
    return _first_above([F.lit(index) for index in range(size)], bounds, u * bounds[-1])


def cumulated(weights: Sequence[Column]) -> Column:
    """The running sums of some weights as an array: the last one is their total."""
    sums = [weights[0]]
    for weight in weights[1:]:
        sums.append(sums[-1] + weight)
    return F.array(*sums)


def _first_above(values: Sequence[Column], bounds: Sequence[Column], u: Column) -> Column:
    chosen = F.when(u < bounds[0], values[0])
    for value, bound in zip(values[1:-1], bounds[1:-1], strict=True):
        chosen = chosen.when(u < bound, value)
    return chosen.otherwise(values[-1])


def _column(key: str | Column) -> Column:
    return F.col(key) if isinstance(key, str) else key
