"""Why a customer is in an audience, or is not: every clause with its verdict, and the facts behind each label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from portrait.capabilities.audiences.clauses import Clause, Columns, Comparison, labels_read, parts_of, shown
from portrait.capabilities.audiences.columns import ARROW_TYPES
from portrait.errors import ConfigurationError
from portrait.labels.declaration import CheckedLabel
from portrait.labels.tables import HISTORY
from portrait.lake import Reader, Selection
from portrait.lake.arrow import array_of


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
    portrait: Selection, *, customer: str, clause: Clause, labels: dict[str, CheckedLabel]
) -> dict[str, pa.Array]:
    """The labels that a clause reads, of one customer, as columns of one row.

    Raises ConfigurationError when the slice does not have the customer.
    """
    names, there = sorted(labels_read(clause)), set(portrait.columns)
    rows = portrait.where("customer_id", "=", customer).rows(["customer_id", *[n for n in names if n in there]])
    if not rows:
        raise ConfigurationError(
            "no such customer in the slice", where="gold.customer_portrait", remedy="check the id, or --as-of"
        )
    return {name: array_of([rows[0].get(name)], ARROW_TYPES[labels[name].label.type]) for name in names}


def behind(
    reader: Reader, *, customer: str, as_of: date, columns: Columns, labels: dict[str, CheckedLabel]
) -> dict[str, Behind]:
    """For each of `columns`, what lies behind it. `since` is None where the label was never known."""
    history = reader.read(HISTORY).where("customer_id", "=", customer).where("as_of", "<=", as_of)
    changed: dict[str, date] = {}
    for row in history.where("label", "in", sorted(columns)).rows(["label", "valid_from"]):
        changed[row["label"]] = max(row["valid_from"], changed.get(row["label"], row["valid_from"]))
    facts: dict[str, dict[str, Any]] = {}
    for source in {labels[name].label.source for name in columns}:
        reads = sorted(
            {column for name in columns if labels[name].label.source == source for column in labels[name].reads}
        )
        if as_of not in reader.slices(source):  # its capability is not used: nothing is on record
            facts[source] = {}
            continue
        rows = reader.slice(source, as_of).where("customer_id", "=", customer)
        there = [column for column in reads if column in set(rows.columns)]  # others are younger than the table
        found = rows.rows(there) if there else []
        facts[source] = found[0] if found else {}
    return {
        name: Behind(
            value=column[0].as_py(),
            since=changed.get(name),
            rule=labels[name].label.rule,
            facts={key: facts[labels[name].label.source].get(key) for key in sorted(labels[name].reads)},
        )
        for name, column in columns.items()
    }
