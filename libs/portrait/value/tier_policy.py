"""`conf/tiers.yml`: the tiers, best first, and the levels that open each of them."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from portrait.settings import Strict, load_yaml

TIERS = ("diamond", "vip", "growing", "ordinary")
DOORS = ("assets", "score")


class Door(Strict):
    """One level: a fixed amount, or a quantile of the slice that never falls below `at_least`."""

    amount: Annotated[Decimal, Field(ge=0)] | None = None
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    at_least: Annotated[Decimal, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.amount is None) == (self.quantile is None):
            raise ValueError("give exactly one of amount and quantile")
        if self.amount is not None and self.at_least is not None:
            raise ValueError("at_least belongs to a quantile; an amount is already fixed")
        return self


class Tier(Strict):
    """One tier and its doors; a door left out does not exist."""

    id: str
    title: str
    assets: Door | None = None
    score: Door | None = None

    def door(self, name: str) -> Door | None:
        """The door named `assets` or `score`."""
        return self.assets if name == "assets" else self.score


class TierPolicy(Strict):
    """The four tiers, best first."""

    tiers: list[Tier]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if tuple(tier.id for tier in self.tiers) != TIERS:
            raise ValueError(f"the tiers are {', '.join(TIERS)}, in this order")
        for tier in self.tiers[:-1]:
            if tier.assets is None and tier.score is None:
                raise ValueError(f"tier {tier.id} has no door: nobody could ever be in it")
        if self.tiers[-1].assets or self.tiers[-1].score:
            raise ValueError(f"tier {TIERS[-1]} has no door: everyone else is in it")
        for name in DOORS:
            self._levels_fall(name)
        return self

    def _levels_fall(self, name: str) -> None:
        doors = [(tier.id, door) for tier in self.tiers if (door := tier.door(name))]
        for (better, high), (worse, low) in pairwise(doors):
            same_kind = (high.amount is None) == (low.amount is None)
            if not same_kind:
                raise ValueError(f"{name}: {better} and {worse} must both be amounts or both be quantiles")
            if (high.amount or 0, high.quantile or 0) <= (low.amount or 0, low.quantile or 0):
                raise ValueError(f"{name}: the level of {better} must be above that of {worse}")
            if (high.at_least or 0) < (low.at_least or 0):
                raise ValueError(f"{name}: at_least of {better} must not be below that of {worse}")

    def with_doors(self) -> list[Tier]:
        """The tiers that have a level, best first."""
        return self.tiers[:-1]


def load_tier_policy(conf: Path) -> TierPolicy:
    """`conf/tiers.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "tiers.yml", TierPolicy)
