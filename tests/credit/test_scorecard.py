"""Scorecards: German credit, planted populations, any names and types, scikit-learn, bad input."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from tests.conftest import SHARED_DATA

from portrait.capabilities.credit.policy import Bins, CreditPolicy
from portrait.capabilities.credit.scorecard import Scorecard, fit_scorecard
from portrait.errors import ConfigurationError

SIGNS = {"DURATION_MONTHS": 1, "INSTALLMENT_RATE": 1, "AGE": -1}


@pytest.fixture(scope="module")
def german() -> pd.DataFrame:
    path = SHARED_DATA / "german_credit" / "german.data"
    if not path.exists():
        pytest.skip("real data is absent: german_credit (set PORTRAIT_TEST_DATA to the folder that holds it)")
    frame = pd.read_csv(path, sep=r"\s+")
    frame["bad"] = 1 - frame.pop("CLASSIFICATION")
    assert frame["bad"].sum() == 300
    return frame


@pytest.fixture(scope="module")
def applicants() -> pd.DataFrame:
    """2,000 with a planted truth: bad falls with income, a missing ratio is bad, trips are bad, noise says nothing."""
    draws = np.random.default_rng(24)
    income, debt = draws.gamma(3, 1000, 2000), draws.random(2000)
    missing = draws.random(2000) < 0.2
    purpose = draws.choice(["car", "home", "trip"], 2000, p=[0.5, 0.3, 0.2])
    line = -1.0 - 0.0006 * (income - 3000) + 1.6 * missing + 1.5 * (purpose == "trip")
    bad = draws.random(2000) < 1 / (1 + np.exp(-line))
    return pd.DataFrame(
        {
            "in`come.€": income.round(2),
            "debt ratio": np.where(missing, np.nan, debt),
            "目的": purpose,
            "employed": income > 3000,
            "noise": draws.normal(size=2000),
            "only one": 1,
            "bad": bad.astype(int),
        }
    )


@pytest.fixture(scope="module")
def frame(spark: SparkSession, applicants: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(applicants)


@pytest.fixture(scope="module")
def card(frame: DataFrame) -> Scorecard:
    return fit_scorecard(frame, target="bad", signs={"in`come.€": -1})


def bins(card: Scorecard, feature: str) -> pd.DataFrame:
    return card.table[card.table["feature"] == feature]


def cross_validated(spark: SparkSession, german: pd.DataFrame, seed: int, folds: int = 5) -> list[float]:
    found = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(german, german["bad"]):
        card = fit_scorecard(spark.createDataFrame(german.iloc[train]), target="bad", signs=SIGNS)
        scored = card.score(spark.createDataFrame(german.iloc[test])).select("bad", "probability").toPandas()
        found.append(float(roc_auc_score(scored["bad"], scored["probability"])))
        if len(found) == folds:
            break
    return found


@pytest.mark.process
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_german_credit_reaches_the_bar(spark: SparkSession, german: pd.DataFrame, seed: int) -> None:
    found = cross_validated(spark, german, seed)
    print(f"seed {seed}: AUC {np.mean(found):.4f} of folds {np.round(found, 3)}")
    assert np.mean(found) >= 0.77


def test_german_credit_is_monotone_where_declared_and_bins_have_five_percent(
    spark: SparkSession, german: pd.DataFrame
) -> None:
    table = fit_scorecard(spark.createDataFrame(german), target="bad", signs=SIGNS).table
    assert (table["share"] >= 0.05).all()
    assert table.groupby("feature")["share"].sum().to_numpy() == pytest.approx(1.0)
    for feature, sign in SIGNS.items():
        rates = table.loc[table["feature"] == feature, "bad rate"]
        assert len(rates) >= 2
        assert (np.diff(rates) * sign >= 0).all()


def test_a_planted_population_is_found(card: Scorecard) -> None:
    assert (np.diff(bins(card, "in`come.€")["bad rate"]) <= 0).all()
    missing = bins(card, "debt ratio").iloc[-1]
    assert (missing["bin"], missing["woe"] < -0.8) == ("missing", True)
    assert bins(card, "目的").iloc[-1]["bin"] == "trip"
    assert set(card.left_out) >= {"noise", "only one"}
    assert "information value" in card.left_out["noise"]


def test_woe_of_the_table_is_that_of_its_counts(card: Scorecard, applicants: pd.DataFrame) -> None:
    bad = applicants["bad"].sum()
    for purpose in bins(card, "目的").to_dict("records"):
        rows = applicants[applicants["目的"].isin(purpose["bin"].split(", "))]
        expected = math.log(((rows["bad"] == 0).sum() / (2000 - bad)) / (rows["bad"].sum() / bad))
        assert purpose["woe"] == pytest.approx(expected)
        assert purpose["share"] == pytest.approx(len(rows) / 2000)


def test_points_are_on_the_scale_and_add_up(card: Scorecard, frame: DataFrame) -> None:
    scored = card.score(frame)
    assert scored.columns == [*frame.columns, "points", "probability"]
    rows = scored.toPandas()
    odds = (1 - rows["probability"]) / rows["probability"]
    assert rows["points"].to_numpy() == pytest.approx(387.60 + 72.13 * np.log(odds), abs=0.05)
    assert rows["probability"].mean() == pytest.approx(rows["bad"].mean(), abs=1e-3)
    first = rows.iloc[0]
    own = [
        table.loc[[_holds(label, first[name]) for label in table["bin"]], "points"].iloc[0]
        for name, table in card.table.groupby("feature")
    ]
    assert sum(own) == pytest.approx(first["points"])


def _holds(label: str, value: object) -> bool:
    if isinstance(value, float | int) and not isinstance(value, bool | np.bool_):
        if label == "missing":
            return math.isnan(value)
        low, high = label[1:-1].split(", ")
        return float(low) < value <= float(high)
    if isinstance(value, bool | np.bool_):
        low, high = label[1:-1].split(", ")
        return float(low) < float(value) <= float(high)
    return value in label.split(", ")


def test_the_regression_equals_scikit_learns(card: Scorecard, frame: DataFrame, applicants: pd.DataFrame) -> None:
    woes = {feature.name: [float(item.woe) for item in feature.bins] for feature in card.features}
    places = frame.select(*[f.place_of_bin(frame[f"`{f.name.replace('`', '``')}`"]) for f in card.features]).toPandas()
    columns = [np.array(woes[f.name])[places.iloc[:, n]] for n, f in enumerate(card.features)]
    bad = np.array([row["bad"] for row in frame.select("bad").collect()])
    model = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(np.column_stack(columns), bad)
    assert card.line.coefficients == pytest.approx(model.coef_[0], rel=1e-3)
    assert card.line.intercept == pytest.approx(model.intercept_[0], rel=1e-3)


def test_the_same_card_in_any_layout(card: Scorecard, frame: DataFrame) -> None:
    again = fit_scorecard(frame.repartition(7, "noise"), target="bad", signs={"in`come.€": -1})
    assert again == card


def test_reasons_are_the_largest_losses(card: Scorecard, frame: DataFrame) -> None:
    told = card.reasons(frame, n=2)
    assert told.columns == [*frame.columns, "reasons"]
    rows = told.limit(50).collect()
    best = card.table.groupby("feature")["points"].max()
    for row in rows:
        lost = {
            name: best[name] - table.loc[[_holds(label, _value(row, name)) for label in table["bin"]], "points"].iloc[0]
            for name, table in card.table.groupby("feature")
        }
        expected = sorted((value for value in lost.values() if value > 0), reverse=True)[:2]
        assert [item["lost"] for item in row["reasons"]] == pytest.approx(expected)
        assert all(lost[item["feature"]] == pytest.approx(item["lost"]) for item in row["reasons"])
    assert any(len(row["reasons"]) == 2 for row in rows)


def _value(row: object, name: str) -> object:
    value = row[name]  # type: ignore[index]
    return math.nan if value is None else value


def test_missing_unseen_and_not_a_number_are_scored(spark: SparkSession, card: Scorecard) -> None:
    layout = "`in``come.€` double, `debt ratio` double, `目的` string, employed boolean"
    rows = [(None, None, None, None), (float("nan"), float("inf"), "boat", True), (-1e300, 0.5, "", False)]
    scored = card.score(spark.createDataFrame(rows, layout)).collect()
    assert len(scored) == 3
    assert all(0 < row["probability"] < 1 for row in scored)


def test_special_values_have_bins_of_their_own(spark: SparkSession) -> None:
    """-9 is worst and -8 best, though both lie below all numbers; the rest falls, as declared."""
    draws = np.random.default_rng(2)
    value = draws.integers(0, 100, 3000).astype(float)
    value[:400], value[400:800] = -9, -8
    chance = np.where(value == -9, 0.7, np.where(value == -8, 0.02, 0.5 - 0.004 * value))
    data = pd.DataFrame({"x": value, "bad": (draws.random(3000) < chance).astype(int)})
    policy = CreditPolicy(bins=Bins(special_values=(-9, -8)))
    card = fit_scorecard(spark.createDataFrame(data), target="bad", signs={"x": -1}, policy=policy)
    table = card.table.set_index("bin")
    assert table.loc["-9", "bad rate"] == pytest.approx(data.loc[data["x"] == -9, "bad"].mean())
    assert table.loc["-9", "woe"] < -1 < 1 < table.loc["-8", "woe"]
    ordered = table.drop(["-9", "-8"])
    assert (np.diff(ordered["bad rate"]) <= 0).all()


def test_a_feature_that_repeats_another_may_not_turn_its_sign(spark: SparkSession) -> None:
    """b says what a says, more noisily: given a, it turns round (planted), so it is left out by name."""
    draws = np.random.default_rng(6)
    a = draws.normal(size=4000)
    b = a + draws.normal(size=4000) * 0.5
    bad = draws.random(4000) < 1 / (1 + np.exp(-(3 * a - 1.2 * b)))
    data = pd.DataFrame({"a": a, "b": b, "bad": bad})
    card = fit_scorecard(spark.createDataFrame(data), target="bad")
    assert card.left_out["b"].startswith("wrong sign: coefficient +")
    assert [item.name for item in card.features] == ["a"]


def test_a_sign_against_the_data_leaves_the_feature_out(spark: SparkSession, frame: DataFrame) -> None:
    card = fit_scorecard(frame, target="bad", features=["in`come.€"], signs={"in`come.€": 1})
    assert card.left_out["in`come.€"].startswith("information value")
    share = card.totals.bad / card.totals.rows
    assert card.table.empty
    assert [row["probability"] for row in card.score(frame).collect()] == pytest.approx([share] * 2000)
    assert card.reasons(frame).limit(1).collect()[0]["reasons"] == []


def test_columns_of_other_types_are_named(frame: DataFrame) -> None:
    dated = frame.select(
        "bad", "目的", F.lit("2025-01-01").cast("date").alias("since"), F.array(F.lit(1)).alias("list")
    )
    card = fit_scorecard(dated, target="bad")
    assert card.left_out == {
        "since": "type date is neither number, boolean nor text",
        "list": "type array<int> is neither number, boolean nor text",
    }


def test_what_cannot_be_fitted_is_refused(frame: DataFrame) -> None:
    for wrong, arguments, message in (
        (frame, {"target": "worse"}, "no column 'worse'"),
        (frame, {"target": "目的"}, "the target is no number"),
        (frame, {"target": "noise"}, "values other than 0 and 1"),
        (frame.where("bad = 1"), {"target": "bad"}, "needs good and bad ones"),
        (frame.withColumn("bad", F.expr("nullif(bad, 1)")), {"target": "bad"}, "rows have no target"),
        (frame, {"target": "bad", "features": ["noise", "bad"]}, "'bad' is the target, or named twice"),
        (frame, {"target": "bad", "signs": {"目的": 1}}, "is not a number among the features"),
        (frame, {"target": "bad", "signs": {"noise": 2}}, "has the sign 2"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            fit_scorecard(wrong, **arguments)


def test_what_cannot_be_scored_is_refused(card: Scorecard, frame: DataFrame) -> None:
    with pytest.raises(ConfigurationError, match="no column '目的'"):
        card.score(frame.drop("目的"))
    with pytest.raises(ConfigurationError, match="was a text when the scorecard was fitted"):
        card.score(frame.withColumn("目的", F.lit(1)))
    with pytest.raises(ConfigurationError, match="already has a column 'points'"):
        card.score(card.score(frame))


def test_no_file_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame: DataFrame) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit_scorecard(frame, target="bad", features=["目的"]).features
