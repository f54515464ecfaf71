"""`conf/lifetime.yml`: what a purchase is, how far back and ahead the lifetime model looks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from portrait.settings import Strict, load_yaml


class LifetimePolicy(Strict):
    """What a purchase is, how far back and ahead the lifetime model looks."""

    unit_days: Annotated[int, Field(ge=1, le=31)]
    window_units: Annotated[int, Field(ge=8, le=400)]
    horizon_units: Annotated[int, Field(ge=1, le=1200)]
    discount_rate: Annotated[float, Field(ge=0, lt=1)]
    least_repeaters: Annotated[int, Field(ge=50)]


def load_lifetime_policy(conf: Path) -> LifetimePolicy:
    """`conf/lifetime.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "lifetime.yml", LifetimePolicy)


POLICIES = {"lifetime.yml": load_lifetime_policy}
