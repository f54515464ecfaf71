"""The figures of the report: small aggregates of a slice and of the run, gathered in one Spark query.

Only counts, sums and averages by tier, group, label, product, rule, feed and job come to the driver; never a customer's
row, never an id of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.lake import Lake, Publication, Write, publications

Row = dict[str, Any]


class Of(StrEnum):
    """Which slices of a table a figure is made of."""

    this = "this"
    previous = "previous"
    history = "history"


@dataclass(frozen=True)
class Figure:
    """A small frame for the report: an aggregate of a table, of one of its slices, or of its newest ones."""

    table: str
    build: Callable[[DataFrame], DataFrame]
    """Makes few rows of it: counts and sums by something of which there is not much."""
    of: Of = Of.this


MOST = 2_000
"""Rows of a kind at most, where the bank's data decides how many there are: products, rules that files broke."""
SLICES = 24
"""Slices of the history charts of labels."""


@dataclass(frozen=True)
class Figures:
    """What the report prints. A name that is not in `rows` belongs to a table that is absent."""

    lake: str
    as_of: date
    previous: date | None
    run: int
    written_at: datetime | None
    published: Publication | None
    is_published: bool
    rows: dict[str, list[Row]] = field(default_factory=dict)
    slice_rows: dict[str, int | None] = field(default_factory=dict)
    held: dict[str, date | None] = field(default_factory=dict)
    """Data products that readers do not see as they are in this slice, and of which day they see them (None: never)."""

    is_partly_published: bool = False
    """Whether readers see some data products as they are in this slice, and others not."""

    def __getitem__(self, name: str) -> list[Row]:
        """The rows of that name; none for an absent table."""
        return self.rows.get(name, [])

    def has(self, name: str) -> bool:
        """Whether the table behind the name exists, with or without rows."""
        return name in self.rows

    def total(self, name: str, column: str) -> int:
        """The sum of a column of counts."""
        return sum(int(row[column] or 0) for row in self[name])


def gather(lake: Lake, *, as_of: date, wanted: Mapping[str, Figure], run: int) -> Figures:
    """The `wanted` figures of the slice of `as_of`, as written by `run`."""
    records = lake.records
    served = next(iter(publications(lake)), None)
    names = [contract.id for contract in lake.catalogue.layer("gold")]
    gold = {table: records.versions[table, as_of] for table in names if (table, as_of) in records.versions}
    days = served.days_of(lake.catalogue) if served else {}
    held = {
        product: days.get(product)
        for table, version in gold.items()
        for product in [lake.catalogue.table(table).product]
        if served is None or not served.serves(table, version=version, as_of=as_of)
    }
    rows = _collect(_frames(lake, as_of, wanted))
    moments = [datetime.fromisoformat(row["recorded_at"]) for row in rows.get("jobs", []) if row["recorded_at"]]
    return Figures(
        lake=lake.root.name,
        as_of=as_of,
        previous=lake.previous_as_of("gold.customer_tier", as_of),
        run=run,
        written_at=max(moments, default=None),
        published=served,
        is_published=served is not None and bool(gold) and not held,
        rows=rows,
        slice_rows={table: lake.rows_written(Write(table, as_of, version)) for table, version in gold.items()},
        held=held,
        is_partly_published=bool(held) and bool({lake.catalogue.table(table).product for table in gold} - held.keys()),
    )


def newest_run(lake: Lake, as_of: date) -> int:
    """The newest run that wrote a slice of `as_of`; of the whole lake when none did."""
    runs = [run for (_, day), run in lake.records.last_write.items() if day == as_of]
    return max(runs, default=lake.records.last_run)


def _frames(lake: Lake, as_of: date, wanted: Mapping[str, Figure]) -> dict[str, DataFrame]:
    """One small frame per figure, for the tables that exist."""
    frames = {}
    for name, figure in wanted.items():
        if figure.table not in lake.catalogue.contracts:
            continue
        rows = _rows_of(lake, figure, as_of)
        if rows is not None:
            frames[name] = figure.build(rows)
    return frames


def _rows_of(lake: Lake, figure: Figure, as_of: date) -> DataFrame | None:
    """The rows that a figure is made of; None where there are none."""
    if not lake.catalogue.table(figure.table).sliced:
        return lake.read(figure.table) if lake.has(figure.table) else None
    if as_of not in lake.slices(figure.table):
        return None
    if figure.of is Of.history:
        days = [day for day in lake.slices(figure.table) if day <= as_of][-SLICES:]
        return lake.read(figure.table).where(F.col("as_of").isin(days))
    day = as_of if figure.of is Of.this else lake.previous_as_of(figure.table, as_of)
    return None if day is None else lake.slice(figure.table, day)


def _collect(frames: dict[str, DataFrame]) -> dict[str, list[Row]]:
    """All frames in one query: each row travels as JSON beside the name of its frame."""
    if not frames:
        return {}
    options = {"ignoreNullFields": "false"}
    packed = [
        frame.select(F.lit(name).alias("name"), F.to_json(F.struct("*"), options).alias("row"))
        for name, frame in frames.items()
    ]
    found: dict[str, list[Row]] = {name: [] for name in frames}
    for row in reduce(DataFrame.unionByName, packed).collect():
        found[row["name"]].append(json.loads(row["row"], parse_float=Decimal))
    return found


def customers_counted() -> Column:
    """The aggregate `customers`: how many rows there are."""
    return F.count(F.lit(1)).alias("customers")


def whole_slice(small: DataFrame) -> DataFrame:
    """The slice of a table that is an aggregate already."""
    return small.drop("as_of")
