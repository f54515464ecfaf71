"""Leakage by hand: which transfers count, shares, trend, accounts from which money comes back; the planted rings."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.funds.leakage import customer_leakage, leakage
from portrait.capabilities.funds.policy import Leakage

DAY = date(2025, 3, 31)
LAYOUT = (
    "customer_id string, booked_on date, direction string, type string, amount_minor bigint, counterparty_bank string, "
    "counterparty_account string"
)


def leaks(spark: SparkSession, *rows: tuple[str, int, str, str, int, str | None, str | None]) -> DataFrame:
    """Customer, days before DAY, direction, type, amount, bank, account."""
    full = [
        (c, DAY - timedelta(ago), d, kind, amount * 100, bank, other) for c, ago, d, kind, amount, bank, other in rows
    ]
    frame = spark.createDataFrame(full, LAYOUT)
    return leakage(frame, policy=Leakage(own_banks=("US",)), as_of=DAY).localCheckpoint()


@pytest.fixture(scope="module")
def shown(spark: SparkSession) -> DataFrame:
    out, back = ("debit", "transfer_out"), ("credit", "transfer_in")
    return leaks(
        spark,
        ("c", 1, *out, 300, "OTHER", "o1"),
        ("c", 89, *out, 100, "OTHER", "o2"),
        ("c", 90, *out, 200, "OTHER", "o1"),  # the ninety days before
        ("c", 170, *back, 5, "OTHER", "o1"),
        ("c", 5, *out, 500, "US", "u"),  # our own bank
        ("c", 5, "debit", "card_payment", 100, "OTHER", "shop"),  # a purchase is no transfer, but money that went out
        ("c", 5, *out, 70, "ONCE", "x"),
        ("d", 5, "debit", "direct_debit", 10, "FUND", None),
        ("d", 35, "debit", "direct_debit", 10, "FUND", None),
    )


def test_an_institution_counts_from_two_transfers(shown: DataFrame) -> None:
    rows = {(row.customer_id, row.counterparty_bank): row for row in shown.collect()}
    assert set(rows) == {("c", "OTHER"), ("d", "FUND")}
    other, fund = rows["c", "OTHER"], rows["d", "FUND"]
    assert (other.transfers, other.amount, other.amount_before) == (2, Decimal(400), Decimal(200))
    assert other.share == pytest.approx(400 / (300 + 100 + 500 + 100 + 70))
    assert other.trend == pytest.approx(1.0)
    assert (other.accounts, other.two_way) == (2, 1)
    assert (fund.share, fund.trend, fund.accounts) == (1.0, None, 0)


def test_a_customer_has_the_sum_and_the_main_institution(spark: SparkSession, shown: DataFrame) -> None:
    customers = spark.createDataFrame(
        [("c", Decimal(1070)), ("d", Decimal(20)), ("saver", Decimal(5)), ("idle", Decimal(0)), ("new", None)],
        "customer_id string, debit_amount_90d decimal(18,2)",
    )
    found: dict[str, Any] = {row.customer_id: row for row in customer_leakage(customers, shown, as_of=DAY).collect()}
    assert (found["c"].leaked_share, found["c"].main_institution) == (pytest.approx(400 / 1070), "OTHER")
    assert found["c"].leaked_amount == Decimal(400)
    assert (found["saver"].leaked_share, found["saver"].leaked_amount, found["saver"].institutions) == (0.0, 0, 0)
    assert (found["idle"].leaked_share, found["new"].leaked_share) == (None, None)
