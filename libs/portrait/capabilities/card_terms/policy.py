"""`conf/card_terms.yml`: lines that are tried, income and cost, bounds by risk band, reviews of limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from portrait.capabilities.credit.policy import load_credit_policy
from portrait.errors import ConfigurationError
from portrait.settings import Strict, line_of, load_yaml

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Money = Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=2)]
BANDS: Final = ("A", "B", "C", "D", "E")
UNSCORED: Final = "unscored"


class Lines(Strict):
    """The lines that are tried."""

    least: Money
    most: Money
    step: Money

    @model_validator(mode="after")
    def _grid(self) -> Self:
        if self.most < self.least or (self.most - self.least) % self.step:
            raise ValueError("most is least and some whole steps")
        if self.count > 500:
            raise ValueError(f"{self.count} lines are too many: take a larger step, 500 lines at most")
        return self

    @property
    def count(self) -> int:
        """How many there are."""
        return int((self.most - self.least) / self.step) + 1


class Income(Strict):
    """What a line brings."""

    interchange: Share
    spending_by_card: Share
    turns: Positive
    """Yearly spending at most, in lines."""
    used: Share
    """Share of the line that is drawn and revolves."""


class Cost(Strict):
    """What a line costs."""

    loss_given_default: Share
    conversion: Share
    """Share of the undrawn part that a default draws."""
    operating: Share
    transfer_price: Share
    capital_share: Share
    hurdle: Share


class Bounds(Strict):
    """Legal bounds of the price."""

    least: Share
    most: Share

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if self.most < self.least:
            raise ValueError("most is below least")
        return self


class Band(Strict):
    """Bounds of a risk band."""

    income_multiple: Annotated[float, Field(ge=0)]
    debt_service: Share
    offer: bool = True
    probability: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of the band `unscored` alone: what is assumed."""


class Review(Strict):
    """When limits of holders are changed, in multiples of the limit."""

    raise_from: Annotated[float, Field(gt=1)]
    raise_most: Annotated[float, Field(gt=1)]
    lower_from: Annotated[float, Field(ge=0, lt=1)]
    lower_most: Annotated[float, Field(ge=0, lt=1)]


class CardTermsPolicy(Strict):
    """Everything in `conf/card_terms.yml`."""

    lines: Lines
    income: Income
    cost: Cost
    rate: Bounds
    payment_share: Share
    bands: Mapping[Literal["A", "B", "C", "D", "E", "unscored"], Band]
    least_probability: Annotated[float, Field(gt=0, lt=1)]
    review: Review

    @model_validator(mode="after")
    def _never_better(self) -> Self:
        if set(self.bands) != {*BANDS, UNSCORED}:
            raise ValueError(f"bands are {', '.join(BANDS)} and {UNSCORED}")
        order = [*BANDS, UNSCORED]
        for better, worse in pairwise(order):
            one, other = self.band(better), self.band(worse)
            if other.income_multiple > one.income_multiple or other.debt_service > one.debt_service:
                raise ValueError(f"the band {worse} has wider bounds than {better}: a worse band never gets more")
            if other.offer and not one.offer and worse != UNSCORED:
                raise ValueError(f"the band {worse} gets offers and {better} does not")
        assumed = self.band(UNSCORED).probability
        if assumed is None or any(self.band(name).probability is not None for name in BANDS):
            raise ValueError("unscored has a probability, and no other band")
        return self

    def band(self, name: str) -> Band:
        """A band by name."""
        return next(band for key, band in self.bands.items() if key == name)


def load_card_terms(conf: Path) -> CardTermsPolicy:
    """`conf/card_terms.yml`; ConfigurationError when it is absent or inconsistent, also with conf/credit.yml."""
    path = conf / "card_terms.yml"
    policy = load_yaml(path, CardTermsPolicy)
    unscored, worst = policy.band(UNSCORED), load_credit_policy(conf).grades["D"]
    if unscored.offer and (unscored.probability or 0.0) < worst:
        raise ConfigurationError(
            f"a probability of {unscored.probability:g} makes customers better off without a score",
            where=f"{path}:{line_of(path, ('bands', UNSCORED))} bands.{UNSCORED}",
            remedy=f"assume at least {worst:g}, where grade D of conf/credit.yml ends, or write offer: false",
        )
    return policy


POLICIES: Mapping[str, Callable[[Path], object]] = {"card_terms.yml": load_card_terms}
