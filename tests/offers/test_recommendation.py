"""Affinity, ranking, reasons, facts; and the segments made of all of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.offers.affinity import affinity, popularity
from portrait.capabilities.offers.eligibility import judged_candidates, rejections
from portrait.capabilities.offers.policy import RecommendationPolicy, load_recommendation_policy
from portrait.capabilities.offers.recommendation import recommendations
from portrait.capabilities.segments.segments import segments
from portrait.contracts import load_catalogue
from portrait.lake.schema import check_frame
from portrait.spark.target_group import target_group_index

AS_OF = date(2025, 12, 31)
# Ten customers: group 1 is c0..c3 (diamond), group 2 is c4..c8 (ordinary), c9 has no group (ordinary).
TIER_OF = {n: "diamond" if n < 4 else "ordinary" for n in range(10)}
# fund: three of group 1 hold it. card: c0, c4..c7, c9. new: nobody. gone: held by none and not on sale.
HELD = [("c0", "fund"), ("c1", "fund"), ("c2", "fund"), *[(f"c{n}", "card") for n in (0, 4, 5, 6, 7, 9)]]


@pytest.fixture(scope="module")
def policy(conf_dir: Path) -> RecommendationPolicy:
    return load_recommendation_policy(conf_dir)


@pytest.fixture(scope="module")
def customers(spark: SparkSession) -> DataFrame:
    def group(n: int) -> tuple[int | None, str | None]:
        return (1, "Investors") if n < 4 else (2, "Motorists") if n < 9 else (None, None)

    rows = [(f"c{n}", 30 + n, Decimal("500.00"), TIER_OF[n], 1 if n < 4 else 4, *group(n), n != 3) for n in range(10)]
    frame = spark.createDataFrame(
        rows,
        "customer_id string, age_years int, balance_last decimal(18,2), tier string, tier_rank int, group_id int, "
        "group_name string, consent_marketing boolean",
    )
    return frame.withColumns(
        {
            "risk_level": F.lit("C4"),
            "risk_assessed_on": F.lit(date(2025, 6, 1)),
            "balance_avg_90d": F.col("balance_last"),
            "debit_amount_90d": F.lit(0).cast("decimal(18,2)"),
            "bank_assesses": F.lit(True),
            "bank_asks_consent": F.lit(True),
        }
    )


@pytest.fixture(scope="module")
def products(spark: SparkSession) -> DataFrame:
    rows = [
        ("card", "Card", "card", None, None),
        ("fund", "Fund", "investment", "R3", None),
        ("gone", "Gone", "savings", None, date(2025, 1, 1)),
        ("new", "New", "savings", None, None),
    ]
    frame = spark.createDataFrame(
        rows, "product_id string, product_name string, product_kind string, product_risk string, available_to date"
    )
    return frame.withColumns(
        {
            "minimum_amount": F.lit(None).cast("decimal(18,2)"),
            "holding_days": F.lit(None).cast("int"),
            "available_from": F.lit(None).cast("date"),
            "minimum_tier": F.lit(None).cast("string"),
            "age_from": F.lit(18),
            "age_to": F.lit(None).cast("int"),
        }
    )


@pytest.fixture(scope="module")
def holders(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(HELD, "customer_id string, product_id string")


@pytest.fixture(scope="module")
def best(customers: DataFrame, products: DataFrame, holders: DataFrame, policy: RecommendationPolicy) -> list[Row]:
    judged = judged_candidates(customers, products, holders, policy=policy, as_of=AS_OF)
    return recommendations(judged, customers, products, holders, policy=policy, as_of=AS_OF).collect()


def by_rank(rows: list[Row], customer: str) -> list[Row]:
    return sorted((row for row in rows if row.customer_id == customer), key=lambda row: row.rank)


def test_popularity_by_hand(customers: DataFrame, products: DataFrame, holders: DataFrame) -> None:
    rows = {row.product_id: row for row in popularity(customers, products, holders).collect()}
    assert {name: row.holder_share for name, row in rows.items()} == {"card": 0.6, "fund": 0.3, "new": 0, "gone": 0}
    assert {name: row.popularity for name, row in rows.items()} == {"card": 1, "fund": 0.5, "new": 0, "gone": 0}


def test_holders_who_are_no_customers_do_not_count(
    spark: SparkSession, customers: DataFrame, products: DataFrame, holders: DataFrame
) -> None:
    more = holders.unionByName(spark.createDataFrame([("gone_away", "fund")], holders.schema))
    rows = {row.product_id: row.holder_share for row in popularity(customers, products, more).collect()}
    assert rows["fund"] == 0.3


def test_affinity_is_the_smoothed_index(customers: DataFrame, products: DataFrame, holders: DataFrame) -> None:
    overall = popularity(customers, products, holders)
    found = affinity(customers, overall, holders, by="group_id", name="group", smoothing=20)
    rows = {(row.group_id, row.product_id): row for row in found.collect()}
    # 3 of 4 against 30 %: 100 x (3 + 20 x .3) / ((4 + 20) x .3) = 125; 0 of 5: 100 x 6 / 7.5 = 80.
    assert rows[1, "fund"].group_tgi == pytest.approx(125.0)
    assert rows[2, "fund"].group_tgi == pytest.approx(80.0)
    assert rows[2, "card"].group_tgi == pytest.approx(target_group_index(4, 5, overall=0.6, smoothing=20))
    assert rows[1, "fund"].group_share == 0.75
    assert rows[1, "new"].group_tgi == 100.0
    assert len(rows) == 8


def test_the_score_by_hand(best: list[Row]) -> None:
    # c8 (group 2, ordinary) may have card, fund, new. Tier ordinary: 5 of 6 hold the card: 100 (5 + 12) / (26 x .6).
    row = next(row for row in by_rank(best, "c8") if row.product_id == "card")
    group, tier = 100 * (4 + 12) / (25 * 0.6), 100 * (5 + 12) / (26 * 0.6)
    expected = 0.45 * group / (group + 100) + 0.35 * tier / (tier + 100) + 0.20
    assert row.score == pytest.approx(expected, abs=1e-6)


def test_without_a_group_only_tier_and_popularity_speak(best: list[Row]) -> None:
    row = next(row for row in by_rank(best, "c9") if row.product_id == "new")
    assert row.score == pytest.approx(0.45 * 0.5 + 0.35 * 0.5)


def test_ranks_follow_the_score_and_nothing_held_is_offered(best: list[Row]) -> None:
    assert not {(row.customer_id, row.product_id) for row in best} & set(HELD)
    for customer in {row.customer_id for row in best}:
        mine = by_rank(best, customer)
        assert [row.rank for row in mine] == list(range(1, len(mine) + 1))
        assert [row.score for row in mine] == sorted((row.score for row in mine), reverse=True)


def test_who_refused_gets_nothing_and_who_may_gets_at_most_the_top(
    customers: DataFrame, products: DataFrame, holders: DataFrame, policy: RecommendationPolicy
) -> None:
    one = policy.model_copy(update={"top": 1})
    judged = judged_candidates(customers, products, holders, policy=one, as_of=AS_OF)
    rows = recommendations(judged, customers, products, holders, policy=one, as_of=AS_OF).collect()
    assert sorted(row.customer_id for row in rows) == [f"c{n}" for n in range(10) if n != 3]


def test_reasons_speak_of_the_strongest_preference(
    customers: DataFrame, products: DataFrame, holders: DataFrame, policy: RecommendationPolicy
) -> None:
    allowed = customers.withColumn("consent_marketing", F.lit(True))
    judged = judged_candidates(allowed, products, holders, policy=policy, as_of=AS_OF)
    best = recommendations(judged, allowed, products, holders, policy=policy, as_of=AS_OF)
    reasons = {(row.customer_id, row.product_id): row.reason for row in best.collect()}
    assert reasons["c3", "fund"] == "75.0 % of the group 'Investors' hold it, against 30.0 % of all customers."
    assert reasons["c8", "card"] == "60.0 % of all customers hold it."
    assert reasons["c8", "new"] == "Nobody holds it yet, and no rule speaks against it."


def test_facts_say_what_was_known(best: list[Row]) -> None:
    facts = {row.product_id: row.facts for row in by_rank(best, "c8")}
    assert facts["fund"]["suitability"] == "customer C4 on 2025-06-01, product R3"
    assert facts["card"]["suitability"] == "not needed: the product carries no investment risk"
    assert (facts["fund"]["age"], facts["fund"]["balance"], facts["fund"]["consent"]) == ("38", "500.00", "given")
    assert "minimum_amount" not in facts["fund"]


def test_a_bank_without_levels_or_consent_says_so(
    customers: DataFrame, products: DataFrame, holders: DataFrame, policy: RecommendationPolicy
) -> None:
    bare = customers.withColumns(
        {
            "risk_level": F.lit(None).cast("string"),
            "bank_assesses": F.lit(False),
            "consent_marketing": F.lit(None).cast("boolean"),
            "bank_asks_consent": F.lit(False),
        }
    )
    judged = judged_candidates(bare, products, holders, policy=policy, as_of=AS_OF)
    best = recommendations(judged, bare, products, holders, policy=policy, as_of=AS_OF)
    facts = {row.product_id: row.facts for row in by_rank(best.collect(), "c8")}
    assert facts["fund"]["suitability"] == "not applied: the bank has no risk levels; product R3"
    assert facts["fund"]["consent"] == "not applied: the bank records no consent"


def test_frames_are_what_the_contracts_say(
    customers: DataFrame, products: DataFrame, holders: DataFrame, policy: RecommendationPolicy, schemas_dir: Path
) -> None:
    catalogue = load_catalogue(schemas_dir)
    judged = judged_candidates(customers, products, holders, policy=policy, as_of=AS_OF)
    best = recommendations(judged, customers, products, holders, policy=policy, as_of=AS_OF)
    check_frame(best, catalogue.table("gold.recommendations"))
    check_frame(rejections(judged, as_of=AS_OF), catalogue.table("gold.recommendation_rejections"))


def _segments(spark: SparkSession, labels: list[str], recommended: list[tuple[Any, ...]]) -> dict[str, Row]:
    made = segments(
        features=spark.createDataFrame([("a", True), ("b", None)], "customer_id string, consent_marketing boolean"),
        tiers=spark.createDataFrame(
            [("a", "vip", Decimal(5), 60.0), ("b", "ordinary", None, 1.0)],
            "customer_id string, tier string, assets decimal(18,2), score double",
        ),
        groups=spark.createDataFrame(
            [("a", 1, "G"), ("b", None, None)], "customer_id string, group_id int, group_name string"
        ),
        portrait=spark.createDataFrame([("a", True, "x")], "customer_id string, dormant boolean, other string"),
        recommended=spark.createDataFrame(
            recommended, "customer_id string, rank int, product_id string, product_name string"
        ),
        labels=labels,
        as_of=AS_OF,
    )
    return {row.customer_id: row for row in made.collect()}


def test_segments_have_one_row_a_customer_and_the_best_product(spark: SparkSession) -> None:
    rows = _segments(spark, ["dormant"], [("a", 1, "p", "P"), ("a", 2, "q", "Q")])
    assert sorted(rows) == ["a", "b"]
    a, b = rows["a"], rows["b"]
    assert (a.tier, a.group_name, a.dormant, a.next_product_id, a.next_product_name) == ("vip", "G", True, "p", "P")
    assert (b.tier, b.group_id, b.dormant, b.next_product_id) == ("ordinary", None, None, None)


def test_the_contract_lists_the_chief_labels(schemas_dir: Path, conf_dir: Path) -> None:
    from portrait.run.suite import load_suite

    catalogue = load_suite(conf_dir, schemas_dir)
    labels = catalogue.label_columns()["gold.segments"]
    declared = set(catalogue.table("gold.customer_portrait").column_names)
    assert 5 <= sum(name == label for name, label in labels.items()) <= 8
    assert set(labels.values()) <= declared
    assert catalogue.label_synonyms() == {"tier": "value_tier", "group_name": "behaviour_group"}


def affinities(spark: SparkSession) -> DataFrame:
    """c0 likes the new product, c1 does not; nothing is known of the others. The mean of both is .2."""
    rows = [("c0", "new", 0.39, ["travel", "merchant S1"]), ("c1", "new", 0.01, [])]
    return spark.createDataFrame(rows, "customer_id string, item string, affinity double, because array<string>")


def test_shopping_is_a_part_of_the_score_by_hand(
    spark: SparkSession, customers: DataFrame, products: DataFrame, holders: DataFrame, policy: RecommendationPolicy
) -> None:
    judged = judged_candidates(customers, products, holders, policy=policy, as_of=AS_OF)
    found = recommendations(
        judged, customers, products, holders, policy=policy, as_of=AS_OF, shopping=affinities(spark)
    ).collect()
    rows = {(row.customer_id, row.product_id): row for row in found}
    # Smoothed with .01: (.39 + .01) / (.2 + .01) = 1.9048 times the average, so 190.48 / 290.48 = .65574 of .2.
    # Nobody holds it, in no group and tier: TGI 100 both, so .36 / 2 + .28 / 2 + .16 x 0.
    liked = rows["c0", "new"]
    assert dict(liked.parts) == pytest.approx({"group": 0.18, "tier": 0.14, "popularity": 0, "shopping": 0.131148})
    assert liked.score == pytest.approx(0.451148)
    assert liked.because == ["travel", "merchant S1"]
    assert liked.reason == "What the customer buys and holds speaks for it: travel, merchant S1."
    assert (liked.facts["shopping"], liked.facts["shopping_tgi"]) == ("travel, merchant S1", "190.5")
    # (.01 + .01) / .21 = 9.52: 9.52 / 109.52 of .2.
    assert rows["c1", "new"].parts["shopping"] == pytest.approx(0.2 * 9.52381 / 109.52381, abs=1e-6)
    # Cold: the other three weights divided by .8: .45 / 2 + .35 / 2 = .4.
    cold = rows["c4", "new"]
    assert dict(cold.parts) == pytest.approx({"group": 0.225, "tier": 0.175, "popularity": 0})
    assert (cold.score, cold.because) == (pytest.approx(0.4), [])
    assert cold.facts["shopping"] == "not used: nothing that the model knows was bought or is held"
    # Known, but not with this product: as likely as everybody's.
    assert rows["c1", "card"].parts["shopping"] == pytest.approx(0.1)


def test_without_a_model_rows_are_as_they_were_before(best: list[Row], policy: RecommendationPolicy) -> None:
    """Scores of the release before shopping, with .45 / .35 / .20: the arithmetic of `affinity` and `popularity`."""
    old = {"group": 0.45, "tier": 0.35, "popularity": 0.20}
    weights = policy.weights
    for name, weight in old.items():
        assert getattr(weights, name) / (1 - weights.shopping) == pytest.approx(weight)
    # c1, card: group 100 x (1 + 12) / 14.4 = 90.28, tier the same four customers, popularity 1.
    row = next(row for row in best if (row.customer_id, row.product_id) == ("c1", "card"))
    tgi = 100 * (1 + 20 * 0.6) / (24 * 0.6)
    assert row.score == pytest.approx(0.8 * tgi / (tgi + 100) + 0.2, abs=1e-6)
    assert all(row.facts["shopping"] == "not used: no model" for row in best)
    assert all("shopping" not in row.parts for row in best)
    assert all(sum(row.parts.values()) == pytest.approx(row.score, abs=2e-6) for row in best)
