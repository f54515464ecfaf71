"""`conf/prospects/<target>.yml`: one file per thing that a customer may do for the first time, or again.

A target adds three columns to gold.prospect_scores: `<id>_propensity`, `<id>_decile` and `<id>_reasons`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from portrait.capabilities.audiences.clauses import Clause, labels_read
from portrait.capabilities.audiences.parsing import Vocabulary, parse_audience
from portrait.contracts import Column
from portrait.errors import ConfigurationError
from portrait.features.sources import feature_sources
from portrait.labels.declared import Declared
from portrait.settings import Strict, line_of, load_yaml

FEATURES = "customer_features"
SCORES = "gold.prospect_scores"
_NO_FEATURES = frozenset({"as_of", "customer_id", "risk_assessed_on"})


class Event(Strict):
    """What the customer does: rows of a feature source, as features count them."""

    source: str
    where: Mapping[str, list[str]] = {}
    """Dimensions with the values that count, as in conf/features."""
    first: bool = True
    """Whether customers who did it before are left out."""


class Left(Strict):
    """Features that are not used although a pattern names them, and why."""

    features: Annotated[list[str], Field(min_length=1)]
    reason: Annotated[str, Field(min_length=5)]


class Target(Strict):
    """One file of conf/prospects."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)
    title: str = Field(min_length=3)
    population: str
    """Who could do it: an expression as in an audience, over labels that are made from gold.customer_features."""
    event: Event
    horizon_months: Annotated[int, Field(ge=1, le=24)]
    """The event counts from the day after the slice to the same day so many months later."""
    features: Annotated[list[str], Field(min_length=1)]
    """Names or patterns (`*_90d`) of columns of gold.customer_features."""
    leave_out: list[Left] = []
    learner: Literal["logistic_regression", "best"] = "logistic_regression"
    """`best`: boosted trees replace the logistic regression where they rank better; reasons are then of the latter."""
    owner: str = Field(min_length=2)
    description: str = Field(min_length=10)


@dataclass(frozen=True)
class CheckedTarget:
    """A target with what its patterns and its population mean."""

    target: Target
    features: tuple[str, ...]
    clause: Clause
    labels: Mapping[str, str]
    """Label that the population reads to the SQL that computes it from gold.customer_features."""

    @property
    def source(self) -> str:
        """The table of the event."""
        return feature_sources()[self.target.event.source].table


def target_columns(conf: Path) -> list[Column]:
    """The columns that the files of conf/prospects add to gold.prospect_scores."""
    return [column for path in _paths(conf) for column in _columns(load_yaml(path, Target))]


def _columns(target: Target) -> list[Column]:
    lower = f"{target.title[:1].lower()}{target.title[1:]}"
    outside = "NULL: the customer could not do it, or nothing was scored."
    within = f"within {target.horizon_months} months"
    return [
        Column(
            f"{target.id}_propensity",
            "DOUBLE",
            description=f"Probability of the event '{lower}' {within}, 0..1. {outside}",
            classification="personal",
            minimum=0.0,
            maximum=1.0,
        ),
        Column(
            f"{target.id}_decile",
            "INT",
            description=f"Tenth of the scored customers by that probability; 10 has the highest. {outside}",
            classification="personal",
            minimum=1,
            maximum=10,
        ),
        Column(
            f"{target.id}_reasons",
            "ARRAY<STRING>",
            description=f"The features that moved the score most, in words, the strongest first. {outside}",
            classification="personal",
        ),
    ]


def load_targets(conf: Path, declared: Declared) -> list[CheckedTarget]:
    """All targets, by name; none where there is no such folder.

    Raises ConfigurationError naming file, line and key for an unknown key, source, dimension or label, for a pattern
    that no feature has, and for a population that needs more than the features of the day.
    """
    return [_checked(path, load_yaml(path, Target), declared) for path in _paths(conf)]


def _paths(conf: Path) -> list[Path]:
    return sorted((conf / "prospects").glob("*.yml"))


def _checked(path: Path, target: Target, declared: Declared) -> CheckedTarget:
    if target.id != path.stem:
        raise _refusal(path, ("id",), f"the target calls itself '{target.id}'", f"write '{path.stem}', as the file")
    sources, event = feature_sources(), target.event
    if event.source not in sources or event.source in ("transactions", "balances"):
        usable = ", ".join(name for name in sources if name not in ("transactions", "balances"))
        raise _refusal(path, ("event", "source"), f"'{event.source}' has no events", f"sources: {usable}")
    known = sources[event.source].shape.dimensions
    if strange := sorted(set(event.where) - known):
        raise _refusal(
            path, ("event", "where", strange[0]), f"'{strange[0]}' is no dimension of {event.source}",
            f"dimensions: {', '.join(sorted(known))}",
        )  # fmt: skip
    where = f"{path}:{line_of(path, ('population',))} population"
    made = {item.label.id: item for item in declared.labels.checked if item.label.from_ == FEATURES}
    words = Vocabulary({name: item.label for name, item in made.items()}, lambda name: None)
    clause = parse_audience(target.population, words=words, where=where)
    columns = [name for name in declared.catalogue.table(f"gold.{FEATURES}").column_names if name not in _NO_FEATURES]
    wanted = _matching(path, ("features",), target.features, columns)
    for place, left in enumerate(target.leave_out):
        unwanted = set(_matching(path, ("leave_out", place, "features"), left.features, columns))
        wanted = [name for name in wanted if name not in unwanted]
    if not wanted:
        raise _refusal(path, ("features",), "no feature is left", "name more of them, or leave out fewer")
    return CheckedTarget(target, tuple(wanted), clause, {name: made[name].sql for name in sorted(labels_read(clause))})


def _matching(path: Path, key: tuple[str | int, ...], patterns: Sequence[str], columns: Sequence[str]) -> list[str]:
    for place, pattern in enumerate(patterns):
        if not any(fnmatchcase(name, pattern) for name in columns):
            raise _refusal(
                path, (*key, place), f"no column of gold.{FEATURES} is called '{pattern}'",
                "list them with `portrait features list`",
            )  # fmt: skip
    return [name for name in columns if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _refusal(path: Path, key: tuple[str | int, ...], problem: str, remedy: str) -> ConfigurationError:
    shown = ".".join(str(part) for part in key if not isinstance(part, int))
    return ConfigurationError(problem, where=f"{path}:{line_of(path, key)} {shown}", remedy=remedy)
