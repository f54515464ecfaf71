"""`conf/products.yml`: liquidity, habits and cards. `conf/products/*.yml`: a template of products each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from portrait.capabilities.products.number import TEMPLATE, VERSION
from portrait.capabilities.tiers.policy import TIERS, TierName
from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.labels.declared import Declared
from portrait.settings import Strict, line_of, load_yaml

Kind = Literal["term_deposit", "savings", "investment", "card"]
AccountKind = Literal["current", "savings", "term_deposit"]
Share = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[Decimal, Field(ge=0, lt=1, decimal_places=4)]
Money = Annotated[Decimal, Field(ge=0, le=10**12, decimal_places=2)]
Days = Annotated[int, Field(ge=1, le=3650)]
CARD: Final = "card"
SPENDING: Final = "debit_amount_category_{}_365d"
"""Feature with what a customer spent in a category."""
_FEATURES: Final = "gold.customer_features"


class Liquidity(Strict):
    """How long how much of a customer's money lies still."""

    days: Days
    """Days back from as_of that are looked at."""
    share: Share
    """Share of these days on which the money must have been there."""
    kinds: Annotated[list[AccountKind], Field(min_length=1)]
    """Kinds of own accounts whose money is available."""


class Habits(Strict):
    """When a habit is strong enough to choose a card by it."""

    like: Annotated[float, Field(gt=100)]
    """TGI from which on a customer prefers a category."""
    least_spending: Money
    """Spending at merchants within 365 days below which own shares say nothing; the group's TGI counts."""


class CardIncome(Strict):
    """What a card is expected to bring."""

    interchange: Share
    """Income per unit of spending by card."""
    spending_by_card: Share
    """Share of spending at merchants that goes over a new card."""


class ProductPolicy(Strict):
    """Everything in `conf/products.yml`."""

    liquidity: Liquidity
    habits: Habits
    cards: CardIncome


class Start(Strict):
    """The start amount: the larger of the minimum and a share of what is available, rounded down to a step."""

    minimum: Annotated[Money, Field(gt=0)]
    maximum: Money
    step: Annotated[Money, Field(gt=0)]
    share: Share

    @model_validator(mode="after")
    def _steps(self) -> Self:
        if self.maximum < self.minimum:
            raise ValueError("the maximum is below the minimum")
        if self.minimum % self.step or self.maximum % self.step:
            raise ValueError("minimum and maximum must be whole steps, or amounts would not be")
        if self.maximum / self.step > 100_000:
            raise ValueError("more than 100,000 start amounts: the catalogue must stay small; take a larger step")
        return self


class Elderly(Strict):
    """What holds for elderly customers who were never assessed; each template says it."""

    from_age: Annotated[int, Field(ge=18, le=120)]
    """Age from which on a customer is elderly; who is of unknown age counts as elderly."""
    rule: Literal["offer", "refuse"]


class Benefit(Strict):
    """Something that a product brings beside its terms."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    title: Annotated[str, Field(min_length=1)]
    from_tier: TierName
    """The last tier that has it; all better ones have it too."""
    yearly_cost: Money = Decimal(0)
    category: str | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the spending by card in the category that it costs."""

    @model_validator(mode="after")
    def _share_of(self) -> Self:
        if (self.category is None) != (self.share == 0):
            raise ValueError("category and share belong together")
        return self


class Template(Strict):
    """One file of `conf/products/`."""

    id: Annotated[str, Field(pattern=rf"^{TEMPLATE}$")]
    version: Annotated[str, Field(pattern=rf"^{VERSION}$")]
    title: Annotated[str, Field(min_length=1)]
    kind: Kind
    risk_level: Literal["R1", "R2", "R3", "R4", "R5"] | None = None
    minimum_tier: TierName | None = None
    age_from: Annotated[int, Field(ge=0)] | None = None
    age_to: Annotated[int, Field(ge=0)] | None = None
    on_sale_from: date | None = None
    on_sale_to: date | None = None
    elderly_never_assessed: Elderly
    start: Start | None = None
    holding_days: list[Days] = []
    """Terms of which the longest within the liquidity horizon is taken."""
    notice_days: Days | None = None
    transfer_prices: Mapping[Days, Rate] = {}
    """Days to the transfer price where the feed transfer_prices has none."""
    margin: Mapping[TierName, Rate] = {}
    margin_floor: Rate | None = None
    least_rate: Rate = Decimal("0.0001")
    """Yearly rate of a deposit below which it is not offered."""
    benefits: list[Benefit] = []
    yearly_fee: Mapping[TierName, Money] = {}
    habits: list[str] = []
    """Categories of spending by which a card design is chosen; none: the standard card, which is chosen last."""
    owner: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]

    @field_validator("holding_days")
    @classmethod
    def _rising(cls, given: list[int]) -> list[int]:
        if any(after <= before for before, after in pairwise(given)):
            raise ValueError("write the terms in rising order, each once")
        return given

    @field_validator("margin", "yearly_fee")
    @classmethod
    def _never_worse(cls, given: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        if given and set(given) != set(TIERS):
            raise ValueError(f"give all tiers: {', '.join(TIERS)}")
        if given and any(given[better] > given[worse] for better, worse in pairwise(TIERS)):
            raise ValueError("a better tier never pays more: the values must not fall from diamond to ordinary")
        return {name: given[name] for name in TIERS if given}  # the best tier first, however the file has them

    @field_validator("benefits")
    @classmethod
    def _named_once(cls, given: list[Benefit]) -> list[Benefit]:
        names = [benefit.id for benefit in given]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the benefit '{twice[0]}' is listed twice")
        return given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        funded = self.kind != CARD
        _need(funded == (self.start is not None), "a funded product, and no card, has start")
        _need(funded == bool(self.margin), "a funded product, and no card, has margin")
        _need(funded == (self.margin_floor is not None), "a funded product, and no card, has margin_floor")
        _need((self.kind in ("term_deposit", "investment")) == bool(self.holding_days),
              "term deposits and investments, and no others, have holding_days")  # fmt: skip
        _need((self.kind == "savings") == (self.notice_days is not None), "savings, and no others, have notice_days")
        _need((self.kind == "investment") == (self.risk_level is not None), "investments, and no others, have a risk")
        _need((self.kind == CARD) == bool(self.yearly_fee), "cards, and no others, have yearly_fee")
        _need(self.kind == CARD or not self.habits, "only cards have habits")
        _need(self.kind != CARD or self.minimum_tier is None,
              "a card design has no minimum_tier: a benefit has from_tier")  # fmt: skip
        if self.is_deposit:
            missing = [days for days in self.options if days not in self.transfer_prices]
            _need(not missing, f"transfer_prices lacks {missing[:1]} days, for where the feed has none")
        return self

    @property
    def is_deposit(self) -> bool:
        """Whether the bank pays a rate for the money."""
        return self.kind in ("term_deposit", "savings")

    @property
    def options(self) -> list[int]:
        """Days for which the money is bound, of which one is chosen."""
        return self.holding_days or ([self.notice_days] if self.notice_days else [])

    def benefits_at(self, rank: int) -> list[Benefit]:
        """Benefits of a tier by its rank (1 = best), by id."""
        found = [benefit for benefit in self.benefits if TIERS.index(benefit.from_tier) + 1 >= rank]
        return sorted(found, key=lambda benefit: benefit.id)


def _need(holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(rule)


def load_product_policy(conf: Path) -> ProductPolicy:
    """`conf/products.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "products.yml", ProductPolicy)


def load_templates(conf: Path, catalogue: Catalogue | None = None) -> tuple[Template, ...]:
    """All templates by id; with `catalogue` their categories are checked too.

    Raises ConfigurationError naming file and line for a mistake, for an id that two files have, for a second card
    without habits, and where cards have none.
    """
    found: dict[str, tuple[Template, Path]] = {}
    liquidity = load_product_policy(conf).liquidity
    for path in sorted((conf / "products").glob("*.yml")):
        template = load_yaml(path, Template)
        if template.id in found:
            raise ConfigurationError(
                f"the template '{template.id}' is in {found[template.id][1].name} already",
                where=f"{path}:{line_of(path, ('id',))} id",
                remedy="give it an id of its own; a changed template keeps its id and gets a new version",
            )
        if template.options and template.options[-1] > liquidity.days:
            key = "holding_days" if template.holding_days else "notice_days"
            raise ConfigurationError(
                f"{template.options[-1]} days are more than the {liquidity.days} days of balances that are looked at",
                where=f"{path}:{line_of(path, (key,))} {key}",
                remedy="shorten the term, or raise liquidity.days of conf/products.yml",
            )
        _check_categories(template, path, catalogue)
        found[template.id] = template, path
    _check_standard_card([template for template, _ in found.values()], conf / "products")
    return tuple(template for _, (template, _) in sorted(found.items()))


def _check_standard_card(templates: list[Template], folder: Path) -> None:
    cards = [template for template in templates if template.kind == CARD]
    standard = [template.id for template in cards if not template.habits]
    if cards and len(standard) != 1:
        raise ConfigurationError(
            f"{len(standard)} card designs have no habits", where=str(folder), remedy="exactly one is the standard card"
        )


def _check_categories(template: Template, path: Path, catalogue: Catalogue | None) -> None:
    if catalogue is None:
        return
    known = {column.name for column in catalogue.table(_FEATURES).columns}
    places = [(("habits", place), name) for place, name in enumerate(template.habits)]
    places += [
        (("benefits", place), benefit.category)
        for place, benefit in enumerate(template.benefits)
        if benefit.category is not None
    ]
    for location, name in places:
        if SPENDING.format(name) not in known:
            raise ConfigurationError(
                f"there is no spending in the category '{name}'",
                where=f"{path}:{line_of(path, location)} {location[0]}",
                remedy=f"take one of which {_FEATURES} has {SPENDING.format('<category>')}",
            )


def categories_of(templates: tuple[Template, ...]) -> list[str]:
    """Categories of spending that card templates ask about."""
    named = {name for template in templates for name in template.habits}
    return sorted(named | {benefit.category for t in templates for benefit in t.benefits if benefit.category})


def check_templates(conf: Path, declared: Declared) -> tuple[Template, ...]:
    """All templates; see `load_templates`."""
    return load_templates(conf, declared.catalogue)


POLICIES: Mapping[str, Callable[[Path], object]] = {"products.yml": load_product_policy}
DECLARATIONS = {"products/*.yml": check_templates}
