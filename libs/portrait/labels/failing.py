"""A label that cannot be computed fails alone: it becomes unknown, is named, and the others are published.

Nothing in a label can loop, join, match patterns or reach outside, so that time and rows are bounded by the allow-list
(portrait.expressions.expression); what is left are values that a type cannot hold.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from portrait.errors import ConfigurationError, PortraitError
from portrait.events import event
from portrait.labels.declaration import LabelSet
from portrait.labels.portrait import customer_portrait
from portrait.lake import Lake

PORTRAIT = "gold.customer_portrait"


@dataclass(frozen=True)
class Written:
    """How the portrait's slice was written: labels that failed, with Spark's error condition, and how long it took."""

    failed: dict[str, str]
    seconds: float


def write_portrait(lake: Lake, *, labels: LabelSet, as_of: date, sources: Mapping[str, DataFrame]) -> Written:
    """Write the portrait's slice.

    Raises the first error where no label is at fault for it.
    """
    started = time.monotonic()
    try:
        lake.replace(PORTRAIT, customer_portrait(labels=labels, as_of=as_of, sources=sources), as_of)
        return Written({}, time.monotonic() - started)
    except ConfigurationError:
        raise
    except (PortraitError, PySparkException) as error:
        failed = failing_labels(labels=labels, as_of=as_of, sources=sources)
        if not failed:
            raise
        cause = error
    for label, reason in failed.items():
        event("label_failed", label=label, reason=reason, as_of=as_of)
    rest = customer_portrait(labels=labels, as_of=as_of, sources=sources, failed=failed)
    try:
        lake.replace(PORTRAIT, rest, as_of)
    except PortraitError as error:
        raise error from cause
    return Written(failed, time.monotonic() - started)


def computable(labels: LabelSet, *, as_of: date, sources: Mapping[str, DataFrame]) -> tuple[DataFrame, dict[str, str]]:
    """The portrait, kept in memory, and the labels that cannot be computed and are unknown in it."""
    portrait = customer_portrait(labels=labels, as_of=as_of, sources=sources)
    try:
        portrait.persist().count()
        return portrait, {}
    except PySparkException:
        portrait.unpersist()
        failed = failing_labels(labels=labels, as_of=as_of, sources=sources)
        if not failed:
            raise
    return customer_portrait(labels=labels, as_of=as_of, sources=sources, failed=failed).persist(), failed


def failing_labels(*, labels: LabelSet, as_of: date, sources: Mapping[str, DataFrame]) -> dict[str, str]:
    """Labels that Spark cannot compute on these slices, with its error condition; found by halving.

    A label that is made from one of them is among them.
    """
    computed = [item.label.id for item in labels.checked if item.label.is_computed]

    def search(ids: Sequence[str]) -> dict[str, str]:
        rest = set(computed) - _needed(labels, ids)
        condition = _condition(labels, ids, rest, as_of, sources)
        if condition is None:
            return {}
        if len(ids) == 1:
            return {ids[0]: condition}
        middle = len(ids) // 2
        return search(ids[:middle]) | search(ids[middle:])

    return search(computed)


def _needed(labels: LabelSet, ids: Sequence[str]) -> set[str]:
    """The labels themselves, and those from which they are made."""
    reads = {item.label.id: item.reads for item in labels.computed_from("portrait")}
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += sorted(reads.get(name, frozenset()) - {"as_of"})
    return found


def _condition(
    labels: LabelSet, ids: Sequence[str], rest: set[str], as_of: date, sources: Mapping[str, DataFrame]
) -> str | None:
    """Why these labels cannot be computed; None when they can."""
    try:
        portrait = customer_portrait(labels=labels, as_of=as_of, sources=sources, failed=rest)
        portrait.select(*ids).write.format("noop").mode("overwrite").save()
    except PySparkException as error:
        return error.getCondition() or type(error).__name__
    except Py4JError as error:
        return type(error).__name__
    return None
