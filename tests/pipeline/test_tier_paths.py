"""Tiers month by month: planted paths of a synthetic bank; a year of the PKDD'99 bank in which nobody is lost."""

from __future__ import annotations

import shutil
from collections import defaultdict
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import Row, SparkSession
from tests.deliveries import run_job
from tests.pipeline.conftest import CHECKOUT
from tests.tiers.tier_machine import Customer

from portrait.capabilities.tiers.policy import TIERS, load_tier_policy
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.run.runner import Every, business_dates
from portrait.run.suite import load_suite
from portrait.sources import DEFAULT_START, land_berka, land_synthetic, last_day
from portrait.sources.synthetic.plan import TIER_LEVELS

pytestmark = [pytest.mark.delta, pytest.mark.scale]

ONCE = ("ingest", "entities", "transactions", "balances", "customer_daily")
TIERED = ("customer_features", "contribution", "customer_value", "customer_tier")
SUMMED = (*TIERED, "branch_summary", "tier_value")


def month_by_month(spark: SparkSession, folder: Path, days: list[date], *, jobs: tuple[str, ...], conf: Path) -> Lake:
    """A lake that has every month's tiers, made from all that has landed."""
    catalogue = load_suite(conf, CHECKOUT / "schemas")
    words = ("--landing", str(folder / "landing"), "--conf", str(conf))
    with Lease(folder / "lake") as lease:
        lake = Lake(spark, folder / "lake", catalogue, lease=lease)
        with shared_lake(lake):
            for name in ONCE:
                run_job(name, "--as-of", str(days[-1]), *words)
                lake.complete(name, as_of=None, inputs={}, seconds=0.0)
            for day in days:
                for name in jobs:
                    run_job(name, "--as-of", str(day), *words)
                    lake.complete(name, as_of=day, inputs={}, seconds=0.0)
    return lake


# -- the synthetic bank ---------------------------------------------------------------------------------------------

MONTHS, CUSTOMERS = 7, 500
DAYS = business_dates(DEFAULT_START, last_day(MONTHS), Every.month_end)


def planted_rules(folder: Path) -> Path:
    """conf/ with the levels of the planted path, on assets as the plan counts them."""
    shutil.copytree(CHECKOUT / "conf", folder)
    tiers: dict[str, Any] = yaml.safe_load((folder / "tiers.yml").read_text())
    for tier in tiers["tiers"][:-1]:
        del tier["score"]
        tier["assets"] = {"amount": TIER_LEVELS[tier["id"]]}
    (folder / "tiers.yml").write_text(yaml.safe_dump(tiers))
    value: dict[str, Any] = yaml.safe_load((folder / "score.yml").read_text())
    value["assets"] = {"average": "month", "holdings": ["investment", "term_deposit"]}
    (folder / "score.yml").write_text(yaml.safe_dump(value))
    return folder


Paths = dict[str, dict[date, Row]]


@pytest.fixture(scope="module")
def planted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Paths, Paths, dict[str, Any]]:
    """The truth and what was found, by customer and month end; the policy that decided."""
    folder = tmp_path_factory.mktemp("planted")
    land_synthetic(spark, customers=CUSTOMERS, months=MONTHS, seed=11, landing=folder / "landing", tier_path=True)
    conf = planted_rules(folder / "conf")
    lake = month_by_month(spark, folder, DAYS, jobs=TIERED, conf=conf)
    ends = {day.replace(day=1): day for day in DAYS}
    truth: Paths = defaultdict(dict)
    for row in spark.read.parquet(str(folder / "truth" / "tiers")).collect():
        truth[row.customer_id][ends[row.month]] = row
    found: Paths = defaultdict(dict)
    for row in lake.read("gold.customer_tier").collect():
        # Who has closed everything and may still use another's account stays a customer; the plan ends with theirs.
        if row.as_of in truth[row.customer_id]:
            found[row.customer_id][row.as_of] = row
        else:
            assert row.level_tier == "ordinary", row
    rules = load_tier_policy(conf / "tiers.yml")
    assert rules.policy == "policy_a"
    return truth, found, rules.deciding.model_dump()


def test_planted_assets_and_levels_are_found(planted: tuple[Paths, Paths, dict[str, Any]]) -> None:
    truth, found, _ = planted
    seen = [(truth[name][day], row) for name, rows in found.items() for day, row in rows.items()]
    assert len(seen) > 0.95 * CUSTOMERS * MONTHS
    # Two accounts, each rounded to the cent.
    assert max(abs(there.average_assets - here.assets) for there, here in seen) <= Decimal("0.01")
    assert [(there.customer_id, there.month) for there, here in seen if there.tier != here.level_tier] == []


def test_the_planted_path_under_policy_a_is_that_of_plain_python(planted: tuple[Paths, Paths, dict[str, Any]]) -> None:
    truth, found, rules = planted
    moves = {"up": 0, "down": 0, "missed": 0}
    for name, rows in found.items():
        customer = Customer(rules)
        for day in DAYS:
            if day not in rows:
                customer.gone()
                continue
            tier, misses, coming = customer.month(TIERS.index(truth[name][day].tier) + 1)
            row = rows[day]
            now = (row.tier_rank, row.misses, None if row.coming_tier is None else TIERS.index(row.coming_tier) + 1)
            assert now == (tier, misses, coming), (name, day)
            moves["missed"] += misses > 0
            moves["up" if (coming or tier) < tier else "down"] += coming is not None
    assert all(moves.values()), moves


def test_who_is_planted_and_not_found_left_in_that_month(planted: tuple[Paths, Paths, dict[str, Any]]) -> None:
    truth, found, _ = planted
    for name, rows in truth.items():
        missing = sorted(set(rows) - set(found[name]))
        assert missing in ([], [max(rows)]), name
    assert any(set(rows) - set(found[name]) for name, rows in truth.items())


# -- the PKDD'99 bank -----------------------------------------------------------------------------------------------

YEAR = business_dates(date(1993, 4, 1), date(1994, 3, 31), Every.month_end)


@pytest.fixture(scope="module")
def year(spark: SparkSession, berka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("year")
    land_berka(source=berka_dir, landing=folder / "landing")
    return month_by_month(spark, folder, YEAR, jobs=SUMMED, conf=CHECKOUT / "conf")


def test_every_month_has_tiers_and_a_matrix_whose_rows_sum_to_one(year: Lake) -> None:
    counts = year.read("gold.customer_tier").groupBy("as_of").count().collect()
    customers = {row.as_of: row["count"] for row in counts}
    assert sorted(customers) == YEAR
    moves = year.read("gold.tier_migration").collect()
    for before, now in pairwise(YEAR):
        rows = [row for row in moves if row.as_of == now]
        assert {row.previous_as_of for row in rows} == {before}
        shares: dict[str, float] = defaultdict(float)
        for row in rows:
            if row.probability is not None:
                shares[row.from_tier] += row.probability
        assert list(shares.values()) == pytest.approx([1.0] * len(shares))
        assert len(shares) == len(TIERS)
        assert sum(row.customers for row in rows if row.from_tier != "outside") == customers[before]
        assert sum(row.customers for row in rows if row.to_tier != "outside") == customers[now]


def test_branches_and_contributions_add_up_in_every_month(year: Lake) -> None:
    value = year.read("gold.customer_value").groupBy("as_of").agg({"contribution": "sum"}).collect()
    totals = {row.as_of: row[1] for row in value}
    parts = year.read("gold.contribution").groupBy("as_of").agg({"contribution": "sum"}).collect()
    assert {row.as_of: row[1] for row in parts} == totals
    by_branch = year.read("gold.branch_summary").groupBy("as_of").agg({"contribution": "sum"}).collect()
    assert {row.as_of: row[1] for row in by_branch} == totals
    assert set(totals) == set(YEAR)


def test_tiers_are_worth_something_from_the_second_month_on(year: Lake) -> None:
    rows = year.read("gold.tier_value").collect()
    assert {row.as_of for row in rows} == set(YEAR[1:])
    assert all(row.value_low <= row.value_high for row in rows)
    assert {(row.previous_as_of, row.as_of) for row in rows} == set(pairwise(YEAR))
