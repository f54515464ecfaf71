"""`conf/value.yml`: weights and scale of the value score."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portrait.settings import Strict, load_yaml

Share = Annotated[float, Field(ge=0, le=1)]

PARTS = ("recency", "frequency", "monetary", "assets")


class Weights(Strict):
    """Shares of the score; together 1."""

    recency: Share
    frequency: Share
    monetary: Share
    assets: Share

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.recency + self.frequency + self.monetary + self.assets
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"the weights sum to {total:.6g}; they must sum to 1")
        return self

    def of(self, part: str) -> float:
        """The weight of one of PARTS."""
        return float(getattr(self, part))


class Winsorise(Strict):
    """Quantiles of the slice that measures are cut to."""

    lower: Share
    upper: Share

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError("lower must be below upper")
        return self


class ValuePolicy(Strict):
    """How the value score is made."""

    weights: Weights
    winsorise: Winsorise
    window_days: Literal[365]
    significant_digits: Annotated[int, Field(ge=2, le=6)] = 4


def load_value_policy(conf: Path) -> ValuePolicy:
    """`conf/value.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "value.yml", ValuePolicy)
