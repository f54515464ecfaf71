"""Uplift and Qini: the page's vector, ties, Hillstrom, and an experiment with a planted effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.campaigns.policy import CampaignPolicy, UpliftPolicy, load_campaign_policy
from portrait.capabilities.campaigns.ranking import qini_of, ties_of
from portrait.capabilities.campaigns.uplift import NOT_USABLE, USABLE, fit_uplift, qini
from portrait.errors import ConfigurationError, InputRefused

# methods/campaigns.md, C5: (w, y) in the order of the score.
VECTOR = [(1, 1), (0, 0), (1, 1), (0, 1), (1, 0), (0, 0), (0, 0), (1, 0)]
FEATURES = ["recency", "history", "mens", "womens", "newbie", "zip_code", "channel", "history_segment"]
LIGHT = UpliftPolicy().model_copy(
    update={"resamples": 100, "boosting": UpliftPolicy().boosting.model_copy(update={"trees": 10, "rate": 0.3})}
)


def test_qini_vector_by_hand(spark: SparkSession) -> None:
    rows = [(8.0 - place, w, bool(y)) for place, (w, y) in enumerate(VECTOR)]
    found = qini(spark.createDataFrame(rows, ["s.1", "W", "`y"]), score="s.1", treatment="w", outcome="`y")
    assert list(found.curve["q"]) == [1, 1, 2, 1, 0.5, 1, 1.25, 1]
    assert list(found.curve["phi"]) == [place / 8 for place in range(1, 9)]
    assert round(found.coefficient, 6) == 0.119141
    assert found.ratio == pytest.approx(2 * 0.119140625 / 0.25)  # 2 x coefficient / effect, effect 2/4 - 1/4


def test_ties_grow_evenly_whatever_the_partitions(spark: SparkSession) -> None:
    rows = [(1.0 if place < 4 else 0.0, w, y) for place, (w, y) in enumerate(VECTOR)]
    frame = spark.createDataFrame(rows, ["s", "w", "y"])
    found = qini(frame, score="s", treatment="w", outcome="y")
    # By hand: the upper four have Y_t 2, Y_c 1, N_t 2, N_c 2: Q = 1 at 1/2, on a line from 0, and 1 at the end; in the
    # lower four Y_c stays 1 and N_t = N_c throughout, so Q stays 1.
    assert found.curve["q"].to_numpy() == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])
    again = qini(frame.orderBy(F.desc("y")).repartition(3), score="s", treatment="w", outcome="y")
    assert again.coefficient == found.coefficient
    constant = qini(frame.withColumn("s", F.lit(3)), score="s", treatment="w", outcome="y")
    assert constant.coefficient == pytest.approx(0.0, abs=1e-12)


def test_a_tie_is_the_average_over_its_orders() -> None:
    draw = np.random.default_rng(2)
    w, y = draw.integers(0, 2, 4000).astype(float), (draw.random(4000) < 0.3).astype(float)
    score = draw.integers(0, 8, 4000).astype(float)
    tied = qini_of(ties_of(score, w, y)).coefficient
    orders = [qini_of(ties_of(score + draw.random(4000), w, y)).coefficient for _ in range(200)]
    assert tied == pytest.approx(np.mean(orders), abs=4 * np.std(orders) / np.sqrt(200))


def test_qini_refuses_rows_that_it_would_have_to_drop(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(1.0, 1, 1), (None, 0, 0)], "s double, w int, y int")
    with pytest.raises(InputRefused, match=r"(?s)score is null or NaN in 1 rows.*'s'"):
        qini(frame, score="s", treatment="w", outcome="y")
    with pytest.raises(InputRefused, match="no treated or no control"):
        qini(frame.where("s is not null"), score="s", treatment="w", outcome="y")


def test_hillstrom_s_women_s_mail_is_usable(hillstrom: dict[str, DataFrame]) -> None:
    model = fit_uplift(hillstrom["women's"], treatment="mailed", outcome="visit", features=FEATURES)
    assert model.verdict == USABLE, model.reason
    assert model.report["qini_ratio"] >= 0.28
    assert model.report["qini"] > model.report["qini_response"]
    assert model.report["qini_response"] == pytest.approx(0.0043, abs=0.0005)  # the page
    assert round(model.report["effect"], 6) == 0.045233
    scored = model.score(hillstrom["women's"])
    assert scored.count() == 42_693
    assert qini(scored, score="uplift", treatment="mailed", outcome="visit").ratio >= 0.28


def test_hillstrom_s_men_s_mail_is_not(hillstrom: dict[str, DataFrame]) -> None:
    model = fit_uplift(hillstrom["men's"], treatment="mailed", outcome="visit", features=FEATURES, policy=LIGHT)
    assert model.verdict == NOT_USABLE
    assert "treat all or none" in model.reason


def planted(rows: int, share: float = 0.3) -> pd.DataFrame:
    """An outcome that the treatment changes by -.05, .05 or .2, by group; `level` moves it without the treatment."""
    draw = np.random.default_rng(4)
    group, level = draw.choice(["x", "y`", None], rows), draw.normal(0, 1, rows)
    effect = np.where(group == "x", 0.2, np.where(pd.isna(group), -0.05, 0.05))
    treated = draw.random(rows) < share
    chance = 0.3 + 0.08 * np.tanh(level) + effect * treated
    frame = pd.DataFrame({"a.b `c`": group, "c0": np.where(draw.random(rows) < 0.1, np.nan, level), "t": treated})
    return frame.assign(y=(draw.random(rows) < chance).astype(int), effect=effect, uplift="was here")


def test_a_planted_effect_is_found_in_any_frame(spark: SparkSession) -> None:
    frame = spark.createDataFrame(planted(12_000))
    call = {"treatment": "t", "outcome": "y", "features": ["a.b `c`", "C0"], "policy": LIGHT}
    model = fit_uplift(frame, **call)  # type: ignore[arg-type]
    assert model.verdict == USABLE
    assert "qini_class_transformation" not in model.report  # 30 % are treated
    scored = model.score(frame)
    assert scored.columns == ["a.b `c`", "c0", "t", "y", "effect", "uplift"]
    found = scored.groupBy("effect").agg(F.avg("uplift").alias("mean"), F.count("*").alias("n")).collect()
    assert sum(row["n"] for row in found) == 12_000
    for row in found:
        assert row["mean"] == pytest.approx(row["effect"], abs=0.04)
    best = qini(scored, score="effect", treatment="t", outcome="y").coefficient
    assert qini(scored, score="uplift", treatment="t", outcome="y").coefficient >= 0.8 * best
    shuffled = frame.orderBy(F.rand(1)).repartition(5)
    again = fit_uplift(shuffled, **call)  # type: ignore[arg-type]
    assert (again.report, again.learner) == (model.report, model.learner)


def test_the_x_learner_scores_in_spark_as_on_the_driver(spark: SparkSession) -> None:
    from portrait.capabilities.campaigns.learners import fit_x_learner, trial_of
    from portrait.capabilities.prospects.encoding import bins_of
    from portrait.capabilities.prospects.frames import with_result

    rows = planted(3_000)
    columns = {"g": rows["a.b `c`"].to_numpy(dtype=object), "n": rows["c0"].to_numpy()}
    one = np.ones(len(rows))
    kinds = {"g": "text", "n": "number"}
    bins = {name: bins_of(columns[name], kind, copies=one, policy=LIGHT.bins) for name, kind in kinds.items()}  # type: ignore[arg-type]
    labels = {"treated": rows["t"].to_numpy(dtype=float), "outcome": rows["y"].to_numpy(dtype=float), "copies": one}
    trial = trial_of(columns, bins, **labels, policy=LIGHT)
    model = fit_x_learner(trial, policy=LIGHT, seed=1)
    frame = spark.createDataFrame(rows[["a.b `c`", "c0"]]).coalesce(1)
    names = {"g": "c0", "n": "c1"}
    scored = with_result(frame, model.column(names), "tau", inputs=model.inputs(names)).toPandas()
    assert scored["tau"].to_numpy() == pytest.approx(model.uplift(trial), abs=1e-12)


def test_too_little_and_wrong_input_is_refused(spark: SparkSession) -> None:
    frame = spark.createDataFrame(planted(200))
    with pytest.raises(InputRefused, match="treatment 0 with outcome 1 has 42 rows; 50 are needed"):
        fit_uplift(frame, treatment="t", outcome="y", features=["c0"])
    with pytest.raises(ConfigurationError, match="both treatment and feature"):
        fit_uplift(frame, treatment="t", outcome="y", features=["t"])


def test_the_shipped_file_has_the_defaults(conf_dir) -> None:
    assert load_campaign_policy(conf_dir) == CampaignPolicy()
