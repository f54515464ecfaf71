"""A frame against its contract before a write, and a table against its contract when it is opened."""

from __future__ import annotations

from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.sql import DataFrame

from portrait.contracts import Contract
from portrait.contracts.contract import literal, quoted
from portrait.errors import PortraitError
from portrait.lake.files import schema_of


def check_frame(df: DataFrame, contract: Contract) -> None:
    """Raise PortraitError listing every difference of names and types; nothing is added, nothing is cast."""
    found = {field.name: field.dataType.simpleString() for field in df.schema.fields}
    wanted = {field.name: field.dataType.simpleString() for field in contract.struct_type.fields}
    differences = [f"column '{name}' is missing ({kind})" for name, kind in wanted.items() if name not in found]
    differences += [
        f"column '{name}' is not in the contract ({kind})" for name, kind in found.items() if name not in wanted
    ]
    differences += [
        f"column '{name}' is {found[name]}, the contract says {kind}"
        for name, kind in wanted.items()
        if name in found and found[name] != kind
    ]
    if differences:
        raise PortraitError(
            f"the frame differs from the contract: {'; '.join(differences)}",
            where=contract.id,
            remedy=f"correct the job that writes it, or schemas/{contract.layer}/{contract.name}.yml",
        )


def evolution(folder: Path, contract: Contract) -> list[str]:
    """The statements that give a table the contract's new nullable columns, rules and change feed, and end NOT NULL.

    Every other difference is an error. A change feed tells of commits after this one: who reads it starts anew then.
    """
    try:
        table = DeltaTable(str(folder))
    except DeltaError:  # a table of a later release: whoever reads or writes it is told so
        return []
    fields = schema_of(table).fields
    found = {field.name: field.dataType.simpleString() for field in fields}
    kinds = {field.name: field.dataType.simpleString() for field in contract.struct_type.fields}
    strict = {field.name for field in fields if not field.nullable}
    new = [column for column in contract.columns if column.name not in found]
    refused = [
        f"new column '{column.name}' is required, but older rows have no value" for column in new if column.required
    ]
    refused += [
        f"column '{name}' is {found[name]} in the table and {kind} in the contract"
        for name, kind in kinds.items()
        if name in found and found[name] != kind
    ]
    if refused:
        raise PortraitError(
            f"the table cannot become what its contract says: {'; '.join(refused)}",
            where=contract.id,
            remedy="migrate the table (ALTER, or rebuild it into a new lake) before the contract",
        )
    alter = f"ALTER TABLE {contract.id}"
    statements = []
    if new:
        columns = ", ".join(f"{quoted(c.name)} {c.physical_type} COMMENT {literal(c.description)}" for c in new)
        statements.append(f"{alter} ADD COLUMNS ({columns})")
    for column in contract.columns:
        if column.name in strict and not column.required:
            statements.append(f"{alter} ALTER COLUMN {quoted(column.name)} DROP NOT NULL")
    configuration = table.metadata().configuration
    for name, predicate in contract.table_properties.items():
        known = configuration.get(name)
        if name.startswith("delta.constraints.") and known is not None and known != predicate:
            constraint = name.removeprefix("delta.constraints.")
            statements.append(f"{alter} DROP CONSTRAINT {quoted(constraint)}")
            statements.append(f"{alter} ADD CONSTRAINT {quoted(constraint)} CHECK ({predicate})")
    feed = "delta.enableChangeDataFeed"
    if feed in contract.table_properties and configuration.get(feed) != "true":
        statements.append(f"{alter} SET TBLPROPERTIES ('{feed}' = 'true')")
    return statements


def comparable(contract: Contract, side: str, name: str) -> str:
    """A column as `<=>` can compare it: maps have no order of their own."""
    is_map = contract.column(name).physical_type.startswith("MAP")
    return f"array_sort(map_entries({side}.`{name}`))" if is_map else f"{side}.`{name}`"
