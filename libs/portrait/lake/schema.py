"""A frame against its contract before a write, and a table against its contract when it is opened."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from portrait.contracts import Contract
from portrait.contracts.contract import literal, quoted
from portrait.errors import PortraitError


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


def evolve(spark: SparkSession, contract: Contract) -> None:
    """Add the contract's new nullable columns and its change feed to a registered table; let go of NOT NULL.

    Every other difference is an error. A change feed tells of commits after this one: who reads it starts anew then.
    """
    fields = spark.table(contract.id).schema.fields
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
    if new:
        columns = ", ".join(f"{quoted(c.name)} {c.physical_type} COMMENT {literal(c.description)}" for c in new)
        spark.sql(f"ALTER TABLE {contract.id} ADD COLUMNS ({columns})")
    for column in contract.columns:
        if column.name in strict and not column.required:
            spark.sql(f"ALTER TABLE {contract.id} ALTER COLUMN {quoted(column.name)} DROP NOT NULL")
    feed = "delta.enableChangeDataFeed"
    if feed in contract.table_properties:
        known = {row["key"]: row["value"] for row in spark.sql(f"SHOW TBLPROPERTIES {contract.id}").collect()}
        if known.get(feed) != "true":
            spark.sql(f"ALTER TABLE {contract.id} SET TBLPROPERTIES ('{feed}' = 'true')")


def comparable(contract: Contract, side: str, name: str) -> str:
    """A column as `<=>` can compare it: maps have no order of their own."""
    is_map = contract.column(name).physical_type.startswith("MAP")
    return f"array_sort(map_entries({side}.`{name}`))" if is_map else f"{side}.`{name}`"
