"""Campaigns of a lake: start, run, power cuts at every commit, two writers, what they caused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import Row, SparkSession
from tests.deliveries import run_job
from tests.report.bank import values
from typer.testing import CliRunner

import portrait.lake.lake as lake_module
from portrait.capabilities.campaigns.commands import campaign as command
from portrait.capabilities.campaigns.declaration import Campaign, load_campaigns
from portrait.capabilities.campaigns.policy import load_campaign_policy
from portrait.capabilities.campaigns.starting import start_campaign
from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError, LakeBusy
from portrait.labels import load_labels
from portrait.labels.declared import Declared
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.run.suite import load_suite

pytestmark = pytest.mark.delta

FIRST = date(2026, 1, 5)
LAST = date(2026, 1, 20)
BEFORE = date(2025, 12, 31)
CUSTOMERS = [f"c{number:03d}" for number in range(240)]
LEDGER, ASSIGNMENTS = "gold.campaign_contacts", "gold.campaign_assignments"


class PowerCut(Exception):
    """The process would be gone here."""


@dataclass
class Bank:
    """A lake with what campaigns read, written by hand."""

    spark: SparkSession
    root: Path
    conf: Path
    catalogue: Catalogue

    def lake(self, lease: Lease | None = None) -> Lake:
        return Lake(self.spark, self.root, self.catalogue, lease=lease)

    def campaign(self) -> Campaign:
        return load_campaigns(self.conf, Declared(self.catalogue, load_labels(self.conf, self.catalogue)))["first_card"]

    def write(self, tables: dict[str, list[dict[str, Any]]], day: date | None = None) -> None:
        with Lease(self.root) as lease:
            lake = self.lake(lease)
            for table, rows in tables.items():
                contract = self.catalogue.table(table)
                full = [values(contract, row | ({"as_of": day} if day else {})) for row in rows]
                frame = self.spark.createDataFrame(full, contract.struct_type)
                lake.append(table, frame)
                if day:
                    lake.writes[-1] = type(lake.writes[-1])(table, day, lake.version(table))
            lake.complete("entities", as_of=day, inputs={}, seconds=0.0)

    def day(self, day: date) -> None:
        """The slices of a day: everybody agreed to marketing, every tenth is in early warning."""
        self.write(
            {
                "gold.customer_features": [
                    {"customer_id": name, "consent_marketing": True, "relationship": "owner", "risk_level": "C3",
                     "customer_txn_amount_90d": Decimal(int(name[1:]) % 7), "age_years": 30 + int(name[1:]) % 40}
                    for name in CUSTOMERS
                ],
                "gold.customer_portrait": [
                    {"customer_id": name, "early_warning": int(name[1:]) % 10 == 0} for name in CUSTOMERS
                ],
                "gold.audiences": [
                    {"audience": "affluent_mobile", "customers": 240, "members": 0, "unknown": 240,
                     "labels": ["tier"], "doubts": ["tier: nothing is known"], "trust": "warned"}
                ],
                "gold.audience_members": [
                    {"audience": "card_prospects", "customer_id": name} for name in CUSTOMERS[:200]
                ],
            },
            day,
        )  # fmt: skip

    def start(self, day: date, why: str | None = "a test") -> None:
        with Lease(self.root) as lease:
            lake = self.lake(lease)
            policy = load_campaign_policy(self.conf)
            start_campaign(lake, self.campaign(), policy=policy, as_of=day, accept_small=why)

    def run(self, day: date, job: str = "campaigns") -> None:
        with Lease(self.root) as lease, shared_lake(self.lake(lease)) as lake:
            run_job(job, "--as-of", str(day), "--conf", str(self.conf))
            lake.complete(job, as_of=day, inputs={}, seconds=0.0)

    def rows(self, table: str, day: date | None = None) -> list[Row]:
        lake = self.lake()
        found = lake.read(table) if day is None else lake.slice(table, day)
        return sorted(found.collect(), key=str)

    def planned(self, day: date) -> list[Row]:
        return [row for row in self.rows(LEDGER) if row.state == "planned" and row.day == day]


def made(spark: SparkSession, folder: Path, conf_dir: Path, schemas_dir: Path) -> Bank:
    conf = folder / "conf"
    shutil.copytree(conf_dir, conf)
    file = conf / "campaigns" / "first_card.yml"
    design = yaml.safe_load(file.read_text(encoding="utf-8"))
    design |= {"starts_on": FIRST, "ends_on": LAST, "arms": {"treated": 0.5, "control": 0.5}}
    file.write_text(yaml.safe_dump(design), encoding="utf-8")
    bank = Bank(spark, folder / "lake", conf, load_suite(conf_dir, schemas_dir))
    noon = datetime(2025, 12, 1, 12)
    bank.write(
        {
            "silver.customers": [
                {"customer_id": name, "consent_channels": "mobile|sms", "valid_from": noon, "is_current": True}
                for name in CUSTOMERS
            ],
            "bronze.feedback": [{"feedback_id": "f1", "customer_id": "c001", "at": noon, "score": 1}],
            "bronze.responses": [
                {"response_id": "r1", "contact_id": "x", "campaign_id": "old", "customer_id": "c002",
                 "kind": "unsubscribed", "at": noon, "_run": 1}
            ],
        }
    )  # fmt: skip
    bank.day(BEFORE)
    return bank


@pytest.fixture(scope="module")
def bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, conf_dir: Path, schemas_dir: Path) -> Bank:
    """Started on the day before; run on the first day."""
    bank = made(spark, tmp_path_factory.mktemp("campaigns"), conf_dir, schemas_dir)
    bank.run(BEFORE)
    bank.start(BEFORE)
    bank.day(FIRST)
    bank.run(FIRST)
    return bank


def test_a_campaign_that_nobody_started_contacts_nobody(bank: Bank) -> None:
    (row,) = bank.rows("gold.campaigns", BEFORE)
    assert (row.state, row.customers, row.planned) == ("not_started", 0, 0)
    assert bank.planned(BEFORE) == []


def test_every_customer_of_the_audience_is_planned_or_refused_by_a_rule(bank: Bank) -> None:
    (state,) = bank.rows("gold.campaigns", FIRST)
    decisions = {row.customer_id: row for row in bank.rows(ASSIGNMENTS, FIRST)}
    assert sorted(decisions) == CUSTOMERS[:200]
    assert state.customers == 200 == state.planned + sum(state.refused.values())
    assert state.planned == len(bank.planned(FIRST)) > 50
    treated = {name: row for name, row in decisions.items() if row.arm == "treated" and not row.is_universal}
    assert all((row.rule == "early_warning") == (int(name[1:]) % 10 == 0) for name, row in treated.items())
    for name, rule in (("c001", "complaint"), ("c002", "unsubscribed")):
        if name in treated:
            assert treated[name].rule == rule
    assert {row.rule for name, row in decisions.items() if name not in treated} == {"control", "universal_control"}
    assert {row.channel for row in bank.planned(FIRST)} == {"mobile"}  # nobody agreed to calls, and sms brings less


def test_run_again_the_day_adds_nothing(bank: Bank) -> None:
    before, decisions = bank.rows(LEDGER), bank.rows(ASSIGNMENTS, FIRST)
    cached = bank.spark.sparkContext._jsc.sc().getPersistentRDDs().size()
    bank.run(FIRST)
    assert bank.spark.sparkContext._jsc.sc().getPersistentRDDs().size() == cached  # a run of months keeps nothing
    assert bank.rows(LEDGER) == before
    assert bank.rows(ASSIGNMENTS, FIRST) == decisions


def test_a_start_needs_a_sample_that_can_show_the_effect(bank: Bank) -> None:
    with pytest.raises(ConfigurationError, match="started already"):
        bank.start(FIRST)
    file = bank.conf / "campaigns" / "first_card.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("first_card_1", "another_lot"), encoding="utf-8")
    try:
        with pytest.raises(
            ConfigurationError, match=r"(?s)the arms amount to 97 customers each.*can tell a rise to 12.4%"
        ):
            bank.start(FIRST, why=None)
    finally:
        file.write_text(text, encoding="utf-8")


def test_a_design_that_changed_after_the_start_is_refused_as_is_one_without_its_vetoes(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = FIRST + timedelta(days=1)
    bank.day(day)
    file, marketing = bank.conf / "campaigns" / "first_card.yml", bank.conf / "marketing.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("first_card_1", "another_lot"), encoding="utf-8")
    bank.run(day)
    file.write_text(text, encoding="utf-8")
    (row,) = bank.rows("gold.campaigns", day)
    assert (row.state, row.planned) == ("refused", 0)
    assert "were changed after the start" in row.reason
    recorded = marketing.read_text(encoding="utf-8")
    has = Lake.has
    monkeypatch.setattr(Lake, "has", lambda lake, table: table != "bronze.feedback" and has(lake, table))
    bank.run(day)
    monkeypatch.undo()
    (row,) = bank.rows("gold.campaigns", day)
    assert (row.state, row.planned) == ("refused", 0)
    assert "the feed feedback never came" in row.reason
    rules = bank.conf / "campaigns.yml"
    kept = rules.read_text(encoding="utf-8")
    rules.write_text(kept.replace("veto_days: 120", "veto_days: 30"), encoding="utf-8")  # the last is of 1 December
    bank.run(day)
    rules.write_text(kept, encoding="utf-8")
    (row,) = bank.rows("gold.campaigns", day)
    assert (row.state, row.planned) == ("refused", 0)
    assert "the feed responses has stopped: its newest record is of 2025-12-01" in row.reason
    assert marketing.read_text(encoding="utf-8") == recorded
    assert bank.planned(day) == []


def test_who_writes_at_the_same_time_is_refused(bank: Bank) -> None:
    before = bank.rows(LEDGER)
    with Lease(bank.root), pytest.raises(LakeBusy):
        bank.run(FIRST)
    assert bank.rows(LEDGER) == before


@pytest.mark.fault
def test_killed_at_every_commit_and_run_again_nothing_is_doubled_or_lost(
    spark: SparkSession, tmp_path: Path, conf_dir: Path, schemas_dir: Path, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_bank = made(spark, tmp_path, conf_dir, schemas_dir)
    cut_bank.start(BEFORE)
    cut_bank.day(FIRST)
    tables = [ASSIGNMENTS, LEDGER, "gold.campaign_constraints", "gold.campaigns"]
    for table in tables:
        for point in ("lake.before_commit", "lake.after_commit"):

            def cut(name: str, detail: str = "", *, at: tuple[str, str] = (point, table)) -> None:
                if (name, detail) == at:
                    raise PowerCut

            monkeypatch.setattr(lake_module, "fault_point", cut)
            with pytest.raises(PowerCut):
                cut_bank.run(FIRST)
            monkeypatch.undo()
    cut_bank.run(FIRST)
    for table, day in ((LEDGER, None), (ASSIGNMENTS, FIRST), ("gold.campaign_constraints", FIRST)):
        assert cut_bank.rows(table, day) == bank.rows(table, day)


@pytest.fixture(scope="module")
def ended(bank: Bank) -> Bank:
    """The contacts were sent; of the treated two in five buy, of the control one in five; some late, some twice."""
    decisions = [row for row in bank.rows(ASSIGNMENTS, FIRST) if not row.is_universal]
    sent = datetime(2026, 1, 5, 12)
    contacts = [
        {"contact_id": row.contact_id, "campaign_id": "first_card", "customer_id": row.customer_id, "arm": "treated",
         "channel": row.channel, "sent_at": sent, "_run": 5}
        for row in bank.planned(FIRST)
    ]  # fmt: skip
    responses = []
    for arm, every in (("treated", 5), ("control", 5)):
        names = sorted(row.customer_id for row in decisions if row.arm == arm)
        takers = [name for place, name in enumerate(names) if place % every < (2 if arm == "treated" else 1)]
        for name in takers:
            late = {"response_id": f"b{name}", "contact_id": f"k{name}", "campaign_id": "first_card", "kind": "bought"}
            at = sent + timedelta(days=3)
            responses += [late | {"customer_id": name, "at": at, "_run": run} for run in (5, 6)]
    after = {"response_id": "b-late", "contact_id": "x", "campaign_id": "first_card", "kind": "bought", "_run": 5,
             "customer_id": names[-1], "at": datetime(2026, 1, 21, 1)}  # fmt: skip
    bank.write({"bronze.contacts": contacts, "bronze.responses": [*responses, after]})
    for day in (date(2026, 1, 10), LAST):
        bank.day(day)
        bank.run(day)
        bank.run(day, "campaign_effects")
    return bank


def test_the_effect_is_that_of_the_lot_and_is_called_significant_only_at_the_end(ended: Bank) -> None:
    (early,), (final,) = (ended.rows("gold.campaign_effects", day) for day in (date(2026, 1, 10), LAST))
    arms = [row.arm for row in ended.rows(ASSIGNMENTS, LAST) if not row.is_universal]
    treated, control = arms.count("treated"), arms.count("control")
    assert (final.treated, final.control) == (treated, control)
    took = (sum(place % 5 < 2 for place in range(treated)), sum(place % 5 < 1 for place in range(control)))
    assert final.treated_rate == pytest.approx(took[0] / treated)
    assert final.control_rate == pytest.approx(took[1] / control)
    assert final.effect == pytest.approx(took[0] / treated - took[1] / control)
    assert (early.state, early.p, early.effect) == ("interim", None, final.effect)
    assert early.verdict == "interim: nothing is called significant before 2026-01-20"
    assert final.state == "final"
    assert final.p < 0.05
    assert final.verdict.startswith("the contacts caused")
    assert (final.uplift_verdict, final.uplift_reason.endswith("are needed")) == ("not judged", True)
    assert (final.planned >= final.sent, final.sent) == (True, len(ended.planned(FIRST)))


def test_what_was_sent_is_in_the_ledger_and_counts_for_the_caps(ended: Bank) -> None:
    sent = [row for row in ended.rows(LEDGER) if row.state == "sent"]
    assert sorted(row.customer_id for row in sent) == sorted(row.customer_id for row in ended.planned(FIRST))
    decisions = ended.rows(ASSIGNMENTS, date(2026, 1, 10))
    reached = {row.customer_id for row in sent}
    assert {row.channels["mobile"] for row in decisions if row.customer_id in reached} == {"cap_7d_channel"}


def test_the_commands_tell_the_whole_way_of_a_campaign(ended: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def opened(*_: object) -> Iterator[Lake]:
        yield ended.lake()

    monkeypatch.setattr("portrait.capabilities.campaigns.starting.reading", opened)
    monkeypatch.setattr("portrait.capabilities.campaigns.starting.writing", opened)

    def said(*words: str, day: date = LAST) -> str:
        places = ("--lake", str(ended.root), "--conf", str(ended.conf), "--as-of", str(day))
        return CliRunner().invoke(command, [*words, *places], catch_exceptions=False, env={"COLUMNS": "200"}).output

    planned, last = ended.planned(FIRST)[0].customer_id, ended.rows("gold.campaigns", LAST)[0]
    status = said("status")
    assert "contacts nobody before" not in status
    assert f"control {last.refused['control']}" in status.split("first_card: refused by ")[1]
    assert "contacts nobody before `portrait campaign start first_card`" in said("status", day=BEFORE)
    assert "the contacts caused" in said("effect", "first_card")
    assert "a contact by mobile about gold_card is planned, worth 1.00" in said(
        "explain", "first_card", planned, day=FIRST
    )
    assert "is not assigned to first_card" in said("explain", "first_card", "c230")
    counts = {row["decision"]: row["customers"] for row in json.loads(said("plan", "first_card", "--format", "json"))}
    assert sum(counts.values()) == 200
    assert counts["control"] == last.refused["control"]
    with pytest.raises(ConfigurationError, match="started already"):
        said("start", "first_card", "--accept-small", "again")
