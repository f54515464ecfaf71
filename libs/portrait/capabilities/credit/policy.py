"""`conf/credit.yml`: how a scorecard is made. The models' defaults are the shipped values: no file is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from portrait.settings import Strict, load_yaml

Share = Annotated[float, Field(ge=0, lt=1)]


class Bins(Strict):
    """How the bins of a feature are found."""

    prebins: Annotated[int, Field(ge=2, le=200)] = 50
    """Most intervals (equal shares of the known values) from which the bins of a number are made."""
    rare_share: Share = 0.01
    """Values of a text with a smaller share of the rows are one value, `other values`."""
    least_share: Share = 0.05
    """Least share of the rows in a bin."""
    most: Annotated[int, Field(ge=2, le=50)] = 8
    """Most bins of a feature, the ones of missing and special values not counted."""
    noise: Annotated[float, Field(ge=0)] = 2.0
    """What a boundary must add, in units of what it adds by chance (rows / (good x bad) of information value)."""
    bend: Annotated[float, Field(ge=0)] = 4.0
    """What bins that rise and fall must add over monotone ones, in the same unit, where no sign is declared."""
    least_missing_rows: Annotated[int, Field(ge=1)] = 30
    """Missing or special values of fewer rows get WOE 0: too few to learn from."""
    special_values: tuple[float, ...] = ()
    """Numbers that stand for a reason why there is no value, such as -9: each is a bin of its own."""
    zero_cell: Annotated[float, Field(gt=0, le=10)] = 0.5
    """Added to the good and the bad of a bin where one of them is 0."""


class Points(Strict):
    """The scale: `points` at odds good:bad of `odds`, and `double` more for twice the odds."""

    points: float = 600.0
    odds: Annotated[float, Field(gt=0)] = 19.0
    double: Annotated[float, Field(gt=0)] = 50.0

    @property
    def factor(self) -> float:
        """Points of a unit of ln(odds): 72.13 as shipped."""
        return self.double / math.log(2)

    @property
    def offset(self) -> float:
        """Points at even odds: 387.60 as shipped."""
        return self.points - self.factor * math.log(self.odds)


class Regression(Strict):
    """The logistic regression on WOE."""

    least_iv: Annotated[float, Field(ge=0)] = 0.02
    """Features with a lower information value are left out."""
    penalty: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the sum of squared coefficients / 2 against the log likelihood (1 / C of scikit-learn)."""
    iterations: Annotated[int, Field(ge=1)] = 200
    rows_per_partition: Annotated[int, Field(ge=1000)] = 250_000
    """The layout of the fit depends on the number of rows alone, never on cores."""


class CreditPolicy(Strict):
    """Everything in `conf/credit.yml`."""

    bins: Bins = Bins()
    points: Points = Points()
    regression: Regression = Regression()

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if not all(math.isfinite(value) for value in self.bins.special_values):
            raise ValueError("special_values must be finite numbers; missing values have a bin already")
        return self


def load_credit_policy(conf: Path) -> CreditPolicy:
    """`conf/credit.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "credit.yml", CreditPolicy)


POLICIES: Mapping[str, Callable[[Path], object]] = {"credit.yml": load_credit_policy}
