"""The report of a lake that was written by hand: figures, the file, and what must not be in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.report.bank import BEFORE, GROUPED, NOW, RUN, SECRET, write_bank

from portrait.lake import Lake
from portrait.report import build_report, write_report
from portrait.report.figures import Figures
from portrait.report.page import gathered
from portrait.run.runner import RunSummary
from portrait.run.suite import load_suite

pytestmark = pytest.mark.delta


@dataclass(frozen=True)
class Bank:
    """A lake to read, the figures of its two slices, and the report of the newer one."""

    lake: Lake
    figures: Figures
    before: Figures
    report: Path


@pytest.fixture(scope="module")
def bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, conf_dir: Path, schemas_dir: Path) -> Bank:
    root = tmp_path_factory.mktemp("bank")
    catalogue = load_suite(conf_dir, schemas_dir)
    write_bank(spark, root, catalogue)
    lake = Lake(spark, root, catalogue)
    # A run that changed nothing has a number of its own, under which nothing was written.
    idle = RunSummary(99, NOW, [], None, 1.0, changed=False)
    report = write_report(lake, as_of=NOW, run=idle)
    return Bank(lake, gathered(lake, NOW), gathered(lake, BEFORE), report)


def test_customers_and_assets_by_tier(bank: Bank) -> None:
    found = {row["tier"]: (row["customers"], row["assets"]) for row in bank.figures["tiers"]}
    assert found == {
        "diamond": (2, Decimal("1800000.00")),
        "vip": (18, Decimal("3600000.00")),
        "growing": (60, Decimal("3000000.00")),
        "ordinary": (120, Decimal("480000.00")),
    }


def test_the_slice_before_is_the_previous_one(bank: Bank) -> None:
    assert bank.figures.previous == BEFORE
    assert bank.figures.total("tiers_before", "customers") == 190
    assert bank.before.previous is None


def test_a_label_has_a_point_a_slice(bank: Bank) -> None:
    series = {row["label"]: row["slices"] for row in bank.figures["label_series"]}
    now = {"as_of": str(NOW), "known": Decimal("0.95"), "yes": Decimal("0.45")}
    assert series["salary_customer"] == [{"as_of": str(BEFORE), "known": Decimal("0.75"), "yes": Decimal("0.25")}, now]
    # Texts are not yes or no, and of whom nothing is known neither.
    assert [point["yes"] for label in ("value_tier", "early_warning") for point in series[label]] == [None, None]
    assert [row["label"] for row in bank.before["label_series"]] == ["salary_customer"]


def test_recommendations_by_product(bank: Bank) -> None:
    found = {row["product_id"]: (row["customers"], row["first"]) for row in bank.figures["products"]}
    assert found == {"P1": (150, 150), "P2": (130, 30)}
    assert [(row["title"], row["customers"]) for row in bank.figures["shopping_items"]] == [("merchant S1", 60)]
    ndcg = {row["method"]: str(row["ndcg"]) for row in bank.figures["shopping_quality"]}
    assert ndcg == {"als": "0.2", "popularity": "0.15"}


def test_a_file_that_was_judged_again_counts_once(bank: Bank) -> None:
    found = {(row["feed"], row["status"]): (row["rows_in"], row["rows_bad"]) for row in bank.figures["files"]}
    expected = {
        ("transactions", "accepted"): (1000, 5),
        ("loans", "accepted"): (50, 0),
        ("cards", "quarantined"): (0, 0),
    }
    assert found == expected


def test_rows_in_quarantine_count_under_each_rule_until_released(bank: Bank) -> None:
    found = {(row["feed"], row["rule"]): row["rows"] for row in bank.figures["quarantine"]}
    assert found == {
        ("transactions", "amount.type"): 3,
        ("transactions", "booked_at.type"): 1,
        ("transactions", "channel.enum"): 1,
    }


def test_reconciliation_stops_at_the_business_date(bank: Bank) -> None:
    (found,) = bank.figures["reconciliation"]
    assert (found["days"], found["accounts"]) == (2, 1)
    assert (found["difference"], found["absolute"], found["largest"]) == (
        Decimal("1.50"),
        Decimal("3.50"),
        Decimal("2.50"),
    )


def test_groups_and_who_has_none(bank: Bank) -> None:
    assert bank.figures.total("groups", "customers") == GROUPED
    alone = [row for row in bank.figures["grouping"] if row["not_grouped_reason"]]
    assert [(row["not_grouped_reason"], row["customers"]) for row in alone] == [("no_transaction_in_window", 20)]


def test_seconds_by_job_are_those_of_the_run(bank: Bank) -> None:
    found = {row["job"]: float(row["seconds"]) for row in bank.figures["jobs"]}
    assert found["ingest"] == 14.0
    assert found["quality"] == 12.5


def test_rows_of_each_slice_come_from_the_commit(bank: Bank) -> None:
    assert bank.figures.slice_rows["gold.customer_tier"] == 200
    assert bank.figures.slice_rows["gold.group_summary"] == 3


def test_a_slice_is_published_when_readers_see_exactly_its_versions(bank: Bank) -> None:
    assert bank.figures.is_published
    assert not bank.before.is_published


def test_the_report_is_one_file_named_after_the_run_that_wrote_the_slice(bank: Bank) -> None:
    assert bank.report == bank.lake.root / "reports" / f"{RUN}.html"
    assert [item.name for item in bank.report.parent.iterdir()] == [bank.report.name]


def test_no_customer_shows_in_the_report(bank: Bank) -> None:
    html = bank.report.read_text(encoding="utf-8")
    assert SECRET not in html
    assert "secret text" not in html


def test_names_from_the_data_stay_text(bank: Bank) -> None:
    html = bank.report.read_text(encoding="utf-8")
    assert "Gold card &lt;b&gt;plus&lt;/b&gt;" in html
    assert "<b>plus" not in html


def test_a_day_without_slices_still_makes_a_report(bank: Bank) -> None:
    assert "Tiers were not computed for this day." in build_report(bank.lake, as_of=date(2000, 1, 1))


def test_an_empty_lake_makes_a_report(spark: SparkSession, tmp_path: Path, conf_dir: Path, schemas_dir: Path) -> None:
    lake = Lake(spark, tmp_path, load_suite(conf_dir, schemas_dir))
    html = build_report(lake, as_of=NOW)
    assert "Not published" in html
    assert "No files were ingested through this lake." in html


def test_what_a_tier_is_worth_is_said_with_the_slice_since_which_moves_are_counted(bank: Bank) -> None:
    said = bank.report.read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "move between tiers as they did since 31 December 1993" in said
