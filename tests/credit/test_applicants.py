"""Facts of an application are those of the day on which it was received; the jobs on a landed bank."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession
from sklearn.metrics import roc_auc_score
from tests.deliveries import run_job

from portrait.capabilities.credit.applicants import application_facts
from portrait.capabilities.credit.policy import Applications
from portrait.contracts import load_catalogue
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.settings import Settings
from portrait.sources import land_synthetic

DAY = date(2025, 3, 31)
SINCE = datetime(2020, 1, 1)


def test_facts_are_of_the_day_received(spark: SparkSession) -> None:
    open_end = "cast(null as timestamp) valid_to"
    applications = spark.createDataFrame(
        [
            ("q1", "c", date(2024, 6, 15), Decimal(12_000), 12, Decimal(3000), "bad", date(2025, 4, 1)),
            ("q2", "c", date(2025, 3, 1), None, 12, Decimal(0), "good", date(2025, 3, 20)),
            ("q3", "c", date(2025, 4, 1), Decimal(1), 12, None, None, None),
            ("q4", "stranger", date(2025, 3, 1), Decimal(1), 12, Decimal(1), None, None),
        ],
        "application_id string, customer_id string, received_on date, amount decimal(18,2), months int, "
        "declared_income decimal(18,2), outcome string, outcome_on date",
    ).selectExpr("*", "'p' product_id", "'car' purpose", "'identity' documents", "timestamp'2020-01-01' valid_from",
                 open_end)  # fmt: skip
    moved = datetime(2024, 9, 1)
    customers = spark.createDataFrame(
        [
            ("c", date(1984, 6, 16), "basic", "worker", SINCE, moved),
            ("c", date(1984, 6, 16), "university", "executive", moved, None),
        ],
        "customer_id string, birth_date date, education string, occupation string, valid_from timestamp, "
        "valid_to timestamp",
    )
    accounts = spark.createDataFrame(
        [("a", date(2023, 6, 15)), ("b", date(2024, 12, 1))], "account_id string, opened_on date"
    ).selectExpr("*", "timestamp'2020-01-01' valid_from", open_end)
    parties = spark.createDataFrame(
        [("a", "c", "owner"), ("b", "c", "owner")], "account_id string, party_id string, role string"
    ).selectExpr("*", "timestamp'2020-01-01' valid_from", open_end)
    loans = spark.createDataFrame(
        [
            ("l", "a", date(2024, 1, 1), 24, Decimal(100), "D", date(2024, 8, 1)),  # in arrears after the first one
            ("m", "a", date(2024, 7, 1), 24, Decimal(50), None, None),  # granted after it
        ],
        "loan_id string, account_id string, granted_on date, months int, instalment decimal(18,2), status string, "
        "status_on date",
    ).selectExpr("*", "timestamp'2020-01-01' valid_from", open_end)
    tables = {
        "applications": applications, "customers": customers, "accounts": accounts, "account_parties": parties,
        "loans": loans,
    }  # fmt: skip
    rows = application_facts(tables, policy=Applications(), as_of=DAY).collect()
    found = {row.application_id: row for row in rows}
    assert set(found) == {"q1", "q2", "q4"}
    first, second, stranger = found["q1"], found["q2"], found["q4"]
    assert (first.age, first.education, first.years_known) == (39, "basic", pytest.approx(1.0, abs=0.01))
    assert (first.running_loans, first.bad_loans, first.running_instalments) == (1, 0, Decimal(100))
    assert first.burden == pytest.approx((1037.75 + 100) / 3000, abs=2e-5)
    assert first.incomes == 4.0
    assert first.outcome is None  # it is known the day after
    assert (second.age, second.education, second.outcome) == (40, "university", "good")
    assert (second.running_loans, second.bad_loans) == (2, 1)
    assert (second.burden, second.incomes) == (None, None)
    assert (stranger.age, stranger.years_known, stranger.running_loans) == (None, None, None)


@pytest.fixture(scope="module")
def bank(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, schemas_dir: Path, conf_dir: Path
) -> Iterator[Lake]:
    """A bank of 1,500 customers whose applications were decided on one day, and again."""
    folder = tmp_path_factory.mktemp("credit")
    feeds = ("customers", "accounts", "account_parties", "loans", "applications")
    land_synthetic(spark, customers=1500, months=3, seed=6, landing=folder / "landing", feeds=feeds)
    words = ("--as-of", str(DAY), "--landing", str(folder / "landing"), "--conf", str(conf_dir))
    with Lease(folder / "lake") as lease:
        lake = Lake(spark, folder / "lake", load_catalogue(schemas_dir), lease=lease)
        with shared_lake(lake, Settings(landing=folder / "landing")):
            for job in ("ingest", "entities", "credit_scores", "credit_decisions"):
                run_job(job, *words)
                lake.complete(job, as_of=DAY if job.startswith("credit") else None, inputs={}, seconds=0.0)
            lake.resume(None)
            run_job("credit_decisions", *words)
        yield lake


@pytest.mark.delta
def test_planted_risk_is_found(bank: Lake) -> None:
    truth = duckdb.sql(f"select application_id, turns_bad from '{bank.root.parent}/truth/applications/*.parquet'")
    turns = dict(truth.fetchall())
    rows = bank.slice("gold.credit_scores", DAY).collect()
    auc = roc_auc_score([turns[row.application_id] for row in rows], [row.probability for row in rows])
    planted = duckdb.sql(f"select application_id, probability from '{bank.root.parent}/truth/applications/*.parquet'")
    best = dict(planted.fetchall())
    ideal = roc_auc_score([turns[r.application_id] for r in rows], [best[r.application_id] for r in rows])
    print(f"AUC {auc:.3f} of {len(rows)} new applications, {ideal:.3f} by the planted probabilities")
    assert len(rows) > 200
    assert auc >= ideal - 0.06
    assert all(row.grade is not None and row.model_version is not None for row in rows)


@pytest.mark.delta
def test_every_application_is_decided_once_and_nothing_is_approved_on_missing_facts(bank: Lake) -> None:
    rows = bank.read("gold.credit_decisions").collect()
    assert len({row.application_id for row in rows}) == len(rows) == bank.slice("gold.credit_scores", DAY).count()
    # Without gold.customer_warnings nobody knows whether there are signs of trouble.
    assert {row.decision for row in rows} == {"refer", "decline"}
    assert all("missing_early_warning" in row.rules for row in rows)


@pytest.mark.delta
def test_the_score_is_stable_and_features_are_listed(bank: Lake) -> None:
    rows = {row.subject: row for row in bank.slice("gold.credit_monitoring", DAY).where("measure = 'psi'").collect()}
    assert rows["burden"].verdict == "stable"
    assert "score" in rows
