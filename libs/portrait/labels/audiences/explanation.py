"""Why a customer is in an audience, or is not: every clause with its verdict, and the facts behind each label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.labels.audiences.clauses import Clause, Columns, Comparison, labels_read, parts_of, shown
from portrait.labels.audiences.columns import ARROW_TYPES
from portrait.labels.declaration import CheckedLabel
from portrait.lake import Lake

HISTORY = "gold.label_history"


@dataclass(frozen=True)
class Line:
    """One clause of the tree: how deep it lies, what it says, and whether it holds; None: it cannot be told."""

    depth: int
    text: str
    verdict: bool | None
    label: str | None


@dataclass(frozen=True)
class Behind:
    """What a label says of the customer: its value, the day from which it holds, and the facts it was made from."""

    value: Any
    since: date | None
    rule: str
    facts: dict[str, Any]


def tree(clause: Clause, columns: Columns, *, row: int = 0, depth: int = 0) -> Iterator[Line]:
    """The clause and all below it with their verdicts for one row of `columns`, in reading order."""
    label = clause.label if isinstance(clause, Comparison) else None
    yield Line(depth, shown(clause), clause.evaluate(columns)[row].as_py(), label)
    for part in parts_of(clause):
        yield from tree(part, columns, row=row, depth=depth + 1)


def one_customer(
    portrait: DataFrame, *, customer: str, clause: Clause, labels: dict[str, CheckedLabel]
) -> dict[str, pa.Array]:
    """The labels that a clause reads, of one customer, as columns of one row.

    Raises ConfigurationError when the slice does not have the customer.
    """
    names = sorted(labels_read(clause))
    row = portrait.where(F.col("customer_id") == F.lit(customer)).select(*names).head()
    if row is None:
        raise ConfigurationError(
            "no such customer in the slice", where="gold.customer_portrait", remedy="check the id, or --as-of"
        )
    return {name: pa.array([row[name]], type=ARROW_TYPES[labels[name].label.type]) for name in names}


def behind(
    lake: Lake, *, customer: str, as_of: date, columns: Columns, labels: dict[str, CheckedLabel]
) -> dict[str, Behind]:
    """For each of `columns`, what lies behind it. `since` is None where the label was never known."""
    history = lake.read(HISTORY).where(
        (F.col("customer_id") == F.lit(customer)) & (F.col("as_of") <= F.lit(as_of)) & F.col("label").isin(*columns)
    )
    changed = {
        row.label: row.since for row in history.groupBy("label").agg(F.max("valid_from").alias("since")).collect()
    }
    facts: dict[str, dict[str, Any]] = {}
    for source in {labels[name].label.source for name in columns}:
        reads = sorted(
            {column for name in columns if labels[name].label.source == source for column in labels[name].reads}
        )
        rows = lake.slice(source, as_of).where(F.col("customer_id") == F.lit(customer))
        found = rows.select(*reads).head() if reads else None
        facts[source] = found.asDict() if found else {}
    return {
        name: Behind(
            value=column[0].as_py(),
            since=changed.get(name),
            rule=labels[name].label.rule,
            facts={key: facts[labels[name].label.source].get(key) for key in sorted(labels[name].reads)},
        )
        for name, column in columns.items()
    }
