"""A contract as the code uses it: columns, key, rules, and what derives from them for Spark and Delta."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portrait.contracts.bounds import check_bound, time_bound
from portrait.contracts.document import Document, Property
from portrait.contracts.identifiers import POLICY, Identifier, identifier_of
from portrait.contracts.kinds import Kind, check_kind, kind_of
from portrait.contracts.products import CORE
from portrait.contracts.properties import KNOWN_COLUMN_PROPERTIES, KNOWN_PROPERTIES
from portrait.contracts.references import Reference, references_of
from portrait.errors import ConfigurationError
from portrait.settings import UTC

if TYPE_CHECKING:
    from pyspark.sql.types import StructType


@dataclass(frozen=True)
class Column:
    """One column: Spark SQL type, meaning, PII class, and the rules that concern it alone."""

    name: str
    physical_type: str
    required: bool = False
    description: str = ""
    classification: str = "internal"
    key_position: int | None = None
    enum: tuple[str, ...] = ()
    minimum: float | str | None = None
    maximum: float | str | None = None
    pattern: str | None = None
    volatile: bool = False
    partition_position: int | None = None
    identifier: Identifier | None = None
    placeholders: tuple[str, ...] = ()
    unknown_when: str | None = None
    references: tuple[Reference, ...] = ()
    vocabulary: str | None = None
    """Which values of conf/vocabulary.yml the column has beside those of the contract; None: none."""
    label: str | None = None
    """The label of gold.customer_portrait whose values the column has; None for any other column."""
    source: str | None = None
    """The column of the feed whose values a column of silver has; None: the one of the same name."""


@dataclass(frozen=True)
class Rule:
    """A condition that every row must meet; NULL counts as met, except that `required` asks for a value."""

    id: str
    predicate: str
    severity: str
    description: str
    column: str | None = None


@dataclass(frozen=True)
class Contract:
    """A table or feed: its grain, columns, key, rules, writer and inputs."""

    id: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    row_rules: tuple[Rule, ...] = ()
    properties: dict[str, Any] = field(default_factory=dict)
    usage: str | None = None
    limitations: str | None = None
    declared: tuple[str, ...] = ()
    """Columns that `conf/` added to those of the contract file."""
    time_zone: str = UTC
    """The bank's, by the settings: it says what day an instant is in bounds, and what a clock time means in a feed."""
    product: str = CORE
    """The data product of a gold table: what readers see of one product moves together."""

    @property
    def layer(self) -> str:
        """`raw`, `bronze`, `silver`, `gold` or `ops`."""
        return self.id.split(".")[0]

    @property
    def name(self) -> str:
        """The table's name within its layer."""
        return self.id.split(".")[1]

    @cached_property
    def column_names(self) -> list[str]:
        """Names in contract order."""
        return [column.name for column in self.columns]

    @cached_property
    def key(self) -> list[str]:
        """The columns whose values together are unique; empty when the table has no key."""
        keyed = [column for column in self.columns if column.key_position is not None]
        return [column.name for column in sorted(keyed, key=lambda column: column.key_position or 0)]

    @cached_property
    def partitioned_by(self) -> list[str]:
        """Partition columns in order."""
        parts = [column for column in self.columns if column.partition_position is not None]
        return [column.name for column in sorted(parts, key=lambda column: column.partition_position or 0)]

    @property
    def clustered_by(self) -> list[str]:
        """Clustering columns in order."""
        return list(self.properties.get("clusteredBy", []))

    @property
    def job(self) -> str | None:
        """The name of the job that writes the table; None for a feed."""
        return None if self.script is None else self.script.rpartition("/")[2]

    @property
    def script(self) -> str | None:
        """The job's script below jobs/, without .py; None for a feed."""
        return self.properties.get("job")

    @property
    def reads(self) -> list[str]:
        """Inputs without which the job is left out."""
        return list(self.properties.get("reads", []))

    @property
    def reads_optional(self) -> list[str]:
        """Inputs that are used when they are there."""
        return list(self.properties.get("readsOptional", []))

    @property
    def reads_previous(self) -> list[str]:
        """Tables of which earlier slices are read."""
        return list(self.properties.get("readsPrevious", []))

    @property
    def kind(self) -> Kind:
        """What a write does to older rows of the table."""
        return kind_of(self.layer, sliced=self.partitioned_by == ["as_of"], stated=self.custom("kind"))

    @property
    def sliced(self) -> bool:
        """Whether the table is made of `as_of` slices."""
        return self.kind is Kind.slice

    def custom(self, name: str, default: Any = None) -> Any:
        """A custom property."""
        return self.properties.get(name, default)

    def column(self, name: str) -> Column:
        """One column; raises ConfigurationError when the table has none of that name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise ConfigurationError(
            f"{self.id} has no column '{name}'", where=self.id, remedy=f"its columns: {', '.join(self.column_names)}"
        )

    @cached_property
    def rules(self) -> list[Rule]:
        """All row rules: those of single columns first, in column order, then those over several."""
        types = {column.name: column.physical_type for column in self.columns}
        own = [rule for column in self.columns for rule in column_rules(column, types=types, zone=self.time_zone)]
        return own + list(self.row_rules)

    @cached_property
    def struct_type(self) -> StructType:
        """The Spark schema, with comments and nullability."""
        # Importing Spark takes a second, and who only looks at a lake never asks for this.
        from pyspark.sql.types import StructField, StructType, _parse_datatype_string

        fields = [
            StructField(c.name, _parse_datatype_string(c.physical_type), not c.required, {"comment": c.description})
            for c in self.columns
        ]
        return StructType(fields)

    @cached_property
    def hash(self) -> str:
        """Changes when anything in the contract that can change the data changes."""
        text = json.dumps([[asdict(column) for column in self.columns], [asdict(rule) for rule in self.row_rules]])
        zone = "" if self.time_zone == UTC else self.time_zone
        properties = sorted(item for item in self.properties.items() if item[0] != "kind")  # it changes no row
        return hashlib.sha256((text + repr(properties) + zone).encode()).hexdigest()

    def with_columns(self, columns: list[Column]) -> Contract:
        """This contract with further columns, declared in `conf/`; a clash of names is an error."""
        clash = set(self.column_names) & {column.name for column in columns}
        if clash:
            raise ConfigurationError(
                f"{self.id}: declared twice: {', '.join(sorted(clash))}",
                where=f"conf/{self.custom('columnsFrom', '')}",
                remedy="rename the declaration; the contract or another file already has that name",
            )
        names = tuple(column.name for column in columns)
        return replace(self, columns=self.columns + tuple(columns), declared=self.declared + names)

    def ddl(self, location: Path | str) -> str:
        """CREATE TABLE IF NOT EXISTS with comments, NOT NULL, CHECK constraints and table properties."""
        lines = [
            f"  {quoted(c.name)} {c.physical_type}{' NOT NULL' if c.required else ''} COMMENT {literal(c.description)}"
            for c in self.columns
        ]
        partition = f"\nPARTITIONED BY ({', '.join(map(quoted, self.partitioned_by))})" if self.partitioned_by else ""
        cluster = f"\nCLUSTER BY ({', '.join(map(quoted, self.clustered_by))})" if self.clustered_by else ""
        properties = ",\n".join(f"  {literal(key)} = {literal(value)}" for key, value in self.table_properties.items())
        body = ",\n".join(lines)
        return (
            f"CREATE TABLE IF NOT EXISTS {self.id} (\n{body}\n) USING delta{partition}{cluster}\n"
            f"COMMENT {literal(self.description)}\nLOCATION {literal(str(location))}\nTBLPROPERTIES (\n{properties}\n)"
        )

    @cached_property
    def table_properties(self) -> dict[str, str]:
        """Delta's settings, and for silver and ops the rules of severity error as CHECK constraints.

        Bronze keeps what arrived. Gold is judged as a whole by the quality gate, which says how many rows break a rule,
        before readers see it. Deletion vectors stay off: BI readers must open every table.
        """
        properties = {"delta.enableDeletionVectors": "false", "delta.checkpointInterval": "50"}
        if self.layer == "bronze":
            # Least and largest values of every column take half the time of a write. Jobs ask bronze for these alone.
            properties["delta.dataSkippingStatsColumns"] = "_file_hash,_run"
        if self.custom("changeFeed"):
            properties["delta.enableChangeDataFeed"] = "true"
        if self.layer in ("silver", "ops"):
            for rule in self.rules:
                if rule.severity == "error" and not rule.id.endswith(".required"):
                    # Delta takes NULL for a violation; a rule does not.
                    properties[f"delta.constraints.{rule.id.replace('.', '_')}"] = f"({rule.predicate}) is not false"
        return properties


def quoted(name: str) -> str:
    """An identifier between back quotes."""
    return f"`{name.replace('`', '``')}`"


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def column_rules(column: Column, *, types: Mapping[str, str] | None = None, zone: str = UTC) -> list[Rule]:
    """The rules that a column states about itself: required, identifier, enum, range, pattern.

    `types`: those of the table's columns, which a bound may name.
    """
    name = quoted(column.name)
    rules = []
    if column.required:
        rules.append(
            Rule(f"{column.name}.required", f"{name} is not null", "error", "a value is required", column.name)
        )
    if column.identifier:
        rules.append(Rule(f"{column.name}.identifier", column.identifier.predicate(name), "error", POLICY, column.name))
    if column.enum:
        allowed = ", ".join(literal(value) for value in column.enum)
        text = f"one of {', '.join(column.enum)}"
        rules.append(Rule(f"{column.name}.enum", f"{name} in ({allowed})", "error", text, column.name))
    physical_types = types or {column.name: column.physical_type}
    bounds = [
        time_bound(column.name, sign, value, types=physical_types, zone=zone)
        if isinstance(value, str)
        else f"{name} {sign} {_number(value)}"
        for sign, value in ((">=", column.minimum), ("<=", column.maximum))
        if value is not None
    ]
    if bounds:
        rules.append(Rule(f"{column.name}.range", " and ".join(bounds), "error", " and ".join(bounds), column.name))
    if column.pattern:
        predicate = f"{name} rlike {literal(column.pattern)}"
        rules.append(Rule(f"{column.name}.pattern", predicate, "error", f"matches {column.pattern}", column.name))
    return rules


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def contract_of(document: Document, *, time_zone: str = UTC) -> Contract:
    """The contract that a file states; an unknown custom property, or a value that it cannot have, is an error."""
    table = document.schema_[0]
    properties = {item.property: item.value for item in document.customProperties}
    unknown = set(properties) - set(KNOWN_PROPERTIES)
    if unknown:
        raise ConfigurationError(
            f"unknown custom property: {', '.join(sorted(unknown))}",
            where=document.id,
            remedy=f"known ones: {', '.join(KNOWN_PROPERTIES)}",
        )
    rules = tuple(Rule(rule.id, rule.implementation, rule.severity, rule.description) for rule in table.quality)
    contract = Contract(
        id=document.id,
        description=" ".join(document.description.purpose.split()),
        grain=table.dataGranularityDescription,
        columns=_columns(table.properties, document.id),
        row_rules=rules,
        properties=properties,
        usage=document.description.usage,
        limitations=document.description.limitations,
        time_zone=time_zone,
        product=document.dataProduct or CORE,
    )
    check_kind(contract.id, sliced=contract.partitioned_by == ["as_of"], stated=contract.custom("kind"))
    return contract


def _columns(items: list[Property], table: str) -> tuple[Column, ...]:
    columns = tuple(_column(item, table) for item in items)
    types = {column.name: column.physical_type for column in columns}
    for column in columns:
        for key, value in (("minimum", column.minimum), ("maximum", column.maximum)):
            if value is not None:
                try:
                    check_bound(value, column.physical_type, types)
                except ValueError as error:
                    raise _wrong(table, column.name, key, str(error)) from error
    return columns


def _wrong(table: str, column: str, key: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"column '{column}', {key}: {reason}",
        where=table,
        remedy=f"correct '{key}' of the column in schemas/{table.replace('.', '/')}.yml",
    )


def _column(item: Property, table: str) -> Column:
    custom = {entry.property: entry.value for entry in item.customProperties}
    if unknown := set(custom) - set(KNOWN_COLUMN_PROPERTIES):
        raise ConfigurationError(
            f"column '{item.name}' has an unknown custom property: {', '.join(sorted(unknown))}",
            where=table,
            remedy=f"known ones: {', '.join(KNOWN_COLUMN_PROPERTIES)}",
        )
    try:
        identifier = identifier_of(custom.get("identifier", False))
    except ValueError as error:
        raise _wrong(table, item.name, "identifier", str(error)) from error
    if identifier and item.physicalType != "STRING":
        raise _wrong(table, item.name, "identifier", f"an identifier is a STRING, not {item.physicalType}")
    placeholders = custom.get("placeholders", [])
    if not isinstance(placeholders, list) or not all(isinstance(value, str) and value for value in placeholders):
        raise _wrong(table, item.name, "placeholders", "write a list of texts in quotes, as a feed writes the values")
    return Column(
        name=item.name,
        physical_type=item.physicalType,
        required=item.required,
        description=" ".join(item.description.split()),
        classification=item.classification,
        key_position=(item.primaryKeyPosition or 1) if item.primaryKey else None,
        enum=tuple(value.value for value in item.enum),
        minimum=item.logicalTypeOptions.minimum,
        maximum=item.logicalTypeOptions.maximum,
        pattern=item.logicalTypeOptions.pattern,
        volatile=bool(custom.get("volatile", False)),
        unknown_when=custom.get("unknownWhen"),
        partition_position=(item.partitionKeyPosition or 1) if item.partitioned else None,
        identifier=identifier,
        placeholders=tuple(placeholders),
        label=custom.get("label"),
        vocabulary=custom.get("vocabulary"),
        source=custom.get("from"),
        references=references_of(custom.get("references"), f"{table}.{item.name}"),
    )
