"""Files of a small bank as they are delivered, kept apart from how they are rendered, so that damage can be planned.

A row knows its texts, what is expected of it, and a marker that occurs nowhere else: wherever the marker turns up,
there is the row. Expected values are written here by hand, never read by the code under test.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TRANSACTIONS = (
    "transaction_id", "account_id", "booked_at", "amount", "direction", "balance_after", "type", "channel",
    "category", "merchant_id", "counterparty_bank", "counterparty_account", "note",
)  # fmt: skip
CUSTOMERS = (
    "customer_id", "op", "changed_at", "birth_date", "gender", "region_id", "residence", "occupation", "education",
    "marital_status", "children", "declared_income", "employer_id", "branch_id", "manager_id", "risk_level",
    "risk_assessed_on", "consent_marketing", "consent_channels", "full_name", "phone", "national_id",
)  # fmt: skip
COLUMNS = {"transactions": TRANSACTIONS, "customers": CUSTOMERS}
KEYS = {"transactions": "transaction_id", "customers": "customer_id"}
MARKED = {"transactions": "note", "customers": "full_name"}
"""The column that holds the marker of a row."""

_TYPES = {
    "booked_at": pa.timestamp("us", tz="UTC"),
    "changed_at": pa.timestamp("us", tz="UTC"),
    "amount": pa.decimal128(18, 2),
    "balance_after": pa.decimal128(18, 2),
    "declared_income": pa.decimal128(18, 2),
    "birth_date": pa.date32(),
    "risk_assessed_on": pa.date32(),
    "children": pa.int32(),
    "consent_marketing": pa.bool_(),
}


@dataclass
class Row:
    """One row: `texts` by column (None: no value), and what must become of it.

    `fate`: `good` (in bronze with exactly `values`), `bad` (in quarantine), `exact` (either of them, and in bronze only
    with `values`), `any` (either). A file that is reported as a whole takes its rows with it.
    """

    texts: dict[str, str | None]
    marker: str
    fate: str = "good"
    values: dict[str, Any] = field(default_factory=dict)
    record: str | None = None  # the text of the record, where it is not what a CSV writer would make of `texts`
    json: dict[str, Any] = field(default_factory=dict)  # values that JSON has otherwise than as text; _ABSENT: no key

    def expect(self, fate: str, **values: Any) -> None:
        """State what must become of the row; a fate that is stated twice is the weaker one."""
        order = ("good", "exact", "any")
        both = {self.fate, fate}
        if self.fate == "good" or self.fate == fate:
            self.fate = fate
        elif "bad" in both and "good" in both:
            self.fate = "bad"
        else:
            self.fate = "any" if "bad" in both else max(both, key=order.index)
        self.values |= values


ABSENT = object()


@dataclass
class Delivered:
    """One file of a feed and how it is rendered."""

    feed: str
    name: str
    rows: list[Row]
    format: str = "csv"
    header: list[str] | None = None
    newline: str = "\n"
    delimiter: str = ","
    with_header: bool = True
    encoding: str = "utf-8"
    packed: bool = False
    casts: dict[str, pa.DataType] = field(default_factory=dict)
    parquet: dict[str, Any] = field(default_factory=dict)
    data: bytes | None = None  # the bytes once rendered; operations on bytes change these
    unreadable: bool = False  # no row of it can be told from its bytes
    extra: dict[str, str] = field(default_factory=dict)  # further columns, each with one value

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the feed."""
        return COLUMNS[self.feed]

    @property
    def path(self) -> str:
        """Relative to the landing folder."""
        return f"{self.feed}/{self.name}"

    def render(self) -> None:
        """Make the bytes of the file."""
        if self.format == "parquet":
            self.data = self._parquet()
            return
        text = self._json_lines() if self.format == "jsonl" else self._csv()
        data = text.encode(self.encoding, "surrogatepass")
        self.data = gzip.compress(data, mtime=0) if self.packed else data

    def _csv(self) -> str:
        names = self.header or [*self.columns, *self.extra]
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator=self.newline)
        if self.with_header:
            writer.writerow(names)
        for row in self.rows:
            if row.record is not None:
                out.write(row.record + self.newline)
            else:
                texts = {**row.texts, **self.extra}
                writer.writerow([texts.get(_own(name, self.columns), "") for name in names])
        return out.getvalue()

    def _json_lines(self) -> str:
        lines = []
        for row in self.rows:
            if row.record is not None:
                lines.append(row.record)
                continue
            values = {name: value for name, value in row.texts.items() if value not in (None, "")}
            values |= row.json
            values |= self.extra
            names = {_own(name, self.columns): name for name in self.header or self.columns}
            record = {names.get(name, name): value for name, value in values.items() if value is not ABSENT}
            lines.append(json.dumps(record, ensure_ascii=False))
        return self.newline.join([*lines, ""])

    def _parquet(self) -> bytes:
        names = self.header or [*self.columns, *self.extra]
        arrays, fields = [], []
        for name in names:
            own = _own(name, self.columns)
            values = [self.extra.get(name, row.texts.get(own)) for row in self.rows]
            kind = _TYPES.get(own, pa.string())
            array = pa.array([typed(own, value) for value in values], kind)
            if own in self.casts:
                array = array.cast(self.casts[own], safe=False)
            arrays.append(array)
            fields.append(pa.field(name, array.type))
        out = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), out, **self.parquet)
        return out.getvalue()


def _own(name: str, columns: tuple[str, ...]) -> str:
    """The contract's column that a header's name stands for, whatever its case."""
    return next((column for column in columns if column.lower() == name.lower()), name)


def typed(column: str, text: str | None) -> Any:
    """A sound text as the value that bronze must hold; None where it is none or not sound."""
    kind = _TYPES.get(column)
    if text in (None, ""):
        return None
    assert text is not None
    try:
        if kind is None:
            return text
        if pa.types.is_timestamp(kind):
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
        if pa.types.is_date32(kind):
            return date.fromisoformat(text)
        if pa.types.is_decimal(kind):
            value = Decimal(text).quantize(Decimal("0.01"))
            return value if abs(value) < Decimal(10) ** 16 else None
        return int(text) if pa.types.is_integer(kind) else text == "true"
    except (ValueError, ArithmeticError):
        return None


def expected_values(row: Row, columns: tuple[str, ...]) -> dict[str, Any]:
    """What bronze must hold of a row."""
    return {name: row.values.get(name, typed(name, row.texts.get(name))) for name in columns}


def transactions(letter: str, count: int) -> list[Row]:
    """Sound bookings; `letter` keeps the ids of several files apart."""
    rows = []
    for number in range(count):
        marker = f"m0{letter}{number:04d}"
        amount = Decimal(100 + 37 * number) / 100
        texts = {
            "transaction_id": f"T{letter}{number:04d}",
            "account_id": f"A{number % 12:03d}",
            "booked_at": f"2025-03-{number % 28 + 1:02d} 09:{number % 60:02d}:00",
            "amount": f"{amount:.2f}",
            "direction": "credit" if number % 3 == 0 else "debit",
            "balance_after": "" if number % 4 else f"{1000 + number}.50",
            "type": "transfer_in" if number % 3 == 0 else "card_payment",
            "channel": "mobile",
            "category": "" if number % 3 == 0 else "grocery",
            "merchant_id": "" if number % 3 == 0 else f"M{number % 7}",
            "counterparty_bank": "",
            "counterparty_account": "",
            "note": f"{marker} rent, March" if number % 5 == 0 else marker,
        }
        rows.append(Row(texts, marker))
    return rows


def customers(letter: str, count: int) -> list[Row]:
    """Sound change records of customers."""
    rows = []
    for number in range(count):
        marker = f"m0{letter}{number:04d}"
        texts = {
            **dict.fromkeys(CUSTOMERS, ""),
            "customer_id": f"C{letter}{number:04d}",
            "op": "I",
            "changed_at": f"2024-{number % 12 + 1:02d}-10 08:00:00",
            "birth_date": f"19{40 + number % 60}-06-{number % 28 + 1:02d}",
            "gender": "F" if number % 2 else "M",
            "residence": "urban",
            "children": str(number % 4),
            "declared_income": f"{1000 + number}.00",
            "consent_marketing": "true" if number % 2 else "false",
            "full_name": marker,
        }
        rows.append(Row(texts, marker))
    return rows
