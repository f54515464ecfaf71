"""Prices over customers that the driver cannot hold: a sample first, then Spark decides what is clear.

A range of prices surrounds those of the sample. A customer whose best option is the same at every price in the range is
decided by Spark; the driver prices and rounds the others with the capacity that is left. Where they are too many, the
next sample is drawn from them, the range narrows, and they alone are asked again; where the result misses the bound,
the range widens. All options are moved once, as a few numbers each: what is told of the chosen is read at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.deciding import TIES, decided_options, tie_of
from portrait.capabilities.campaigns.dual import Options, Vector, dual, prices_of, rounded
from portrait.capabilities.campaigns.policy import ArbitrationPolicy
from portrait.errors import PortraitError
from portrait.spark.frames import frame_of
from portrait.spark.workers import use_own_python

_QUARTERS = 4
_DRAWS = 2**30


@dataclass(frozen=True)
class Prepared:
    """Options that can be chosen, with g (hash of customer), h (hash of row), v and the usages u0, u1, ..."""

    frame: DataFrame
    limits: NDArray[np.int64]
    count: int
    level: float
    """Mean value of an option."""

    @property
    def usage(self) -> list[str]:
        """The columns of usage."""
        return [f"u{place}" for place in range(len(self.limits))]

    @property
    def columns(self) -> list[str]:
        """What prices and choices need to know."""
        return ["g", "h", "v", *self.usage]

    @property
    def rows(self) -> DataFrame:
        """The options with these columns alone."""
        return self.frame.select(*self.columns)


@dataclass(frozen=True)
class Priced:
    """Rows of `Prepared.frame`, at most one per customer; prices per unit of usage; the bound."""

    chosen: DataFrame
    prices: Vector
    bound: float
    held: tuple[DataFrame, ...] = ()
    """What is cached until the chosen rows have been computed."""


@dataclass(frozen=True)
class _Rows:
    """What the driver holds, a customer's options together, in the order of hashes."""

    options: Options
    tie: Vector
    hashes: NDArray[np.int64]


def priced(prepared: Prepared, *, policy: ArbitrationPolicy) -> Priced:
    """The options to take."""
    if prepared.count <= policy.driver_options:
        rows = _collected(prepared, prepared.rows)
        prices, taken, _, bound = _rounded(rows, prepared.limits, prepared.level, policy=policy)
        return Priced(_with_hashes(prepared, _hashes(prepared, rows.hashes[taken])), prices, bound)
    return _at_scale(prepared, policy=policy)


def _collected(prepared: Prepared, frame: DataFrame) -> _Rows:
    rows: pd.DataFrame = frame.select(*prepared.columns).toPandas()
    rows = rows.sort_values(["g", "h"], kind="stable").drop_duplicates(["g", "h"])
    customer = rows["g"].to_numpy(dtype=np.int64)
    starts = (
        np.flatnonzero(np.append(True, customer[1:] != customer[:-1])) if len(rows) else np.empty(0, dtype=np.int64)
    )
    usage = rows[prepared.usage].to_numpy(dtype=np.int64).reshape(len(rows), len(prepared.usage))
    options = Options(starts, rows["v"].to_numpy(dtype=float), usage)
    hashes = rows["h"].to_numpy(dtype=np.int64)
    return _Rows(options, (hashes & (TIES - 1)) / TIES, hashes)


def _found(
    options: Options,
    limits: Vector,
    *,
    policy: ArbitrationPolicy,
    low: Vector | None,
    high: Vector | None,
    start: Vector | None = None,
) -> Vector:
    """The prices; where they are nearly known (`start`), the highest temperatures would only lead away from them."""
    temperatures = policy.smoothing if start is None else policy.smoothing[len(policy.smoothing) // 3 :]
    return prices_of(options, limits, temperatures=temperatures, low=low, high=high, start=start)


def _rounded(
    rows: _Rows,
    limits: NDArray[np.int64],
    level: float,
    *,
    policy: ArbitrationPolicy,
    low: Vector | None = None,
    high: Vector | None = None,
) -> tuple[Vector, NDArray[np.int64], float, float]:
    """Prices, places of the options taken, their value, the bound; the best of the sizes of tie-breaking tried."""
    best: tuple[Vector, NDArray[np.int64], float] | None = None
    bound = np.inf
    start = None if low is None or high is None or not np.isfinite(high).all() else (low + high) / 2
    for tie in policy.ties:
        untied = Options(rows.options.starts, rows.options.value + tie * level * rows.tie, rows.options.usage)
        prices = _found(untied, limits.astype(float), policy=policy, low=low, high=high, start=start)
        bound = min(bound, dual(rows.options, limits.astype(float), prices))
        taken, _ = rounded(untied, limits, prices)
        taken = taken[taken >= 0]
        value = float(np.sum(rows.options.value[taken]))
        if best is None or value > best[2]:
            best = prices, taken, value
    assert best is not None, "policy.ties is not empty"
    return best[0], best[1], best[2], bound


def _hashes(prepared: Prepared, hashes: NDArray[np.int64]) -> DataFrame:
    return frame_of(prepared.frame.sparkSession, [(int(value),) for value in hashes], "h bigint")


def _with_hashes(prepared: Prepared, hashes: DataFrame) -> DataFrame:
    """The rows with these hashes; one of those that are equal in customer, option, value and usage."""
    return prepared.frame.join(F.broadcast(hashes), "h", "left_semi").dropDuplicates(["h"])


def _at_scale(prepared: Prepared, *, policy: ArbitrationPolicy) -> Priced:
    use_own_python(prepared.frame.sparkSession)
    tie, wanted = policy.ties[0] * prepared.level, policy.sample_options
    limits = prepared.limits.astype(float)
    width = policy.box
    pool, left, count = prepared.rows, limits, prepared.count
    low, high = np.zeros(len(limits)), np.full(len(limits), np.inf)
    passes: list[_Pass] = []
    for turn in range(policy.rounds):
        share = min(1.0, wanted / max(count, 1))
        draw = F.pmod(F.xxhash64(F.lit(turn), "g"), F.lit(_DRAWS)) < F.lit(int(share * _DRAWS))
        sample = _collected(prepared, pool.where(draw))
        low, high = _range(sample, left * share, tie, width=width, policy=policy, low=low, high=high)
        # Who was decided in a wider range keeps that choice in this one: only the others are asked again.
        passes.append(_passed(prepared, pool, count, tie, low, high, policy=policy))
        pool, count = passes[-1].open_rows, passes[-1].open_options
        rest = prepared.limits - np.sum([one.used for one in passes], axis=0)
        left = rest.astype(float)
        if count > policy.driver_options and not (rest < 0).any():
            continue
        if not (rest < 0).any():
            rows = _collected(prepared, pool)
            prices, taken, value, open_bound = _rounded(rows, rest, prepared.level, policy=policy, low=low, high=high)
            # The decided keep their choice at all prices of the range, so this is the dual over all customers.
            bound = math.fsum(one.bound for one in passes) + open_bound
            value += math.fsum(one.value for one in passes)
            if bound - value <= policy.gap * bound or turn == policy.rounds - 1:
                clear = reduce(DataFrame.unionByName, [one.rows.where("decided").select("h") for one in passes])
                chosen = _with_hashes(prepared, clear.unionByName(_hashes(prepared, rows.hashes[taken])))
                return Priced(chosen, prices, float(f"{bound:.12g}"), tuple(one.rows for one in passes))
        # The range missed the prices: a wider one, for all customers again.
        for one in passes:
            one.rows.unpersist()
        passes, pool, left, count, width = [], prepared.rows, limits, prepared.count, 2 * width
        low, high = np.zeros(len(limits)), np.full(len(limits), np.inf)
    raise PortraitError(
        "the prices of the capacities could not be narrowed down",
        where=f"{count} of {prepared.count} options",
        remedy="raise arbitration.driver_options or arbitration.rounds in conf/campaigns.yml",
    )


def _range(
    sample: _Rows, limits: Vector, tie: float, *, width: float, policy: ArbitrationPolicy, low: Vector, high: Vector
) -> tuple[Vector, Vector]:
    """Prices of the sample, plus and minus `width` standard errors, which four quarters of its customers give."""
    options = Options(sample.options.starts, sample.options.value + tie * sample.tie, sample.options.usage)
    prices = _found(options, limits, policy=policy, low=low, high=high)
    quarter = np.arange(len(options.starts)) % _QUARTERS
    found = [
        _found(options.of(quarter == part), limits / _QUARTERS, policy=policy, low=low, high=high, start=prices)
        for part in range(_QUARTERS)
    ]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(_QUARTERS)
    # No narrower than the ties and one in a thousand of the price: the quarters may agree by chance.
    use = np.maximum(options.usage.max(axis=0, initial=1), 1)
    half = width * error + 2 * tie / use + 1e-3 * prices
    return np.maximum(low, prices - half), np.minimum(high, prices + half)


@dataclass(frozen=True)
class _Pass:
    """One look at a pool of customers, kept: the options taken by those who are decided, all options of the others.

    What the decided use and bring (bound: ties included), and how many options the others have.
    """

    rows: DataFrame
    used: NDArray[np.int64]
    value: float
    bound: float
    open_options: int

    @property
    def open_rows(self) -> DataFrame:
        """The options of customers who are not decided."""
        return self.rows.where("not decided")


def _passed(
    prepared: Prepared, pool: DataFrame, count: int, tie: float, low: Vector, high: Vector, *, policy: ArbitrationPolicy
) -> _Pass:
    parts = -(-count // policy.driver_options)
    layout = ", ".join(["g bigint, h bigint, v double", *[f"{name} bigint" for name in prepared.usage]])
    deciding = decided_options(low=low, high=high, tie=tie)
    found = pool.select(*prepared.columns).repartition(parts, "g").mapInArrow(deciding, f"{layout}, decided boolean")
    rows = found.persist()
    decided = F.col("decided")
    values = [F.sum(F.when(decided, value)) for value in (F.col("v"), F.col("v") + tie_of("h") * tie)]
    sums = [F.sum(F.when(decided, F.col(name))) for name in prepared.usage]
    row = rows.agg(F.count_if(~decided), *values, *sums).first()
    assert row is not None, "an aggregate without keys has one row"
    used = np.array([int(item or 0) for item in row[3:]], dtype=np.int64)
    return _Pass(rows, used, float(row[1] or 0.0), float(row[2] or 0.0), int(row[0]))
