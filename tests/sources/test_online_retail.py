"""A shop's file of invoice lines as feeds, by conf/sources/online_retail: nothing is rounded, nothing is lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from tests.conftest import SHARED_DATA

from portrait.contracts import load_catalogue
from portrait.ingest.trial import tried
from portrait.mappings import load_mappings

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = SHARED_DATA / "online_retail" / "online_retail.csv.gz"
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not FILE.is_file(), reason=f"{FILE.name} is not there"),
]


def _feed(spark: SparkSession, folder: Path, feed: str) -> DataFrame:
    landing = folder / "landing"
    if not landing.exists():
        (landing / "online_retail").mkdir(parents=True)
        (landing / "online_retail" / FILE.name).symlink_to(FILE)
    catalogue = load_catalogue(CHECKOUT / "schemas", standard=False)
    mappings = load_mappings(CHECKOUT / "conf", catalogue)
    return tried(spark, landing=landing, feed=feed, catalogue=catalogue, mappings=mappings, work=folder / "work")


def test_the_total_is_the_published_one(spark: SparkSession, tmp_path: Path) -> None:
    lines = _feed(spark, tmp_path, "transactions")
    signed = "sum(if(direction = 'debit', amount, -amount)) filter (where __present and __reasons is null)"
    row = lines.selectExpr(
        f"{signed} / 100 as pounds",
        "count_if(__present and __reasons is null) as bookings",
        "count_if(__present is null) as left_out",
        "count_if(__reasons is not null) as bad",
        "count(distinct account_id) filter (where __present) as accounts",
    ).collect()[0]
    assert row["pounds"] == Decimal("9747747.934")
    # 541,909 lines, of which 2,515 have no value (counted in plain Python).
    assert (row["bookings"], row["left_out"], row["bad"]) == (541_909 - 2_515, 2_515, 0)


def test_each_customer_is_there_once(spark: SparkSession, tmp_path: Path) -> None:
    customers = _feed(spark, tmp_path, "customers").where("__present")
    row = customers.selectExpr("count(*) as rows", "count(distinct customer_id) as ids", "min(customer_id) as least")
    assert row.collect()[0].asDict() == {"rows": 4372, "ids": 4372, "least": "12346"}
