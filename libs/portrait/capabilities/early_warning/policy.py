"""`conf/early_warning.yml`: classes, watch list, escalation. `conf/early_warning/*.yml`: a signal each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.expressions.expression import check_expression
from portrait.labels.declared import Declared
from portrait.settings import Strict, line_of, load_yaml

Class = Literal["normal", "special_mention", "substandard", "doubtful", "loss"]
Days = Annotated[int, Field(ge=0)]
FEATURES: Final = "gold.customer_features"
FACTS: Final = {
    "loans": "BIGINT",
    "max_days_past_due": "INT",
    "overdue_minor": "BIGINT",
    "late_instalments_90d": "BIGINT",
    "guarantors": "BIGINT",
    "troubled_guarantors": "BIGINT",
}
"""What a condition may read beside the features of the customer: facts of all loans of the customer, Spark types."""


class Classes(Strict):
    """Days past due above which a loan is at least of a class."""

    special_mention: Days = 0
    substandard: Days = 90
    doubtful: Days = 270
    loss: Days = 360
    by_status: Mapping[Literal["A", "B", "C", "D"], Class] = {"B": "loss", "D": "substandard"}
    """Class of a status, for loans of which no instalment was delivered."""


class Contagion(Strict):
    """When bad loans of a debtor make the others bad."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.10
    """Share of the debtor's loans at this bank, by amount, that must be exceeded."""
    debtors: tuple[Literal["person", "company"], ...] = ("company",)
    """Kinds of debtors for whom it holds."""


class Watch(Strict):
    """The watch list."""

    least_severity: Annotated[int, Field(ge=1, le=3)] = 2
    """Severity from which a loan comes onto the list."""
    levels: tuple[str, ...] = ("team-lead", "head-of-credit", "chief-risk-officer")
    """Who is responsible when a deadline passes, one after the other."""
    level_days: Annotated[int, Field(ge=1)] = 14
    """Days that each of them has."""


class Hazard(Strict):
    """The model of the month in which a loan falls into arrears."""

    arrears_days: Annotated[int, Field(ge=1)] = 30
    """Days past due above which a loan has fallen into arrears: what is forecast."""
    months_on_book: tuple[Annotated[int, Field(ge=1)], ...] = (6, 12, 24, 36)
    """Where a stretch of months since the granting ends; each has a level of its own."""
    history_months: Annotated[int, Field(ge=2, le=120)] = 24
    """Months that the model is fitted on."""
    least_events: Annotated[int, Field(ge=1)] = 20
    """Loans that fell into arrears in them, below which there is no model."""
    penalty: Annotated[float, Field(gt=0)] = 1.0
    """Weight by which levels and coefficients are kept small."""
    judged_months: Annotated[int, Field(ge=1, le=12)] = 3
    """Months after which a ranking is judged."""
    capacity: Annotated[int, Field(ge=1)] = 20
    """Loans that managers can work on in a month."""
    lead_days: Days = 60
    """Days before it fell into arrears by which a loan must have been warned of; else it is missed."""
    sign_late: Annotated[int, Field(ge=1)] = 2
    """Late instalments of 90 days that are a sign; an instalment past due is another."""


class WarningPolicy(Strict):
    """Everything in `conf/early_warning.yml`."""

    late_days: Days = 5
    """Days after its day from which an instalment is late."""
    classes: Classes = Classes()
    contagion: Contagion = Contagion()
    watch: Watch = Watch()
    hazard: Hazard = Hazard()
    veto_severity: Annotated[int, Field(ge=1, le=3)] = 2
    """Severity from which the label early_warning is true: no offers of credit, no marketing."""
    unknown_when: str = "tenure_days < 90"
    """Condition over features: where it holds and no warning is known, the label is unknown."""


class Signal(Strict):
    """One file of `conf/early_warning/`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
    title: Annotated[str, Field(min_length=1)]
    condition: Annotated[str, Field(min_length=1)]
    """Spark SQL over features of the customer and `FACTS`; unknown counts as off."""
    severity: Annotated[int, Field(ge=1, le=3)]
    owner: Annotated[str, Field(min_length=1)]
    deadline_days: Annotated[int, Field(ge=1)]
    """Days that the owner has to act."""
    exit_days: Annotated[int, Field(ge=1)]
    """Days without the signal after which an entry may be closed."""
    description: Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class Signals:
    """The signals in the order of their ids, with the SQL that was checked, and what they read."""

    signals: tuple[Signal, ...]
    conditions: Mapping[str, str]
    unknown_when: str
    columns: frozenset[str]


def load_warning_policy(conf: Path) -> WarningPolicy:
    """`conf/early_warning.yml`; ConfigurationError when it is absent or inconsistent."""
    policy = load_yaml(conf / "early_warning.yml", WarningPolicy)
    bounds = policy.classes
    if not bounds.special_mention < bounds.substandard < bounds.doubtful < bounds.loss:
        raise ConfigurationError(
            "days of the classes do not rise",
            where=str(conf / "early_warning.yml"),
            remedy="write special_mention < substandard < doubtful < loss",
        )
    if sorted(set(policy.hazard.months_on_book)) != list(policy.hazard.months_on_book):
        raise ConfigurationError(
            "hazard.months_on_book do not rise",
            where=str(conf / "early_warning.yml"),
            remedy="write the months in rising order, each once",
        )
    return policy


def load_signals(conf: Path, catalogue: Catalogue) -> Signals:
    """All signals, checked against the declared features. ConfigurationError for a mistake, or where there is none."""
    found: dict[str, Signal] = {}
    checked: dict[str, str] = {}
    read: set[str] = set()
    known = {column.name: column.physical_type for column in catalogue.table(FEATURES).columns}
    columns = {name: kind for name, kind in known.items() if name != "customer_id"} | FACTS
    for path in sorted((conf / "early_warning").glob("*.yml")):
        signal = load_yaml(path, Signal)
        if signal.id != path.stem:
            raise ConfigurationError(
                f"the signal '{signal.id}' is in a file of another name", where=str(path), remedy="name both alike"
            )
        condition = _condition(signal.condition, columns, f"{path}:{line_of(path, ('condition',))} condition")
        found[signal.id], checked[signal.id] = signal, condition[0]
        read |= condition[1]
    if not found:
        raise ConfigurationError(
            "there is no signal", where=str(conf / "early_warning"), remedy="write one, or switch early_warning off"
        )
    place = str(conf / "early_warning.yml")
    unknown = _condition(load_warning_policy(conf).unknown_when, columns, f"{place} unknown_when")
    return Signals(tuple(found.values()), checked, unknown[0], frozenset(read | unknown[1]) - FACTS.keys())


def _condition(text: str, columns: Mapping[str, str], where: str) -> tuple[str, frozenset[str]]:
    checked = check_expression(text, columns=columns, where=where)
    if checked.family != "boolean":
        raise ConfigurationError(f"this gives {checked.family}, not a condition", where=where, remedy="compare it")
    return checked.sql, checked.columns


def check_signals(conf: Path, declared: Declared) -> Signals:
    """All signals; see `load_signals`."""
    return load_signals(conf, declared.catalogue)


POLICIES: Mapping[str, Callable[[Path], object]] = {"early_warning.yml": load_warning_policy}
DECLARATIONS = {"early_warning/*.yml": check_signals}
FILES = {"signal": Signal}
"""What editors get a JSON Schema of."""
