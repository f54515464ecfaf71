"""A slice that slides from the one before equals the slice computed from the beginning, whatever happened in between.

Every customer is a history of its own: bookings that come late or early, that are corrected (amount, kind, day, owner)
or deleted, customers who leave the slice and come back. The expected values are those of a rebuild from the bookings of
the day, by the compiler that test_berka_features.py compares with DuckDB.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from portrait.entities.daily import changed_bookings, daily_bookings, net
from portrait.features import FeatureSet, load_features
from portrait.features.bookings import aggregate_bookings
from portrait.features.sliding import Earlier, moving_cells, slide_bookings
from portrait.features.values import as_declared

from .conftest import CONTRACT

START = date(2024, 12, 30)
STEPS = (1, 7, 31, 1)  # days from slice to slice: over a year's end, a week, a month
CUSTOMERS = 250
SALARY, GROCERY, CASH = (
    0 * 16384 + 8 * 512,
    1 * 16384 + 4 * 512 + 5 * 32 + 1,
    1 * 16384 + 2 * 512,
)  # credit salary; debit card_payment at a till for groceries; debit cash_withdrawal

# What the project does not declare, but anybody may. Of the averages one has both parts published, one none.
EXTRA = """\
source: transactions
measures:
  - {measure: largest, aggregate: max, of: amount, where: {direction: debit}, windows: [life], description: Largest ever}
  - {measure: least, aggregate: min, of: amount, where: {direction: debit}, windows: [30d, life], description: Least of all}
  - {measure: days_since_first, aggregate: days_since_first, description: Since the first}
  - {measure: days_since_salary, aggregate: days_since_last, where: {type: salary}, description: Days since a salary}
  - {measure: active_days, aggregate: distinct_days, windows: [mtd], description: Days of the month}
  - {measure: grocery_months, aggregate: distinct_months, where: {category: grocery}, windows: [90d], description: Months of it}
  - {measure: mean, aggregate: average, of: signed_amount, windows: [life, 90d], description: Mean of either sign}
  - {measure: grocery_mean, aggregate: average, of: amount, where: {category: grocery}, windows: [30d, 365d], description: Mean of it}
  - {measure: last_months, aggregate: sum, of: amount, windows: [1cm, 3cm, 12cm], description: Money of complete months}
  - {measure: last_min, aggregate: min, of: amount, where: {category: grocery}, windows: [1cm, 6cm], description: Least of it}
  - {measure: last_days, aggregate: distinct_days, windows: [1cm], description: Days of a complete month}
  - {measure: kinds, aggregate: count_distinct, of: type, windows: [30d, 3cm], description: Different types}
  - {measure: categories, aggregate: count_distinct, of: category, windows: [90d], description: Different categories}
  - {measure: trend, aggregate: trend, of: signed_amount, windows: [3cm, 12cm], description: Slope of money}
  - {measure: count_trend, aggregate: trend, where: {type: salary}, windows: [6cm], description: Slope of numbers}
  - {measure: streak, aggregate: streak, where: {type: salary}, windows: [12cm], description: Months in a row}
  - {measure: short_streak, aggregate: streak, windows: [1cm, 3cm], description: Months in a row}
  - {measure: spread, aggregate: entropy, of: amount, across: {category: [grocery, travel]}, windows: [90d], description: Entropy of money}
  - {measure: type_spread, aggregate: entropy, across: {type: [salary, card_payment, cash_withdrawal]}, windows: [30d, 3cm], description: Entropy of numbers}
  - {measure: all_count, aggregate: count, windows: [life], description: Number of bookings}
  - {measure: all_net, aggregate: sum, of: signed_amount, windows: [life, 7d], description: Money in less out}
  - {measure: mean_to_net, aggregate: ratio, of: mean_90d, over: all_net_7d, description: One by the other}
  - {measure: spent, aggregate: sum, of: amount, where: {direction: debit}, by: {category: [grocery]}, windows: [mtd], description: Spent on it}
  - {measure: spent, aggregate: sum, of: amount, where: {direction: debit}, windows: [mtd], description: Money spent}
  - {measure: spent_share, aggregate: share, of: spent, by: {category: [grocery]}, windows: [mtd], description: Part of it}
"""  # noqa: E501

# Each aggregate and each window of the project's own.
SHIPPED = (
    *(f"debit_amount_{window}" for window in ("7d", "30d", "90d", "180d", "365d", "mtd", "life", "1cm", "3cm", "6cm")),
    "debit_amount_category_grocery",
    "net_amount_mtd",
    "txn_count_7d",
    "txn_count_life",
    "credit_max",
    "active_",
    "days_since_txn",
)

Booking = tuple[str | None, date, int, int]


@dataclass
class Bank:
    """The bookings that the bank knows, and how they got there."""

    known: dict[int, Booking] = field(default_factory=dict)
    changes: list[tuple[Booking, str]] = field(default_factory=list)

    def put(self, number: int, booking: Booking | None) -> None:
        before = self.known.pop(number, None)
        if before is not None:
            self.changes.append((before, "delete" if booking is None else "update_preimage"))
        if booking is not None:
            self.changes.append((booking, "insert" if before is None else "update_postimage"))
            self.known[number] = booking


def some_booking(dice: random.Random, day: date) -> Booking:
    # Few days and few amounts, so that equal bookings and equal largest amounts are common.
    return (
        f"c{dice.randrange(CUSTOMERS):03}",
        day,
        dice.choice((SALARY, GROCERY, CASH)),
        dice.choice((100, 500, 2500, 990000)),
    )


def live(bank: Bank, dice: random.Random, before: date, today: date) -> None:
    """What reaches the bank between two slices."""
    bank.changes = []
    for number in dice.sample(sorted(bank.known), k=40):  # corrections, deletions, other owners, other days
        owner, day, kind, amount = bank.known[number]
        fate = dice.randrange(6)
        if fate == 0:
            bank.put(number, None)
        elif fate == 1:
            bank.put(number, (None, day, kind, amount))
        else:
            other = some_booking(dice, day + timedelta(days=dice.choice((-40, -1, 1, 3))))
            old = (owner, day, kind, amount)
            bank.put(number, tuple(other[i] if i == fate - 2 else old[i] for i in range(4)))  # type: ignore[arg-type]
    first = max(bank.known) + 1
    for number in range(first, first + 150):  # the day's, a few late or dated ahead
        late = dice.choice((0, 0, 0, 1, 5, 30, 200, 700, -2))
        bank.put(number, some_booking(dice, before + timedelta(days=dice.randint(1, (today - before).days) - late)))


def frame(spark: SparkSession, bookings: Iterable[Booking], kinds: Iterable[str] | None = None) -> DataFrame:
    owner, day, kind, amount = zip(*bookings, strict=True)
    columns = {
        "customer_id": pa.array(owner, pa.string()),
        "booked_on": pa.array(day, pa.date32()),
        "kind_code": pa.array(kind, pa.int32()),
        "amount_minor": pa.array(amount, pa.int64()),
    }
    return spark.createDataFrame(pa.table(columns | ({"_change_type": pa.array(kinds)} if kinds else {})))


def rows(values: DataFrame) -> dict[str, dict[str, object]]:
    return {row.customer_id: row.asDict() for row in values.collect()}


def test_sliding_equals_computing_from_the_beginning(
    spark: SparkSession, some: Callable[..., FeatureSet], tmp_path: Path
) -> None:
    dice = random.Random(1)
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "extra.yml").write_text(EXTRA)
    features = FeatureSet((*some(*SHIPPED).features, *load_features(tmp_path).features))
    declared = features.aggregates("transactions")
    shown = [as_declared(feature, available=True) for feature in features.features]
    bank, today = Bank(), START
    for number in range(6000):
        bank.put(number, some_booking(dice, START - timedelta(days=int(dice.expovariate(1 / 200)))))
    daily = daily_bookings(frame(spark, bank.known.values())).localCheckpoint()
    everyone = [(f"c{place:03}",) for place in range(CUSTOMERS)]
    people = spark.createDataFrame(dice.sample(everyone, k=200), "customer_id string")
    first = aggregate_bookings(daily, contract=CONTRACT, features=declared, as_of=today)
    slice_of = people.join(first, on="customer_id", how="left").selectExpr("customer_id", *shown).localCheckpoint()
    for step in STEPS:
        before, today = today, today + timedelta(days=step)
        live(bank, dice, before, today)
        changed, kinds = zip(*bank.changes, strict=True)
        changes = changed_bookings(frame(spark, changed, kinds)).localCheckpoint()
        daily = daily.unionByName(changes)
        transactions = frame(spark, bank.known.values())
        people = spark.createDataFrame(dice.sample(everyone, k=200), "customer_id string")
        slid = slide_bookings(
            daily,
            earlier=Earlier(before, slice_of, changes, transactions),
            customers=people,
            contract=CONTRACT,
            features=declared,
            as_of=today,
        )
        rebuilt = aggregate_bookings(daily_bookings(transactions), contract=CONTRACT, features=declared, as_of=today)
        slice_of = people.join(slid, on="customer_id", how="left").selectExpr("customer_id", *shown).localCheckpoint()
        expected = people.join(rebuilt, on="customer_id", how="left").selectExpr("customer_id", *shown)
        assert rows(slice_of) == rows(expected), today


def test_net_has_the_bookings_that_are_left(spark: SparkSession) -> None:
    day = date(2025, 1, 1)
    kept, gone, ben = ("anna", day, CASH, 100), ("anna", day, CASH, 500), ("ben", day, CASH, 100)
    daily = daily_bookings(frame(spark, [kept, kept, gone, ben]))
    changed = frame(spark, [kept, gone, kept], ["delete", "update_preimage", "update_postimage"])
    untouched, added_up = net(daily.unionByName(changed_bookings(changed)))
    assert [(*row,) for row in untouched.collect()] == [(*ben, 1)]
    assert [(*row,) for row in added_up.collect()] == [(*kept, 2)]


def test_only_days_that_enter_or_leave_a_window_are_read(some: Callable[..., FeatureSet]) -> None:
    chosen = some("credit_amount_30d", "credit_amount_life", "credit_amount_mtd").features
    _, read = moving_cells(chosen, before=date(2025, 3, 30), as_of=date(2025, 3, 31))
    # 30 days up to the 30th begin on 1 March, up to the 31st on the 2nd; the month began on the 1st for both.
    assert read == (
        "(booked_on >= date'2025-03-01' and booked_on < date'2025-03-02')"
        " or (booked_on >= date'2025-03-31' and booked_on < date'2025-04-01')"
    )
