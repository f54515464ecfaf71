"""`conf/tiers.yml`: the tiers, best first, the levels that qualify for them, the policies by which they change."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from portrait.capabilities.tiers.value_policy import load_tier_value_policy
from portrait.settings import Strict, load_yaml

TIERS = ("diamond", "vip", "growing", "ordinary")
CRITERIA = ("assets", "score")
TierName = Literal["diamond", "vip", "growing", "ordinary"]
Misses = Annotated[int, Field(ge=0, le=24)]


def rank_of(tier: str) -> int:
    """1 for the best tier, and so on."""
    return TIERS.index(tier) + 1


class Criterion(Strict):
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
    """One tier and its criteria; a criterion that is left out does not exist."""

    id: str
    title: str
    assets: Criterion | None = None
    score: Criterion | None = None

    def criterion(self, name: str) -> Criterion | None:
        """The criterion named `assets` or `score`."""
        return self.assets if name == "assets" else self.score


class Policy(Strict):
    """How a customer moves between tiers; conf/tiers.yml says what each key means."""

    title: str
    newcomers: Literal["at_level", "lowest"]
    upgrade: Literal["at_once", "next_month"]
    drop_after_misses: Misses | dict[TierName, Misses]
    watch_from_miss: Annotated[int, Field(ge=1, le=24)] = 1
    drop_to: Literal["last_month", "best_month"] = "last_month"
    grace_months: Annotated[int, Field(ge=0, le=24)] = 0
    floors: dict[TierName, TierName] = {}
    fast_track: Annotated[float, Field(gt=1)] | None = None
    unknown_assets: Literal["miss", "hold"] = "miss"

    @field_validator("drop_after_misses")
    @classmethod
    def _every_tier_that_can_fall(cls, given: int | dict[TierName, int]) -> int | dict[TierName, int]:
        if isinstance(given, dict) and set(given) != set(TIERS[:-1]):
            raise ValueError(f"give one number, or one for each of {', '.join(TIERS[:-1])}")
        return given

    @field_validator("floors")
    @classmethod
    def _floors_below(cls, floors: dict[TierName, TierName]) -> dict[TierName, TierName]:
        for tier, floor in floors.items():
            if rank_of(floor) <= rank_of(tier):
                raise ValueError(f"the floor of {tier} must be a lower tier; {floor} is not")
        return floors

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        limits = [self.misses_of(rank_of(tier)) for tier in TIERS[:-1]]
        if max(limits) and self.watch_from_miss > max(limits):
            raise ValueError(f"watch_from_miss of {self.watch_from_miss} is never reached: drop_after_misses is lower")
        if self.fast_track and self.upgrade == "at_once":
            raise ValueError("fast_track belongs to upgrade: next_month; at once is already the fastest")
        return self

    def misses_of(self, rank: int) -> int:
        """Misses after which the tier of a rank falls; 0 where it falls at once, and for the last tier."""
        if rank == len(TIERS):
            return 0
        given = self.drop_after_misses
        return given if isinstance(given, int) else given[TIERS[rank - 1]]  # type: ignore[index]

    def floor_of(self, rank: int) -> int:
        """The lowest rank to which one fall from a rank leads."""
        return rank_of(self.floors.get(TIERS[rank - 1], TIERS[-1]))  # type: ignore[call-overload]


class TierPolicy(Strict):
    """The four tiers, best first, the policies by name, the one that decides and the one computed beside it."""

    tiers: list[Tier]
    tie_tolerance: Annotated[float, Field(ge=0, lt=0.5)] = 0.01
    """Share of the owners by which those who reach a quantile level may exceed its own share, 1 - quantile."""
    policy: str
    shadow: str | None = None
    policies: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Policy]

    @field_validator("tiers")
    @classmethod
    def _levels(cls, tiers: list[Tier]) -> list[Tier]:
        if tuple(tier.id for tier in tiers) != TIERS:
            raise ValueError(f"the tiers are {', '.join(TIERS)}, in this order")
        for tier in tiers[:-1]:
            if tier.assets is None and tier.score is None:
                raise ValueError(f"tier {tier.id} has no criterion: nobody could ever be in it")
        if tiers[-1].assets or tiers[-1].score:
            raise ValueError(f"tier {TIERS[-1]} has no criterion: everyone else is in it")
        for name in CRITERIA:
            _levels_fall(tiers, name)
        return tiers

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in (self.policy, self.shadow):
            if name is not None and name not in self.policies:
                raise ValueError(f"there is no policy '{name}'; policies: {', '.join(self.policies)}")
        for tier in self.with_criteria():
            for name in CRITERIA:
                criterion = tier.criterion(name)
                if criterion and criterion.quantile and 1 - criterion.quantile + self.tie_tolerance >= 1:
                    raise ValueError(f"{name} of {tier.id}: with tie_tolerance {self.tie_tolerance} all may reach it")
        if self.policy == self.shadow:
            raise ValueError(f"'{self.shadow}' already decides; name another policy as shadow, or none")
        return self

    def with_criteria(self) -> list[Tier]:
        """The tiers that have a level, best first."""
        return self.tiers[:-1]

    @property
    def deciding(self) -> Policy:
        """The policy that decides."""
        return self.policies[self.policy]

    @property
    def beside(self) -> Policy | None:
        """The policy that is only computed; None when there is none."""
        return self.policies[self.shadow] if self.shadow else None


def _levels_fall(tiers: list[Tier], name: str) -> None:
    criteria = [(tier.id, criterion) for tier in tiers if (criterion := tier.criterion(name))]
    for (better, high), (worse, low) in pairwise(criteria):
        same_kind = (high.amount is None) == (low.amount is None)
        if not same_kind:
            raise ValueError(f"{name}: {better} and {worse} must both be amounts or both be quantiles")
        if (high.amount or 0, high.quantile or 0) <= (low.amount or 0, low.quantile or 0):
            raise ValueError(f"{name}: the level of {better} must be above that of {worse}")
        if (high.at_least or 0) < (low.at_least or 0):
            raise ValueError(f"{name}: at_least of {better} must not be below that of {worse}")


def load_tier_policy(file: Path) -> TierPolicy:
    """`conf/tiers.yml`, or another file of that form; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(file, TierPolicy)


POLICIES = {"tiers.yml": lambda conf: load_tier_policy(conf / "tiers.yml"), "tier_value.yml": load_tier_value_policy}
