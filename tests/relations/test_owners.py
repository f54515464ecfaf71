"""gold.ownership from edges: vectors of the methods page, beneficial owners, and companies that cannot be computed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from portrait.capabilities.relations.owners import Owners, owners_of_companies
from portrait.capabilities.relations.policy import Ownership

DAY = date(2025, 3, 31)


def owners(spark: SparkSession, *edges: tuple[str, str, str, str | None], listed: str = "") -> Owners:
    rows = [(one, other, kind, None if share is None else Decimal(share)) for one, other, kind, share in edges]
    frame = spark.createDataFrame(rows, "from_id string, to_id string, kind string, share decimal(9,6)")
    return owners_of_companies(frame, frozenset(listed), policy=Ownership(), as_of=DAY)


def pairs(found: Owners, *columns: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {(row["owner_id"], row["company_id"]): tuple(row[name] for name in columns)
            for row in found.pairs.to_dict("records")}  # fmt: skip


def faults(found: Owners) -> set[tuple[str, str, int]]:
    return {(row["company_id"], row["rule"], row["holdings"]) for row in found.faults.to_dict("records")}


def test_a_pyramid_is_owned_and_controlled_through_its_companies(spark: SparkSession) -> None:
    found = owners(
        spark, ("P", "A", "shareholder", ".6"), ("P", "B", "shareholder", ".3"), ("A", "B", "subsidiary", ".25")
    )
    got = pairs(found, "direct_share", "share", "controls", "owner_is_company", "is_beneficial")
    assert got["P", "A"] == (0.6, pytest.approx(0.6), True, False, True)
    assert got["P", "B"] == (0.3, pytest.approx(0.45), True, False, True)
    assert got["A", "B"] == (0.25, pytest.approx(0.25), False, True, False)  # a company is nobody's beneficial owner
    assert faults(found) == set()


def test_votes_decide_about_control_where_they_differ_from_capital(spark: SparkSession) -> None:
    # 62.45 % of the votes with 27.74 % of the capital, as the holding of a carmaker has it
    found = owners(
        spark, ("G", "R", "shareholder", ".2774"), ("G", "R", "voter", ".6245"), ("F", "R", "shareholder", ".3")
    )
    got = pairs(found, "share", "direct_votes", "controls")
    assert got["G", "R"] == (pytest.approx(0.2774), pytest.approx(0.6245), True)
    assert got["F", "R"] == (pytest.approx(0.3), pytest.approx(0.3), False)


def test_a_quarter_makes_a_beneficial_owner_and_less_does_not(spark: SparkSession) -> None:
    found = owners(
        spark, ("a", "C", "shareholder", ".25"), ("b", "C", "shareholder", ".24"), ("D", "C", "shareholder", ".4"),
        listed="D",
    )  # fmt: skip
    assert pairs(found, "is_beneficial") == {("a", "C"): (True,), ("b", "C"): (False,), ("D", "C"): (False,)}


def test_a_faulty_company_is_named_and_the_others_are_computed(spark: SparkSession) -> None:
    found = owners(
        spark,
        *[("a", "X", "shareholder", ".7"), ("b", "X", "shareholder", ".5")],  # 120 %
        *[("Y", "Z", "shareholder", "1"), ("Z", "Y", "shareholder", "1")],  # nobody outside owns anything
        ("c", "V", "shareholder", None),
        ("a", "C", "shareholder", ".5"),
    )
    assert faults(found) == {
        ("X", "capital_above_all", 2), ("X", "votes_above_all", 2), ("V", "share_unknown", 1),
        ("Y", "closed_cycle", 1), ("Z", "closed_cycle", 1),
    }  # fmt: skip
    assert ("a", "C") in pairs(found, "share")
    assert not {company for _, company in pairs(found, "share")} & {"X", "V"}


def test_small_holdings_are_left_out(spark: SparkSession) -> None:
    found = owners(spark, ("a", "C", "shareholder", ".009"), ("b", "C", "shareholder", ".01"))
    assert set(pairs(found, "share")) == {("b", "C")}


def test_without_holdings_there_are_no_owners(spark: SparkSession) -> None:
    found = owners(spark, ("a", "b", "spouse", None))
    assert found.pairs.empty
    assert found.faults.empty
