"""Prices over customers that the driver cannot hold: a sample first, then Spark decides what is clear.

A range of prices surrounds those of the sample. A customer whose best option is the same at every price in the range is
decided by Spark; the driver prices and rounds the others with the capacity that is left. Where they are too many, the
next sample is drawn from them and the range narrows; where the result misses the bound, the range widens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.dual import Options, Vector, dual, prices_of, rounded
from portrait.capabilities.campaigns.policy import ArbitrationPolicy
from portrait.errors import PortraitError
from portrait.spark.frames import frame_of

_QUARTERS = 4
_DRAWS = 2**30


@dataclass(frozen=True)
class Prepared:
    """Options that can be chosen: customer column, g (hash of customer), h (hash of row), v, t (0..1), u0, u1, ..."""

    frame: DataFrame
    customer: str
    limits: NDArray[np.int64]
    count: int
    level: float
    """Mean value of an option."""

    @property
    def usage(self) -> list[str]:
        """The columns of usage."""
        return [f"u{place}" for place in range(len(self.limits))]


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
        rows = _collected(prepared, prepared.frame)
        prices, taken, _, bound = _rounded(rows, prepared.limits, prepared.level, policy=policy)
        return Priced(_with_hashes(prepared, rows.hashes[taken]), prices, bound)
    return _at_scale(prepared, policy=policy)


def _collected(prepared: Prepared, frame: DataFrame) -> _Rows:
    rows: pd.DataFrame = frame.select("g", "h", "v", "t", *prepared.usage).toPandas()
    rows = rows.sort_values(["g", "h"], kind="stable").drop_duplicates(["g", "h"])
    customer = rows["g"].to_numpy(dtype=np.int64)
    starts = (
        np.flatnonzero(np.append(True, customer[1:] != customer[:-1])) if len(rows) else np.empty(0, dtype=np.int64)
    )
    usage = rows[prepared.usage].to_numpy(dtype=np.int64).reshape(len(rows), len(prepared.usage))
    options = Options(starts, rows["v"].to_numpy(dtype=float), usage)
    return _Rows(options, rows["t"].to_numpy(dtype=float), rows["h"].to_numpy(dtype=np.int64))


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
    for tie in policy.ties:
        untied = Options(rows.options.starts, rows.options.value + tie * level * rows.tie, rows.options.usage)
        prices = prices_of(untied, limits.astype(float), temperatures=policy.smoothing, low=low, high=high)
        bound = min(bound, dual(rows.options, limits.astype(float), prices))
        taken, _ = rounded(untied, limits, prices)
        taken = taken[taken >= 0]
        value = float(np.sum(rows.options.value[taken]))
        if best is None or value > best[2]:
            best = prices, taken, value
    assert best is not None, "policy.ties is not empty"
    return best[0], best[1], best[2], bound


def _with_hashes(prepared: Prepared, hashes: NDArray[np.int64]) -> DataFrame:
    """The rows with these hashes; one of those that are equal in customer, option, value and usage."""
    chosen = frame_of(prepared.frame.sparkSession, [(int(value),) for value in hashes], "h bigint")
    return prepared.frame.join(F.broadcast(chosen), "h", "left_semi").dropDuplicates(["h"])


def _at_scale(prepared: Prepared, *, policy: ArbitrationPolicy) -> Priced:
    parts = -(-prepared.count // policy.driver_options)
    stored = prepared.frame.repartition(parts, prepared.customer).sortWithinPartitions(prepared.customer).persist()
    tie, wanted = policy.ties[0] * prepared.level, policy.sample_options
    pool, left, count = stored, prepared.limits.astype(float), prepared.count
    low, high = np.zeros(len(left)), np.full(len(left), np.inf)
    width = policy.box
    for turn in range(policy.rounds):
        share = min(1.0, wanted / max(count, 1))
        draw = F.pmod(F.xxhash64(F.lit(turn), "g"), F.lit(_DRAWS)) < F.lit(int(share * _DRAWS))
        sample = _collected(prepared, pool.where(draw))
        low, high = _range(sample, left * share, tie, width=width, policy=policy, low=low, high=high)
        best = _choices(prepared, stored, tie, low, high).persist()
        decided = _decided(prepared, best, tie)
        open_rows = stored.join(best.where("not decided").select(prepared.customer), prepared.customer, "left_semi")
        rest = prepared.limits - decided.used
        pool, left, count = open_rows, rest.astype(float), decided.open_options
        if count > policy.driver_options and not (rest < 0).any():
            continue
        if not (rest < 0).any():
            rows = _collected(prepared, open_rows)
            prices, taken, value, open_bound = _rounded(rows, rest, prepared.level, policy=policy, low=low, high=high)
            # The decided keep their choice at all prices of the range, so this is the dual over all customers.
            bound = decided.bound + open_bound
            if bound - decided.value - value <= policy.gap * bound or turn == policy.rounds - 1:
                clear = best.where("decided and best is not null").select("best.*")
                pooled = _with_hashes(prepared, rows.hashes[taken])
                chosen = clear.unionByName(pooled.select(*clear.columns))
                return Priced(chosen, prices, float(f"{bound:.12g}"), (stored, best))
        # The range missed the prices: a wider one, for all customers again.
        best.unpersist()
        pool, left, count, width = stored, prepared.limits.astype(float), prepared.count, 2 * width
        low, high = np.zeros(len(left)), np.full(len(left), np.inf)
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
    arguments = {"temperatures": policy.smoothing, "low": low, "high": high}
    prices = prices_of(options, limits, **arguments)  # type: ignore[arg-type]
    quarter = np.arange(len(options.starts)) % _QUARTERS
    found = [
        prices_of(options.of(quarter == part), limits / _QUARTERS, **arguments)  # type: ignore[arg-type]
        for part in range(_QUARTERS)
    ]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(_QUARTERS)
    # No narrower than the ties and one in a thousand of the price: the quarters may agree by chance.
    use = np.maximum(options.usage.max(axis=0, initial=1), 1)
    half = width * error + 2 * tie / use + 1e-3 * prices
    return np.maximum(low, prices - half), np.minimum(high, prices + half)


def _choices(prepared: Prepared, stored: DataFrame, tie: float, low: Vector, high: Vector) -> DataFrame:
    """One row per customer: decided, and best (the option's row; null where none is taken)."""
    value = F.col("v") + F.lit(tie) * F.col("t")
    worst, most, middle = (value - _priced(prepared, prices) for prices in (high, low, (low + high) / 2))
    row = F.struct(*stored.columns)
    grouped = stored.groupBy(prepared.customer).agg(
        F.max_by(row, middle).alias("row"),
        F.max(worst).alias("sure"),
        F.count(F.lit(1)).alias("options"),
        F.slice(F.sort_array(F.collect_list(most), False), 1, 2).alias("tops"),
    )
    second = F.greatest(F.coalesce(F.try_element_at("tops", F.lit(2)), F.lit(0.0)), F.lit(0.0))
    none = F.element_at("tops", 1) <= 0
    taken = F.col("sure") > second
    return grouped.select(
        prepared.customer, "options", (none | taken).alias("decided"), F.when(taken, F.col("row")).alias("best")
    )


def _priced(prepared: Prepared, prices: Vector) -> Column:
    total = F.lit(0.0)
    for name, price in zip(prepared.usage, prices, strict=True):
        total = total + F.col(name) * F.lit(float(price))
    return total


@dataclass(frozen=True)
class _Decided:
    """What the decided customers use and bring (bound: ties included), and how many options the others have."""

    used: NDArray[np.int64]
    value: float
    bound: float
    open_options: int


def _decided(prepared: Prepared, best: DataFrame, tie: float) -> _Decided:
    decided = F.col("decided")
    sums = [F.sum(F.when(decided, F.col(f"best.{name}"))) for name in prepared.usage]
    values = [F.sum(F.when(decided, value)) for value in (F.col("best.v"), F.col("best.v") + F.col("best.t") * tie)]
    row = best.agg(F.sum(F.when(~decided, F.col("options"))), *values, *sums).first()
    assert row is not None, "an aggregate without keys has one row"
    used = np.array([int(item or 0) for item in row[3:]], dtype=np.int64)
    return _Decided(used, float(row[1] or 0.0), float(row[2] or 0.0), int(row[0] or 0))
