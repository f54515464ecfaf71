"""Recency, frequency, monetary, assets, and the score made of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row, SparkSession

from portrait.capabilities.score.customer_value import customer_value
from portrait.capabilities.score.policy import PARTS, ScorePolicy, load_score_policy
from portrait.capabilities.score.rfm import customer_measures, cut_columns, rfm_scores
from portrait.capabilities.score.scale import slice_scale
from portrait.capabilities.score.score import bound_columns, raising_parts, score_customers
from portrait.errors import ConfigurationError

SHIPPED = load_score_policy(Path(__file__).parents[2] / "conf")
POLICY = ScorePolicy.model_validate(
    {
        **SHIPPED.model_dump(),
        "weights": {"recency": 0.1, "frequency": 0.2, "monetary": 0.3, "assets": 0.4},
        "winsorise": {"lower": 0.0, "upper": 1.0},
    }
)
FEATURES = (
    "customer_id string, days_since_customer_txn int, customer_txn_count_365d bigint, "
    "customer_txn_amount_365d decimal(18,2), balance_avg_30d decimal(18,2), investment_amount decimal(18,2)"
)
KEPT = "customer_id string, contribution decimal(18,2), deposits_month decimal(18,2), deposits_quarter decimal(18,2)"
MEASURES = (
    "customer_id string, recency_days int, frequency bigint, monetary decimal(18,2), deposits decimal(18,2), "
    "investments decimal(18,2), assets decimal(18,2)"
)


def measures(spark: SparkSession, rows: list[tuple[int | None, int, float, float | None]]) -> DataFrame:
    made = [
        (f"c{n}", r, f, Decimal(str(m)), None, None, None if a is None else Decimal(str(a)))
        for n, (r, f, m, a) in enumerate(rows)
    ]
    return spark.createDataFrame(made, MEASURES)


def rfm_scored(frame: DataFrame) -> list[Row]:
    return rfm_scores(frame, frame.agg(*cut_columns(digits=4)), digits=4).collect()


def measured(features: DataFrame, *kept: tuple[object, ...], policy: ScorePolicy = POLICY) -> dict[str, Row]:
    frame = features.sparkSession.createDataFrame(kept, KEPT)
    return {row.customer_id: row for row in customer_measures(features, frame, policy=policy).collect()}


def test_nothing_within_the_window_is_no_recency_and_no_frequency(spark: SparkSession) -> None:
    features = spark.createDataFrame(
        [("a", 400, 0, Decimal(0), Decimal(10), None), ("b", None, None, None, None, None)], FEATURES
    )
    rows = measured(features)
    assert [(rows[c].recency_days, rows[c].frequency, rows[c].monetary) for c in "ab"] == [(None, 0, Decimal(0))] * 2


def test_assets_are_average_deposits_and_investments_and_unknown_only_when_both_are(spark: SparkSession) -> None:
    features = spark.createDataFrame(
        [
            ("both", 1, 1, Decimal(5), Decimal("100.10"), Decimal("50.05")),
            ("deposits", 1, 1, Decimal(5), Decimal("-7.00"), None),
            ("neither", 1, 1, Decimal(5), None, None),
        ],
        FEATURES,
    )
    assets = {name: row.assets for name, row in measured(features).items()}
    assert assets == {"both": Decimal("150.15"), "deposits": Decimal("-7.00"), "neither": None}


def test_assets_of_month_and_quarter_and_those_that_conf_names(spark: SparkSession) -> None:
    features = spark.createDataFrame(
        [(name, 1, 1, Decimal(5), Decimal(9), Decimal(50), Decimal(4)) for name in ("a", "b")],
        f"{FEATURES}, term_deposit_amount decimal(18,2)",
    )
    kept = ("a", Decimal("-1.50"), Decimal("70.10"), Decimal(30))
    row, without = measured(features, kept)["a"], measured(features, kept)["b"]
    assert (row.assets, row.assets_month, row.assets_quarter) == (Decimal(59), Decimal("120.10"), Decimal(80))
    assert (without.assets_month, without.contribution, row.contribution) == (Decimal(50), 0, Decimal("-1.50"))
    by_month = POLICY.assets.model_copy(update={"average": "month", "holdings": ["investment", "term_deposit"]})
    row = measured(features, kept, policy=POLICY.model_copy(update={"assets": by_month}))["a"]
    assert (row.deposits, row.investments, row.assets) == (Decimal("70.10"), Decimal(54), Decimal("124.10"))


def test_quintiles_of_ten_by_hand(spark: SparkSession) -> None:
    frame = measures(spark, [(n, n, n * 10, 1) for n in range(1, 11)])
    rows = sorted(rfm_scored(frame), key=lambda row: row.recency_days)
    assert [row.frequency_score for row in rows] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [row.monetary_score for row in rows] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [row.recency_score for row in rows] == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]


def test_ties_share_a_score(spark: SparkSession) -> None:
    frame = measures(spark, [(1, 1, 123456.0 if n < 7 else 200000.0 + n, 1) for n in range(10)])
    rows = rfm_scored(frame)
    assert len({row.monetary_score for row in rows if row.monetary == 123456}) == 1


def test_all_alike_get_the_middle_and_none_without_a_purchase(spark: SparkSession) -> None:
    frame = measures(spark, [(3, 2, 5.0, 1), (3, 2, 5.0, 1), (None, 0, 0.0, 1)])
    rows = sorted(rfm_scored(frame), key=lambda row: row.customer_id)
    assert [(row.recency_score, row.frequency_score, row.monetary_score) for row in rows] == [
        (3, 3, 3),
        (3, 3, 3),
        (None, None, None),
    ]


def test_the_score_by_hand(spark: SparkSession) -> None:
    # Best, worst and one in between: recency 1 of 0..2; log1p(9)/log1p(99) = 1/2 for each of the others.
    frame = measures(spark, [(0, 99, 99, 99), (2, 0, 0, 0), (1, 9, 9, 9)])
    rows = sorted(
        score_customers(frame, frame.agg(*bound_columns(POLICY)), policy=POLICY).collect(), key=lambda r: r.customer_id
    )
    assert [row.score for row in rows] == pytest.approx([100.0, 0.0, 50.0])
    assert [rows[2][f"score_{part}"] for part in PARTS] == pytest.approx([5.0, 10.0, 15.0, 20.0])


def test_what_would_raise_the_score_by_hand(spark: SparkSession) -> None:
    # Points still to win, of 10, 20, 30 and 40: the middle one half of each; the best none; the worst all.
    frame = measures(spark, [(0, 99, 99, 99), (2, 0, 0, 0), (1, 9, 9, 9), (2, 99, 0, 99)])
    scored = score_customers(frame, frame.agg(*bound_columns(POLICY)), policy=POLICY)
    rows = scored.select("customer_id", raising_parts(POLICY).alias("parts")).sort("customer_id").collect()
    every = ["assets", "monetary", "frequency", "recency"]
    assert [row.parts for row in rows] == [[], every, every, ["monetary", "recency"]]


def test_values_beyond_the_quantiles_earn_no_more(spark: SparkSession) -> None:
    policy = POLICY.model_copy(update={"winsorise": POLICY.winsorise.model_copy(update={"lower": 0.1, "upper": 0.9})})
    frame = measures(spark, [(n, n, n, n) for n in range(0, 11)])
    rows = {
        row.frequency: row for row in score_customers(frame, frame.agg(*bound_columns(policy)), policy=policy).collect()
    }
    assert (rows[9].score_assets, rows[10].score_assets) == (40.0, 40.0)
    assert (rows[0].score_assets, rows[1].score_assets) == (0.0, 0.0)


def test_a_part_in_which_all_are_alike_gives_nobody_points(spark: SparkSession) -> None:
    frame = measures(spark, [(1, 5, 10, 77), (2, 6, 20, 77)])
    rows = score_customers(frame, frame.agg(*bound_columns(POLICY)), policy=POLICY).collect()
    assert [row.score_assets for row in rows] == [0.0, 0.0]


def test_unknown_assets_do_not_move_the_scale(spark: SparkSession) -> None:
    policy = POLICY.model_copy(update={"winsorise": POLICY.winsorise.model_copy(update={"lower": 0.5, "upper": 1.0})})
    frame = measures(spark, [(1, 5, 10, None), (1, 5, 10, None), (1, 5, 10, 100), (1, 5, 10, 300)])
    assert frame.agg(*bound_columns(policy)).first().assets_bounds == [200.0, 300.0]


def test_unknown_or_overdrawn_assets_earn_nothing(spark: SparkSession) -> None:
    frame = measures(spark, [(1, 5, 10, None), (1, 5, 10, -500), (1, 5, 10, 1000)])
    rows = sorted(
        score_customers(frame, frame.agg(*bound_columns(POLICY)), policy=POLICY).collect(), key=lambda r: r.customer_id
    )
    assert [row.score_assets for row in rows] == [0.0, 0.0, 40.0]


MEASURE = st.tuples(st.integers(0, 364), st.integers(0, 500), st.integers(0, 100_000), st.integers(0, 1_000_000))


@given(rows=st.lists(MEASURE, min_size=3, max_size=25))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_better_measure_never_lowers_the_part_and_parts_sum_to_the_score(
    spark: SparkSession, rows: list[tuple[int, int, int, int]]
) -> None:
    frame = measures(spark, [(r, f, float(m), float(a)) for r, f, m, a in rows])
    policy = POLICY.model_copy(update={"winsorise": POLICY.winsorise.model_copy(update={"lower": 0.05, "upper": 0.95})})
    scored = score_customers(frame, frame.agg(*bound_columns(policy)), policy=policy).collect()
    for part, measure, direction in zip(
        PARTS, ("recency_days", "frequency", "monetary", "assets"), (-1, 1, 1, 1), strict=True
    ):
        points = [row[f"score_{part}"] for row in sorted(scored, key=lambda row: direction * row[measure])]
        assert points == sorted(points), part
    for row in scored:
        assert row.score == pytest.approx(sum(row[f"score_{part}"] for part in PARTS), abs=1e-3)
        assert 0 <= row.score <= 100


def test_the_slice_has_one_row_a_customer_with_its_day(spark: SparkSession) -> None:
    features = spark.createDataFrame([(f"c{n}", n, n, Decimal(n), Decimal(n), None) for n in range(5)], FEATURES)
    lifetime = spark.createDataFrame([("c1", 3), ("gone", 1)], "customer_id string, purchases int")
    kept = spark.createDataFrame([("c2", Decimal("1.50"), Decimal(7), Decimal(8))], KEPT)
    day, known = date(2024, 1, 31), customer_measures(features, kept, policy=POLICY)
    scale = slice_scale(known, policy=POLICY, as_of=day)
    value = customer_value(known, lifetime, scale=scale, policy=POLICY, as_of=day)
    assert sorted((row.as_of, row.customer_id, row.purchases, row.contribution) for row in value.collect()) == [
        (date(2024, 1, 31), f"c{n}", 3 if n == 1 else 0, Decimal("1.50") if n == 2 else 0) for n in range(5)
    ]


def test_the_shipped_policy_loads(conf_dir: Path) -> None:
    assert load_score_policy(conf_dir).weights.assets == 0.40


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("assets: 0.40", "assets: 0.50", "sum to 1.1"),
        ("lower: 0.01", "lower: 0.995", "lower must be below upper"),
        ("winsorise:", "winsorize:", "winsorise"),
    ],
)
def test_an_inconsistent_policy_is_refused(conf_dir: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (conf_dir / "score.yml").read_text()
    assert old in text
    (tmp_path / "score.yml").write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=message):
        load_score_policy(tmp_path)


def test_an_average_that_is_the_owners_alone_does_not_go_with_equal_shares(conf_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "score.yml").write_text((conf_dir / "score.yml").read_text())
    shared = (
        (conf_dir / "contribution.yml").read_text().replace("joint_accounts: owner", "joint_accounts: equal_shares")
    )
    (tmp_path / "contribution.yml").write_text(shared)
    with pytest.raises(ConfigurationError, match="joint accounts are shared equally") as refused:
        load_score_policy(tmp_path)
    assert str(refused.value.where).endswith("assets.average")
    monthly = (conf_dir / "score.yml").read_text().replace("average: 30_days", "average: month")
    (tmp_path / "score.yml").write_text(monthly)
    assert load_score_policy(tmp_path).assets.average == "month"
