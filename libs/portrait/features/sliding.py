"""Features of bookings out of an earlier slice: what a day changes is added, the history is not read again.

- Counts and sums slide: the earlier value, plus what became known since of days that it covers, plus the days that
  enter the window, less those that leave it. Only these days are read, of silver.transactions.
- Largest and least amounts, distinct days and months, days since, and counts and sums that are parts of other features
  and stand in no slice, come from the daily bookings of their own window.
- Where a window has no beginning, what cannot be added is the better of the earlier value and what is new.
- Customers without an earlier value, those of whom one is unknown, and those from whom bookings were taken back that
  such a value may stand on, are computed from all their daily bookings, with sums that cannot overflow.

The result equals that of `aggregate_bookings` to the cent, whatever came late, was corrected or changed its owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.entities.daily import BOOKING, changed_bookings
from portrait.errors import PortraitError
from portrait.features.bookings import Care, Cell, add_up, aggregate_bookings, booking_sums, sums_of
from portrait.features.feature import Feature
from portrait.features.passes import passes
from portrait.features.windows import spans
from portrait.lake import Lake
from portrait.spark.joins import side_by_side

_LONGEST = 31  # days between two slices; beyond that sliding reads as much as starting anew
_YEARS = 5  # a shorter history is read in less time than wide rows slide: decision 0003
_FEATURES, _TRANSACTIONS, _DAILY = "gold.customer_features", "silver.transactions", "silver.customer_daily"


@dataclass(frozen=True)
class Earlier:
    """An earlier slice of gold.customer_features, and what happened since the bank knew what it was computed from."""

    as_of: date
    features: DataFrame
    """The slice."""
    changes: DataFrame
    """Rows that were added to silver.customer_daily since: bookings of any day, +1 and -1."""
    transactions: DataFrame
    """silver.transactions as it is now."""


def earlier_slice(lake: Lake, as_of: date) -> Earlier | None:
    """The slice to slide from, and what became known since; None: compute from the beginning.

    It is the slice as its job left it when it succeeded, by the same code and declarations. The slice saves work and
    never changes a result, therefore it is no input in the contract. Raises PortraitError where silver.customer_daily
    lags behind silver.transactions.
    """
    transactions = lake.read(_TRANSACTIONS)  # before its version is asked for: opening a table may alter it
    now = lake.version(_TRANSACTIONS)
    if lake.note(_DAILY).get("transactions") != now:
        raise PortraitError(
            f"{_DAILY} is not of the same state as {_TRANSACTIONS}",
            where=str(lake.path(_DAILY)),
            remedy="run the job 'customer_daily' first; where its rows were changed by hand, `portrait run` takes it "
            "for up to date: submit jobs/customer_daily.py alone, which then writes the table anew",
        )
    before = lake.previous_as_of(_FEATURES, as_of)
    if before is None or (as_of - before).days > _LONGEST or (done := lake.completed(_FEATURES, before)) is None:
        return None
    oldest = lake.read(_DAILY).agg(F.min("booked_year").alias("year")).collect()[0]["year"]
    if oldest is None or as_of.year - oldest < _YEARS:
        return None
    then = int(done.inputs[_TRANSACTIONS].removeprefix("version "))
    slice_of = lake.completed_slice(_FEATURES, before)
    changes = lake.changes(_TRANSACTIONS, after=then, until=now)
    if slice_of is None or changes is None:
        return None
    # Read in several places; as small as what a day brings.
    return Earlier(before, slice_of, changed_bookings(changes).persist(), transactions)


def slide_bookings(
    daily: DataFrame,
    *,
    earlier: Earlier,
    customers: DataFrame,
    contract: Contract,
    features: Sequence[Feature],
    as_of: date,
) -> DataFrame:
    """The features at `as_of` in minor units, one row per customer: those of `customers`, some others beside them.

    `daily`: silver.customer_daily; `contract`: that of silver.transactions; `customers`: customer_id, distinct. A
    customer without bookings may have no row. Runs a small query of its own, to see whom to compute anew.
    """
    slides = {feature.name for feature in features if feature.is_additive} & set(earlier.features.columns)
    carried_on = [feature for feature in features if feature.name in slides or feature.is_endless]
    before = earlier.features.select("customer_id", *[_before(feature) for feature in carried_on])
    again = _to_compute_again(before, earlier.changes, customers=customers, features=features)
    # A sum is never NULL, but where DECIMAL(18,2) could not hold it. Asked of the slice's own columns: its files tell
    # which of them have none, and are then not read.
    sums = [f"{feature.name} is null" for feature in features if feature.name in slides and feature.is_money]
    if sums:
        again = again.unionByName(earlier.features.where(" or ".join(sums)).select("customer_id"))
    again = again.persist()
    ids = again.agg(F.min("customer_id").alias("least"), F.max("customer_id").alias("greatest")).collect()[0]
    kept = before if ids["least"] is None else before.join(again, on="customer_id", how="left_anti")
    additive = [feature for feature in features if feature.name in slides]
    others = [feature for feature in features if feature.name not in slides]
    moved, recent = _moved(earlier, contract, additive, as_of), _recent(daily, earlier, contract, others, as_of)
    wide = side_by_side(kept, *moved, *recent)
    days = (as_of - earlier.as_of).days
    values = [f"{_slid(feature, days, slides=feature.name in slides)} as {feature.name}" for feature in features]
    slid = wide.selectExpr("customer_id", *values)
    if ids["least"] is None:
        return slid
    # Files hold customers from one to another: new customers, who have the newest ids, are in few of them.
    theirs = daily.where(F.col("customer_id").between(ids["least"], ids["greatest"]))
    theirs = theirs.join(again, on="customer_id", how="left_semi")
    # So few that reading them is nothing, and each pass is some stages more: as if they were of one day.
    care = Care(exact=True)
    anew = aggregate_bookings(theirs, contract=contract, features=features, as_of=as_of, days=1, care=care)
    return slid.unionByName(anew)


def _before(feature: Feature) -> Column:
    """The earlier value, in minor units, as before_<name>."""
    value = F.col(feature.name)
    return (value * 100 if feature.is_money else value).cast("bigint").alias(f"before_{feature.name}")


def _to_compute_again(
    before: DataFrame, changes: DataFrame, *, customers: DataFrame, features: Sequence[Feature]
) -> DataFrame:
    """Customers without an earlier value, and those whose earlier value may rest on a lost booking; some twice."""
    new = customers.join(before, on="customer_id", how="left_anti")
    endless = {feature.aggregate for feature in features if not feature.is_additive and feature.is_endless}
    if not endless:
        return new
    # Days since the last one ask for the day only: another amount of a booking changes nothing.
    told_by = BOOKING if endless & {"min", "max"} else BOOKING[:-1]
    counted = changes.groupBy(*told_by).agg(F.sum("bookings").alias("bookings"))
    return new.unionByName(counted.where("bookings < 0").select("customer_id"))


def _moved(earlier: Earlier, contract: Contract, features: Sequence[Feature], as_of: date) -> Iterator[DataFrame]:
    """By how much each count and sum differs from the earlier one: one row per customer for whom some may."""
    for one in passes(features, as_of=as_of, days=1):
        cells, read = moving_cells(one.features, before=earlier.as_of, as_of=as_of)
        moving = earlier.transactions.where(read).where(F.col("customer_id").isNotNull())
        now = moving.select(*BOOKING, F.lit(1).alias("bookings"), F.lit(False).alias("changed"))
        late = earlier.changes.where(F.col("booked_on") <= F.lit(earlier.as_of))  # no earlier window has a later day
        since = late.select(*BOOKING, "bookings", F.lit(True).alias("changed"))
        yield add_up(now.unionByName(since), sums_of(one.features, contract=contract, cells=cells, as_of=as_of))


def moving_cells(features: Sequence[Feature], *, before: date, as_of: date) -> tuple[list[Cell], str]:
    """How often a booking counts in what slides from one date to another, and which days of bookings it needs (SQL).

    Changes count where the earlier window had their day; then the earlier value is what would be computed today, and
    the bookings known today are added on days that enter the window and taken off on days that leave it.
    """
    windows = {feature.window: (feature.period(before), feature.period(as_of)) for feature in features}
    cells, needed = [], []
    for span in spans({window for pair in windows.values() for window in pair}):
        moves = {window: span.within(new) - span.within(old) for window, (old, new) in windows.items()}
        covered = {window: int(span.within(old)) for window, (old, _) in windows.items()}
        cells += [Cell(f"not changed and {span.test}", moves), Cell(f"changed and {span.test}", covered)]
        needed += [f"({span.test})"] if any(moves.values()) else []
    return cells, " or ".join(needed) or "false"


def _recent(
    daily: DataFrame, earlier: Earlier, contract: Contract, features: Sequence[Feature], as_of: date
) -> Iterator[DataFrame]:
    """What does not add up: out of the bookings of its window, or, where that is endless, of what is new."""
    endless = [feature for feature in features if feature.is_endless]
    if endless:
        # Who lost a day here is computed again; a row below zero of the others is a correction of its neighbour.
        late = earlier.changes.where((F.col("booked_on") <= F.lit(earlier.as_of)) & ~F.col("taken_back"))
        days = F.col("booked_on").between(F.lit(earlier.as_of + timedelta(days=1)), F.lit(as_of))
        entering = earlier.transactions.where(days & F.col("customer_id").isNotNull())
        since = entering.select(*BOOKING, F.lit(1).alias("bookings")).unionByName(late.select(*BOOKING, "bookings"))
        yield add_up(since, booking_sums(endless, contract=contract, as_of=as_of))
    others = [feature for feature in features if not feature.is_endless]
    if others:
        widest = max((as_of - first).days + 1 for feature in others if (first := feature.period(as_of).first))
        yield aggregate_bookings(daily, contract=contract, features=others, as_of=as_of, days=widest)


def _slid(feature: Feature, days: int, *, slides: bool) -> str:
    """SQL of a feature out of its earlier value, `days` days ago, and what was computed now."""
    before, now = f"before_{feature.name}", feature.name
    if slides:
        return f"coalesce({before}, 0L) + coalesce({now}, 0L)"
    if not feature.is_endless:
        return now
    match feature.aggregate:  # least and greatest pass over NULL
        case "days_since_last":
            return f"least({before} + {days}, {now})"
        case "days_since_first":
            return f"greatest({before} + {days}, {now})"
        case "min":
            return f"least({before}, {now})"
        case _:
            return f"greatest({before}, {now})"
