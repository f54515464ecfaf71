"""`conf/core_group/plans/<plan>.yml`: what the bank does for a core group, and how many of it get no plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from portrait.errors import ConfigurationError
from portrait.settings import Strict, load_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Measure(Strict):
    """One thing that is done, and why."""

    what: Annotated[str, Field(min_length=3)]
    reason: Annotated[str, Field(min_length=3)]


class Channel(Measure):
    """A channel by which the group is reached, the first first."""

    what: Literal["mobile", "online", "wechat", "sms", "atm", "branch", "phone", "tv"]
    assisted: bool = False
    """Whether a person of the bank helps."""


class ServicePlan(Strict):
    """One plan; the keys are those of the file."""

    id: Name
    title: Annotated[str, Field(min_length=3)]
    owner: Annotated[str, Field(min_length=2)]
    channels: Annotated[list[Channel], Field(min_length=1)]
    products: list[Measure] = []
    contacts_per_month: Annotated[float, Field(ge=0, le=30)]
    manager_hours_per_year: Annotated[float, Field(ge=0)]
    control_share: Annotated[float, Field(ge=0, lt=1)]
    """Share of the group that gets no plan, for ever the same customers."""
    signals: list[Name] = []
    """Yes-or-no labels that a person must look at before anything is offered."""
    description: Annotated[str, Field(min_length=10)]


def load_service_plans(conf: Path) -> dict[str, ServicePlan]:
    """All plans by id; ConfigurationError for one that is inconsistent or calls itself other than its file."""
    plans = {}
    for path in sorted((conf / "core_group" / "plans").glob("*.yml")):
        plan = load_yaml(path, ServicePlan)
        if plan.id != path.stem:
            raise ConfigurationError(
                f"the plan calls itself '{plan.id}'", where=str(path), remedy=f"write '{path.stem}', as the file"
            )
        plans[plan.id] = plan
    return plans
