"""Who is a customer at a business date: every person with an open relationship to the bank (docs/decisions/0011).

What is counted here is measured with the declared features, in the same aggregate: it costs no scan of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from portrait.features.feature import Conditions, Feature
from portrait.settings import Strict, load_yaml

Relationship = Literal["owner", "user", "card", "loan", "product"]
RELATIONSHIPS: tuple[Relationship, ...] = ("owner", "user", "card", "loan", "product")

OWNER, USER, HOLDER = "owner", "user", "holder"
"""Values of `relationship` in gold.customer_features: who owns no open account is no owner."""

_OPEN = ("state", ("open",))
_ROLE_OF_OWNER = ("role", ("owner",))
_MEASURED: dict[Relationship, tuple[str, Conditions]] = {
    "owner": ("accounts", (_ROLE_OF_OWNER, _OPEN)),
    "user": ("accounts", (("role", ("user",)), _OPEN)),
    "card": ("cards", (_OPEN,)),
    "loan": ("loans", (_OPEN,)),
    "product": ("holdings", (_OPEN,)),
}
_COMPANY = "_company"

MEASURES = (
    Feature("tenure_days", source="accounts", aggregate="days_since_first", of=None, where=(_ROLE_OF_OWNER,)),
    *[
        Feature(f"_open_{name}", source=source, aggregate="count", of=None, where=where)
        for name, (source, where) in _MEASURED.items()
    ],
    Feature(_COMPANY, source="companies", aggregate="count", of=None, where=()),
)
"""What decides who is in the slice; names with an underscore are no features and are not published."""


class Population(Strict):
    """`conf/population.yml`: which open relationships make a customer."""

    relationships: Annotated[list[Relationship], Field(min_length=1)] = list(RELATIONSHIPS)

    @field_validator("relationships")
    @classmethod
    def _whole(cls, given: list[Relationship]) -> list[Relationship]:
        if twice := sorted({name for name in given if given.count(name) > 1}):
            raise ValueError(f"'{twice[0]}' is listed twice")
        if "owner" not in given:
            raise ValueError(
                "'owner' cannot be left out: money belongs to owners, and sums over them are those of accounts"
            )
        return given


EVERYBODY = Population()
"""The definition of the interface, not narrowed."""


def load_population(conf: Path) -> Population:
    """`conf/population.yml`; without the file nothing is narrowed. ConfigurationError when it is inconsistent."""
    path = conf / "population.yml"
    return load_yaml(path, Population) if path.exists() else EVERYBODY


def membership(columns: Collection[str], *, population: Population) -> str:
    """SQL over the measured columns that are there: whether the row is a customer of the slice.

    A company is no customer, also where a card or product is its own; a person with its id is one as a party.
    """
    measured = [name for name in population.relationships if _open(name) in columns]
    as_party = [f"{_open(name)} > 0" for name in measured if name in ("owner", "user")]
    as_holder = [f"{_open(name)} > 0" for name in measured if name not in ("owner", "user")]
    if as_holder:
        is_person = f"{_COMPANY} = 0 and " if _COMPANY in columns else ""
        as_party.append(f"{is_person}({' or '.join(as_holder)})")
    return " or ".join(f"({test})" for test in as_party)


def relationship() -> str:
    """SQL: the customer's closest relationship, whichever of them put the customer into the slice."""
    return f"case when {_open('owner')} > 0 then '{OWNER}' when {_open('user')} > 0 then '{USER}' else '{HOLDER}' end"


def _open(name: Relationship) -> str:
    return f"_open_{name}"
