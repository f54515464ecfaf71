"""`conf/exports.yml`: for which purposes lists of customers leave the bank, and who is taken off them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from portrait.capabilities.audiences.clauses import Clause
from portrait.capabilities.audiences.parsing import Vocabulary, parse_audience
from portrait.contracts import Catalogue
from portrait.entities.recorded import Recorded, load_recorded
from portrait.errors import ConfigurationError
from portrait.expressions.expression import check_expression
from portrait.settings import Strict, line_of, load_yaml

FILE = "exports.yml"


class SuppressionList(Strict):
    """Customers who are taken off an export: by labels, or by the records of a feed."""

    title: str = Field(min_length=3)
    where: str
    unknown: Literal["include", "exclude"] = "exclude"
    feed: str | None = None
    at: str | None = None
    days: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _moment_belongs_to_a_feed(self) -> Self:
        if (self.at is None) != (self.days is None) or (self.at is not None and self.feed is None):
            raise ValueError("'at' and 'days' belong together, and to a feed")
        return self


class Exports(Strict):
    """Everything in `conf/exports.yml`."""

    minimum_customers: int = Field(ge=1)
    lists: dict[str, SuppressionList]
    purposes: dict[str, list[str]]


@dataclass(frozen=True)
class LabelList:
    """A list over labels: who is on it, as Spark SQL that is true or false."""

    name: str
    clause: Clause
    unknown: str

    @property
    def sql(self) -> str:
        """True for customers on the list."""
        return f"coalesce({self.clause.sql}, {str(self.unknown == 'include').upper()})"


@dataclass(frozen=True)
class FeedList:
    """A list over the records of a feed."""

    name: str
    feed: str
    sql: str
    at: str | None
    days: int | None


@dataclass(frozen=True)
class ExportPolicy:
    """The lists of every purpose, checked."""

    minimum_customers: int
    purposes: dict[str, tuple[LabelList | FeedList, ...]]
    recorded: Recorded


def load_export_policy(conf: Path, *, words: Vocabulary, catalogue: Catalogue) -> ExportPolicy:
    """`conf/exports.yml`.

    Raises ConfigurationError naming file and line for a list that no file describes, an unknown label or feed, a feed
    of which conf/marketing.yml does not say whether the bank delivers it, or an expression that is not allowed.
    """
    path = conf / FILE
    declared, recorded = load_yaml(path, Exports), load_recorded(conf)
    for name, item in declared.lists.items():
        if item.feed is not None and item.feed not in recorded.feeds:
            where = f"{path}:{line_of(path, ('lists', name, 'feed'))}"
            remedy = f"add '{item.feed}' to feeds in conf/marketing.yml: true, or false if the bank has no such feed"
            problem = f"it is not said whether the bank delivers '{item.feed}'"
            raise ConfigurationError(problem, where=where, remedy=remedy)
    for purpose, names in declared.purposes.items():
        for position, name in enumerate(names):
            if name not in declared.lists:
                where = f"{path}:{line_of(path, ('purposes', purpose, position))}"
                known = ", ".join(declared.lists)
                raise ConfigurationError(f"there is no list '{name}'", where=where, remedy=f"lists: {known}")
    lists = {name: _checked(name, item, path, words, catalogue) for name, item in declared.lists.items()}
    purposes = {purpose: tuple(lists[name] for name in names) for purpose, names in declared.purposes.items()}
    return ExportPolicy(declared.minimum_customers, purposes, recorded)


def _checked(
    name: str, item: SuppressionList, path: Path, words: Vocabulary, catalogue: Catalogue
) -> LabelList | FeedList:
    where = f"{path}:{line_of(path, ('lists', name, 'where'))} where"
    if item.feed is None:
        return LabelList(name, parse_audience(item.where, words=words, where=where), item.unknown)
    contract = catalogue.table(f"raw.{item.feed}")
    columns = {column.name: column.physical_type for column in contract.columns}
    for needed in ("customer_id", *([item.at] if item.at else [])):
        contract.column(needed)
    checked = check_expression(item.where, columns=columns, where=where)
    if checked.family != "boolean":
        raise ConfigurationError(f"the condition gives {checked.family}", where=where, remedy="write a condition")
    return FeedList(name, item.feed, checked.sql, item.at, item.days)
