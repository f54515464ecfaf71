"""The job on a lake written by hand: who gets a card and who does not, limits of holders, the veto of warnings."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pyspark.sql import Row, SparkSession
from tests.deliveries import run_job
from tests.report.bank import values

from portrait.cli import main
from portrait.contracts import Catalogue
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.run.suite import load_suite

pytestmark = pytest.mark.delta

DAY, UNWARNED = date(2025, 12, 31), date(2026, 1, 1)
OFFERS, REFUSALS, REVIEWS = "gold.card_offers", "gold.card_refusals", "gold.limit_reviews"
# Monthly income 4,000; PD 1 %: the larger lines still pay, so the multiple of band A decides: 16,000.
GOOD: dict[str, Any] = {
    "salary_amount_90d": Decimal(12_000), "loan_count": 0, "merchant_amount_365d": Decimal(20_000), "card_count": 0,
    "scored": True, "grade": "A", "probability": 0.01, "pd_card": 0.2, "early_warning": False,
}  # fmt: skip
PEOPLE: dict[str, dict[str, Any]] = {
    "good": {},
    "already_held": {"card_count": 1},
    "early_warning": {"early_warning": True},
    "early_warning_unknown": {"early_warning": None},
    "unscored": {"scored": False},
    "band": {"grade": "E", "probability": 0.4},
    "income_unknown": {"salary_amount_90d": None},
    "debt_unknown": {"loan_count": 1, "loan_instalment": None},
    "exposure_unknown": {},
    "no_line_within_bounds": {"salary_amount_90d": Decimal(600)},
    "not_profitable": {"grade": "D", "probability": 0.2},
    "in_group": {},
    "no_prospect": {"pd_card": None},
    "raise": {"card_count": 1, "card_limit": Decimal(5000)},
    "warned": {"card_count": 1, "card_limit": Decimal(5000), "early_warning": True},
    "unknown": {"card_count": 1, "card_limit": Decimal(5000), "early_warning": None},
    "nameless": {"card_count": 1, "card_limit": Decimal(5000), "scored": False},
    "grouped": {"card_count": 1, "card_limit": Decimal(5000)},
    "near": {"card_count": 1, "card_limit": Decimal(15_000)},
    "lower": {"card_count": 1, "card_limit": Decimal(15_000), "grade": "D", "probability": 0.2, "early_warning": True},
}
HOLDERS = ("raise", "warned", "unknown", "nameless", "grouped", "near", "lower")


class Bank:
    """A lake with what the job reads."""

    def __init__(self, spark: SparkSession, root: Path, conf: Path, catalogue: Catalogue) -> None:
        self.spark, self.root, self.conf, self.catalogue = spark, root, conf, catalogue
        people = {name: GOOD | given for name, given in PEOPLE.items()}
        known = set(catalogue.table("gold.customer_features").column_names)
        scored = [
            {"application_id": f"{name}{age}", "customer_id": name, "received_on": date(2025, 12, 31 - age),
             "probability": one["probability"] if age == 1 else 0.5, "grade": one["grade"] if age == 1 else "E",
             "points": 1.0}
            for name, one in people.items()
            if one["scored"]
            for age in (1, 9)
        ]  # fmt: skip
        for day in (DAY, UNWARNED):
            self.write(
                {
                    "gold.customer_features": [
                        {"customer_id": name} | {key: value for key, value in one.items() if key in known}
                        for name, one in people.items()
                    ],
                    "gold.prospect_scores": [
                        {"customer_id": name, "card_propensity": one["pd_card"]}
                        for name, one in people.items()
                        if name not in HOLDERS
                    ],
                    "gold.credit_scores": scored,
                    "gold.group_exposure": [
                        {"kind": "customer", "group_id": "exposure_unknown"},
                        {"kind": "connected", "group_id": "g", "exposure": Decimal(96_500), "limit_use": 0.965},
                        {"kind": "family", "group_id": "f", "exposure": Decimal(10)},
                    ],
                    "gold.relation_groups": [
                        {"kind": "connected", "group_id": "g", "member_id": "in_group"},
                        {"kind": "connected", "group_id": "g", "member_id": "grouped"},
                        {"kind": "family", "group_id": "f", "member_id": "good"},
                    ],
                },
                day,
            )
        warned = [{"customer_id": name, "early_warning": one["early_warning"]} for name, one in people.items()]
        self.write({"gold.customer_warnings": warned}, DAY)

    def write(self, tables: dict[str, list[dict[str, Any]]], day: date) -> None:
        with Lease(self.root) as lease:
            lake = Lake(self.spark, self.root, self.catalogue, lease=lease)
            for table, rows in tables.items():
                contract = self.catalogue.table(table)
                full = [values(contract, row | {"as_of": day}) for row in rows]
                lake.append(table, self.spark.createDataFrame(full, contract.struct_type))
                lake.writes[-1] = type(lake.writes[-1])(table, day, lake.version(table))
            lake.complete("entities", as_of=day, inputs={}, seconds=0.0)

    def run(self, day: date) -> None:
        with Lease(self.root) as lease:
            lake = Lake(self.spark, self.root, self.catalogue, lease=lease)
            with shared_lake(lake):
                run_job("card_offers", "--as-of", str(day), "--conf", str(self.conf))
            lake.complete("card_offers", as_of=day, inputs={}, seconds=0.0)

    def rows(self, table: str, day: date = DAY) -> list[Row]:
        return Lake(self.spark, self.root, self.catalogue).slice(table, day).collect()


@pytest.fixture(scope="module")
def bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, conf_dir: Path, schemas_dir: Path) -> Bank:
    found = Bank(spark, tmp_path_factory.mktemp("card_terms") / "lake", conf_dir, load_suite(conf_dir, schemas_dir))
    found.run(DAY)
    found.run(UNWARNED)
    return found


def test_only_prospects_with_a_score_for_a_card_are_offered_one(bank: Bank) -> None:
    offers = {row.customer_id: row for row in bank.rows(OFFERS)}
    assert set(offers) == {"good", "in_group"}
    assert (offers["good"].line, offers["good"].rate, offers["good"].band) == (16_000, Decimal("0.067100"), "A")
    assert offers["good"].codes == ["income_multiple"]
    assert offers["good"].reason.startswith(
        "Line 16,000, held by the multiple of income of the risk band; price 6.71 %"
    )
    # 96,500 of 100,000 is used: 3,500 are left, 3,000 in whole steps. A family without a limit binds nobody.
    assert (offers["in_group"].line, offers["in_group"].codes) == (3000, ["group_exposure"])


def test_each_rule_refuses_its_prospect_and_nobody_is_lost(bank: Bank) -> None:
    counted = {row.rule: row for row in bank.rows(REFUSALS)}
    rules = [name for name in PEOPLE if name not in (*HOLDERS, "good", "in_group", "no_prospect")]
    assert {rule: row.customers for rule, row in counted.items()} == dict.fromkeys(rules, 1) | {"offered": 2}
    assert {(row.candidates, row.offered, row.refused) for row in counted.values()} == {(12, 2, 10)}


def test_limits_are_raised_lowered_or_kept_with_a_veto(bank: Bank) -> None:
    found = {row.customer_id: (row.action, row.limit_proposed, row.code) for row in bank.rows(REVIEWS)}
    assert found == {
        "raise": ("raise", 10_000, "raise_to_best_line"),  # best line 16,000, twice the limit at most
        "warned": ("keep", 5000, "early_warning"),
        "unknown": ("keep", 5000, "early_warning_unknown"),
        "nameless": ("keep", 5000, "unscored"),
        "grouped": ("raise", 8000, "raise_to_best_line"),  # 3,500 are left beside its own 5,000
        "near": ("keep", 15_000, "near"),
        "lower": ("lower", 7500, "lower_to_best_line"),  # no line is worth it; half of the limit at most
    }


def test_without_warnings_of_the_day_nobody_is_offered_a_card_or_raised(bank: Bank) -> None:
    assert bank.rows(OFFERS, UNWARNED) == []
    assert {row.rule for row in bank.rows(REFUSALS, UNWARNED)} == {"already_held", "early_warning_unknown"}
    actions = {row.customer_id: row.action for row in bank.rows(REVIEWS, UNWARNED)}
    assert "raise" not in actions.values()
    assert actions["lower"] == "lower"


@pytest.mark.parametrize("table", [OFFERS, REFUSALS, REVIEWS])
def test_every_rule_of_the_gate_holds(bank: Bank, table: str) -> None:
    found = Lake(bank.spark, bank.root, bank.catalogue).read(table)
    rules = [rule for rule in bank.catalogue.table(table).row_rules if found.where(f"not ({rule.predicate})").count()]
    assert found.count() > 0
    assert rules == []


def test_a_customer_s_terms_are_shown(bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["portrait", "card-terms", "show", "good", "--as-of", str(DAY), "--lake", str(bank.root)]
    with patch.object(sys, "argv", [*words, "--conf", str(bank.conf), "--format", "csv"]), pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out
    assert "offer,line,16000.00" in shown
    assert "most_by_income_multiple" in shown
