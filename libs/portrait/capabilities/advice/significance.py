"""Intervals and tests of shares: Wilson, two proportions, Benjamini and Hochberg, the size of a control group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Z = 1.96


def wilson(successes: float, customers: float, *, z: float = Z) -> tuple[float, float]:
    """Interval of a share; (0, 1) where there are no customers. Wilson (1927)."""
    if customers <= 0:
        return 0.0, 1.0
    share = successes / customers
    centre = (share + z * z / (2 * customers)) / (1 + z * z / customers)
    half = z * np.sqrt(share * (1 - share) / customers + z * z / (4 * customers**2)) / (1 + z * z / customers)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def two_proportions(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Two-sided p-value that two shares, (successes, customers) each, are equal; 1 where nothing can be told."""
    (a, n), (b, m) = one, other
    if n <= 0 or m <= 0:
        return 1.0
    pooled = (a + b) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return 1.0 if variance <= 0 else float(2 * norm.sf(abs(a / n - b / m) / np.sqrt(variance)))


def adjusted(p_values: Sequence[float]) -> NDArray[np.float64]:
    """P-values adjusted by Benjamini and Hochberg (1995): those up to a level are the discoveries at that level."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty_like(p)
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found


def control_size(base: float, uplift: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Customers per arm by which a rate of base + uplift is told from one of base."""
    other = base + uplift
    mean = (base + other) / 2
    spread = norm.ppf(1 - alpha / 2) * np.sqrt(2 * mean * (1 - mean)) + norm.ppf(power) * np.sqrt(
        base * (1 - base) + other * (1 - other)
    )
    return int(np.ceil(spread**2 / uplift**2))
