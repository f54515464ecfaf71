"""Exposure: every facility once per group, limits by the bank's capital, what is not known stays unknown."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.capabilities.relations.exposure import customer_relations, facilities, group_exposure, overdue, owed_by
from portrait.capabilities.relations.policy import Limits
from portrait.entities.money import UNKNOWN

DAY = date(2025, 3, 31)
SINCE = datetime(2024, 1, 1)


def lent(spark: SparkSession, *rows: tuple[str, str, int, int]) -> DataFrame:
    """Account, facility, loan and limit in minor units."""
    return spark.createDataFrame(
        [(*row, False) for row in rows],
        "account_id string, facility_id string, loan_minor bigint, limit_minor bigint, is_bad boolean",
    )


def owned(spark: SparkSession, *rows: tuple[str, str]) -> DataFrame:
    return spark.createDataFrame([(a, p, "owner") for a, p in rows], "account_id string, party_id string, role string")


def members(spark: SparkSession, **groups: str) -> DataFrame:
    """`connected_g="abc"`: the members of the group g, one letter each."""
    rows = [
        (name.split("_")[0], name.split("_")[1], who, len(listed)) for name, listed in groups.items() for who in listed
    ]
    return spark.createDataFrame(rows, "kind string, group_id string, member_id string, members bigint")


def guarantees(spark: SparkSession, *pairs: str) -> DataFrame:
    rows = [(pair[0], pair[1], "guarantor") for pair in pairs]
    return spark.createDataFrame(rows, "from_id string, to_id string, kind string")


def exposures(
    owed: DataFrame, groups: DataFrame, edges: DataFrame, limits: Limits | None = None
) -> dict[tuple[str, str], Any]:
    rows = group_exposure(owed, groups, edges, limits=limits or Limits(), as_of=DAY).collect()
    return {(row.kind, row.group_id): row for row in rows}


def test_a_joint_loan_counts_once_in_a_group_that_has_both_owners(spark: SparkSession) -> None:
    loans = lent(spark, ("x", "joint", 100_00, 0), ("y", "own", 40_00, 0), ("y", "card", 0, 10_00))
    owed = owed_by(loans, owned(spark, ("x", "a"), ("x", "b"), ("y", "b")))
    found = exposures(owed, members(spark, connected_g="ab"), guarantees(spark))
    group = found["connected", "g"]
    assert (group.exposure, group.loans, group.commitments) == (Decimal("150.00"), Decimal("140.00"), Decimal("10.00"))
    assert (group.facilities, group.borrowers, group.members) == (3, 2, 2)
    assert found["customer", "a"].exposure == Decimal("100.00")
    assert found["customer", "b"].exposure == Decimal("150.00")


def test_what_members_guarantee_for_others_is_no_exposure(spark: SparkSession) -> None:
    owed = owed_by(lent(spark, ("x", "l", 70_00, 0), ("y", "m", 5_00, 0)), owned(spark, ("x", "c"), ("y", "b")))
    found = exposures(owed, members(spark, family_g="ab"), guarantees(spark, "ac", "bc", "ab"))
    # a and b answer for the same loan of c: once; a answers for b inside the group: not at all
    assert found["family", "g"].guaranteed == Decimal("70.00")
    assert found["family", "g"].exposure == Decimal("5.00")


def test_limits_are_shares_of_the_capital(spark: SparkSession) -> None:
    limits = Limits(net_capital=1_000, tier1_capital=1_000, banks=("bank",))
    loans = lent(spark, ("1", "l1", 100_00, 0), ("2", "l2", 100_01, 0), ("3", "c3", 0, 130_00), ("4", "l4", 240_00, 0))
    owed = owed_by(loans, owned(spark, ("1", "a"), ("2", "b"), ("3", "c"), ("4", "bank")))
    found = exposures(owed, members(spark, connected_g="ab", family_f="ab"), guarantees(spark), limits)
    use = {key: (row.bound_by, row.limit_use, row.state) for key, row in found.items()}
    assert use == {
        ("customer", "a"): ("customer_loans", pytest.approx(1.0), "near"),  # 100 of 10 % of 1,000: all of it, no more
        ("customer", "b"): ("customer_loans", pytest.approx(1.0001), "breach"),
        ("customer", "c"): ("customer_exposure", pytest.approx(130 / 150), "near"),
        ("customer", "bank"): ("interbank_exposure", pytest.approx(240 / 250), "near"),
        ("connected", "g"): ("group_exposure", pytest.approx(200.01 / 200), "breach"),
        ("family", "f"): (None, None, None),
    }


def test_without_capital_no_limit_is_judged(spark: SparkSession) -> None:
    owed = owed_by(lent(spark, ("1", "l", 100_00, 0)), owned(spark, ("1", "a")))
    row = exposures(owed, members(spark, connected_g="ab"), guarantees(spark))["customer", "a"]
    assert (row.bound_by, row.limit_use, row.state) == (None, None, None)


def test_an_unknown_amount_leaves_the_exposure_unknown(spark: SparkSession) -> None:
    owed = owed_by(lent(spark, ("1", "l", UNKNOWN, 0), ("1", "m", 1_00, 0)), owned(spark, ("1", "a")))
    row = exposures(owed, members(spark, connected_g="ab"), guarantees(spark))["connected", "g"]
    assert (row.loans, row.exposure, row.facilities) == (None, None, 2)


def test_overdue_is_what_was_due_and_is_not_paid(spark: SparkSession) -> None:
    rows = [
        ("l", date(2025, 1, 5), Decimal(100), date(2025, 1, 5), Decimal(100)),
        ("l", date(2025, 2, 5), Decimal(100), date(2025, 2, 25), Decimal(40)),
        ("l", date(2025, 3, 5), Decimal(100), None, None),
        ("l", date(2025, 4, 5), Decimal(100), None, None),  # not due yet
        ("m", date(2025, 3, 5), Decimal(100), date(2025, 3, 9), Decimal(100)),
    ]
    frame = spark.createDataFrame(
        rows, "loan_id string, due_on date, amount_due decimal(18,2), paid_on date, amount_paid decimal(18,2)"
    ).selectExpr("*", "timestamp'2024-01-01' valid_from", "cast(null as timestamp) valid_to")
    assert [tuple(row) for row in overdue(frame, as_of=DAY).collect()] == [("l", 160_00)]


def test_facilities_are_running_loans_arrears_and_open_cards(spark: SparkSession) -> None:
    loans = spark.createDataFrame(
        [
            ("run", "x", date(2025, 1, 31), Decimal(1200), 12, None, None, None, None),
            ("paid", "x", date(2024, 1, 31), Decimal(1200), 12, None, None, "A", date(2025, 2, 1)),
            ("bad", "y", date(2024, 1, 31), Decimal(1200), 12, None, None, "B", date(2025, 2, 1)),
        ],
        "loan_id string, account_id string, granted_on date, amount decimal(18,2), months int, rate decimal(9,6), "
        "instalment decimal(18,2), status string, status_on date",
    ).selectExpr("*", "timestamp'2024-01-01' valid_from", "cast(null as timestamp) valid_to")
    due = spark.createDataFrame(
        [("bad", date(2025, 1, 5), Decimal(100), None, None)],
        "loan_id string, due_on date, amount_due decimal(18,2), paid_on date, amount_paid decimal(18,2)",
    ).selectExpr("*", "timestamp'2024-01-01' valid_from", "cast(null as timestamp) valid_to")
    cards = spark.createDataFrame(
        [
            ("k1", "x", date(2024, 1, 1), None, Decimal(500)),
            ("k2", "x", date(2024, 1, 1), date(2025, 1, 1), Decimal(500)),  # given back
            ("k3", "x", date(2024, 1, 1), None, None),  # a debit card
        ],
        "card_id string, account_id string, issued_on date, closed_on date, credit_limit decimal(18,2)",
    ).selectExpr("*", "timestamp'2024-01-01' valid_from", "cast(null as timestamp) valid_to")
    found = facilities({"loans": loans, "instalments": due, "cards": cards}, None, as_of=DAY)
    # Two of twelve instalments of a straight line are paid by the end of March: 1,000 of 1,200 are owed.
    assert {tuple(row) for row in found.collect()} == {
        ("x", "loan run", 1000_00, 0, False),
        ("y", "loan bad", 100_00, 0, True),
        ("x", "card k1", 0, 500_00, False),
    }


def test_a_customer_sees_family_group_exposure_and_guarantors(spark: SparkSession) -> None:
    groups = members(spark, family_f="ab", connected_g="ac")
    edges = guarantees(spark, "ca")
    bad = spark.createDataFrame(
        [("y", "l", 70_00, 0, True), ("x", "m", 30_00, 0, False)],
        "account_id string, facility_id string, loan_minor bigint, limit_minor bigint, is_bad boolean",
    )
    owed = owed_by(bad, owned(spark, ("y", "c"), ("x", "a")))
    exposure = group_exposure(owed, groups, edges, limits=Limits(tier1_capital=400), as_of=DAY)
    customers = spark.createDataFrame([("a",), ("b",), ("z",)], "customer_id string")
    ownership = spark.createDataFrame([("b", True), ("b", True)], "owner_id string, is_beneficial boolean")
    rows = customer_relations(customers, groups, edges, ownership, exposure, as_of=DAY).collect()
    found = {row.customer_id: row for row in rows}
    a, b, z = (found[name] for name in "abz")
    assert (a.family_size, a.connected_size, a.exposure, a.group_exposure) == (2, 2, Decimal(30), Decimal(100))
    assert (a.limit_state, a.guarantors, a.troubled_guarantors) == ("breach", 1, 1)  # 100 of 20 % of 400
    assert (b.family_size, b.exposure, b.group_exposure, b.companies_owned) == (2, Decimal(0), Decimal(0), 2)
    assert (z.family_size, z.connected_size, z.limit_state, z.guarantees) == (1, 1, None, 0)
