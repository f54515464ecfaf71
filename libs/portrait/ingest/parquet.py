"""What the columns of a Parquet file are, and which of them a contract's types can take; `reading` reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

NANOSECONDS = "timestamp[ns]"
"""The type of a timestamp that is stored as whole nanoseconds; Spark reads it as a number."""
NO_TYPE = "null"
"""The type of a column without a single value, as pandas writes it."""
MOST_FINE = 1000
"""So many values finer than a microsecond are told one by one; a file with more is quarantined whole."""
_WHOLE = ("TINYINT", "SMALLINT", "INT", "BIGINT")
_INTEGERS = {(8, True): "TINYINT", (16, True): "SMALLINT", (32, True): "INT", (64, True): "BIGINT"} | {
    (8, False): "SMALLINT", (16, False): "INT", (32, False): "BIGINT", (64, False): "DECIMAL(20,0)"
}  # fmt: skip
_PLAIN = {"BOOLEAN": "BOOLEAN", "INT32": "INT", "INT64": "BIGINT", "INT96": "TIMESTAMP", "FLOAT": "FLOAT"} | {
    "DOUBLE": "DOUBLE"
}


def column_types(file: pq.ParquetFile) -> tuple[str, ...]:
    """The types of a file's columns in the words of Spark and of contracts; Arrow's word where those have none."""
    leaves = [file.schema.column(place) for place in range(len(file.schema))]
    plain = {leaf.path: leaf for leaf in leaves if leaf.max_repetition_level == 0}
    schema = file.schema_arrow
    return tuple(
        _word(plain[name], kind) if name in plain and not pa.types.is_nested(kind) else str(kind)
        for name, kind in zip(schema.names, schema.types, strict=True)
    )


def _word(leaf: pq.ColumnSchema, kind: pa.DataType) -> str:
    logical = json.loads(leaf.logical_type.to_json())
    name = logical["Type"]
    if name == "None":
        return _PLAIN.get(leaf.physical_type, str(kind))
    if name in ("String", "Enum", "JSON"):
        return "STRING"
    if name == "Decimal":
        return f"DECIMAL({logical['precision']},{logical['scale']})"
    if name == "Timestamp":
        return NANOSECONDS if logical["timeUnit"] == "nanoseconds" else "TIMESTAMP"
    if name == "Int":
        return _INTEGERS[logical["bitWidth"], logical["isSigned"]]
    return "DATE" if name == "Date" else str(kind)


def fine_values(source: Path, columns: Sequence[str]) -> list[tuple[str, int, int]]:
    """Values of INT96 columns that are no whole microseconds: column, row, nanoseconds beyond. One more than told.

    Nanoseconds of such a column do not fit into 64 bits beyond the year 2262, but what wraps around cancels out here.
    """
    found: list[tuple[str, int, int]] = []
    if not columns:
        return found
    with pq.ParquetFile(source) as exact, pq.ParquetFile(source, coerce_int96_timestamp_unit="us") as short:
        above = 0
        pairs = zip(exact.iter_batches(columns=list(columns)), short.iter_batches(columns=list(columns)), strict=True)
        for nanos, micros in pairs:
            for name in columns:
                whole, cut = (_numbers(batch.column(batch.schema.get_field_index(name))) for batch in (nanos, micros))
                with np.errstate(over="ignore"):
                    rest = whole - cut * np.int64(1000)
                found += [(name, above + int(row), int(rest[row])) for row in np.flatnonzero(rest)[: MOST_FINE + 1]]
            above += nanos.num_rows
            if len(found) > MOST_FINE:
                break
    return found


def _numbers(values: pa.Array) -> np.ndarray:
    numbers: np.ndarray = values.view(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return numbers


def takes(wanted: str, found: str) -> bool:
    """Whether values of a Parquet type can be values of a contract's type, all of them or those that are exact."""
    if found == NO_TYPE:
        return True
    decimal = found.startswith("DECIMAL") and int(found[8:].split(",")[0]) <= 38
    if wanted.startswith("DECIMAL"):
        return decimal
    if wanted in ("INT", "BIGINT"):
        return found in _WHOLE or decimal
    if wanted == "DOUBLE":
        return found in ("DOUBLE", "FLOAT")
    if wanted == "DATE":
        return found in ("DATE", "TIMESTAMP", NANOSECONDS)
    return found == wanted or (wanted == "TIMESTAMP" and found == NANOSECONDS)
