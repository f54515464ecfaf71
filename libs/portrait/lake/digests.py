"""An order-free digest of a table, for comparing runs."""

from __future__ import annotations

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, MapType

from portrait.lake.lake import Lake


def digest(lake: Lake, table: str, as_of: date | None = None) -> str:
    """`rows-hash` of a table, or of its slice of `as_of`.

    The hash is the sum of a 64-bit hash of each row, so the order of rows and files does not matter, while repeated
    rows do. Columns that differ between equal runs (`volatile` in the contract) are left out.
    """
    contract = lake.catalogue.table(table)
    rows = lake.slice(table, as_of) if contract.sliced and as_of else lake.read(table)
    names = [column.name for column in contract.columns if not column.volatile]
    return frame_digest(rows.select(*names))


def frame_digest(rows: DataFrame) -> str:
    """The digest of a frame; null and absent are told apart, maps are compared without regard to order."""
    columns = [_canonical(F.col(f"`{field.name}`"), field.dataType).alias(field.name) for field in rows.schema.fields]
    text = F.to_json(F.struct(*columns), {"ignoreNullFields": "false"})
    total = F.sum(F.xxhash64(text).cast("decimal(38,0)"))
    result = rows.agg(F.count("*").alias("rows"), total.alias("total")).head()
    assert result is not None, "an aggregate without groups has one row"
    return f"{result['rows']}-{int(result['total'] or 0) & 0xFFFFFFFFFFFFFFFF:016x}"


def _canonical(column: Column, kind: DataType) -> Column:
    return F.array_sort(F.map_entries(column)) if isinstance(kind, MapType) else column
