"""RFM as one number and as a segment: weights by hand and by the book, TOPSIS, segments, a stored scale."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from tests.score.test_value import MEASURES, POLICY

from portrait.capabilities.score.customer_value import customer_value
from portrait.capabilities.score.policy import RFM, RfmPolicy, ScorePolicy, load_score_policy, segment_of
from portrait.capabilities.score.scale import slice_scale, stored_scale
from portrait.capabilities.score.weights import ahp_weights, combined, entropy_weights
from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError, PortraitError

AS_OF = date(2024, 1, 31)


def measures(spark: SparkSession, rows: list[tuple[int | None, int, float]]) -> DataFrame:
    made = [(f"c{n:02}", r, f, Decimal(str(m)), None, None, Decimal(n)) for n, (r, f, m) in enumerate(rows)]
    return spark.createDataFrame(made, MEASURES)


def valued(spark: SparkSession, frame: DataFrame, *, policy: ScorePolicy) -> dict[str, Row]:
    nobody = spark.createDataFrame([], "customer_id string, purchases int")
    scale = slice_scale(frame, policy=policy, as_of=AS_OF)
    rows = customer_value(frame, nobody, scale=scale, policy=policy, as_of=AS_OF).collect()
    return {row.customer_id: row for row in rows}


def test_who_owns_no_account_changes_nobodys_score(spark: SparkSession) -> None:
    own = measures(spark, [(n, 20 - n, 100.0 + n) for n in range(12)]).withColumn("relationship", F.lit("owner"))
    # A former owner with the best of everything, and users who never did anything.
    other = measures(spark, [(0, 900, 90_000.0), *[(None, 0, 0.0)] * 40]).withColumns(
        {
            "relationship": F.lit("user"),
            "customer_id": F.concat(F.lit("u"), "customer_id"),
            "assets": F.lit(0).cast("decimal(18,2)"),
        }
    )
    alone, among = valued(spark, own, policy=POLICY), valued(spark, own.unionByName(other), policy=POLICY)
    assert {name: among[name] for name in alone} == alone
    zero = among["uc01"]
    assert (zero.score, zero.recency_score, zero.rfm_segment, zero.rfm_closeness) == (0.0, None, None, None)
    best = among["uc00"]  # judged by the owners' scale, cut to its best
    assert (best.frequency_score, best.monetary_score) == (5, 5)


def given(**weights: float) -> ScorePolicy:
    rfm = POLICY.rfm.model_copy(update={"weights": "given", "given": weights})
    return POLICY.model_copy(update={"rfm": rfm})


def test_ahp_without_contradiction_by_hand() -> None:
    weights, ratio = ahp_weights([[1, 2, 4], [1 / 2, 1, 2], [1 / 4, 1 / 2, 1]])
    assert weights == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert ratio == pytest.approx(0.0, abs=1e-9)


def test_ahp_of_a_textbook() -> None:
    # Widely printed example: lambda 3.0385, CI .0193, CR .033 with RI .58.
    weights, ratio = ahp_weights([[1, 3, 5], [1 / 3, 1, 3], [1 / 5, 1 / 3, 1]])
    assert weights == pytest.approx([0.637, 0.258, 0.105], abs=0.0005)
    assert ratio == pytest.approx(0.0193 / 0.58, abs=0.0002)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1, 2], [0.5, 1]], "of 3 to 7 criteria"),
        ([[1, 2, 3], [0.5, 1, 2], [0.5, 0.5, 1]], "1 / the one across"),
        ([[1, 2, 3], [0.5, 1, 2]], "square"),
    ],
)
def test_a_matrix_that_compares_nothing_is_refused(matrix: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ahp_weights(matrix)


def test_entropy_weights_by_hand(spark: SparkSession) -> None:
    # a: two of four share all (e = ln 2 / ln 4 = 1/2); b: one has all (e = 0); c: all alike (e = 1).
    rows = [(0.5, 1.0, 0.3), (0.5, 0.0, 0.3), (0.0, 0.0, 0.3), (0.0, 0.0, 0.3)]
    frame = spark.createDataFrame(rows, "a double, b double, c double")
    assert entropy_weights(frame, ["a", "b", "c"]) == pytest.approx({"a": 1 / 3, "b": 2 / 3, "c": 0.0}, abs=1e-6)
    assert entropy_weights(frame, ["c"]) == {"c": 1.0}


def test_entropy_weights_against_the_formula(spark: SparkSession) -> None:
    values = {"a": [0.1 * n for n in range(11)], "b": [(n / 10) ** 3 for n in range(11)]}
    frame = spark.createDataFrame(list(zip(*values.values(), strict=True)), "a double, b double").repartition(3)
    spread = {}
    for name, units in values.items():
        shares = [unit / sum(units) for unit in units if unit > 0]
        spread[name] = 1 + sum(share * math.log(share) for share in shares) / math.log(11)
    expected = {name: value / sum(spread.values()) for name, value in spread.items()}
    assert entropy_weights(frame, ["a", "b"]) == pytest.approx(expected, abs=1e-6)


def test_both_together_are_the_product() -> None:
    assert combined({"a": 0.5, "b": 0.5}, {"a": 0.2, "b": 0.6}) == pytest.approx({"a": 0.25, "b": 0.75})
    assert combined({"a": 0.5, "b": 0.5}, {"a": 0.0, "b": 0.0}) == {"a": 0.5, "b": 0.5}


def test_closeness_by_hand(spark: SparkSession) -> None:
    # Units of the third: recency 1/2, frequency log1p(9) / log1p(99) = 1/2, monetary 1.
    frame = measures(spark, [(0, 99, 99), (2, 0, 0), (1, 9, 99), (None, 0, 0)])
    policy = given(recency=0.2, frequency=0.2, monetary=0.6)
    rows = valued(spark, frame, policy=policy)
    assert (rows["c00"].rfm_closeness, rows["c03"].rfm_closeness, rows["c03"].rfm_segment) == (1.0, None, None)
    high = 365 - 0  # recency of who initiated nothing is the longest
    recency = [(high - 0) / high, (high - 2) / high, (high - 1) / high]
    for name, units in (("c01", (recency[1], 0.0, 0.0)), ("c02", (recency[2], 0.5, 1.0))):
        weighted = [weight * u for weight, u in zip((0.2, 0.2, 0.6), units, strict=True)]
        missing = [weight * (1 - u) for weight, u in zip((0.2, 0.2, 0.6), units, strict=True)]
        worst, best = math.dist(weighted, (0, 0, 0)), math.dist(missing, (0, 0, 0))
        assert rows[name].rfm_closeness == pytest.approx(worst / (worst + best), abs=1e-6)


def test_segments_follow_the_fifths(spark: SparkSession) -> None:
    # Ten customers, better in everything from first to last: fifths 1 1 2 2 .. 5 5 in all three.
    frame = measures(spark, [(100 - n, n, 10 * n) for n in range(1, 11)])
    rows = valued(spark, frame, policy=POLICY)
    assert [rows[f"c{n:02}"].rfm_segment for n in range(10)] == [
        *["hibernating"] * 2, *["about_to_sleep"] * 2, *["need_attention"] * 2, *["champions"] * 4
    ]  # fmt: skip


def test_every_row_has_the_segment_that_plain_python_finds(spark: SparkSession) -> None:
    frame = measures(spark, [((n * 37) % 101, (n * 53) % 97, (n * 71) % 89) for n in range(120)])
    for row in valued(spark, frame, policy=POLICY).values():
        scores = tuple(row[f"{name}_score"] for name in RFM)
        assert row.rfm_segment == segment_of(POLICY.rfm.segments, scores)


def test_a_slice_without_a_scale_says_what_to_do(spark: SparkSession, schemas_dir: Path) -> None:
    nothing = spark.createDataFrame([], load_catalogue(schemas_dir).table("gold.value_model").struct_type)
    with pytest.raises(PortraitError, match="holds no scale"):
        stored_scale(nothing)


def test_a_stored_scale_scores_another_slice(spark: SparkSession, schemas_dir: Path) -> None:
    contract = load_catalogue(schemas_dir).table("gold.value_model")
    frame = measures(spark, [(100 - n, n, 10 * n) for n in range(1, 11)])
    made = slice_scale(frame, policy=POLICY, as_of=AS_OF)
    stored = spark.createDataFrame(made.rows(AS_OF), contract.struct_type)
    again = stored_scale(stored)
    assert again == made
    later = date(2024, 2, 29)
    assert all(row[-1] == "conf/score.yml scores with the scale of 2024-01-31" for row in again.rows(later))
    best = measures(spark, [(90, 10, 100), (1, 1000, 100_000)])
    nobody = spark.createDataFrame([], "customer_id string, purchases int")
    rows = customer_value(best, nobody, scale=again, policy=POLICY, as_of=later).collect()
    # On a scale of their own one of them would be the worst; here both are as good as it gets.
    assert [row.monetary_score for row in rows] == [5, 5]
    assert [row.rfm_closeness for row in rows] == [1.0, 1.0]


def _rfm(**changes: Any) -> dict[str, Any]:
    tree = yaml.safe_load((Path(__file__).parents[2] / "conf" / "score.yml").read_text())
    return {**tree, "rfm": tree["rfm"] | changes}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (_rfm(pairwise=[[1, 9, 1 / 9], [1 / 9, 1, 9], [9, 1 / 9, 1]]), "the judgements contradict each other"),
        (_rfm(weights="given"), "weights: given needs `given`"),
        (_rfm(weights="given", given={"recency": 0.5, "frequency": 0.5, "monetary": 0.5}), "together 1"),
        (_rfm(pairwise=[]), "needs `pairwise`"),
        (_rfm(segments=[{"id": "best", "title": "Best", "recency": [4, 5]}]), "is in no segment"),
        (_rfm(segments=[{"id": "all", "title": "All"}] * 2), "two segments have one id"),
        (_rfm(segments=[{"id": "all", "title": "All", "recency": [5, 1]}]), "must not be above"),
    ],
)
def test_an_impossible_policy_is_refused_with_its_line(tmp_path: Path, policy: dict[str, Any], message: str) -> None:
    (tmp_path / "score.yml").write_text(yaml.safe_dump(policy))
    with pytest.raises(ConfigurationError) as caught:
        load_score_policy(tmp_path)
    assert message in caught.value.message
    assert caught.value.where.startswith(f"{tmp_path / 'score.yml'}:")


def test_the_shipped_judgements_are_consistent(conf_dir: Path) -> None:
    rfm = load_score_policy(conf_dir).rfm
    assert isinstance(rfm, RfmPolicy)
    assert ahp_weights(rfm.pairwise)[1] < 0.02
