"""`conf/funds.yml`: windows of card features. The model's defaults are the shipped values: no file is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from portrait.settings import Strict, load_yaml

Days = Annotated[int, Field(ge=1, le=3650)]


class CardFeatures(Strict):
    """What the columns of `card_features` measure."""

    windows: Annotated[tuple[Days, ...], Field(min_length=1)] = (1, 7, 30)
    """Days of the windows; each gives four columns."""
    night_until: Annotated[int, Field(ge=0, le=23)] = 6
    """The last hour of the night, which begins at midnight."""


class FundsPolicy(Strict):
    """Everything in `conf/funds.yml`."""

    card_features: CardFeatures = CardFeatures()


def load_funds_policy(conf: Path) -> FundsPolicy:
    """`conf/funds.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "funds.yml", FundsPolicy)


POLICIES: Mapping[str, Callable[[Path], object]] = {"funds.yml": load_funds_policy}
