"""`conf/campaigns/<name>.yml`: one file per campaign, checked before Spark starts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portrait.capabilities.audiences.declaration import load_audiences
from portrait.capabilities.campaigns.policy import BUCKETS, CampaignPolicy
from portrait.errors import ConfigurationError
from portrait.labels.declared import Declared
from portrait.settings import Strict, line_of, load_yaml

Channel = Literal["mobile", "online", "sms", "phone", "branch"]
CHANNELS: tuple[Channel, ...] = ("mobile", "online", "sms", "phone", "branch")
CONTROL = "control"


class Offer(Strict):
    """What is offered."""

    product: str = Field(min_length=1)
    margin: Annotated[float, Field(gt=0)]
    """What one sale that would not have happened is worth, in the currency of the bank."""
    credit: bool = False
    """Cards, limits and loans: customers in early warning, or of whom that is not known, get none."""


class Way(Strict):
    """A channel of the campaign."""

    channel: Channel
    cost: Annotated[float, Field(ge=0)]
    """Of one contact, in the currency of the bank."""
    minutes: Annotated[float, Field(ge=0)] = 0
    """Of a relationship manager, for one contact."""
    uplift: Annotated[float, Field(gt=-1, lt=1)]
    """Expected difference in the primary metric that one contact makes."""


class Expected(Strict):
    """What the sample must be able to show."""

    base: Annotated[float, Field(gt=0, lt=1)]
    """Share of the control of whom the primary metric is expected."""
    effect: Annotated[float, Field(gt=-1, lt=1)]

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if not 0 < self.base + self.effect < 1 or self.effect == 0:
            raise ValueError("base + effect lies between 0 and 1, and effect is not 0")
        return self


class Campaign(Strict):
    """One file of conf/campaigns."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    title: str = Field(min_length=3)
    audience: str
    arms: dict[str, float]
    """Arm to share of the customers; `control` is contacted by no channel."""
    salt: str = Field(min_length=1)
    """What the lot is drawn with; another salt is another lot."""
    offers: Annotated[list[Offer], Field(min_length=1)]
    channels: Annotated[list[Way], Field(min_length=1)]
    budget: Annotated[float, Field(ge=0)]
    """Of all contacts together, in the currency of the bank."""
    starts_on: date
    ends_on: date
    """Last day of contacts, and last day on which a response counts."""
    contacts_each: Annotated[int, Field(ge=1, le=20)] = 1
    """Contacts of a customer at most, attempts of the same contact not counted."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Attempts of a contact that failed, the first included; each counts for the caps."""
    metric: Annotated[list[Literal["bought", "asked"]], Field(min_length=1)] = ["bought"]
    """Kinds of responses that count as success."""
    expected: Expected
    uplift_from: str | None = None
    """An earlier campaign: where the model of its uplift is usable, customers whom it moved more come first."""
    owner: str = Field(min_length=2)
    description: str = Field(min_length=10)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if CONTROL not in self.arms or len(self.arms) < 2:
            raise ValueError(f"arms need '{CONTROL}' and at least one more")
        sizes = [share * BUCKETS for share in self.arms.values()]
        if any(abs(size - round(size)) > 1e-6 or size <= 0 for size in sizes) or round(sum(sizes)) != BUCKETS:
            raise ValueError("shares of arms are multiples of 0.0001 above 0 that add up to 1")
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        if len({way.channel for way in self.channels}) < len(self.channels):
            raise ValueError("a channel is there twice")
        if len({offer.product for offer in self.offers}) < len(self.offers):
            raise ValueError("an offer is there twice")
        return self

    @property
    def design(self) -> str:
        """A hash of what must not change once the campaign was started: audience, arms, salt, metric, first day."""
        text = self.model_dump_json(include={"id", "audience", "arms", "salt", "metric", "starts_on"})
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def runs(self, day: date) -> bool:
        """Whether it contacts customers on a day."""
        return self.starts_on <= day <= self.ends_on


@dataclass(frozen=True)
class SampleCheck:
    """Whether the arms can show the expected effect: customers per arm that equal arms need, and what there is."""

    needed: int
    effective: float
    """2 / (1 / treated + 1 / control): equal arms of this size tell as much."""

    @property
    def enough(self) -> bool:
        """Whether the sample is large enough."""
        return self.effective >= self.needed


def sample_check(campaign: Campaign, customers: int, *, policy: CampaignPolicy) -> SampleCheck:
    """The check for a campaign of so many customers, the universal control taken off."""
    from portrait.capabilities.campaigns.effect import sample_size  # brings Spark; who looks at a lake does without

    base, effect = campaign.expected.base, campaign.expected.effect
    kept = customers * (1 - policy.contacts.universal_control)
    control = kept * campaign.arms[CONTROL]
    treated = kept - control
    effective = 2 / (1 / treated + 1 / control) if control > 0 and treated > 0 else 0.0
    return SampleCheck(sample_size(base, base + effect, policy=policy.effect), effective)


def load_campaigns(conf: Path, declared: Declared) -> dict[str, Campaign]:
    """Campaign by name; none where there is no such folder.

    Raises ConfigurationError naming file, line and key for an unknown key, audience or channel, shares that do not add
    up, an expected rate outside 0..1, and an audience of another purpose than marketing.
    """
    audiences = load_audiences(conf, declared.labels, declared.catalogue)
    found: dict[str, Campaign] = {}
    for path in sorted((conf / "campaigns").glob("*.yml")):
        campaign = load_yaml(path, Campaign)
        if campaign.id != path.stem:
            raise _refusal(
                path, "id", f"the campaign calls itself '{campaign.id}'", f"write '{path.stem}', as the file"
            )
        if campaign.audience not in audiences.checked:
            known = ", ".join(audiences.checked)
            raise _refusal(path, "audience", f"there is no audience '{campaign.audience}'", f"audiences: {known}")
        if audiences.audience(campaign.audience).audience.purpose != "marketing":
            raise _refusal(path, "audience", "the audience's purpose is not marketing", "name another audience")
        found[campaign.id] = campaign
    return found


def _refusal(path: Path, key: str, problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(problem, where=f"{path}:{line_of(path, (key,))} {key}", remedy=remedy)
