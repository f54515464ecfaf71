"""What a label costs. All labels come from one plan: its rows and seconds are shared out among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlglot import parse_one

from portrait.labels.declaration import LabelSet
from portrait.lake import Lake, Write


@dataclass(frozen=True)
class Cost:
    """A label's share of one computation of the portrait."""

    rows_read: float | None
    seconds: float


def costs(lake: Lake, labels: LabelSet, *, as_of: date, seconds: float) -> dict[str, Cost]:
    """Label to its cost at a slice, for every label that is computed.

    Rows of a source are shared equally by the labels that read it: over all labels they add up to the rows of the
    scans. A label made from labels needs no scan. The `seconds` of the whole are shared by the number of terms of each
    expression, for the plan does not tell what one of them took. Rows are None where no commit says how many there are.
    """
    computed = [item for item in labels.checked if item.label.is_computed]
    terms = {item.label.id: sum(1 for _ in parse_one(item.sql, dialect="spark").walk()) for item in computed}
    rows: dict[str, float | None] = {"portrait": 0.0}
    for source in lake.catalogue.label_sources:
        readers, version = len(labels.computed_from(source)), lake.records.versions.get((f"gold.{source}", as_of))
        found = lake.rows_written(Write(f"gold.{source}", as_of, version)) if version is not None else None
        rows[source] = found / readers if found is not None and readers else None
    total = sum(terms.values())
    return {item.label.id: Cost(rows[item.label.from_], seconds * terms[item.label.id] / total) for item in computed}
