"""Effects of campaigns: the page's vectors, Hillstrom's average effects, scipy as the independent computation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy import stats

from portrait.capabilities.campaigns.assignment import arm, bucket, universal_control
from portrait.capabilities.campaigns.effect import cuped, intention_to_treat, sample_ratio, sample_size, smallest_effect
from portrait.errors import ConfigurationError, InputRefused

PLAN = {"treated": 0.95, "control": 0.05}


def test_sample_ratio_vectors_by_hand() -> None:
    stops = sample_ratio({"treated": 9_400, "control": 600}, PLAN)
    assert (round(stops.chi2, 2), round(stops.p, 7), stops.stop) == (21.05, 4.5e-6, True)
    goes_on = sample_ratio({"treated": 95_000, "control": 5_200}, PLAN)
    assert (round(goes_on.chi2, 2), round(goes_on.p, 4), goes_on.stop) == (7.58, 0.0059, False)
    with pytest.raises(ConfigurationError, match="same arms"):
        sample_ratio({"treated": 1}, PLAN)


def test_sample_size_of_the_page() -> None:
    assert sample_size(0.020, 0.025) == 13_809
    with pytest.raises(ConfigurationError):
        sample_size(0.02, 0.02)


def test_the_smallest_effect_that_a_sample_can_tell_is_that_whose_sample_size_it_has() -> None:
    assert smallest_effect(0.02, 13_809) == 0.005
    assert smallest_effect(0.02, 13_808) == 0.006
    assert smallest_effect(0.02, 0) is None


@pytest.mark.parametrize(
    ("mail", "effects"),
    [
        ("women's", {"visit": 0.045233, "conversion": 0.003111, "spend": 0.424412}),
        ("men's", {"visit": 0.076590, "conversion": 0.006805, "spend": 0.769827}),
    ],
)
def test_hillstrom_s_average_effects_to_six_decimals(
    hillstrom: dict[str, DataFrame], mail: str, effects: dict[str, float]
) -> None:
    for outcome, published in effects.items():
        found = intention_to_treat(hillstrom[mail], treatment="mailed", outcome=outcome)
        assert round(found.effect, 6) == published
        assert found.low < found.effect < found.high


def experiment(rows: int = 4_000) -> pd.DataFrame:
    draw = np.random.default_rng(5)
    before = draw.gamma(2, 50, rows)
    treated = draw.integers(0, 2, rows)
    return pd.DataFrame({"T.": treated, "x": before, "y": 0.8 * before + 5 * treated + draw.normal(0, 30, rows) + 1e6})


def test_interval_and_p_value_are_those_of_welch(spark: SparkSession) -> None:
    rows = experiment()
    found = intention_to_treat(spark.createDataFrame(rows).repartition(5), treatment="T.", outcome="y")
    treated, control = rows["y"][rows["T."] == 1], rows["y"][rows["T."] == 0]
    welch = stats.ttest_ind(treated, control, equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert found.effect == pytest.approx(treated.mean() - control.mean(), rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=2e-3)  # t against normal
    assert found.p == pytest.approx(welch.pvalue, rel=0.05)


def test_cuped_removes_what_the_metric_before_explains(spark: SparkSession) -> None:
    rows = experiment()
    frame = spark.createDataFrame(rows)
    plain = intention_to_treat(frame, treatment="T.", outcome="y")
    adjusted = cuped(frame, treatment="T.", outcome="y", before="x")
    theta = np.cov(rows["y"], rows["x"], bias=True)[0, 1] / rows["x"].var(ddof=0)
    changed = rows["y"] - theta * (rows["x"] - rows["x"].mean())
    expected = changed[rows["T."] == 1].mean() - changed[rows["T."] == 0].mean()
    assert adjusted.effect == pytest.approx(expected, rel=1e-7)
    correlation = np.corrcoef(rows["x"], rows["y"])[0, 1]
    assert adjusted.variance_factor == pytest.approx(1 - correlation**2, rel=1e-7)
    width = (adjusted.high - adjusted.low) / (plain.high - plain.low)
    assert width**2 == pytest.approx(1 - correlation**2, rel=0.01)


def test_rows_without_outcome_are_refused_not_dropped(spark: SparkSession) -> None:
    frame = spark.createDataFrame([(1, 1.0), (0, None), (0, 2.0), (1, 3.0)], "w int, y double")
    with pytest.raises(InputRefused, match=r"(?s)1 rows.*'y'"):
        intention_to_treat(frame, treatment="w", outcome="y")


def test_a_bucket_is_that_of_the_text_and_does_not_change(spark: SparkSession) -> None:
    frame = spark.range(20_000).withColumn("text", F.col("id").cast("string"))
    buckets = [bucket(F.col(name), campaign="card", salt="1").alias(name) for name in ("id", "text")]
    rows = frame.select(*buckets, bucket(F.col("id"), campaign="loan", salt="1").alias("other"))
    counts = rows.agg(
        F.count_if(F.col("id") != F.col("text")),
        F.count_if(F.col("id") == F.col("other")),
        F.min("id"),
        F.max("id"),
    ).first()
    assert counts is not None
    assert counts[0] == 0
    assert counts[1] < 20  # 2 expected where campaigns are independent
    assert (counts[2], counts[3]) == (0, 9999) or (counts[2] < 5 and counts[3] > 9_990)
    # Spark's xxhash64('1', 'card', '1') modulo 10,000, as SQL writes it.
    sql = spark.sql("select pmod(xxhash64('1', 'card', '1'), 10000)").first()
    assert rows.head(2)[1]["id"] == sql[0]  # type: ignore[index]


def test_arms_have_their_shares_and_the_universal_control_is_one_for_all(spark: SparkSession) -> None:
    frame = spark.range(50_000)
    named = frame.select(arm(F.col("id"), campaign="card", salt="a", shares={"control": 0.1, "A": 0.45, "B": 0.45}))
    counts = {row[0]: row[1] for row in named.toDF("arm").groupBy("arm").count().collect()}
    check = sample_ratio(counts, {"control": 0.1, "A": 0.45, "B": 0.45})
    assert not check.stop
    held = frame.where(universal_control(F.col("id"), year=2026, share=0.05)).count()
    assert held == pytest.approx(2_500, abs=200)
    with pytest.raises(ConfigurationError, match="add up to 1"):
        arm(F.col("id"), campaign="card", salt="a", shares={"control": 0.1})
