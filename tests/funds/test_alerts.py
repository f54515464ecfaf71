"""Patterns of transfers, planted by hand: each is found, and what is nearly one is not."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.funds.alerts import fund_alerts
from portrait.capabilities.funds.policy import Alerts

DAY = date(2025, 3, 31)
START = datetime(2025, 3, 10)
Row = tuple[str, float, str, str | None, int, str]
"""Account, hours from START, direction, the other account, amount, type."""


def sent(source: str, target: str, hours: float, amount: int = 5000) -> list[Row]:
    """Both sides of a transfer."""
    return [
        (source, hours, "debit", target, amount, "transfer_out"),
        (target, hours, "credit", source, amount, "transfer_in"),
    ]


def bookings(spark: SparkSession, rows: list[Row], owners: dict[str, str] | None = None) -> DataFrame:
    full = []
    for number, (account, hours, direction, other, amount, kind) in enumerate(rows):
        at = START + timedelta(hours=hours)
        owner = (owners or {}).get(account, f"owner of {account}")
        full.append((str(number), account, owner, at, at.date(), direction, kind, amount * 100, other))
    return spark.createDataFrame(
        full,
        "transaction_id string, account_id string, customer_id string, booked_at timestamp, booked_on date, "
        "direction string, type string, amount_minor bigint, counterparty_account string",
    )


def found(spark: SparkSession, rows: list[Row], **more: Any) -> dict[tuple[str, str], Any]:
    alerts = fund_alerts(bookings(spark, rows, **more), policy=Alerts(), as_of=DAY).collect()
    assert len({(row.kind, row.account_id) for row in alerts}) == len(alerts)
    return {(row.kind, row.account_id): row for row in alerts}


def test_a_circle_of_rising_times_is_found_with_all_its_accounts(spark: SparkSession) -> None:
    circle = [*sent("a", "b", 0, 5000), *sent("b", "c", 24, 4900), *sent("c", "d", 48, 4800), *sent("d", "a", 72, 4700)]
    alerts = found(spark, circle)
    assert {account for kind, account in alerts if kind == "cycle"} == set("abcd")
    assert alerts["cycle", "c"].evidence == "a > b > c > d"
    assert alerts["cycle", "a"].amount == 19_400


@pytest.mark.parametrize(
    "rows",
    [
        [*sent("a", "b", 0), *sent("b", "c", 24), *sent("c", "a", 12)],  # back before it left
        [*sent("a", "b", 0), *sent("b", "c", 24), *sent("c", "a", 24 + 73)],  # too late
        [*sent("a", "b", 0), *sent("b", "c", 24), *sent("c", "a", 48, 2000)],  # another sum
        [*sent("a", "b", 0, 900), *sent("b", "a", 24, 900)],  # too little
        [
            row for n, (x, y) in enumerate(zip("abcdef", "bcdefa", strict=True)) for row in sent(x, y, 10 * n)
        ],  # six hops
    ],
)
def test_what_is_nearly_a_circle_is_none(spark: SparkSession, rows: list[Row]) -> None:
    assert not {kind for kind, _ in found(spark, rows)} & {"cycle"}


def test_money_between_own_accounts_is_no_circle(spark: SparkSession) -> None:
    there_and_back = [*sent("a", "b", 0), *sent("b", "a", 24)]
    assert ("cycle", "a") in found(spark, there_and_back)
    assert found(spark, there_and_back, owners={"a": "one", "b": "one"}) == {}


def test_many_counterparties_within_a_day(spark: SparkSession) -> None:
    five = [row for n in range(5) for row in sent(f"g{n}", "sink", 5 * n, 100)]
    alerts = found(spark, five)
    assert alerts["fan_in", "sink"].events == 5
    assert ("fan_out", "sink") not in alerts
    slow = [row for n in range(5) for row in sent(f"g{n}", "sink", 7 * n, 100)]  # five within 28 hours
    assert found(spark, slow) == {}
    out = [row for n in range(5) for row in sent("source", f"g{n}", n, 100)]
    assert found(spark, out)["fan_out", "source"].events == 5


def test_money_that_passes_through_twice(spark: SparkSession) -> None:
    once = [*sent("x", "mule", 0), *sent("mule", "y", 40, 4600)]
    again = [*sent("x", "mule", 200), *sent("mule", "z", 201, 4900)]
    assert ("pass_through", "mule") not in found(spark, once)
    assert found(spark, [*once, *again])["pass_through", "mule"].events == 2
    stays = [*sent("x", "mule", 200), *sent("mule", "z", 249, 4900)]  # out after 49 hours
    assert ("pass_through", "mule") not in found(spark, [*once, *stays])


def test_deposits_just_below_the_threshold(spark: SparkSession) -> None:
    def cash(hours: float, amount: int) -> Row:
        return ("a", hours, "credit", None, amount, "cash_deposit")

    assert found(spark, [cash(0, 9900), cash(50, 9500), cash(160, 9000)])["structuring", "a"].events == 3
    assert found(spark, [cash(0, 9900), cash(50, 9500), cash(169, 9000)]) == {}  # more than a week
    assert found(spark, [cash(0, 10000), cash(1, 9500), cash(2, 8999)]) == {}


def test_only_the_window_is_looked_at(spark: SparkSession) -> None:
    before = [*sent("a", "b", -24 * 12), *sent("b", "a", -24 * 11)]  # 26 and 27 February
    assert found(spark, before) == {}
