"""The bar on real purchases: items of a shop that are new to a customer, by time split, against popularity."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.conftest import SHARED_DATA

from portrait.capabilities.offers.learning import learn
from portrait.capabilities.offers.measures import (
    ALS,
    LAST_MONTH,
    METHODS,
    NEW,
    POPULARITY,
    REPEAT,
    difference,
    measure_of,
)
from portrait.capabilities.offers.policy import load_recommendation_policy
from portrait.capabilities.offers.purchases import first_day, purchases, split_interactions

FILE = SHARED_DATA / "online_retail" / "online_retail.csv.gz"
AS_OF = date(2011, 12, 9)
pytestmark = [
    pytest.mark.scale,
    pytest.mark.skipif(not FILE.is_file(), reason="real data is absent: online_retail (set PORTRAIT_TEST_DATA)"),
]


def bookings(spark: SparkSession) -> DataFrame:
    """Lines of invoices of customers as bookings: the article stands where a bank has the merchant."""
    lines = spark.read.csv(str(FILE), header=True)
    bought = lines.where("CustomerID is not null and cast(Quantity as double) > 0 and cast(UnitPrice as double) > 0")
    once = bought.groupBy("CustomerID", "InvoiceNo", "StockCode").agg(F.min(F.to_date("InvoiceDate")).alias("day"))
    return once.select(
        F.col("CustomerID").alias("customer_id"),
        F.lit("debit").alias("direction"),
        F.lit(None).cast("string").alias("category"),
        F.col("StockCode").alias("merchant_id"),
        F.col("day").alias("booked_on"),
        F.lit(100).cast("bigint").alias("amount_minor"),
    )


def test_new_articles_are_ranked_better_than_by_popularity(spark: SparkSession, conf_dir: Path) -> None:
    shipped = load_recommendation_policy(conf_dir)
    refit = shipped.shopping.refit.model_copy(update={"held_out_days": 60})
    policy = shipped.shopping.model_copy(update={"refit": refit})
    nobody = spark.createDataFrame([], "customer_id string, product_id string")
    bought = purchases(bookings(spark), as_of=AS_OF, since=first_day(AS_OF, policy, refit=True))
    pairs = split_interactions(bought, nobody, nobody, as_of=AS_OF, policy=policy).toArrow()
    found = learn(spark, pairs, policy=policy, als=shipped.als)
    for basis in (NEW, REPEAT):
        for method in METHODS:
            item = measure_of(found.measures, basis=basis, kind="all", method=method)
            novelty = "-" if item.novelty is None else f"{item.novelty:.2f}"
            print(
                f"{basis} {method}: {len(item.ndcg)} customers, recall@10 {item.recall.mean():.4f}, NDCG@10 "
                f"{item.ndcg.mean():.4f}, coverage {item.coverage:.3f}, novelty {novelty}"
            )
    als, popular = (measure_of(found.measures, basis=NEW, kind="all", method=name) for name in (ALS, POPULARITY))
    ndcg = difference(als, popular, resamples=1000, confidence=0.95)
    recall = difference(als, popular, resamples=1000, confidence=0.95, of=lambda item: item.recall)
    print(f"NDCG@10 {ndcg.mean:+.4f} ({ndcg.low:+.4f} to {ndcg.high:+.4f})")
    print(f"recall@10 {recall.mean:+.4f} ({recall.low:+.4f} to {recall.high:+.4f})")
    assert found.reason is None
    assert ndcg.low > 0
    assert recall.low > 0
    assert measure_of(found.measures, basis=NEW, kind="all", method=LAST_MONTH).ndcg.max() == 0  # nothing new
