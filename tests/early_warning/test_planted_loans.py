"""The synthetic bank's bad loans are warned of long before, and few others are."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession
from tests.deliveries import run_job

from portrait.capabilities.early_warning.payments import instalments_paid
from portrait.capabilities.early_warning.policy import load_warning_policy
from portrait.contracts import load_catalogue
from portrait.lake import Lake, Lease
from portrait.run.job import shared_lake
from portrait.settings import Settings
from portrait.sources import land_synthetic

# The bar of issue 24. Twelve thousand customers: of half as many too few loans turn bad (18) to judge a share by.
pytestmark = [pytest.mark.delta, pytest.mark.scale]

FIRST, MONTHS = date(2025, 1, 1), 12
LEAD = 60


def month_ends() -> list[date]:
    return [date(2025 + month // 12, month % 12 + 1, 1) - timedelta(1) for month in range(1, MONTHS + 1)]


def test_recall_two_months_ahead_at_thirty_alerts_per_thousand(
    spark: SparkSession, tmp_path: Path, schemas_dir: Path, conf_dir: Path
) -> None:
    """By the two signals of payments alone, at month ends; an alert is a loan that was not warned of a month before."""
    landing = tmp_path / "landing"
    land_synthetic(spark, customers=12000, months=MONTHS, seed=4, landing=landing, feeds=("loans", "instalments"))
    words = ("--as-of", "2025-12-31", "--landing", str(landing), "--conf", str(conf_dir))
    policy = load_warning_policy(conf_dir)
    with Lease(tmp_path / "lake") as lease:
        lake = Lake(spark, tmp_path / "lake", load_catalogue(schemas_dir), lease=lease)
        with shared_lake(lake, Settings(landing=landing)):
            for job in ("ingest", "entities"):
                run_job(job, *words)
                lake.complete(job, as_of=None, inputs={}, seconds=0.0)
        instalments = lake.read("silver.instalments").persist()
        seen: list[tuple[str, date, bool]] = []
        for day in month_ends():
            paid = instalments_paid(instalments, late_days=policy.late_days, as_of=day)
            rows = paid.selectExpr("loan_id", "late_90d >= 2 or days_past_due > 5 as warned").collect()
            seen += [(row.loan_id, day, row.warned) for row in rows]
    planted = duckdb.sql(f"select loan_id, arrears_on from '{tmp_path}/truth/bad_loans/*.parquet'").fetchall()
    bad = dict(planted)
    warned: dict[str, list[date]] = {}
    alerts, loan_months, before = 0, 0, set[str]()
    for day in month_ends():
        now = {loan for loan, at, on in seen if at == day and on}
        performing = {loan for loan, at, _ in seen if at == day and not (loan in bad and bad[loan] <= day)}
        alerts += len((now - before) & performing)
        loan_months += len(performing)
        before = now
        for loan in now:
            warned.setdefault(loan, []).append(day)
    # Who fell into arrears before five months were on record could not be warned of two months ahead.
    judged = {loan: on for loan, on in bad.items() if on >= FIRST + timedelta(150)}
    early = [loan for loan, on in judged.items() if any(day <= on - timedelta(LEAD) for day in warned.get(loan, []))]
    recall, per_thousand = len(early) / len(judged), 1000 * alerts / loan_months
    print(f"recall {recall:.3f} of {len(judged)} bad loans at {LEAD} days, {per_thousand:.1f} alerts per 1,000 a month")
    assert len(judged) >= 20
    assert recall >= 0.7
    assert per_thousand <= 30
