"""BG/NBD: how often customers will buy again, and whether they still do.

While alive a customer buys at rate lambda ~ Gamma(r, alpha); after each purchase they leave with probability
p ~ Beta(a, b). x repeat purchases, the last of them t_x after the first purchase, observed for T.
Source: Fader, Hardie, Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005); formulas in methods.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, digamma, gammaln, hyp2f1

from portrait.value.likelihood import Fit, Floats, maximise, weighted_sum

NAMES = ("r", "alpha", "a", "b")


@dataclass(frozen=True)
class Purchases:
    """Distinct (x, t_x, T) with the number of customers who have them; t_x and T in units of time, 0 <= t_x <= T."""

    x: Floats
    t_x: Floats
    T: Floats
    customers: Floats


def log_likelihood(values: Floats, seen: Purchases) -> tuple[float, Floats]:
    """The log-likelihood of all customers and its gradient by r, alpha, a, b."""
    r, alpha, a, b = values
    x, again = seen.x, seen.x > 0
    whole, until = np.log(alpha + seen.T), np.log(alpha + seen.t_x)
    # Two ways to have been silent since t_x: alive all the time, or gone after the last purchase.
    alive = -(r + x) * whole
    left = np.where(again, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * until, -np.inf)
    either = np.logaddexp(alive, left)
    bought = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stayed = betaln(a, b + x) - betaln(a, b)
    height = weighted_sum(seen.customers, bought + stayed + either)
    share = np.exp(left - either)  # of having left
    rest = 1 - share
    by_r = digamma(r + x) - digamma(r) + np.log(alpha) - rest * whole - share * until
    by_alpha = r / alpha - (r + x) * (rest / (alpha + seen.T) + share / (alpha + seen.t_x))
    both = digamma(a + b) - digamma(a + b + x)
    by_a = both + share / a
    by_b = both + digamma(b + x) - digamma(b) - share / np.where(again, b + x - 1, 1.0)
    return height, np.array([weighted_sum(seen.customers, part) for part in (by_r, by_alpha, by_a, by_b)])


def fit(seen: Purchases) -> Fit:
    """The parameters of the greatest likelihood; FitFailed when the data do not determine them.

    Times are scaled to about one while fitting, which changes alpha and the likelihood in a known way alone.
    """
    scale = weighted_sum(seen.customers, seen.T) / float(seen.customers.sum()) or 1.0
    scaled = Purchases(seen.x, seen.t_x / scale, seen.T / scale, seen.customers)
    customers = int(seen.customers.sum())
    found = maximise(
        lambda values: log_likelihood(values, scaled), NAMES,
        start=(1.0, 1.0, 1.0, 2.0), observations=customers, model="BG/NBD",
    )  # fmt: skip
    parameters = found.parameters | {"alpha": found.parameters["alpha"] * scale}
    errors = found.standard_errors | {"alpha": found.standard_errors["alpha"] * scale}
    height = log_likelihood(np.array(list(parameters.values())), seen)[0]
    return Fit(parameters, errors, height, found.gradient, customers)


def probability_alive(values: Floats, x: Floats, t_x: Floats, T: Floats) -> Floats:
    """That the customer is still there at the end of T; 1 for who never bought again."""
    r, alpha, a, b = values
    odds = a / (b + np.maximum(x, 1) - 1) * np.exp((r + x) * (np.log(alpha + T) - np.log(alpha + t_x)))
    alive: Floats = np.where(x > 0, 1 / (1 + odds), 1.0)
    return alive


def expected_purchases(values: Floats, t: float, x: Floats, t_x: Floats, T: Floats) -> Floats:
    """Purchases in the t units of time after T. Needs a <> 1."""
    r, alpha, a, b = values
    ratio = ((alpha + T) / (alpha + T + t)) ** (r + x)
    series = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + T + t))
    result: Floats = (a + b + x - 1) / (a - 1) * (1 - ratio * series) * probability_alive(values, x, t_x, T)
    return result
