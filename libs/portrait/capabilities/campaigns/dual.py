"""Prices of capacities: the dual of the allocation, smoothed and descended; and the rounding to whole offers.

    D(lambda) = sum over customers of max(0, max over options of (v - lambda . u)) + lambda . limit

bounds the value of every allocation from above for any lambda >= 0. It has corners, so its soft maximum is descended at
falling temperatures (Nesterov, Mathematical Programming 103 (2005)) by L-BFGS-B; plain subgradient steps need hundreds
of passes to come as near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Vector = NDArray[np.float64]
Places = NDArray[np.int64]
_CHUNK = 8192
_LEAST_GAIN = 1e-12


@dataclass(frozen=True)
class Options:
    """Options of some customers, a customer's together: `starts` is where each customer's begin.

    `value` > 0; `usage` options x constraints, whole units.
    """

    starts: Places
    value: Vector
    usage: NDArray[np.int64]

    @property
    def customer(self) -> Places:
        """Per option the number of its customer, 0-based."""
        sizes = np.diff(np.append(self.starts, len(self.value)))
        return np.repeat(np.arange(len(self.starts)), sizes)

    def of(self, customers: NDArray[np.bool_]) -> Options:
        """The options of some customers, by mask."""
        sizes = np.diff(np.append(self.starts, len(self.value)))
        rows = np.repeat(customers, sizes)
        kept = sizes[customers]
        return Options(np.cumsum(kept) - kept, self.value[rows], self.usage[rows])


def dual(options: Options, limits: Vector, prices: Vector) -> float:
    """The bound at these prices."""
    if len(options.value) == 0:
        return float(prices @ limits)
    best = np.maximum.reduceat(options.value - options.usage @ prices, options.starts)
    return float(np.maximum(best, 0.0).sum() + prices @ limits)


def prices_of(
    options: Options,
    limits: Vector,
    *,
    temperatures: Sequence[float],
    low: Vector | None = None,
    high: Vector | None = None,
    start: Vector | None = None,
) -> Vector:
    """The prices with the smallest bound that was met, one per constraint, in value per unit; within [low, high].

    `temperatures` in mean values of an option, falling. `start`: prices from which the descent begins; 0 without.
    """
    count = len(limits)
    low = np.zeros(count) if low is None else low
    high = np.full(count, np.inf) if high is None else high
    start = np.clip(np.zeros(count) if start is None else start, low, high)
    if len(options.value) == 0 or count == 0:
        return start
    level = float(options.value.mean())
    # One unknown is the value of a whole capacity (of what would be used, where that is less) in mean values.
    unit = np.maximum(np.minimum(limits, options.usage.sum(axis=0)), 1.0) / max(len(options.starts), 1)
    scaled = Options(options.starts, options.value / level, options.usage)
    usage = options.usage / unit
    weight = limits / unit
    customer = options.customer
    bounds = [(a * u / level, b * u / level) for a, b, u in zip(low, high, unit, strict=True)]
    found, now = start, start * unit / level
    best = dual(options, limits, start)
    for temperature in temperatures:
        result = minimize(
            _smoothed,
            now,
            args=(scaled, usage, weight, customer, temperature),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 60},
        )
        now = result.x
        prices = np.clip(now * level / unit, low, high)
        value = dual(options, limits, prices)
        if value < best:
            found, best = prices, value
    return found


def _smoothed(
    now: Vector, options: Options, usage: Vector, weight: Vector, customer: Places, temperature: float
) -> tuple[float, Vector]:
    """Soft maximum (no offer is an option of value 0) and its gradient."""
    reduced = (options.value - usage @ now) / temperature
    top = np.maximum(np.maximum.reduceat(reduced, options.starts), 0.0)
    shares = np.exp(reduced - top[customer])
    total = np.add.reduceat(shares, options.starts) + np.exp(-top)
    shares /= total[customer]
    value = temperature * float((top + np.log(total)).sum()) + float(now @ weight)
    return value, weight - usage.T @ shares


def rounded(options: Options, limits: NDArray[np.int64], prices: Vector) -> tuple[Places, NDArray[np.int64]]:
    """Per customer the position of the option taken (-1: none) and the capacity that is left; nothing is exceeded.

    Customers in the order of their best reduced value take their best option that still fits (first those with a
    positive reduced value, then the others); then every customer may change to a more valuable option that fits.
    """
    taken = np.full(len(options.starts), -1, dtype=np.int64)
    left = limits.copy()
    if len(options.value) == 0:
        return taken, left
    customer = options.customer
    reduced = options.value - options.usage @ prices
    best = np.maximum.reduceat(reduced, options.starts)
    order = np.lexsort((-reduced, -best[customer]))
    for begin in range(0, len(order), _CHUNK):
        part = order[begin : begin + _CHUNK]
        while len(part := part[(taken[customer[part]] < 0) & (options.usage[part] <= left).all(axis=1)]):
            # All up to the first that does not fit any more; of a customer the first.
            _, firsts = np.unique(customer[part], return_index=True)
            firsts.sort()
            used = np.cumsum(options.usage[part[firsts]], axis=0)
            fitting = int(np.argmin(np.append((used <= left).all(axis=1), False)))
            now = part[firsts[:fitting]]
            taken[customer[now]] = now
            left -= used[fitting - 1]
    while True:
        current = np.where(taken >= 0, options.value[taken], 0.0)
        gain = options.value - current[customer]
        better = np.flatnonzero(gain > _LEAST_GAIN)
        held = taken[customer[better]]
        more = options.usage[better] - np.where(held[:, None] >= 0, options.usage[held], 0)
        better = better[(more <= left).all(axis=1)]
        if not len(better):
            return taken, left
        for place in better[np.argsort(-gain[better], kind="stable")]:
            who = customer[place]
            before = taken[who]
            if options.value[place] - (options.value[before] if before >= 0 else 0.0) <= _LEAST_GAIN:
                continue
            change = options.usage[place] - (options.usage[before] if before >= 0 else 0)
            if bool((change <= left).all()):
                taken[who] = place
                left -= change
