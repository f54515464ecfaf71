"""Which past slices a model learns from, and their customers with what they did afterwards.

A slice can be learnt from when its whole horizon has passed. The newest such slice is kept for validation; models learn
from slices whose horizon had passed by its day, so nothing that validation measures was known to them.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.prospects.declaration import CheckedTarget, Event
from portrait.capabilities.prospects.policy import TrainingPolicy
from portrait.entities.ownership import People
from portrait.features.customer import event_sources
from portrait.features.facts import Tables

TARGET = "took"
KNOWN = "known_on"
"""The slice of a row; not a feature."""


@dataclass(frozen=True)
class Split:
    """Slices to learn from, oldest first, and the later one on which models are measured."""

    learnt: tuple[date, ...]
    validation: date


def split_by_time(slices: Sequence[date], *, as_of: date, months: int, policy: TrainingPolicy) -> Split | None:
    """The split for a model of `as_of`; None where there are too few past slices."""
    known = [day for day in slices if add_months(day, months) <= as_of]
    if not known:
        return None
    validation, learnt = max(known), list[date]()
    for day in sorted(known, reverse=True):
        apart = not learnt or day <= learnt[-1] - timedelta(days=policy.apart_days)
        if add_months(day, months) <= validation and apart and len(learnt) < policy.most_slices:
            learnt.append(day)
    return Split(tuple(reversed(learnt)), validation) if len(learnt) >= policy.least_slices else None


def add_months(day: date, months: int) -> date:
    """The same day so many months later, as Spark's `add_months`: 31 January and one month are the last of February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def event_days(tables: Tables, people: People, event: Event, *, as_of: date, zone: str) -> DataFrame | None:
    """One row per customer who ever did it by `as_of`: on which days, ascending; None where the bank does not say.

    `tables` by name without the layer, those that are there; `people`: see `people_of`.
    """
    if event.source not in tables:
        return None
    events = event_sources()[event.source](tables, people, as_of=as_of, zone=zone)
    if not set(event.where) <= set(events.columns):
        return None
    for dimension, values in event.where.items():
        events = events.where(F.col(dimension).isin(*values))
    day = F.date_sub(F.lit(as_of), F.col("age").cast("int"))
    return events.groupBy("customer_id").agg(F.sort_array(F.collect_set(day)).alias("did_on"))


def population(features: DataFrame, target: CheckedTarget, days: DataFrame) -> DataFrame:
    """The rows of slices of gold.customer_features who could do it, with `did_on` (null: never)."""
    # Labels alone, beside the row as a whole: a label may have the name of a feature and be something else.
    labels = [F.expr(sql).alias(name) for name, sql in target.labels.items()]
    asked = features.select(F.struct("*").alias("_row"), *labels).where(
        F.coalesce(F.expr(target.clause.sql), F.lit(False))
    )
    could = asked.select("_row.*").join(days, on="customer_id", how="left")
    if target.target.event.first:
        before = F.exists("did_on", lambda day: day <= F.col("as_of"))
        could = could.where(~F.coalesce(before, F.lit(False)))
    return could


def labelled(could: DataFrame, target: CheckedTarget, *, also: Sequence[str] = ()) -> DataFrame:
    """Features, the slice as `known_on`, and `took`: 1 where the event came within the horizon, else 0."""
    until = F.add_months("as_of", target.target.horizon_months)
    came = F.exists("did_on", lambda day: (day > F.col("as_of")) & (day <= until))
    return could.select(
        *dict.fromkeys([*target.features, *also]),
        F.col("as_of").alias(KNOWN),
        F.coalesce(came, F.lit(False)).cast("int").alias(TARGET),
    )
