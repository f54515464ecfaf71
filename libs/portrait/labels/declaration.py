"""`conf/labels/<theme>/<label>.yml` as objects: one file per label, checked before Spark starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema, field_validator
from pydantic.json_schema import SkipJsonSchema

from portrait.contracts import Catalogue, Column
from portrait.contracts.vocabulary import Vocabulary, load_vocabulary
from portrait.errors import ConfigurationError
from portrait.expressions.expression import check_expression
from portrait.labels.growing import grown_expression
from portrait.labels.readers import check_retirement
from portrait.labels.trust_policy import OwnThresholds
from portrait.ordering import in_order
from portrait.settings import Strict, line_of, load_yaml

PHYSICAL_TYPES = {
    "boolean": "BOOLEAN",
    "string": "STRING",
    "integer": "BIGINT",
    "decimal": "DECIMAL(18,2)",
    "date": "DATE",
}
PORTRAIT_ITSELF = "portrait"
"""What `from` says of a label that is made from labels."""
SENSITIVITIES = ("public", "internal", "personal", "sensitive")


_VALUES = WithJsonSchema(
    {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "array", "items": {}}]}
)
Fact = bool | int | float | str | date | None


class Example(Strict):
    """What the label must say of a customer with these facts; a fact that is not given is unknown."""

    given: dict[str, Fact]
    expect: Fact


class Label(Strict):
    """One label file; the keys are those of the interface."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    title: str = Field(min_length=3)
    theme: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    kind: Literal["fact", "statistic", "rule", "model"]
    type: Literal["boolean", "string", "integer", "decimal", "date"]
    values: Annotated[dict[str, str], _VALUES] = {}
    """The texts that the label can have, with their titles; a list in the file gives each its own name as title."""
    from_: str = Field(alias="from", pattern=r"^[a-z][a-z0-9_]*$")
    """A gold table whose contract says `labelSource`, without the layer; or `portrait`."""
    value: str
    unknown_when: str | None = None
    unknown_means: str | None = None
    """What it means that the label is unknown, for those who use it."""
    grows_with: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    """A set of conf/vocabulary.yml: its values that `value` does not name are treated as the last one it names."""
    further: SkipJsonSchema[dict[str, str]] = Field(default={}, exclude=True)
    """Texts that the label can have because it grew; no key of the file."""
    owner: str = Field(min_length=2)
    sensitivity: Literal["public", "internal", "personal", "sensitive"]
    freshness: str = Field(pattern=r"^\d+ days?$")
    status: Literal["draft", "active", "deprecated", "retired"]
    version: int = Field(ge=1)
    replaced_by: str | None = None
    sunset: date | None = None
    description: str = Field(min_length=10)
    trust: OwnThresholds | None = None
    examples: list[Example] = []

    @field_validator("values", mode="before")
    @classmethod
    def _titled(cls, values: object) -> object:
        if not isinstance(values, list):
            return values
        if len(set(map(str, values))) < len(values):
            raise ValueError("a value is there twice")
        return {value: str(value).replace("_", " ") for value in values}

    @property
    def freshness_days(self) -> int:
        """Days after which the facts of the label are stale."""
        return int(self.freshness.split()[0])

    @property
    def source(self) -> str:
        """The table whose columns the label reads; other labels are columns of the portrait."""
        return "gold.customer_portrait" if self.from_ == PORTRAIT_ITSELF else f"gold.{self.from_}"

    @property
    def rule(self) -> str:
        """How the label is made, as its author wrote it, in one line."""
        unknown = f"; unknown when {self.unknown_when}" if self.unknown_when else ""
        return " ".join(f"{self.value}{unknown}".split())

    @property
    def has_column(self) -> bool:
        """Whether gold.customer_portrait has the label; a draft is not there yet, a retired one stays as NULL."""
        return self.status != "draft"

    @property
    def is_computed(self) -> bool:
        """Whether the label gets a value."""
        return self.status in {"active", "deprecated"}

    @property
    def _titles(self) -> str:
        titles = {**self.values, **self.further}
        told = [f"{value} = {title}" for value, title in titles.items() if title != value.replace("_", " ")]
        return f" {'; '.join(told)}." if told else ""

    @property
    def _unknown(self) -> str:
        return f" NULL: unknown; {self.unknown_means}" if self.unknown_means else " NULL: unknown."

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
            description=f"{self.title}. {self.description}{notes.get(self.status, '')}{self._titles}{self._unknown}",
            classification=self.sensitivity,
            enum=(*self.values, *self.further),
        )


@dataclass(frozen=True)
class CheckedLabel:
    """A label, the Spark SQL that computes it (NULL is unknown), and the columns of its source that the SQL reads."""

    label: Label
    sql: str
    reads: frozenset[str] = frozenset()


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

    def levels(self) -> list[list[CheckedLabel]]:
        """Labels that are made from labels, in steps: each reads only what the sources or an earlier step gave."""
        waiting = {item.label.id: item for item in self.computed_from("portrait")}
        steps: list[list[CheckedLabel]] = []
        while waiting:
            ready = [item for item in waiting.values() if not item.reads & waiting.keys()]
            steps.append(ready)
            for item in ready:
                del waiting[item.label.id]
        return steps

    def computed_from(self, source: str) -> list[CheckedLabel]:
        """The labels that one source answers."""
        return [item for item in self.checked if item.label.from_ == source and item.label.is_computed]


def load_labels(conf: Path, catalogue: Catalogue) -> LabelSet:
    """The labels below `conf/labels`; `catalogue` must know the declared columns of gold.customer_features.

    Raises ConfigurationError naming file, line and key for an unknown key, an id that is there twice or is not the
    file's name, a column that `from` does not have, an expression that is not allowed or not of the stated type, for
    labels that are made from each other in a circle, with the path, and for a retired label that is still read.
    """
    paths = sorted((conf / "labels").glob("*/*.yml"))
    if not paths:
        raise ConfigurationError(
            "no labels are declared", where=str(conf / "labels"), remedy="add <theme>/<label>.yml, or check --conf"
        )
    sources = catalogue.label_sources
    known = {
        source: {column.name: column for column in catalogue.table(f"gold.{source}").columns} for source in sources
    }
    portrait = catalogue.table("gold.customer_portrait")
    taken = set(portrait.column_names) - set(portrait.declared)
    labels: dict[str, Label] = {}
    texts: dict[str, str] = {}
    vocabulary = load_vocabulary(conf)
    for path in paths:
        label, text = _grown(load_yaml(path, Label), path, vocabulary)
        _check_place(label, path)
        if label.from_ not in (*sources, PORTRAIT_ITSELF):
            remedy = f"name one of {', '.join(sources)}, {PORTRAIT_ITSELF}"
            raise _refusal(path, "from", f"there is no label source '{label.from_}'", remedy)
        if label.id in labels or label.id in taken:
            raise _refusal(path, "id", f"the name '{label.id}' is taken", "ids are unique over all themes: rename one")
        labels[label.id], texts[label.id] = label, text
    known["portrait"] = {"as_of": known["customer_features"]["as_of"]} | {
        label.id: label.column for label in labels.values() if label.is_computed
    }
    places = {path.stem: path for path in paths}
    retired = {name: places[name] for name, label in labels.items() if label.status == "retired"}
    check_retirement(conf, catalogue, retired)
    checked = {
        name: _check_value(label, texts[name], places[name], known[label.from_]) for name, label in labels.items()
    }
    _check_order(checked, places)
    for path in paths:
        _check_lifecycle(checked, path)
    return LabelSet(tuple(checked.values()))


def _check_order(checked: Mapping[str, CheckedLabel], places: Mapping[str, Path]) -> None:
    made_of_labels = {name: item.reads for name, item in checked.items() if item.label.from_ == "portrait"}
    in_order(
        made_of_labels,
        circle=lambda path: _refusal(
            places[path.split()[0]],
            "value",
            f"the labels are made from each other in a circle: {path}",
            "break the circle: make one of them from a feature",
        ),
    )


def _check_place(label: Label, path: Path) -> None:
    if (label.theme, label.id) != (path.parent.name, path.stem):
        raise _refusal(
            path,
            "id",
            f"the label calls itself '{label.theme}/{label.id}'",
            f"theme and id must be '{path.parent.name}' and '{path.stem}', as the file's place says; or move the file",
        )
    if label.values and label.type != "string":
        raise _refusal(path, "values", "only texts have values", "remove the key")


def _grown(label: Label, path: Path, vocabulary: Vocabulary) -> tuple[Label, str]:
    """The label and its expression with the values of the set that it grows with."""
    if label.further:
        raise _refusal(path, "further", "there is no such key", "remove it")
    if label.grows_with is None or not label.is_computed:
        return label, label.value
    values = vocabulary.values_of(label.grows_with)
    if not values:
        sets = ", ".join(vocabulary.sets) or "none"
        problem = f"conf/vocabulary.yml has no set '{label.grows_with}'"
        raise _refusal(path, "grows_with", problem, f"its sets: {sets}")
    text, further = grown_expression(label.value, values, where=_where(path, "value"))
    titles = {value: vocabulary.title(value) for value in further if value not in label.values}
    return label.model_copy(update={"further": titles if label.values else {}}), text


def _check_value(label: Label, text: str, path: Path, known: Mapping[str, Column]) -> CheckedLabel:
    """The label with its SQL. A draft or retired one is not computed, and what it reads need not exist (any more)."""
    columns = {name: column.physical_type for name, column in known.items() if name != "customer_id"}
    if not label.is_computed:
        return CheckedLabel(label, "NULL")
    value = check_expression(text, columns=columns, where=_where(path, "value"))
    if value.family not in _families(label.type):
        article = "an" if label.type[0] in "aeiou" else "a"
        raise _refusal(
            path,
            "value",
            f"the expression gives {value.family}, not {article} {label.type}",
            "correct 'type' or 'value'",
        )
    if label.values and (strange := [item for item in value.outcomes if item not in {**label.values, **label.further}]):
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
    reads = value.columns | (unknown.columns if unknown else frozenset())
    for position, example in enumerate(label.examples):
        if strange := sorted(example.given.keys() - reads):
            line = line_of(path, ("examples", position))
            raise ConfigurationError(
                f"the label does not read '{strange[0]}'", where=f"{path}:{line} examples", remedy="remove the fact"
            )
    _check_sensitivity(label, path, known, reads)
    if unknown is None:
        return CheckedLabel(label, value.sql, reads)
    # Where it cannot be told whether the label is known, it is not: only a plain no lets the value through.
    return CheckedLabel(label, f"CASE WHEN NOT ({unknown.sql}) THEN {value.sql} END", reads)


def _families(kind: str) -> set[str]:
    return {"decimal", "integer"} if kind == "decimal" else {kind}


def _check_sensitivity(label: Label, path: Path, known: Mapping[str, Column], reads: frozenset[str]) -> None:
    for name in sorted(reads):
        needed = known[name].classification
        if SENSITIVITIES.index(label.sensitivity) < SENSITIVITIES.index(needed):
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
