"""`conf/contribution.yml`: whose a joint account is, and what is expected to be lost on loans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from portrait.settings import Strict, load_yaml

Share = Annotated[float, Field(ge=0, le=1)]


class ContributionPolicy(Strict):
    """Whose a joint account is, and what is expected to be lost on loans."""

    joint_accounts: Literal["owner", "equal_shares"]
    default_probability: dict[Literal["C", "D", "unknown"], Share]
    loss_given_default: Share

    @field_validator("default_probability")
    @classmethod
    def _every_status(cls, given: dict[str, float]) -> dict[str, float]:
        if set(given) != {"C", "D", "unknown"}:
            raise ValueError("give C, D and unknown; a finished loan (A, B) is owed no more")
        return given


def load_contribution_policy(conf: Path) -> ContributionPolicy:
    """`conf/contribution.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "contribution.yml", ContributionPolicy)


POLICIES = {"contribution.yml": load_contribution_policy}
