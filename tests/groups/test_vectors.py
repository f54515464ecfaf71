"""From features to vectors: shares, levels, scaling, what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.groups.policy import GroupPolicy, VectorFeature, load_group_policy
from portrait.capabilities.groups.vectors import GRID, NO_ACCOUNT, NO_TRANSACTION, habits, measure, scaled_vectors
from portrait.errors import ConfigurationError

FEATURES = "customer_id string, txn_count_365d bigint, a decimal(18,2), b decimal(18,2), months bigint, balance double"


def feature(name: str, kind: str = "level", **more: Any) -> VectorFeature:
    return VectorFeature(id=name, kind=kind, family=name, title="some words", high="words", **{"of": [name], **more})


@pytest.fixture
def policy(conf_dir: Path) -> GroupPolicy:
    shipped = load_group_policy(conf_dir)
    features = [
        feature("share_a", "share", of=["a"], over="both"),
        feature("level_b", of=["b"], per="months", weight=2.0),
        feature("never_there", of=["no_such_column"]),
    ]
    update = {"features": features, "totals": {"both": ["a", "b", "no_such_column"]}, "order_by": ["balance"]}
    return shipped.model_copy(update=update)


def rows_of(spark: SparkSession, rows: list[tuple[Any, ...]], policy: GroupPolicy) -> dict[str, Row]:
    frame = spark.sql(f"select * from values {', '.join(map(str, rows))} as t(customer_id, n, a, b, m, s)")
    typed = frame.select(
        "customer_id",
        F.col("n").cast("bigint").alias("txn_count_365d"),
        F.col("a").cast("decimal(18,2)").alias("a"),
        F.col("b").cast("decimal(18,2)").alias("b"),
        F.col("m").cast("bigint").alias("months"),
        F.col("s").cast("double").alias("balance"),
    )
    return {row.customer_id: row for row in habits(typed, policy=policy).collect()}


def test_shares_and_levels_by_hand(spark: SparkSession, policy: GroupPolicy) -> None:
    row = rows_of(spark, [("x", 5, 30, 90, 3, 7)], policy)["x"]
    assert (row.share_a, row.level_b, row.order_by) == (0.25, 30.0, 7.0)


def test_nothing_spent_is_a_share_of_zero(spark: SparkSession, policy: GroupPolicy) -> None:
    row = rows_of(spark, [("x", 5, 0, 0, 0, 7)], policy)["x"]
    assert (row.share_a, row.level_b) == (0.0, 0.0)


def test_a_column_the_bank_lacks_is_unknown(spark: SparkSession, policy: GroupPolicy) -> None:
    assert rows_of(spark, [("x", 5, 1, 1, 1, 7)], policy)["x"].never_there is None


def test_without_a_booking_there_is_a_reason(spark: SparkSession, policy: GroupPolicy) -> None:
    rows = rows_of(spark, [("none", 0, 1, 1, 1, 7), ("one", 1, 1, 1, 1, 7)], policy)
    assert (rows["none"].not_grouped_reason, rows["one"].not_grouped_reason) == (NO_TRANSACTION, None)


def test_who_owns_no_account_is_not_grouped_whatever_was_booked_once(spark: SparkSession, policy: GroupPolicy) -> None:
    rows = [("owner", 5, "owner"), ("before", 5, None), ("user", 0, "user"), ("left", 5, "user"), ("card", 0, "holder")]
    frame = spark.createDataFrame(rows, "customer_id string, txn_count_365d bigint, relationship string")
    found = {row.customer_id: row.not_grouped_reason for row in habits(frame, policy=policy).collect()}
    assert found == {"owner": None, "before": None, **dict.fromkeys(("user", "left", "card"), NO_ACCOUNT)}


def groupable(spark: SparkSession, shares: list[float | None], levels: list[float]) -> DataFrame:
    rows = [(f"c{n}", 1.0, s, v, None) for n, (s, v) in enumerate(zip(shares, levels, strict=True))]
    return spark.createDataFrame(
        rows, "customer_id string, order_by double, share_a double, level_b double, never_there double"
    )


def test_features_that_say_nothing_are_named(spark: SparkSession, policy: GroupPolicy) -> None:
    measured = measure(groupable(spark, [0.25, 0.25, 0.25], [1.0, 2.0, 3.0]), policy=policy)
    assert [scale.feature.id for scale in measured.scales] == ["level_b"]
    assert measured.dropped == {"share_a": "the same for all customers", "never_there": "unknown for all customers"}


def test_vectors_are_standardised_roots_and_logs_times_weight(spark: SparkSession, policy: GroupPolicy) -> None:
    shares, levels = [0.0, 0.04, 0.25, 1.0], [0.0, 1.0, 9.0, 99.0]
    frame = groupable(spark, list(shares), levels)
    measured = measure(frame, policy=policy)
    rows = scaled_vectors(frame, measured=measured, policy=policy).orderBy("customer_id").collect()
    expected = [(t - t.mean()) / t.std() for t in (np.sqrt(shares), np.log1p(levels))]
    assert np.array([row.x for row in rows]) == pytest.approx(np.array([expected[0], expected[1] * 2]).T, abs=1 / GRID)
    assert [list(row.vector) for row in rows] == [row.x for row in rows]


def test_vectors_lie_on_a_grid_whose_sums_are_exact(spark: SparkSession, policy: GroupPolicy) -> None:
    frame = groupable(spark, [0.1, 0.2, 0.3, 0.7], [1.1, 2.2, 3.3, 7.7])
    rows = scaled_vectors(frame, measured=measure(frame, policy=policy), policy=policy).collect()
    assert all((element * GRID).is_integer() for row in rows for element in row.x)


def test_deviations_are_cut_and_unknown_ones_put_at_the_centre(spark: SparkSession, policy: GroupPolicy) -> None:
    frame = groupable(spark, [*[0.25] * 30, None, 1.0], [1.0] * 31 + [2.0])
    tight = policy.model_copy(update={"clip": 1.5})
    rows = scaled_vectors(frame, measured=measure(frame, policy=tight), policy=tight).orderBy("customer_id").collect()
    by_id = {row.customer_id: row.x for row in rows}
    assert by_id["c31"] == [1.5, 3.0]
    assert by_id["c30"][0] == 0.0


def test_robust_scaling_uses_quartiles_where_they_differ(spark: SparkSession, policy: GroupPolicy) -> None:
    robust = policy.model_copy(update={"scaling": "robust"})
    frame = groupable(spark, [0.0, 0.0, 0.0, 0.0, 1.0], [float(np.expm1(n)) for n in (0, 1, 2, 3, 4)])
    scales = {scale.feature.id: scale for scale in measure(frame, policy=robust).scales}
    assert (scales["level_b"].centre, scales["level_b"].spread) == (2.0, pytest.approx(2 / 1.349))
    assert (scales["share_a"].centre, scales["share_a"].spread) == (pytest.approx(0.2), pytest.approx(0.4))


def test_every_column_of_the_shipped_policy_is_a_declared_feature(conf_dir: Path) -> None:
    from portrait.features import load_features

    policy = load_group_policy(conf_dir)
    used = {policy.activity, *policy.order_by, *(name for names in policy.totals.values() for name in names)}
    used |= {name for item in policy.features for name in [*item.of, *([item.per] if item.per else [])]}
    assert used <= {column.name for column in load_features(conf_dir).columns()}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("over: spending", "over: spendings", "there is no total 'spendings'"),
        ("id: income_pension", "id: income_salary", "is there twice"),
        ("least_customers: 100 ", "least_customers: 50 ", "ten times"),
        ("kind: level, of: [balance_avg_30d]", "kind: share, of: [balance_avg_30d]", "needs 'over'"),
    ],
)
def test_an_inconsistent_policy_is_refused(conf_dir: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (conf_dir / "groups.yml").read_text()
    assert old in text
    (tmp_path / "groups.yml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError, match=message):
        load_group_policy(tmp_path)
