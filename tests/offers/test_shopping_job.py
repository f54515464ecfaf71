"""The job `shopping` on lakes with planted tastes: what is learnt, kept, refused; the future has no influence."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pyspark.sql import Row, SparkSession
from tests.deliveries import run_job

from portrait.capabilities.offers.product_affinities import why_not_used
from portrait.capabilities.offers.shopping import is_due
from portrait.contracts import Catalogue
from portrait.lake import Lake, Lease, ModelStore, Write
from portrait.run.job import shared_lake
from portrait.run.suite import load_suite

AS_OF, NEXT, LATER = date(2025, 10, 31), date(2025, 11, 30), date(2026, 1, 31)
CUSTOMERS, SHOPS = 200, 12
QUALITY, RECOMMENDED, FEATURES = (
    "gold.recommendation_quality", "gold.shopping_recommendations", "gold.customer_features"
)  # fmt: skip
pytestmark = pytest.mark.delta


def bookings() -> pd.DataFrame:
    """Two tastes of 12 merchants. Everybody pays at 8 of their taste before October and at one more in October.

    All pay at `everybody`; in November each pays at another merchant of their taste. `cold` never pays.
    """
    draws, rows = np.random.default_rng(4), []
    for customer in range(CUSTOMERS):
        order = draws.permutation(SHOPS) + SHOPS * (customer % 2)
        who = f"c{customer:03}"
        rows += [(who, f"S{shop:02}", AS_OF - timedelta(days=60 + place)) for place, shop in enumerate(order[:8])]
        rows.append((who, f"S{order[8]:02}", AS_OF - timedelta(days=10)))
        rows.append((who, f"S{order[9]:02}", NEXT - timedelta(days=10)))
        rows += [(who, "everybody", AS_OF - timedelta(days=days)) for days in (10, 70)]
    return pd.DataFrame(rows, columns=["customer_id", "merchant_id", "booked_on"])


@dataclass
class Bank:
    """A lake to which features, bookings and holdings are written by hand."""

    spark: SparkSession
    root: Path
    conf: Path
    catalogue: Catalogue

    def lake(self, lease: Lease | None = None) -> Lake:
        return Lake(self.spark, self.root, self.catalogue, lease=lease)

    def write(self, table: str, rows: pd.DataFrame, given: dict[str, str]) -> None:
        """`given`: column to SQL over `rows`."""
        columns = [
            f"cast({given.get(c.name, 'null')} as {c.physical_type}) as {c.name}"
            for c in self.catalogue.table(table).columns
        ]
        with Lease(self.root) as lease:
            lake = self.lake(lease)
            lake.append(table, self.spark.createDataFrame(rows).selectExpr(*columns))
            job = self.catalogue.table(table).job
            assert job is not None
            if table == FEATURES:
                days = sorted(set(rows["day"]))
                lake.writes = [Write(table, day, lake.version(table)) for day in days]
                lake.complete(job, as_of=days[-1], inputs={}, seconds=0.0)
            else:
                lake.complete(job, as_of=None, inputs={}, seconds=0.0)

    def features(self, customers: list[str], days: list[date]) -> None:
        rows = pd.DataFrame([(name, day) for name in customers for day in days], columns=["customer_id", "day"])
        self.write(FEATURES, rows, {"customer_id": "customer_id", "as_of": "day", "relationship": "'owner'"})

    def book(self, rows: pd.DataFrame, *, category: str = "'travel'", merchant: str = "merchant_id") -> None:
        given = {
            "transaction_id": "concat(customer_id, merchant_id, booked_on)", "account_id": "customer_id",
            "customer_id": "customer_id", "booked_at": "timestamp(booked_on)", "booked_on": "booked_on",
            "direction": "'debit'", "amount": "10", "signed_amount": "-10", "amount_minor": "1000",
            "signed_minor": "-1000", "type": "'card_payment'", "kind_code": "0", "category": category,
            "merchant_id": merchant,
        }  # fmt: skip
        self.write("silver.transactions", rows, given)

    def run(self, day: date) -> None:
        with Lease(self.root) as lease, shared_lake(self.lake(lease)) as lake:
            run_job("shopping", "--as-of", str(day), "--conf", str(self.conf))
            lake.complete("shopping", as_of=day, inputs={}, seconds=0.0)

    def chief(self, day: date) -> Row:
        rows = self.lake().slice(QUALITY, day).where("basis = 'new' and kind = 'all' and method = 'als'").collect()
        assert len(rows) == 1
        return rows[0]

    def rows(self, day: date) -> pd.DataFrame:
        return self.lake().slice(RECOMMENDED, day).orderBy("customer_id", "kind", "rank").toPandas()


def conf_of(folder: Path, shipped: Path) -> Path:
    """The shipped configuration, with a small model."""
    conf = folder / "conf"
    shutil.copytree(shipped, conf)
    policy = yaml.safe_load((conf / "offers.yml").read_text(encoding="utf-8"))
    policy["als"] |= {"rank": 4, "iterations": 4}
    policy["shopping"]["refit"] |= {"k": 3}
    (conf / "offers.yml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    return conf


@pytest.fixture(scope="module")
def catalogue(conf_dir: Path, schemas_dir: Path) -> Catalogue:
    return load_suite(conf_dir, schemas_dir)


@pytest.fixture(scope="module")
def bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, conf_dir: Path, catalogue: Catalogue) -> Bank:
    """Run for the end of October, and for the end of November: by then the model is 30 days old and not due."""
    folder = tmp_path_factory.mktemp("shopping")
    made = Bank(spark, folder / "lake", conf_of(folder, conf_dir), catalogue)
    made.features([f"c{number:03}" for number in range(CUSTOMERS)] + ["cold"], [AS_OF, NEXT])
    made.book(bookings())
    made.run(AS_OF)
    made.run(NEXT)
    return made


def test_planted_tastes_are_used_and_measured(bank: Bank) -> None:
    row = bank.chief(AS_OF)
    assert (row.used, row.reason, row.customers, row.fitted_on) == (True, None, CUSTOMERS, AS_OF)
    assert row.held_out_from == date(2025, 10, 2)
    assert row["items"] == 2 * SHOPS  # all pay at `everybody` and travel: both are left out
    assert row.difference_low > 0.2
    assert row.recall > 0.6  # three places for the four merchants of the taste that are left: .75


def test_what_is_recommended_is_new_of_the_customers_taste_with_reasons(bank: Bank) -> None:
    found = bank.rows(AS_OF)
    paid = bookings().query("booked_on <= @AS_OF").groupby("customer_id")["merchant_id"].agg(set)
    assert set(found["kind"]) == {"merchant"}
    assert sorted(found["customer_id"].unique()) == sorted(paid.index)  # not `cold`
    assert not [row for row in found.itertuples() if row.item in paid[row.customer_id]]
    right = [int(row.item[1:]) // SHOPS == int(row.customer_id[1:]) % 2 for row in found.itertuples()]
    assert np.mean(right) >= 0.99
    assert all(set(row.because) <= {f"merchant {shop}" for shop in paid[row.customer_id]} for row in found.itertuples())
    assert (found["because"].str.len() > 0).all()


def test_the_slices_between_use_the_model_that_there_is_and_todays_purchases(bank: Bank) -> None:
    first, second = bank.chief(AS_OF), bank.chief(NEXT)
    assert (second.used, second.fitted_on, second.model_version) == (True, AS_OF, first.model_version)
    assert [model.version for model in ModelStore(bank.lake()).versions("shopping")] == [first.model_version]
    paid = bookings().groupby("customer_id")["merchant_id"].agg(set)
    assert not [row for row in bank.rows(NEXT).itertuples() if row.item in paid[row.customer_id]]


def test_what_comes_after_the_day_does_not_matter(bank: Bank, tmp_path: Path) -> None:
    """A lake that knows nothing after 31 October has the same slices of it."""
    other = Bank(bank.spark, tmp_path / "lake", bank.conf, bank.catalogue)
    other.features([f"c{number:03}" for number in range(CUSTOMERS)] + ["cold"], [AS_OF])
    other.book(bookings().query("booked_on <= @AS_OF").sample(frac=1, random_state=2))
    other.run(AS_OF)
    pd.testing.assert_frame_equal(other.rows(AS_OF), bank.rows(AS_OF))
    columns = [name for name in bank.lake().rows(QUALITY).columns if name != "model_version"]
    one, two = (
        made.lake().slice(QUALITY, AS_OF).orderBy("basis", "kind", "method").select(*columns).collect()
        for made in (bank, other)
    )
    assert one == two


def test_without_anything_to_learn_from_the_job_succeeds_and_says_so(
    spark: SparkSession, tmp_path: Path, conf_dir: Path, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bank whose bookings have neither category nor merchant, and which delivers no holdings."""
    made = Bank(spark, tmp_path / "lake", conf_dir, catalogue)
    made.features(["c000"], [AS_OF])
    made.book(bookings().head(5), category="null", merchant="null")
    made.run(AS_OF)
    row = made.chief(AS_OF)
    assert (row.used, row.customers, row.ndcg, row.model_version) == (False, 0, None, None)
    assert row.reason.startswith("there is nothing to learn from: no booking has a category or a merchant")
    assert not made.lake().has(RECOMMENDED)
    assert (
        "what customers buy is not used in recommendations of 2025-10-31: there is nothing" in capsys.readouterr().out
    )


def test_products_that_it_ranks_worse_are_ranked_without_it() -> None:
    def measured(low: float | None, high: float | None, **chief: Any) -> dict[str, dict[str, Any]]:
        product = {"difference": -0.1, "difference_low": low, "difference_high": high}
        return {"all": {"used": True, "reason": None} | chief, "product": product}

    assert why_not_used(measured(-0.2, 0.01)) is None
    assert why_not_used(measured(None, None)) is None  # nobody opened a product: nothing is shown
    assert why_not_used({"all": {"used": True, "reason": None}}) is None
    worse = "it ranks new products worse than popularity does: difference of NDCG -0.1000 (-0.2000 to -0.0100)"
    assert why_not_used(measured(-0.2, -0.01)) == worse
    assert why_not_used(measured(-0.2, 0.01, used=False, reason="too few")) == "too few"


def test_when_a_model_is_due() -> None:
    def rows(**changed: Any) -> list[dict[str, Any]]:
        known = {"basis": "new", "kind": "all", "method": "als", "fitted_on": AS_OF, "settings": "s", "ndcg": 0.1}
        return [{"basis": "repeat", "kind": "all", "method": "als"}, known | changed]

    assert not is_due(rows(), settings="s", as_of=AS_OF + timedelta(days=79), days=80)
    assert is_due(rows(), settings="s", as_of=AS_OF + timedelta(days=80), days=80)
    assert is_due(rows(), settings="other", as_of=NEXT, days=80)
    assert is_due(rows(ndcg=None), settings="s", as_of=NEXT, days=80)  # nothing could be measured then
