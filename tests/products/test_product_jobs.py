"""The job on a lake written by hand: gates hold, numbers are issued once and can be shown, collisions are refused."""

from __future__ import annotations

import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pyspark.sql import SparkSession
from tests.deliveries import run_job
from tests.report.bank import values

from portrait.capabilities.products.number import product_number
from portrait.cli import main
from portrait.contracts import Catalogue
from portrait.errors import PortraitError
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.run.suite import load_suite

pytestmark = pytest.mark.delta

DAY, NEXT = date(2025, 12, 31), date(2026, 1, 1)
CUSTOMERS = [f"c{number:02d}" for number in range(12)]
OLD = datetime(2024, 1, 1)
OFFERS, REFUSALS, REGISTER = "gold.product_offers", "gold.product_refusals", "silver.configured_products"


class Bank:
    """A lake with what the job reads."""

    def __init__(self, spark: SparkSession, root: Path, conf: Path, catalogue: Catalogue) -> None:
        self.spark, self.root, self.conf, self.catalogue = spark, root, conf, catalogue
        since = {"valid_from": OLD, "is_current": True}
        self.write(
            {
                "silver.accounts": [
                    since | {"account_id": f"a{name}", "kind": "current", "opened_on": OLD.date(), "currency": "EUR"}
                    for name in CUSTOMERS
                ],
                "silver.account_parties": [
                    since
                    | {"account_id": f"a{name}", "party_id": name, "role": "owner", "party_kind": "person"}
                    for name in CUSTOMERS
                ],
                "silver.balances": [
                    {"account_id": f"a{name}", "from_day": OLD.date(), "balance": Decimal(100 * place**3),
                     "balance_minor": 10_000 * place**3, "is_current": True}
                    for place, name in enumerate(CUSTOMERS)
                ],
            }
        )  # fmt: skip
        for day in (DAY, NEXT):
            self.write(
                {
                    "gold.customer_features": [
                        {"customer_id": name, "consent_marketing": place != 5, "relationship": "owner",
                         "risk_level": "C3", "risk_assessed_on": date(2025, 9, 1), "age_years": 20 + 5 * place,
                         "balance_last": Decimal(100 * place**3), "balance_avg_90d": Decimal(100 * place**3),
                         "debit_amount_90d": Decimal(10), "merchant_amount_365d": Decimal(1000 * place),
                         "debit_amount_category_travel_365d": Decimal(place * place)}
                        for place, name in enumerate(CUSTOMERS)
                    ],
                    "gold.customer_tier": [
                        {"customer_id": name, "tier": "vip", "tier_rank": 2} for name in CUSTOMERS[:6]
                    ],
                    "gold.customer_group": [{"customer_id": name} for name in CUSTOMERS],
                    "gold.customer_warnings": [
                        {"customer_id": name, "early_warning": name == "c11"} for name in CUSTOMERS
                    ],
                },
                day,
            )  # fmt: skip

    def write(self, tables: dict[str, list[dict[str, Any]]], day: date | None = None) -> None:
        with Lease(self.root) as lease:
            lake = Lake(self.spark, self.root, self.catalogue, lease=lease)
            for table, rows in tables.items():
                contract = self.catalogue.table(table)
                full = [values(contract, row | ({"as_of": day} if day else {})) for row in rows]
                lake.append(table, self.spark.createDataFrame(full, contract.struct_type))
                if day:
                    lake.writes[-1] = type(lake.writes[-1])(table, day, lake.version(table))
            lake.complete("entities", as_of=day, inputs={}, seconds=0.0)

    def run(self, day: date) -> None:
        with Lease(self.root) as lease:
            lake = Lake(self.spark, self.root, self.catalogue, lease=lease)
            with shared_lake(lake):
                run_job("product_offers", "--as-of", str(day), "--conf", str(self.conf))
            lake.complete("product_offers", as_of=day, inputs={}, seconds=0.0)

    def rows(self, table: str) -> list[Any]:
        return sorted(Lake(self.spark, self.root, self.catalogue).read(table).collect(), key=str)


@pytest.fixture(scope="module")
def bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, conf_dir: Path, schemas_dir: Path) -> Bank:
    found = Bank(spark, tmp_path_factory.mktemp("products") / "lake", conf_dir, load_suite(conf_dir, schemas_dir))
    found.run(DAY)
    return found


def test_offers_are_of_the_customers_whom_no_rule_refuses(bank: Bank) -> None:
    by_template: dict[str, list[str]] = {}
    for row in [row for row in bank.rows(OFFERS) if row.as_of == DAY]:
        by_template.setdefault(row.template, []).append(row.customer_id)
    # A term deposit starts with 5,000 at least: from 100 x 4^3 = 6,400 on; c05 refused marketing.
    assert by_template["TD01"] == ["c04", "c06", "c07", "c08", "c09", "c10", "c11"]
    cards = sorted(name for kind in ("CT01", "CD01", "CS01") for name in by_template.get(kind, []))
    assert cards == [name for name in CUSTOMERS if name not in ("c05", "c11")]  # c11 is in early warning


@pytest.mark.parametrize("table", [OFFERS, REFUSALS, REGISTER])
def test_every_rule_of_the_gate_holds(bank: Bank, table: str) -> None:
    found = Lake(bank.spark, bank.root, bank.catalogue).read(table)
    broken = [
        rule.id for rule in bank.catalogue.table(table).row_rules if found.where(f"not ({rule.predicate})").count()
    ]
    assert found.count() > 0
    assert broken == []


def test_every_number_offered_is_in_the_register_with_its_terms(bank: Bank) -> None:
    register = {row.number: row for row in bank.rows(REGISTER)}
    assert {row.number for row in bank.rows(OFFERS)} == set(register)
    for number, row in register.items():
        assert product_number(row.template, row.version, row.terms) == number
    assert len({(row.template, row.version, row.terms) for row in register.values()}) == len(register)


def test_the_next_day_issues_equal_terms_under_the_same_numbers(bank: Bank) -> None:
    before = bank.rows(REGISTER)
    bank.run(DAY)
    bank.run(NEXT)
    assert bank.rows(REGISTER) == before
    assert {row.issued_on for row in before} == {DAY}


def portrait(bank: Bank, *words: str) -> int:
    command = ["portrait", "product", *words, "--lake", str(bank.root), "--conf", str(bank.conf)]
    with patch.object(sys, "argv", command), pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_number_shows_its_terms_and_proves_them(bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    (offer,) = [row for row in bank.rows(OFFERS) if (row.as_of, row.customer_id, row.template) == (DAY, "c10", "TD01")]
    assert portrait(bank, "show", offer.number.lower()) == 0
    shown = capsys.readouterr().out
    assert "50000.00" in shown  # half of 100,000
    assert offer.number[6:14] in shown
    assert portrait(bank, "list", "--template", "TD01", "--format", "csv") == 0
    assert offer.number in capsys.readouterr().out


def test_numbers_that_are_wrong_or_unknown_are_told_apart(bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    assert portrait(bank, "show", "TD01012GCEQQ4F92") == 2
    assert "check digits 92" in capsys.readouterr().err
    assert portrait(bank, "show", "TD01012GCEQQ4F91") == 1
    told = capsys.readouterr().err
    assert "never issued" in told
    assert "product list --template TD01" in told


def test_a_collision_is_refused_with_both_terms_and_nothing_is_offered(bank: Bank) -> None:
    offers = [row for row in bank.rows(OFFERS) if row.as_of == NEXT]
    number = next(row.number for row in offers if row.template == "TD01")
    (known,) = [row for row in bank.rows(REGISTER) if row.number == number]
    with Lease(bank.root) as lease:
        lake = Lake(bank.spark, bank.root, bank.catalogue, lease=lease)
        forged = lake.read(REGISTER).selectExpr(
            *["number", "template", "version", "kind"],
            f"""if(number = '{number}', '{{"currency":"XXX"}}', terms) as terms""", "issued_on",
        )  # fmt: skip
        lake.overwrite(REGISTER, forged)
    with pytest.raises(PortraitError, match=number) as error:
        bank.run(NEXT)
    assert known.terms in error.value.message
    assert '{"currency":"XXX"}' in error.value.message
    assert "version" in error.value.remedy
    assert [row for row in bank.rows(OFFERS) if row.as_of == NEXT] == offers
    assert portrait(bank, "show", number) == 1  # the stored terms no longer make the number
