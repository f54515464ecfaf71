"""Parquet as common systems write it: every type that is exact is taken, a value that is not breaks its row alone."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row

from portrait.errors import InputRefused
from portrait.ingest.discover import landed_files
from portrait.ingest.inspect import inspect_file
from portrait.ingest.parquet import takes

from .conftest import Bank, NewBank, good

MOMENT = datetime(2025, 1, 1, 10)
NANOS = 1_735_725_600_000_000_000  # the same moment; 20,089 days and 10 hours


def land(bank: Bank, name: str, columns: dict[str, pa.Array], **how: Any) -> None:
    """A Parquet file of sound bookings, with some columns in another form."""
    rows = len(next(iter(columns.values())))
    table = {
        "id": pa.array([f"{name}-{number}" for number in range(rows)]),
        "booked_at": pa.array([MOMENT] * rows, pa.timestamp("us")),
        "amount": pa.array([Decimal("1.00")] * rows, pa.decimal128(18, 2)),
        "kind": pa.array(["card"] * rows),
        "valued_on": pa.nulls(rows, pa.date32()),
        "count": pa.nulls(rows, pa.int32()),
        "note": pa.nulls(rows, pa.string()),
    }
    file = bank.landing / "bookings" / f"{name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**table, **columns}), file, **how)


def nanos(*values: int, zone: str | None = None) -> pa.Array:
    return pa.array(values, pa.int64()).cast(pa.timestamp("ns", zone))


def decimals(precision: int, scale: int, *values: str) -> pa.Array:
    return pa.array([Decimal(value) for value in values], pa.decimal128(precision, scale))


@pytest.fixture(scope="module")
def delivered(new_bank: NewBank) -> Bank:
    bank = new_bank().with_contract(maxRejectShare=1.0)
    # The last value of each is not exact; a moment of the year 9999 does not fit into 64 bits of nanoseconds.
    land(bank, "nanos", {"booked_at": nanos(NANOS, NANOS + 1000, NANOS + 1)})
    land(bank, "zoned", {"booked_at": nanos(NANOS, NANOS + 999, zone="Europe/Berlin")})
    land(bank, "int96", {"booked_at": nanos(NANOS, NANOS + 1)}, use_deprecated_int96_timestamps=True)
    far = pa.array([datetime(9999, 12, 31), datetime(1500, 1, 1)], pa.timestamp("us"))
    land(bank, "far", {"booked_at": far}, use_deprecated_int96_timestamps=True)
    land(bank, "millis", {"booked_at": pa.array([MOMENT], pa.timestamp("ms", "UTC"))})
    land(bank, "narrow", {"amount": decimals(9, 2, "1.25")}, store_decimal_as_integer=True)
    land(bank, "tenths", {"amount": decimals(5, 1, "2.5")})
    land(bank, "wide", {"amount": decimals(38, 18, "3.25", "0.005")})
    land(bank, "long", {"count": pa.array([7, 2**31], pa.int64())})
    land(bank, "short", {"count": pa.array([7], pa.int8())})
    land(bank, "unsigned", {"count": pa.array([7, 2**32 - 1], pa.uint32())})
    land(bank, "date64", {"valued_on": pa.array([date(2025, 1, 2)], pa.date64())})
    midnights = pa.array([datetime(2025, 1, 2), datetime(2025, 1, 2, 0, 0, 1)], pa.timestamp("us"))
    land(bank, "midnight", {"valued_on": midnights})
    land(bank, "dictionary", {"kind": pa.array(["cash"]).dictionary_encode(), "count": pa.array([1], pa.int32())})
    land(bank, "large", {"note": pa.array(["x"], pa.large_string())})
    land(bank, "untyped", {"note": pa.nulls(1), "valued_on": pa.nulls(1)})
    land(bank, "nothing", {"id": pa.array([], pa.string())})
    bank.run()
    return bank


def accepted(bank: Bank) -> dict[str, Row]:
    return {row.id: row for row in bank.rows("bronze.bookings")}


@pytest.mark.delta
def test_exact_values_of_every_type_are_in_bronze(delivered: Bank) -> None:
    rows = accepted(delivered)
    wanted = {
        "nanos-0": ("booked_at", MOMENT),
        "nanos-1": ("booked_at", MOMENT.replace(microsecond=1)),
        "zoned-0": ("booked_at", MOMENT),
        "int96-0": ("booked_at", MOMENT),
        "far-0": ("booked_at", datetime(9999, 12, 31)),
        "far-1": ("booked_at", datetime(1500, 1, 1)),
        "millis-0": ("booked_at", MOMENT),
        "narrow-0": ("amount", Decimal("1.25")),
        "tenths-0": ("amount", Decimal("2.50")),
        "wide-0": ("amount", Decimal("3.25")),
        "long-0": ("count", 7),
        "short-0": ("count", 7),
        "unsigned-0": ("count", 7),
        "date64-0": ("valued_on", date(2025, 1, 2)),
        "midnight-0": ("valued_on", date(2025, 1, 2)),
        "dictionary-0": ("kind", "cash"),
        "large-0": ("note", "x"),
        "untyped-0": ("note", None),
    }
    assert {name: (column, rows[name][column]) for name, (column, _) in wanted.items()} == wanted
    assert set(rows) == set(wanted)


@pytest.mark.delta
def test_a_value_that_is_not_exact_breaks_its_row_alone(delivered: Bank) -> None:
    found = {(row.file.split("/")[1], row.line): row for row in delivered.rows("ops.quarantine")}
    assert {place: row.reasons for place, row in found.items()} == {
        ("nanos.parquet", 3): ["booked_at.type"],
        ("zoned.parquet", 2): ["booked_at.type"],
        ("int96.parquet", 2): ["booked_at.type"],
        ("wide.parquet", 2): ["amount.type"],
        ("long.parquet", 2): ["count.type"],
        ("unsigned.parquet", 2): ["count.type"],
        ("midnight.parquet", 2): ["valued_on.type"],
    }
    # The record keeps what came.
    assert '"booked_at":"2025-01-01T10:00:00.000000001Z"' in found["nanos.parquet", 3].record
    assert '"booked_at":"2025-01-01T10:00:00.000000999Z"' in found["zoned.parquet", 2].record
    assert '"booked_at":"2025-01-01T10:00:00.000000001Z"' in found["int96.parquet", 2].record
    assert '"amount":0.005' in found["wide.parquet", 2].record


@pytest.mark.delta
def test_a_file_without_rows_is_accepted(delivered: Bank) -> None:
    row = delivered.files()["bookings/nothing.parquet"]
    assert (row.status, row.rows_in, row.reason) == ("accepted", 0, None)


@pytest.mark.delta
def test_wrong_types_and_columns_that_differ_by_case_refuse_the_feed(bank: Bank) -> None:
    land(bank, "text", {"amount": pa.array(["1.00"])})
    land(bank, "float", {"amount": pa.array([1.0])})
    land(bank, "whole", {"amount": pa.array([100], pa.int64())})
    land(bank, "nested", {"note": pa.array([{"a": 1}])})
    land(bank, "twins", {"id": pa.array(["1"]), "Amount": decimals(18, 2, "2.00")})
    with pytest.raises(InputRefused) as caught:
        bank.run()
    message = str(caught.value)
    for file, reason in {
        "text": "column 'amount' is STRING, the contract says DECIMAL(18,2)",
        "float": "column 'amount' is DOUBLE, the contract says DECIMAL(18,2)",
        "whole": "column 'amount' is BIGINT, the contract says DECIMAL(18,2)",
        "nested": "column 'note' is struct<a: int64>, the contract says STRING",
        "twins": "columns 'amount' and 'Amount' differ by case alone",
    }.items():
        assert f"bookings/{file}.parquet: {reason}" in message
    for file in (bank.landing / "bookings").iterdir():
        file.unlink()
    bank.csv("a.csv", good(1))
    bank.run()
    assert bank.bronze_ids() == ["B1"], "and no later run is stopped"


def test_an_encrypted_file_is_named_as_that(tmp_path: Path) -> None:
    feed = tmp_path / "feed"
    feed.mkdir()
    pq.write_table(pa.table({"a": [1]}), feed / "x.parquet")
    data = (feed / "x.parquet").read_bytes()
    (feed / "x.parquet").write_bytes(b"PARE" + data[4:-4] + b"PARE")
    (landed,) = landed_files(tmp_path, known=["feed"])
    assert inspect_file(landed, width=1).problem == "file.parquet: the file is encrypted"


@pytest.mark.parametrize(
    ("wanted", "found", "taken"),
    [
        ("DECIMAL(18,2)", "DECIMAL(38,18)", True),
        ("DECIMAL(18,2)", "DECIMAL(50,2)", False),
        ("BIGINT", "DECIMAL(20,0)", True),
        ("INT", "TINYINT", True),
        ("INT", "DOUBLE", False),
        ("DOUBLE", "FLOAT", True),
        ("BOOLEAN", "INT", False),
        ("STRING", "BIGINT", False),
        ("TIMESTAMP", "DATE", False),
        ("DATE", "timestamp[ns]", True),
    ],
)
def test_which_types_a_contract_takes(wanted: str, found: str, taken: bool) -> None:
    assert takes(wanted, found) is taken
