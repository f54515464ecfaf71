"""Slices of tiers in a lake: days of one month count once, a late correction changes the path from its month on."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from pyspark.sql import Row, SparkSession
from tests.deliveries import run_job
from tests.report.bank import values
from tests.tiers.test_moves import policies

from portrait.capabilities.tiers.policy import TierPolicy, load_tier_policy
from portrait.contracts import Catalogue, job_graph, load_catalogue
from portrait.events import start_log
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.run.staleness import input_stamps

pytestmark = pytest.mark.delta

TIERS, VALUE, NOTES = "gold.customer_tier", "gold.customer_value", "ops.tier_corrections"
JANUARY, MID_FEBRUARY, FEBRUARY = date(2024, 1, 31), date(2024, 2, 15), date(2024, 2, 29)
APRIL = date(2024, 4, 30)
RICH, POOR = 700_000, 100_000


class PowerCut(Exception):
    """The process would be gone here."""


class Bank:
    """A lake that holds the value of customers, and the configuration of their tiers."""

    def __init__(
        self, spark: SparkSession, folder: Path, catalogue: Catalogue, policy: TierPolicy | None = None
    ) -> None:
        self.spark, self.root, self.catalogue, self.conf = spark, folder / "lake", catalogue, folder / "conf"
        self.conf.mkdir()
        (self.conf / "tiers.yml").write_text(
            yaml.safe_dump((policy or policies()).model_dump(mode="json", exclude_none=True))
        )
        self.stale = False
        self.job = next(job for job in job_graph(catalogue) if job.name == "customer_tier")

    def run(self, day: date, **assets: int) -> dict[str, str]:
        """The slice of a day, from the assets of its customers; what the job read."""
        contract = self.catalogue.table(VALUE)
        rows = [
            values(contract, {"as_of": day, "customer_id": name, "assets": Decimal(amount), "score": 0.0})
            for name, amount in assets.items()
        ]
        with Lease(self.root) as lease, shared_lake(Lake(self.spark, self.root, self.catalogue, lease=lease)) as lake:
            lake.replace(VALUE, self.spark.createDataFrame(rows, contract.struct_type), day)
            lake.complete("customer_value", as_of=day, inputs={}, seconds=0.0)
            read = input_stamps(lake, self.job, day, fixed={})
            run_job("customer_tier", "--as-of", str(day), "--conf", str(self.conf))
            lake.complete("customer_tier", as_of=day, inputs=read, seconds=0.0)
            return read

    def lake(self) -> Lake:
        return Lake(self.spark, self.root, self.catalogue)


@pytest.fixture(scope="module")
def corrected(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path) -> Bank:
    """Two months; then January again, with what came late for `late`, and February again."""
    bank = Bank(spark, tmp_path_factory.mktemp("tiers"), load_catalogue(schemas_dir))
    for day, amount in ((JANUARY, RICH), (MID_FEBRUARY, POOR), (FEBRUARY, POOR)):
        bank.run(day, late=amount, steady=RICH, falling=amount)
    bank.run(JANUARY, late=POOR, steady=RICH, falling=RICH)
    lake = bank.lake()
    bank.stale = (
        input_stamps(lake, bank.job, FEBRUARY, fixed={}) != lake.records.completions["customer_tier", FEBRUARY].inputs
    )
    bank.run(FEBRUARY, late=POOR, steady=RICH, falling=POOR)
    return bank


@pytest.fixture(scope="module")
def path(corrected: Bank) -> dict[tuple[str, date], Row]:
    return {(row.customer_id, row.as_of): row for row in corrected.lake().read(TIERS).collect()}


def test_slices_of_one_month_count_one_miss(path: dict[tuple[str, date], Row]) -> None:
    assert [path["falling", day].misses for day in (JANUARY, MID_FEBRUARY, FEBRUARY)] == [0, 1, 1]


def test_a_correction_changes_the_path_from_its_month_on(path: dict[tuple[str, date], Row]) -> None:
    late = [(path["late", day].tier, path["late", day].misses) for day in (JANUARY, MID_FEBRUARY, FEBRUARY)]
    # The slice of the middle of February was not recomputed.
    assert late == [("growing", 0), ("vip", 1), ("growing", 0)]


def test_it_says_so_and_why(corrected: Bank) -> None:
    noted = corrected.lake().read(NOTES).where(f"as_of <= date'{FEBRUARY}'").orderBy("as_of").collect()
    assert [(r.as_of, r.customer_id, r.cause, r.tier_before, r.tier_after, r.misses_before) for r in noted] == [
        (JANUARY, "late", "facts", "vip", "growing", 0),
        (FEBRUARY, "late", "path", "vip", "growing", 1),
    ]


def test_notes_of_a_run_that_died_before_it_wrote_the_slice_are_taken_back(
    corrected: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut(name: str, detail: str = "") -> None:
        if (name, detail) == ("lake.before_commit", TIERS):
            raise PowerCut

    def noted() -> dict[str, str]:
        rows = corrected.lake().read(NOTES).where(f"as_of = date'{APRIL}'").collect()
        assert len(rows) == len({row.customer_id for row in rows})
        return {row.customer_id: row.tier_after for row in rows}

    corrected.run(APRIL, steady=RICH, new=RICH, other=RICH)
    with monkeypatch.context() as patch:
        patch.setattr("portrait.lake.lake.fault_point", power_cut)
        with pytest.raises(PowerCut):
            corrected.run(APRIL, steady=RICH, new=POOR, other=POOR)
    assert noted() == {"new": "growing", "other": "growing"}
    corrected.run(APRIL, steady=RICH, new=POOR, other=RICH)
    assert noted() == {"new": "growing"}
    corrected.run(APRIL, steady=RICH, new=POOR, other=RICH)
    assert noted() == {"new": "growing"}


def test_a_corrected_month_makes_the_next_one_stale(corrected: Bank) -> None:
    assert corrected.stale


def test_a_slice_names_the_slices_it_was_made_of(corrected: Bank) -> None:
    read = corrected.lake().records.completions["customer_tier", FEBRUARY].inputs
    assert {name for name in read if "@" in name} == {f"{TIERS}@{JANUARY}", f"{TIERS}@{MID_FEBRUARY}"}


def test_a_run_says_which_levels_qualify_nobody(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path, conf_dir: Path
) -> None:
    catalogue = load_catalogue(schemas_dir)
    bank = Bank(spark, tmp_path, catalogue, load_tier_policy(conf_dir / "tiers.yml"))
    start_log(str(tmp_path / "events"))
    bank.run(JANUARY, one=RICH, two=RICH, three=POOR)
    # The quantiles .99, .9 and .6 of three are all of the two rich ones: two thirds reach them.
    rows = bank.lake().slice("gold.tier_levels", JANUARY).where("criterion = 'assets'").collect()
    assert {row.tier: (row.level, row.customers, row.reached, row.qualifies) for row in rows} == dict.fromkeys(
        ("diamond", "vip", "growing"), (Decimal(RICH), 3, 2, False)
    )
    assert {row.tier for row in bank.lake().slice(TIERS, JANUARY).collect()} == {"ordinary"}
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    told = [item for item in events if item["event"] == "tier_level_qualifies_nobody"]
    assert [(item["tier"], item["criterion"], item["reached"], item["customers"]) for item in told] == [
        (tier, "assets", 2, 3) for tier in ("diamond", "vip", "growing")
    ]
    rule = next(rule for rule in catalogue.table("gold.tier_levels").rules if rule.id == "level_is_selective")
    assert rule.severity == "warning"
    broken = bank.lake().slice("gold.tier_levels", JANUARY).where(f"not ({rule.predicate})")
    assert broken.count() == 3
