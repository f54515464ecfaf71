"""Roll-ups by branch and manager: by hand, and nobody is lost on the way."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from portrait.capabilities.branches.branch_summary import NONE, branch_summary

NOW = date(2024, 1, 31)
EARLY, LATE = datetime(2020, 1, 1), datetime(2024, 1, 10)
CUSTOMERS: list[tuple[Any, ...]] = [
    ("a", "B1", "M1", EARLY, None),
    ("b", "B1", None, EARLY, None),
    ("c", "B2", "M1", EARLY, LATE),
    ("c", "B1", "M1", LATE, None),
    ("d", "B2", None, EARLY, None),
    ("late", "B9", None, datetime(2024, 2, 1), None),
]
WAS = {"a": "vip", "c": "vip", "d": "growing", "stranger": "ordinary"}
IS = {"a": "vip", "b": "ordinary", "c": "growing", "stranger": "ordinary"}
VALUE = {"a": (900, "12.34"), "b": (None, "-1.00"), "c": (100, "0.66"), "stranger": (5, "0.00")}


def summary(spark: SparkSession, was: dict[str, str]) -> list[Row]:
    layout = "customer_id string, tier string"
    tiers, previous = (spark.createDataFrame(list(each.items()), layout) for each in (IS, was))
    value = spark.createDataFrame(
        [(name, None if a is None else Decimal(a), Decimal(c)) for name, (a, c) in VALUE.items()],
        "customer_id string, assets decimal(18,2), contribution decimal(18,2)",
    )
    layout = "customer_id string, branch_id string, manager_id string, valid_from timestamp, valid_to timestamp"
    customers = spark.createDataFrame(CUSTOMERS, layout)
    return branch_summary(tiers, previous, value, customers, as_of=NOW).collect()


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> list[Row]:
    return summary(spark, WAS)


def test_each_cell_by_hand(rows: list[Row]) -> None:
    found = {
        (row.branch_id, row.manager_id, row.tier): (row.customers, row.assets, row.contribution, row.came, row.went)
        for row in rows
    }
    assert found == {
        ("B1", "M1", "vip"): (1, Decimal(900), Decimal("12.34"), 0, 0),
        ("B1", "M1", "growing"): (1, Decimal(100), Decimal("0.66"), 0, 0),  # moved from B2 to B1 and down
        ("B1", NONE, "ordinary"): (1, None, Decimal("-1.00"), 1, 0),
        ("B2", NONE, "growing"): (0, None, None, 0, 1),
        (NONE, NONE, "ordinary"): (1, Decimal(5), Decimal(0), 0, 0),
    }


def test_entries_and_exits_account_for_all(rows: list[Row]) -> None:
    assert sum(row.customers for row in rows) == len(IS)
    assert sum(row.customers - row.came + row.went for row in rows) == len(WAS)
    assert sum(row.contribution or 0 for row in rows) == sum(Decimal(c) for _, c in VALUE.values())


def test_without_a_slice_before_nobody_came_or_went(spark: SparkSession) -> None:
    assert {(row.came, row.went) for row in summary(spark, {})} == {(None, None)}
