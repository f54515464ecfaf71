"""A contract file as it is written: the part of the Open Data Contract Standard that this project uses.

Two checks, because each misses what the other sees: the standard's JSON schema (shipped with its Python package), and
these strict models, which know our own rules (types, classes, custom properties).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from portrait.errors import ConfigurationError
from portrait.settings import Strict, line_of, load_yaml, load_yaml_tree

if TYPE_CHECKING:
    import jsonschema

_PHYSICAL_TYPE = re.compile(
    r"STRING|INT|BIGINT|DOUBLE|BOOLEAN|DATE|TIMESTAMP|DECIMAL\(\d+,\d+\)|(ARRAY|MAP)<(STRING|BIGINT|DOUBLE)(,(STRING|BIGINT|DOUBLE|DATE))?>"
)

Classification = Literal["public", "internal", "personal", "sensitive"]


class CustomProperty(Strict):
    """A key of our own: see `KNOWN_PROPERTIES` in `contract.py`."""

    property: str
    value: Any


class EnumValue(Strict):
    """One allowed value."""

    value: str
    label: str | None = None
    description: str | None = None


class LogicalTypeOptions(Strict):
    """Bounds (inclusive) of a number, or of a day or instant (text, see `bounds`), and the pattern of a text."""

    minimum: float | str | None = None
    maximum: float | str | None = None
    pattern: str | None = None


class QualityRule(Strict):
    """A row rule over several columns: `implementation` is a Spark SQL condition that must hold."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    type: Literal["custom"]
    engine: Literal["spark"]
    implementation: str
    severity: Literal["error", "warning"]
    dimension: str
    description: str


class Property(Strict):
    """One column."""

    name: str = Field(pattern=r"^_?[a-z][a-z0-9_]*$")
    physicalType: str
    description: str
    classification: Classification
    required: bool = False
    primaryKey: bool = False
    primaryKeyPosition: int | None = None
    partitioned: bool = False
    partitionKeyPosition: int | None = None
    logicalType: str | None = None
    logicalTypeOptions: LogicalTypeOptions = LogicalTypeOptions()
    enum: list[EnumValue] = []
    customProperties: list[CustomProperty] = []

    @field_validator("physicalType")
    @classmethod
    def _known_type(cls, value: str) -> str:
        if not _PHYSICAL_TYPE.fullmatch(value):
            raise ValueError(f"'{value}' is not a type that contracts may use")
        return value


class TableSchema(Strict):
    """The table of a contract."""

    name: str
    physicalName: str
    physicalType: Literal["table", "file"]
    dataGranularityDescription: str
    description: str | None = None
    properties: list[Property] = Field(min_length=1)
    quality: list[QualityRule] = []
    customProperties: list[CustomProperty] = []


class Description(Strict):
    """What a table is for, how it is used, what it cannot tell."""

    purpose: str
    usage: str | None = None
    limitations: str | None = None


class Document(Strict):
    """One contract file."""

    apiVersion: Literal["v3.2.0"]
    kind: Literal["DataContract"]
    id: str = Field(pattern=r"^(raw|bronze|silver|gold|ops)\.[a-z][a-z0-9_]*$")
    name: str
    version: str
    status: Literal["active", "draft", "deprecated"]
    description: Description
    schema_: list[TableSchema] = Field(alias="schema", min_length=1, max_length=1)
    domain: str | None = None
    dataProduct: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$")
    customProperties: list[CustomProperty] = []


@lru_cache(maxsize=1)
def _standard() -> jsonschema.Draft201909Validator:
    import jsonschema

    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft201909Validator(json.loads(text))


# Contracts that were checked in this process: the standard's schema takes most of the time of reading them.
_sound: dict[Path, Document] = {}


def load_document(path: Path, *, standard: bool = True) -> Document:
    """A contract file, checked by our models and by the standard's JSON schema.

    `standard`: whether by the latter; who only looks at a lake leaves that to those who write it. Raises
    ConfigurationError with file, line and key; a misspelt key is an error.
    """
    document = load_yaml(path, Document)
    if _sound.get(path.absolute()) is document:
        return document
    if standard:
        _check_standard(path)
    if f"{path.parent.name}.{path.stem}" != document.id or document.schema_[0].physicalName != document.id:
        raise ConfigurationError(
            f"the contract calls itself '{document.id}' and its table '{document.schema_[0].physicalName}'",
            where=str(path),
            remedy=f"both must be '{path.parent.name}.{path.stem}', as the file's place says",
        )
    if standard:
        _sound[path.absolute()] = document
    return document


def _check_standard(path: Path) -> None:
    from jsonschema.exceptions import best_match

    violation = best_match(_standard().iter_errors(load_yaml_tree(path)))
    if violation is not None:
        location = tuple(violation.absolute_path)
        raise ConfigurationError(
            f"'{'.'.join(str(part) for part in location)}' breaks the Open Data Contract Standard: {violation.message}",
            where=f"{path}:{line_of(path, location)}",
            remedy="correct the contract; the standard's schema says what the key may hold",
        )
