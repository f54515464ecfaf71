"""`conf/trust.yml`: when a label is suspect, and what an audience does that reads one that is in doubt."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portrait.settings import Strict, load_yaml

FILE = "trust.yml"

Share = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[float, Field(gt=0)]
Reaction = Literal["ignore", "warn", "refuse"]


class Thresholds(Strict):
    """Bounds past which a label is suspect."""

    least_coverage: Share
    most_flips: Share
    most_psi: Index


class OwnThresholds(Strict):
    """Bounds of one label, where they differ from those of `conf/trust.yml`."""

    least_coverage: Share | None = None
    most_flips: Share | None = None
    most_psi: Index | None = None


class Reactions(Strict):
    """What an audience does that reads a label in doubt."""

    suspect: Reaction
    stale: Reaction
    failed: Reaction


class OwnReactions(Strict):
    """Reactions of one audience, where they differ from those of `conf/trust.yml`."""

    suspect: Reaction | None = None
    stale: Reaction | None = None
    failed: Reaction | None = None


class TrustPolicy(Strict):
    """Everything in `conf/trust.yml`."""

    thresholds: Thresholds
    minor_psi: Index
    least_share: Annotated[float, Field(gt=0, le=0.01)]
    reference: date | None
    audiences: Reactions

    @model_validator(mode="after")
    def _minor_is_less_than_major(self) -> Self:
        if self.minor_psi >= self.thresholds.most_psi:
            raise ValueError("minor_psi must be less than thresholds.most_psi")
        return self

    def reactions(self, own: OwnReactions | None) -> Reactions:
        """The reactions of an audience: its own, and for what it does not state those of all."""
        return self.audiences.model_copy(update=own.model_dump(exclude_none=True) if own else {})


def load_trust_policy(conf: Path) -> TrustPolicy:
    """`conf/trust.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / FILE, TrustPolicy)
