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
    shopping: Share = 0.0
    """Of what the customer buys. Where nothing is known of it, the others are divided by their sum."""

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if self.shopping == 1:
            raise ValueError("shopping is 1; customers without purchases would have no score")
        total = self.group + self.tier + self.popularity + self.shopping
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


class RefitPolicy(Strict):
    """When the model of purchases is fitted, on how many customers, and how it is measured."""

    days: Annotated[int, Field(ge=1, le=366)] = 80
    """Days after which it is fitted again; the slices between use the model that there is."""
    customers: Annotated[int, Field(ge=100, le=200_000)] = 20_000
    """Customers at most that it learns from; the driver holds their items. All customers are scored."""
    held_out_days: Annotated[int, Field(ge=1, le=366)] = 30
    """The last days before as_of, of which the model learns nothing and on which it is measured."""
    month_days: Annotated[int, Field(ge=1, le=366)] = 30
    """Days before these that the baseline "same as last month" repeats."""
    measured_customers: Annotated[int, Field(ge=100, le=200_000)] = 1_500
    """Customers at most on whom it is measured."""
    least_measured: Annotated[int, Field(ge=2)] = 30
    """Customers who must have taken something new in the days held out."""
    k: Annotated[int, Field(ge=1, le=100)] = 10
    """Length of the lists that are measured."""
    resamples: Annotated[int, Field(ge=20, le=10_000)] = 200
    """Bootstrap samples of the customers measured."""
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95


class ShoppingPolicy(Strict):
    """What customers buy as a part of recommendations."""

    window_days: Annotated[int, Field(ge=1, le=3_660)] = 365
    """Days of purchases that count; what was bought before is new again."""
    strength: Literal["count", "amount"] = "count"
    """Strength = log1p of the purchases, or of their amount, times 0.5 ^ (days since the last one / half_life_days)."""
    half_life_days: Annotated[float, Field(gt=0)] = 90.0
    most_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """An item that a larger share of the customers has is left out: it says nothing about anybody."""
    least_customers: Annotated[int, Field(ge=1)] = 5
    """An item that fewer customers have is left out."""
    least_items: Annotated[int, Field(ge=2)] = 10
    """Items below which nothing is learnt."""
    top: Annotated[int, Field(ge=1, le=100)] = 3
    """Merchants, and categories, recommended a customer at most."""
    reasons: Annotated[int, Field(ge=0, le=10)] = 3
    """Items of the customer that are named as reasons, at most."""
    smoothing: Annotated[float, Field(gt=0)] = 0.01
    """Added to a customer's affinity to a product and to that of the average customer before they are compared."""
    refit: RefitPolicy = RefitPolicy()


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
    shopping: ShoppingPolicy = ShoppingPolicy()


def load_recommendation_policy(conf: Path) -> RecommendationPolicy:
    """`conf/offers.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "offers.yml", RecommendationPolicy)


POLICIES = {"offers.yml": load_recommendation_policy}
