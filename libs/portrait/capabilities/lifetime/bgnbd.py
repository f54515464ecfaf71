"""BG/NBD: how often customers will buy again, and whether they still do.

While alive a customer buys at rate lambda ~ Gamma(r, alpha); after each purchase they leave with probability
p ~ Beta(a, b). x repeat purchases, the last of them t_x after the first purchase, observed for T.
Source: Fader, Hardie, Lee, "Counting Your Customers" the Easy Way, Marketing Science 24 (2005); formulas in methods.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma, gammaln, hyp2f1

from portrait.capabilities.lifetime.likelihood import Fit, Floats, maximise, weighted_sum

NAMES = ("r", "alpha", "a", "b")


@dataclass(frozen=True)
class Levels:
    """The distinct values of a column, the customers of each, and which of them each row has."""

    values: Floats
    customers: Floats
    place: NDArray[np.intp]

    def rows(self, of_values: Floats) -> Floats:
        """What was computed once a value, once a row."""
        return of_values[self.place]


@dataclass(frozen=True)
class Purchases:
    """Distinct (x, t_x, T) with the number of customers who have them; t_x and T in units of time, 0 <= t_x <= T."""

    x: Floats
    t_x: Floats
    T: Floats
    customers: Floats

    @cached_property
    def by_x(self) -> Levels:
        """The distinct x."""
        return self._levels(self.x)

    @cached_property
    def by_t_x(self) -> Levels:
        """The distinct t_x."""
        return self._levels(self.t_x)

    @cached_property
    def by_T(self) -> Levels:
        """The distinct T."""
        return self._levels(self.T)

    def _levels(self, column: Floats) -> Levels:
        values, place = np.unique(column, return_inverse=True)
        return Levels(values, np.bincount(place, weights=self.customers).astype(np.float64), place)


def log_likelihood(values: Floats, seen: Purchases) -> tuple[float, Floats]:
    """The log-likelihood of all customers and its gradient by r, alpha, a, b.

    What depends on x alone, and needs special functions, is computed once a distinct x, logarithms once a time.
    """
    r, alpha, a, b = values
    x, customers, every = seen.by_x.values, seen.by_x.customers, float(seen.customers.sum())
    counts = r + seen.x
    whole = seen.by_T.rows(np.log(alpha + seen.by_T.values))
    until = seen.by_t_x.rows(np.log(alpha + seen.by_t_x.values))
    # Two ways to have been silent since t_x: alive all the time, or gone after the last purchase.
    again = np.where(x > 0, b + x - 1, 1.0)
    alive = -counts * whole
    left = seen.by_x.rows(np.where(x > 0, np.log(a) - np.log(again), -np.inf)) - counts * until
    either = np.logaddexp(alive, left)
    bought = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stayed = betaln(a, b + x) - betaln(a, b)
    height = weighted_sum(customers, bought + stayed) + weighted_sum(seen.customers, either)
    gone = seen.customers * np.exp(left - either)  # customers who are expected to have left
    here = seen.customers - gone
    by_r = weighted_sum(customers, digamma(r + x) - digamma(r) + np.log(alpha))
    by_r -= float(np.sum(here * whole + gone * until))
    slope = here * seen.by_T.rows(1 / (alpha + seen.by_T.values))
    slope += gone * seen.by_t_x.rows(1 / (alpha + seen.by_t_x.values))
    by_alpha = every * r / alpha - weighted_sum(counts, slope)
    both = digamma(a + b) - digamma(a + b + x)
    by_a = weighted_sum(customers, both) + float(np.sum(gone)) / a
    by_b = weighted_sum(customers, both + digamma(b + x) - digamma(b))
    by_b -= weighted_sum(gone, seen.by_x.rows(1 / again))
    return height, np.array([by_r, by_alpha, by_a, by_b])


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
