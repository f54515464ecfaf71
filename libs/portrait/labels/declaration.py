"""`conf/labels/<theme>/<label>.yml` as objects: one file a label, checked before Spark starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field

from portrait.contracts import Catalogue, Column
from portrait.errors import ConfigurationError
from portrait.labels.expression import Checked, check_expression
from portrait.settings import Strict, line_of, load_yaml

PHYSICAL_TYPES = {
    "boolean": "BOOLEAN",
    "string": "STRING",
    "integer": "BIGINT",
    "decimal": "DECIMAL(18,2)",
    "date": "DATE",
}
SOURCES = ("customer_features", "customer_value", "customer_tier", "customer_group")
_CLASSES = ("public", "internal", "personal", "sensitive")


class Label(Strict):
    """One label file; the keys are those of the interface."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    title: str = Field(min_length=3)
    theme: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Literal["fact", "statistic", "rule", "model"]
    type: Literal["boolean", "string", "integer", "decimal", "date"]
    values: list[str] = []
    from_: Literal["customer_features", "customer_value", "customer_tier", "customer_group"] = Field(alias="from")
    value: str
    unknown_when: str | None = None
    owner: str = Field(min_length=2)
    sensitivity: Literal["public", "internal", "personal", "sensitive"]
    freshness: str = Field(pattern=r"^\d+ days?$")
    status: Literal["draft", "active", "deprecated", "retired"]
    version: int = Field(ge=1)
    replaced_by: str | None = None
    sunset: date | None = None
    description: str = Field(min_length=10)

    @property
    def has_column(self) -> bool:
        """Whether gold.customer_portrait has the label; a draft is not there yet, a retired one stays as NULL."""
        return self.status != "draft"

    @property
    def is_computed(self) -> bool:
        """Whether the label gets a value."""
        return self.status in {"active", "deprecated"}

    @property
    def column(self) -> Column:
        """The label's column in the contract of gold.customer_portrait."""
        notes = {
            "deprecated": f" Deprecated, ends on {self.sunset}"
            + (f"; use {self.replaced_by}." if self.replaced_by else "."),
            "retired": " Retired: NULL." + (f" Use {self.replaced_by}." if self.replaced_by else ""),
        }
        return Column(
            name=self.id,
            physical_type=PHYSICAL_TYPES[self.type],
            description=f"{self.title}. {self.description}{notes.get(self.status, '')} NULL: unknown.",
            classification=self.sensitivity,
            enum=tuple(self.values),
        )


@dataclass(frozen=True)
class CheckedLabel:
    """A label and the Spark SQL that computes it; NULL is unknown."""

    label: Label
    sql: str


@dataclass(frozen=True)
class LabelSet:
    """Every label, by theme and id."""

    checked: tuple[CheckedLabel, ...]

    @property
    def labels(self) -> list[Label]:
        """The labels that gold.customer_portrait has, in column order."""
        return [item.label for item in self.checked if item.label.has_column]

    def columns(self) -> list[Column]:
        """Columns for `Catalogue.with_columns("gold.customer_portrait", ...)`."""
        return [label.column for label in self.labels]

    def computed_from(self, source: str) -> list[CheckedLabel]:
        """The labels that one source answers."""
        return [item for item in self.checked if item.label.from_ == source and item.label.is_computed]


def load_labels(conf: Path, catalogue: Catalogue) -> LabelSet:
    """The labels below `conf/labels`; `catalogue` must know the declared columns of gold.customer_features.

    Raises ConfigurationError naming file, line and key for an unknown key, an id that stands twice or is not the
    file's name, a column that `from` does not have, an expression that is not allowed or not of the stated type.
    """
    paths = sorted((conf / "labels").glob("*/*.yml"))
    if not paths:
        raise ConfigurationError(
            "no labels are declared", where=str(conf / "labels"), remedy="add <theme>/<label>.yml, or check --conf"
        )
    known = {
        source: {column.name: column for column in catalogue.table(f"gold.{source}").columns} for source in SOURCES
    }
    portrait = catalogue.table("gold.customer_portrait")
    taken = set(portrait.column_names) - set(portrait.declared)
    checked: dict[str, CheckedLabel] = {}
    for path in paths:
        label = load_yaml(path, Label)
        _check_place(label, path)
        if label.id in checked or label.id in taken:
            raise _refusal(path, "id", f"the name '{label.id}' is taken", "ids are unique over all themes: rename one")
        checked[label.id] = CheckedLabel(label, _check_value(label, path, known[label.from_]))
    for path in paths:
        _check_lifecycle(checked, path)
    return LabelSet(tuple(checked.values()))


def _check_place(label: Label, path: Path) -> None:
    if (label.theme, label.id) != (path.parent.name, path.stem):
        raise _refusal(
            path,
            "id",
            f"the label calls itself '{label.theme}/{label.id}'",
            f"theme and id must be '{path.parent.name}' and '{path.stem}', as the file's place says; or move the file",
        )
    if label.values and (label.type != "string" or len(set(label.values)) < len(label.values)):
        raise _refusal(path, "values", "only texts have values, each once", "remove the key, or correct the list")


def _check_value(label: Label, path: Path, known: Mapping[str, Column]) -> str:
    """The SQL of the label. A draft or retired one is not computed, and what it reads need not exist (any more)."""
    columns = {name: column.physical_type for name, column in known.items() if name != "customer_id"}
    if not label.is_computed:
        return "NULL"
    value = check_expression(label.value, columns=columns, where=_where(path, "value"))
    if value.family not in _families(label.type):
        article = "an" if label.type[0] in "aeiou" else "a"
        raise _refusal(
            path,
            "value",
            f"the expression gives {value.family}, not {article} {label.type}",
            "correct 'type' or 'value'",
        )
    if label.values and (strange := [item for item in value.outcomes if item not in label.values]):
        raise _refusal(path, "value", f"'{strange[0]}' is not among 'values'", "add it to 'values', or correct it")
    unknown = None
    if label.unknown_when is not None:
        unknown = check_expression(label.unknown_when, columns=columns, where=_where(path, "unknown_when"))
        if unknown.family != "boolean":
            raise _refusal(path, "unknown_when", f"the condition gives {unknown.family}", "write a condition")
    elif value.turns_unknown_into_value:
        raise _refusal(
            path,
            "value",
            "an ELSE gives a value to customers of whom nothing is known",
            "state 'unknown_when', or write the last case as a WHEN of its own",
        )
    _check_sensitivity(label, path, known, value, unknown)
    if unknown is None:
        return value.sql
    # Where it cannot be told whether the label is known, it is not: only a plain no lets the value through.
    return f"CASE WHEN NOT ({unknown.sql}) THEN {value.sql} END"


def _families(kind: str) -> set[str]:
    return {"decimal", "integer"} if kind == "decimal" else {kind}


def _check_sensitivity(
    label: Label, path: Path, known: Mapping[str, Column], value: Checked, unknown: Checked | None
) -> None:
    read = value.columns | (unknown.columns if unknown else frozenset())
    for name in sorted(read):
        needed = known[name].classification
        if _CLASSES.index(label.sensitivity) < _CLASSES.index(needed):
            raise _refusal(
                path,
                "sensitivity",
                f"the label is {label.sensitivity}, but reads '{name}', which is {needed}",
                f"write 'sensitivity: {needed}'",
            )


def _check_lifecycle(checked: Mapping[str, CheckedLabel], path: Path) -> None:
    label = checked[path.stem].label
    if label.status == "deprecated" and (label.sunset is None or label.replaced_by is None):
        raise _refusal(path, "status", "a deprecated label must say until when and what comes instead",
                       "add 'sunset' and 'replaced_by'")  # fmt: skip
    if label.replaced_by is not None:
        successor = checked.get(label.replaced_by)
        if successor is None or successor.label.status != "active":
            raise _refusal(path, "replaced_by", f"'{label.replaced_by}' is not an active label", "name an active label")


def _where(path: Path, key: str) -> str:
    return f"{path}:{line_of(path, (key,))} {key}"


def _refusal(path: Path, key: str, problem: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(problem, where=_where(path, key), remedy=remedy)
