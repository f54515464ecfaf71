"""Features as standardised numbers and indicators, for logistic regressions of uplift; on the driver and in Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.policy import UpliftPolicy
from portrait.capabilities.prospects.encoding import Bins
from portrait.capabilities.prospects.frames import value_of
from portrait.capabilities.prospects.logistic import Linear, Vector


@dataclass(frozen=True)
class Number:
    """(x or ln(1 + x), minus mean) / deviation, cut at +-clip; null is the mean, and 1 in an indicator of its own."""

    logged: bool
    mean: float
    deviation: float
    clip: float

    def columns(self, values: Vector) -> list[Vector]:
        """The standardised values, and which are null."""
        unknown = np.isnan(values)
        shown = np.log1p(np.maximum(values, 0.0)) if self.logged else values
        scaled = np.clip((shown - self.mean) / self.deviation, -self.clip, self.clip)
        return [np.where(unknown, 0.0, scaled), unknown.astype(float)]

    def term(self, name: str, slope: float, unknown: float) -> Column:
        """What the feature adds to a linear model in Spark."""
        value = value_of(name, "number")
        shown = F.log1p(F.greatest(value, F.lit(0.0))) if self.logged else value
        scaled = (shown - F.lit(self.mean)) / F.lit(self.deviation)
        cut = F.least(F.greatest(scaled, F.lit(-self.clip)), F.lit(self.clip))
        return F.when(value.isNull(), F.lit(unknown)).otherwise(cut * F.lit(slope))


@dataclass(frozen=True)
class Text:
    """One indicator per bin, divided by the deviation of the indicator, so that the penalty treats all alike."""

    bins: Bins
    deviations: tuple[float, ...]

    def columns(self, values: np.ndarray) -> list[Vector]:
        """The indicators of all bins."""
        codes = self.bins.codes(values)
        return [(codes == code) / deviation for code, deviation in enumerate(self.deviations)]

    def term(self, name: str, *slopes: float) -> Column:
        """What the feature adds to a linear model in Spark."""
        return self.bins.looked_up(name, [slope / by for slope, by in zip(slopes, self.deviations, strict=True)])


@dataclass(frozen=True)
class Design:
    """The features of a linear model, in order."""

    parts: Mapping[str, Number | Text]

    def matrix(self, columns: Mapping[str, np.ndarray]) -> Vector:
        """rows x columns of the linear model."""
        return np.column_stack([column for name, part in self.parts.items() for column in part.columns(columns[name])])

    def log_odds(self, linear: Linear, names: Mapping[str, str]) -> Column:
        """The linear model in Spark; `names`: feature -> column of the frame."""
        total, place = F.lit(linear.intercept), 0
        for name, part in self.parts.items():
            size = 2 if isinstance(part, Number) else part.bins.size
            slopes = [float(slope) for slope in linear.coefficients[place : place + size]]
            total, place = total + part.term(names[name], *slopes), place + size
        return total


def design_of(
    columns: Mapping[str, np.ndarray], bins: Mapping[str, Bins], *, copies: Vector, policy: UpliftPolicy
) -> Design:
    """How the features of these rows enter; outcomes play no part, so all rows may be asked."""
    return Design({name: _part(columns[name], item, copies=copies, policy=policy) for name, item in bins.items()})


def _part(values: np.ndarray, bins: Bins, *, copies: Vector, policy: UpliftPolicy) -> Number | Text:
    if bins.kind == "text":
        shares = np.bincount(bins.codes(values), copies, bins.size) / copies.sum()
        # An indicator that is never 1 has no deviation; what is divided by 1 stays 0 or small.
        deviations = [float(np.sqrt(share * (1 - share))) or 1.0 for share in shares]
        return Text(bins, tuple(deviations))
    known = np.isfinite(values)
    seen, weight = values[known], copies[known]
    mean, deviation = _moments(seen, weight)
    skewness = float(np.average(((seen - mean) / deviation) ** 3, weights=weight)) if len(seen) else 0.0
    logged = bool(len(seen)) and float(seen.min()) >= 0 and skewness > policy.skewness
    if logged:
        mean, deviation = _moments(np.log1p(seen), weight)
    return Number(logged, mean, deviation, policy.clip)


def _moments(values: Vector, weight: Vector) -> tuple[float, float]:
    if len(values) == 0:
        return 0.0, 1.0
    mean = float(np.average(values, weights=weight))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weight))) or 1.0
