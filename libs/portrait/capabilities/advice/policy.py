"""`conf/advice.yml`: how behaviour is measured; `conf/advice/*.yml`: one file per kind of advice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from portrait.errors import ConfigurationError
from portrait.settings import Strict, load_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Channel = Literal["mobile", "online", "sms", "atm", "branch", "phone"]
Kind = Literal["card", "loan", "insurance", "savings", "term_deposit", "investment", "standing_order"]
Share = Annotated[float, Field(ge=0, le=1)]


class Response(Strict):
    """For which effect the control group is large enough."""

    base: Annotated[float, Field(gt=0, lt=1)]
    uplift: Annotated[float, Field(gt=0, lt=1)]


class AdvicePolicy(Strict):
    """Everything in `conf/advice.yml`."""

    false_discoveries: Annotated[float, Field(gt=0, lt=0.5)]
    least_customers: Annotated[int, Field(ge=5)]
    least_tenure_days: Annotated[int, Field(ge=365)]
    basket_support: Annotated[float, Field(gt=0, lt=1)]
    response: Response


class When(Strict):
    """What must hold of a group and a category; what is not given is not asked."""

    categories: list[Name] = []
    tgi_low_least: Annotated[float, Field(ge=0)] | None = None
    """Lower end of the TGI's interval; the share must differ significantly from that of the others."""
    month_index_least: Annotated[float, Field(ge=1)] | None = None
    """Index of the best month, which must differ significantly from the mean."""
    wallet_most: Share | None = None
    basket_lift_least: Annotated[float, Field(ge=1)] | None = None


class Advice(Strict):
    """One kind of advice; the keys are those of the file."""

    id: Name
    title: Annotated[str, Field(min_length=3)]
    owner: Annotated[str, Field(min_length=2)]
    when: When
    product_kind: Kind
    channels: Annotated[list[Channel], Field(min_length=1)]
    moment: Literal["best_month", "best_weekday", "after_salary"]
    wording: Annotated[str, Field(min_length=10)]
    """May name {group}, {category}, {other} (what is bought with it) and {month}."""


def load_advice_policy(conf: Path) -> AdvicePolicy:
    """`conf/advice.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "advice.yml", AdvicePolicy)


def load_advice(conf: Path) -> dict[str, Advice]:
    """The files of conf/advice by id; ConfigurationError for one that is inconsistent."""
    found = {}
    for path in sorted((conf / "advice").glob("*.yml")):
        advice = load_yaml(path, Advice)
        if advice.id != path.stem:
            raise ConfigurationError(
                f"the advice calls itself '{advice.id}'", where=str(path), remedy=f"write '{path.stem}', as the file"
            )
        try:
            advice.wording.format(group="", category="", other="", month="")
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigurationError(
                "the wording names what is not known",
                where=f"{path} wording",
                remedy="it may name {group}, {category}, {other} and {month}",
            ) from error
        found[advice.id] = advice
    return found


POLICIES = {"advice.yml": load_advice_policy}
DECLARATIONS = {"advice/*.yml": lambda conf, declared: load_advice(conf)}
