"""Gamma-Gamma: what a purchase of a customer is worth, from the mean of those they made.

The mean of x purchases is m ~ Gamma(p x, rate nu x) with nu ~ Gamma(q, v). Spend must not go with frequency.
Source: Fader, Hardie, The Gamma-Gamma Model of Monetary Value (2013); formulas in methods.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, gammaln

from portrait.capabilities.lifetime.likelihood import Fit, Floats, maximise, weighted_sum

NAMES = ("p", "q", "v")


@dataclass(frozen=True)
class Spend:
    """Repeat purchases x > 0, their mean amount m > 0, and the number of customers who have them."""

    x: Floats
    m: Floats
    customers: Floats


def log_likelihood(values: Floats, seen: Spend) -> tuple[float, Floats]:
    """The log-likelihood of all customers and its gradient by p, q, v."""
    p, q, v = values
    x, m = seen.x, seen.m
    shape, total = p * x, np.log(x * m + v)
    each = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v)
    each = each + (shape - 1) * np.log(m) + shape * np.log(x) - (shape + q) * total
    by_p = x * (digamma(shape + q) - digamma(shape) + np.log(m) + np.log(x) - total)
    by_q = digamma(shape + q) - digamma(q) + np.log(v) - total
    by_v = q / v - (shape + q) / (x * m + v)
    return weighted_sum(seen.customers, each), np.array(
        [weighted_sum(seen.customers, part) for part in (by_p, by_q, by_v)]
    )


def fit(seen: Spend) -> Fit:
    """The parameters of the greatest likelihood; FitFailed when the data do not determine them."""
    scale = weighted_sum(seen.customers, seen.m) / float(seen.customers.sum())
    scaled = Spend(seen.x, seen.m / scale, seen.customers)
    customers = int(seen.customers.sum())
    found = maximise(
        lambda values: log_likelihood(values, scaled), NAMES,
        start=(2.0, 2.0, 1.0), observations=customers, model="Gamma-Gamma",
    )  # fmt: skip
    parameters = found.parameters | {"v": found.parameters["v"] * scale}
    errors = found.standard_errors | {"v": found.standard_errors["v"] * scale}
    height = log_likelihood(np.array(list(parameters.values())), seen)[0]
    return Fit(parameters, errors, height, found.gradient, customers)


def expected_spend(values: Floats, x: Floats, m: Floats) -> Floats:
    """Expected amount of a purchase; x = 0 gives the mean of all customers. Needs p x + q > 1."""
    p, q, v = values
    result: Floats = p * (v + x * m) / (p * x + q - 1)
    return result
