"""The synthetic bank's rings of all eight typologies are found, and few other accounts are."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.funds.alerts import fund_alerts
from portrait.capabilities.funds.policy import load_funds_policy
from portrait.sources import land_synthetic
from portrait.sources.synthetic.patterns import NAMES

pytestmark = pytest.mark.scale

DAYS = (date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31))
KINDS = {"cycle", *NAMES}


def test_recall_and_precision_by_typology(spark: SparkSession, tmp_path: Path, conf_dir: Path) -> None:
    """Per typology: the share of rings with an alert of it on a member, and of such alerts that are on members."""
    landing = tmp_path / "landing"
    land_synthetic(spark, customers=60_000, months=3, seed=5, landing=landing, feeds=("transactions",))
    read = spark.read.csv(str(landing / "transactions"), header=True).dropDuplicates(["transaction_id"])
    bookings = read.select(
        *("transaction_id", "account_id", "direction", "type", "counterparty_account"),
        F.concat(F.lit("C"), F.substring("account_id", 2, 9)).alias("customer_id"),
        F.to_timestamp("booked_at").alias("booked_at"),
        F.to_date(F.substring("booked_at", 1, 10)).alias("booked_on"),
        (F.col("amount").try_cast("decimal(18,2)") * 100).cast("bigint").alias("amount_minor"),
    ).where("type in ('transfer_in', 'transfer_out', 'cash_deposit')")
    bookings = bookings.persist()
    policy = load_funds_policy(conf_dir).alerts
    found = [
        (day, row.kind, row.account_id)
        for day in DAYS
        for row in fund_alerts(bookings, policy=policy, as_of=day).select("kind", "account_id").collect()
    ]
    members = duckdb.sql(
        f"select typology, ring, account_id, first_month from '{tmp_path}/truth/fraud_rings/*.parquet'"
    ).fetchall()
    in_ring = {account for _, _, account, _ in members}
    alerts = {(kind, account) for _, kind, account in found if kind in KINDS}
    for typology in sorted(KINDS):
        rings: dict[int, set[str]] = {}
        for name, ring, account, _ in members:
            if name == typology:
                rings.setdefault(ring, set()).add(account)
        of_kind = {account for kind, account in alerts if kind == typology}
        hit = sum(bool(accounts & of_kind) for accounts in rings.values())
        right = len(of_kind & in_ring)
        print(f"{typology}: {hit} of {len(rings)} rings, {right} of {len(of_kind)} accounts are members")
        assert len(rings) >= 5
        assert hit >= 0.8 * len(rings)
        assert right >= 0.5 * len(of_kind)
