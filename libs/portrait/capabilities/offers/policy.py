"""`conf/offers.yml`: what a customer may have, and how what remains is ranked."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portrait.settings import Strict, load_yaml

Kind = Literal["card", "loan", "insurance", "savings", "term_deposit", "investment", "standing_order"]
Share = Annotated[float, Field(ge=0, le=1)]


class Liquidity(Strict):
    """When money may be bound."""

    from_holding_days: Annotated[int, Field(ge=1)]
    reserve_months: Annotated[float, Field(ge=0)]


class Weights(Strict):
    """Shares of the score; together 1."""

    group: Share
    tier: Share
    popularity: Share

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.group + self.tier + self.popularity
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise ValueError(f"the weights sum to {total:.6g}; they must sum to 1")
        return self


class AlsPolicy(Strict):
    """Implicit ALS. The defaults are the shipped file: `policy=None` needs no file, and a test compares the two."""

    strength: Literal["log", "weight"] = "log"
    """Strength of an interaction: log1p of the summed weight, or the sum itself."""
    rank: Annotated[int, Field(ge=1, le=512)] = 32
    """Dimensions of the vectors."""
    alpha: Annotated[float, Field(ge=0)] = 1.0
    """Confidence in an interaction = 1 + alpha x strength; in the absence of one 1."""
    regularisation: Annotated[float, Field(ge=0)] = 0.1
    """Penalty on squared vectors, times the number of interactions of the user or item."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 15
    seed: int = 1
    pairs_per_block: Annotated[int, Field(ge=1)] = 2_000_000
    """Pairs of user and item per block of MLlib; the number of blocks is the parallelism."""


class RecommendationPolicy(Strict):
    """Everything in `conf/offers.yml`."""

    top: Annotated[int, Field(ge=1, le=20)]
    funded_kinds: list[Kind]
    own_account_kinds: list[Kind] = []
    assessment_months: Annotated[int, Field(ge=1)]
    unassessed_level: Literal["C1", "C2", "C3", "C4", "C5"]
    liquidity: Liquidity
    weights: Weights
    smoothing: Annotated[float, Field(ge=0)]
    like: Annotated[float, Field(gt=100)]
    als: AlsPolicy = AlsPolicy()


def load_recommendation_policy(conf: Path) -> RecommendationPolicy:
    """`conf/offers.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "offers.yml", RecommendationPolicy)


POLICIES = {"offers.yml": load_recommendation_policy}
