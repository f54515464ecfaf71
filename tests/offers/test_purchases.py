"""Interactions by hand: what counts as a purchase, how it fades, and what is held out."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.offers.policy import RefitPolicy, ShoppingPolicy
from portrait.capabilities.offers.purchases import interactions, purchases, split_interactions

AS_OF = date(2025, 12, 31)
LAYOUT = (
    "customer_id string, direction string, category string, merchant_id string, booked_on date, amount_minor bigint"
)
POLICY = ShoppingPolicy(window_days=365, refit=RefitPolicy(held_out_days=30, month_days=30))


def ago(days: int) -> date:
    return AS_OF - timedelta(days=days)


BOOKINGS = [
    # anna: travel three times, last 90 days ago; a merchant once, today.
    ("anna", "debit", "travel", None, ago(200), 1000),
    ("anna", "debit", "travel", None, ago(150), 1000),
    ("anna", "debit", "travel", "S1", ago(90), 2000),
    ("anna", "debit", None, "S2", ago(0), 500),
    # no purchases: money that comes in, no category and no merchant, no customer, out of the window, after the day
    ("anna", "credit", "salary", "S9", ago(1), 999),
    ("anna", "debit", None, None, ago(1), 999),
    (None, "debit", "travel", "S1", ago(1), 999),
    ("anna", "debit", "home", None, ago(365), 999),
    ("anna", "debit", "home", None, AS_OF + timedelta(days=1), 999),
]


@pytest.fixture(scope="module")
def transactions(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(BOOKINGS, LAYOUT)


def holders(spark: SparkSession, *rows: tuple[str, str]) -> DataFrame:
    return spark.createDataFrame(list(rows), "customer_id string, product_id string")


def test_strength_by_hand(spark: SparkSession, transactions: DataFrame) -> None:
    bought = purchases(transactions, as_of=AS_OF, since=ago(365))
    found = interactions(bought, holders(spark, ("anna", "P1")), as_of=AS_OF, policy=POLICY).collect()
    # ln(1 + 3) halved once; ln 2 halved once; ln 2 of today; a product that is held is one purchase of today.
    assert {row["item"]: row["strength"] for row in found} == {
        "category:travel": pytest.approx(0.6931472, abs=1e-7),
        "merchant:S1": pytest.approx(0.3465736, abs=1e-7),
        "merchant:S2": pytest.approx(0.6931472, abs=1e-7),
        "product:P1": pytest.approx(0.6931472, abs=1e-7),
    }


def test_strength_of_amounts(spark: SparkSession, transactions: DataFrame) -> None:
    policy = POLICY.model_copy(update={"strength": "amount", "half_life_days": 45.0})
    bought = purchases(transactions, as_of=AS_OF, since=ago(365))
    found = {
        row["item"]: row["strength"]
        for row in interactions(bought, holders(spark), as_of=AS_OF, policy=policy).collect()
    }
    assert found["category:travel"] == pytest.approx(math.log(41) / 4, abs=1e-9)  # 40.00 in all, two half-lives ago
    assert found["merchant:S2"] == pytest.approx(math.log(6), abs=1e-9)


def test_what_is_held_out(spark: SparkSession) -> None:
    """The split is 1 December: 30 days are held out. Nothing of them is in the strength."""
    rows = [
        ("anna", "debit", "travel", None, ago(30), 100),  # the last day that is known: one purchase, age 0
        ("anna", "debit", "travel", None, ago(29), 100),  # a repeat in the days held out
        ("anna", "debit", "home", None, ago(29), 100),  # new
        ("anna", "debit", "fuel", None, ago(60), 100),  # before the month
        ("anna", "debit", "fuel", None, ago(394), 100),  # first day of the window
        ("anna", "debit", "health", None, ago(395), 100),  # before it
    ]
    bought = purchases(spark.createDataFrame(rows, LAYOUT), as_of=AS_OF, since=ago(395))
    now, then = holders(spark, ("anna", "old"), ("anna", "new")), holders(spark, ("anna", "old"), ("anna", "closed"))
    found = split_interactions(bought, now, then, as_of=AS_OF, policy=POLICY).collect()
    ln2, ln3 = math.log(2), math.log(3)
    assert {row["item"]: (row["strength"], row["last_month"], row["after"]) for row in found} == {
        "category:travel": (pytest.approx(ln2), 1, True),
        "category:home": (0, 0, True),
        "category:fuel": (pytest.approx(ln3 * 0.5 ** (30 / 90)), 0, False),
        "product:old": (pytest.approx(ln2), 1, False),
        "product:new": (0, 0, True),
        "product:closed": (pytest.approx(ln2), 1, False),
    }
