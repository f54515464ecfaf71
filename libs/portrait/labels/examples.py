"""A label's own examples, computed as the label is: what it must say of a customer with given facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.labels.declaration import PHYSICAL_TYPES, CheckedLabel, Example, Fact


@dataclass(frozen=True)
class Tried:
    """One example of a label and what came out."""

    label: str
    example: Example
    found: Any
    passed: bool


def try_examples(spark: SparkSession, item: CheckedLabel, *, source: Contract) -> list[Tried]:
    """Every example of a label, in order; `source` is the contract of the table that the label reads."""
    kind = PHYSICAL_TYPES[item.label.type]
    tried = []
    for example in item.label.examples:
        facts = [
            F.lit(_plain(example.given.get(name))).cast(source.column(name).physical_type).alias(name)
            for name in sorted(item.reads)
        ]
        row = spark.range(1).select(*facts)
        wanted = F.lit(_plain(example.expect)).cast(kind)
        value = F.expr(item.sql).cast(kind)
        found, passed = row.select(value.alias("found"), value.eqNullSafe(wanted).alias("passed")).collect()[0]
        tried.append(Tried(item.label.id, example, found, passed))
    return tried


def _plain(fact: Fact) -> bool | str | None:
    """A fact as Spark can cast it exactly: numbers as their text, for 0.1 is no binary number."""
    return fact if fact is None or isinstance(fact, bool) else fact.isoformat() if isinstance(fact, date) else str(fact)
