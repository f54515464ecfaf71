"""Card features: by hand, against the delivered columns of the handbook's data, against a loop."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.conftest import SHARED_DATA

from portrait.capabilities.funds.features import card_features
from portrait.capabilities.funds.fraud import card_precision, without_known_cards
from portrait.errors import ConfigurationError

WINDOWS = [
    f"{owner}_{measure}_{days}DAY_WINDOW"
    for owner, second in (("CUSTOMER_ID", "AVG_AMOUNT"), ("TERMINAL_ID", "RISK"))
    for days in (1, 7, 30)
    for measure in ("NB_TX", second)
]
ADDED = ["TX_DURING_WEEKEND", "TX_DURING_NIGHT", *WINDOWS]
COLUMNS = dict(customer="c", terminal="t", at="at", amount="x", fraud="f")  # noqa: C408


@pytest.fixture(scope="module")
def delivered() -> Path:
    folder = SHARED_DATA / "card_fraud"
    if not folder.is_dir():
        pytest.skip("real data is absent: card_fraud (set PORTRAIT_TEST_DATA to the folder that holds it)")
    return folder


@pytest.fixture(scope="module")
def computed(spark: SparkSession, delivered: Path) -> pd.DataFrame:
    """Our columns on the handbook's 60 days, one row per payment of the 28 delivered days."""
    history = spark.read.parquet(str(delivered / "card_fraud_history_20180616_20180717.parquet"))
    days = spark.read.parquet(str(delivered / "card_fraud_20180718_20180814.parquet")).select(history.columns)
    featured = card_features(
        history.union(days),
        customer="CUSTOMER_ID",
        terminal="TERMINAL_ID",
        at="TX_DATETIME",
        amount="TX_AMOUNT",
        fraud="TX_FRAUD",
    )
    assert featured.columns == [*history.columns, *ADDED]
    late = featured.where("TX_DATETIME >= '2018-07-18'").toPandas()
    return late.sort_values("TRANSACTION_ID", ignore_index=True)


@pytest.fixture(scope="module")
def expected(delivered: Path) -> pd.DataFrame:
    frame = pd.read_parquet(delivered / "card_fraud_20180718_20180814.parquet")
    return frame.sort_values("TRANSACTION_ID", ignore_index=True)


@pytest.mark.process
def test_columns_equal_the_delivered_ones(computed: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Of the pairs of the same customer and second the source sees one, as its README says: these eight rows are out.

    A terminal's 30 days (and the delay of 7) are complete from 23 July on.
    """
    assert computed["TRANSACTION_ID"].equals(expected["TRANSACTION_ID"])
    twice = expected.duplicated(["CUSTOMER_ID", "TX_DATETIME"], keep=False)
    assert twice.sum() == 8
    for name in ADDED:
        rows = ~twice if name.startswith("CUSTOMER") else twice | True
        if name.startswith("TERMINAL") and "30DAY" in name:
            rows = rows & (expected["TX_DATETIME"] >= "2018-07-23")
        if name.startswith("TERMINAL"):
            rows = rows & ~expected.duplicated(["TERMINAL_ID", "TX_DATETIME"], keep=False)
        got, wanted = computed.loc[rows, name].astype(float), expected.loc[rows, name].astype(float)
        assert np.abs(got - wanted).max() < 1e-9, name


@pytest.mark.process
def test_logistic_regression_reaches_the_handbooks_figures(spark: SparkSession, computed: pd.DataFrame) -> None:
    """Train 25-31 July, test 8-14 August, known cards removed: the counts and figures of the methods page."""
    frame = computed.assign(
        day=computed["TX_DATETIME"].dt.date, card=computed["CUSTOMER_ID"], fraud=computed["TX_FRAUD"]
    )
    inputs = ["TX_AMOUNT", *ADDED]
    train = frame[frame["TX_DATETIME"].between("2018-07-25", "2018-07-31 23:59:59")]
    assert (len(train), int(train["fraud"].sum())) == (67_240, 598)
    payments = spark.createDataFrame(frame[["TRANSACTION_ID", "card", "day", "fraud"]])
    kept = without_known_cards(
        payments, train_from="2018-07-25", train_until="2018-07-31", test_from="2018-08-08", test_until="2018-08-14"
    )
    ids = kept.select("TRANSACTION_ID").toPandas()["TRANSACTION_ID"]
    test = frame[frame["TRANSACTION_ID"].isin(ids)]
    assert (len(test), int(test["fraud"].sum())) == (58_264, 385)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train[inputs], train["fraud"])
    test = test.assign(score=model.predict_proba(test[inputs])[:, 1])
    assert roc_auc_score(test["fraud"], test["score"]) == pytest.approx(0.870, abs=0.005)
    assert average_precision_score(test["fraud"], test["score"]) == pytest.approx(0.605, abs=0.005)
    scored = spark.createDataFrame(test[["card", "day", "fraud", "score"]])
    assert card_precision(scored, k=100) == pytest.approx(0.291, abs=0.005)


def payments(spark: SparkSession, rows: list[tuple[object, ...]]) -> DataFrame:
    frame = spark.createDataFrame(rows, "n int, c string, t string, at timestamp, x int, f int")
    return frame.withColumn("x", F.col("x").cast("decimal(18,2)"))


def at(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(f"{text}+00:00")


def by_row(frame: DataFrame) -> dict[int, dict[str, object]]:
    return {row["n"]: row.asDict() for row in frame.orderBy("n").collect()}


def test_by_hand(spark: SparkSession) -> None:
    """Ends of windows: exactly a day before is out, a microsecond later is in; the terminal's delay likewise."""
    rows = [
        (1, "a", "T", at("2025-03-01T12:00:00"), 10, 1),  # a Saturday
        (2, "a", "T", at("2025-03-02T11:59:59.999999"), 20, 0),
        (3, "a", "T", at("2025-03-02T12:00:00"), 60, None),
        (4, "b", "T", at("2025-03-08T12:00:00"), None, 0),
        (5, "b", "T", at("2025-03-10T06:59:59"), 5, 0),
    ]
    found = by_row(card_features(payments(spark, rows), **COLUMNS))
    pairs = {
        n: (row["CUSTOMER_ID_NB_TX_1DAY_WINDOW"], row["CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW"]) for n, row in found.items()
    }
    assert pairs == {1: (1, 10.0), 2: (2, 15.0), 3: (2, 40.0), 4: (1, None), 5: (1, 5.0)}
    # 4: seven days after 1, which is in its window of one day; 5: after 2 and 3, and within a day of neither 1.
    assert (found[4]["TERMINAL_ID_NB_TX_1DAY_WINDOW"], found[4]["TERMINAL_ID_RISK_1DAY_WINDOW"]) == (1, 1.0)
    assert (found[5]["TERMINAL_ID_NB_TX_1DAY_WINDOW"], found[5]["TERMINAL_ID_RISK_1DAY_WINDOW"]) == (2, 0.0)
    assert found[5]["TERMINAL_ID_RISK_7DAY_WINDOW"] == pytest.approx(1 / 3)
    assert (found[3]["TERMINAL_ID_NB_TX_30DAY_WINDOW"], found[3]["TERMINAL_ID_RISK_30DAY_WINDOW"]) == (0, 0.0)
    assert [row["TX_DURING_WEEKEND"] for row in found.values()] == [1, 1, 1, 1, 0]
    assert [row["TX_DURING_NIGHT"] for row in found.values()] == [0, 0, 0, 0, 1]


def test_unknown_keys_and_times_are_in_no_window(spark: SparkSession) -> None:
    rows = [(1, None, "T", at("2025-03-01"), 1, 0), (2, None, None, at("2025-03-01"), 1, 0), (3, "a", "T", None, 1, 1)]
    rows.append((4, "a", "T", at("2025-03-09"), 7, 0))
    found = by_row(card_features(payments(spark, rows), **COLUMNS))
    assert len(found) == 4
    assert found[1]["CUSTOMER_ID_NB_TX_30DAY_WINDOW"] is None
    assert found[2]["TERMINAL_ID_RISK_30DAY_WINDOW"] is None
    assert all(found[3][name] is None for name in ADDED)
    assert (found[4]["CUSTOMER_ID_NB_TX_30DAY_WINDOW"], found[4]["TERMINAL_ID_NB_TX_7DAY_WINDOW"]) == (1, 1)


def test_any_names_types_and_layouts_against_a_loop(spark: SparkSession) -> None:
    draws = np.random.default_rng(4)
    start = pd.Timestamp("2025-03-20")
    frame = pd.DataFrame(
        {
            "who is.it": draws.integers(0, 3, 150),
            "wo`": draws.choice(["x", "y"], 150),
            "wann 时": start + pd.to_timedelta(draws.integers(0, 20 * 24, 150), unit="h"),
            "amount": draws.integers(1, 9999, 150) / 100,
            "is fraud": draws.random(150) < 0.2,
        }
    )
    names = {"customer": "who is.it", "terminal": "wo`", "at": "wann 时", "amount": "amount", "fraud": "is fraud"}
    found = card_features(spark.createDataFrame(frame).repartition(5), **names, delay_days=2).toPandas()
    assert len(found) == 150
    day = pd.Timedelta(days=1)
    for row in found.to_dict("records"):
        moment = row["wann 时"]
        own = frame[(frame["who is.it"] == row["who is.it"]) & (frame["wann 时"] > moment - 7 * day)]
        own = own[own["wann 时"] <= moment]
        shop = frame[(frame["wo`"] == row["wo`"]) & (frame["wann 时"] > moment - 3 * day)]
        shop = shop[shop["wann 时"] <= moment - 2 * day]
        assert row["CUSTOMER_ID_NB_TX_7DAY_WINDOW"] == len(own)
        assert row["CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW"] == pytest.approx(own["amount"].mean(), abs=1e-9)
        assert row["TERMINAL_ID_NB_TX_1DAY_WINDOW"] == len(shop)
        assert row["TERMINAL_ID_RISK_1DAY_WINDOW"] == pytest.approx(shop["is fraud"].mean() if len(shop) else 0.0)


def test_what_cannot_be_computed_is_refused(spark: SparkSession) -> None:
    frame = payments(spark, [(1, "a", "T", at("2025-03-01"), 1, 0)])
    for changed, message in (
        ({"at": "c"}, "of type string"),
        ({"customer": "nobody"}, "no column 'nobody'"),
        ({"delay_days": -1}, "a delay of -1 days"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            card_features(frame, **{**COLUMNS, **changed})
    with pytest.raises(ConfigurationError, match="already has a column 'TX_DURING_NIGHT'"):
        card_features(frame.withColumn("TX_DURING_NIGHT", F.lit(1)), **COLUMNS)
