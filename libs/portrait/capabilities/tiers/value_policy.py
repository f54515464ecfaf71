"""`conf/tier_value.yml`: how the value of a tier is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from portrait.settings import Strict, load_yaml


class TierValuePolicy(Strict):
    """How far the tier chain looks ahead, what a month of a tier brings, and how often the moves are drawn anew."""

    horizon_months: Annotated[int, Field(ge=1, le=600)]
    margins: Literal["contribution"] | dict[Literal["diamond", "vip", "growing", "ordinary"], float]
    draws: Annotated[int, Field(ge=100, le=100_000)]
    seed: Annotated[int, Field(ge=0)]

    @field_validator("margins")
    @classmethod
    def _every_tier(cls, given: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(given, dict) and len(given) < 4:
            raise ValueError("give the margin of diamond, vip, growing and ordinary")
        return given


def load_tier_value_policy(conf: Path) -> TierValuePolicy:
    """`conf/tier_value.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "tier_value.yml", TierValuePolicy)
