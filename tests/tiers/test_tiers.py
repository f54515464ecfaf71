"""Tiers: levels, criteria, reasons, gaps."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from portrait.capabilities.tiers.levels import tier_levels
from portrait.capabilities.tiers.policy import TierPolicy, load_tier_policy
from portrait.capabilities.tiers.tiers import assign_tiers
from portrait.errors import ConfigurationError

AS_OF = date(2024, 1, 31)
VALUE = "customer_id string, assets decimal(18,2), score double"
RULES = {"title": "Now", "newcomers": "at_level", "upgrade": "at_once", "drop_after_misses": 0}
POLICIES = {"policy": "now", "policies": {"now": RULES}}
ABSOLUTE = {
    **POLICIES,
    "tiers": [
        {"id": "diamond", "title": "Diamond", "assets": {"amount": 6_000_000}},
        {"id": "vip", "title": "VIP", "assets": {"amount": 500_000}, "score": {"amount": 90}},
        {"id": "growing", "title": "Growing", "assets": {"amount": 50_000}, "score": {"amount": 60}},
        {"id": "ordinary", "title": "Ordinary"},
    ],
}


def tiers_of(
    spark: SparkSession,
    rows: list[tuple[str, Any, float]],
    *,
    policy: dict[str, Any] | TierPolicy = ABSOLUTE,
    before: list[tuple[str, str]] | None = None,
) -> dict[str, Row]:
    made = [(name, None if assets is None else Decimal(str(assets)), score) for name, assets, score in rows]
    value: DataFrame = spark.createDataFrame(made, VALUE)
    previous = spark.createDataFrame(before or [], "customer_id string, tier string")
    month_before = previous.limit(0)
    checked = policy if isinstance(policy, TierPolicy) else TierPolicy.model_validate(policy)
    levels = tier_levels(value, policy=checked)
    assigned = assign_tiers(value, previous, month_before, levels=levels, overrides=None, policy=checked, as_of=AS_OF)
    return {row.customer_id: row for row in assigned.collect()}


def test_a_level_counts_from_exactly_its_amount(spark: SparkSession) -> None:
    rows = tiers_of(spark, [("at", "500000.00", 0.0), ("under", "499999.99", 0.0)])
    assert (rows["at"].tier, rows["under"].tier) == ("vip", "growing")


def test_the_score_is_a_second_door(spark: SparkSession) -> None:
    row = tiers_of(spark, [("a", 100, 90.0)])["a"]
    assert (row.tier, row.reason_code) == ("vip", "score_level")


def test_the_better_door_wins_and_says_so(spark: SparkSession) -> None:
    rows = tiers_of(
        spark, [("assets", 700_000, 65.0), ("both", 600_000, 95.0), ("below", 10, 1.0), ("unknown", None, 1.0)]
    )
    assert {name: row.reason_code for name, row in rows.items()} == {
        "assets": "assets_level",
        "both": "assets_and_score",
        "below": "below_levels",
        "unknown": "assets_unknown",
    }
    assert {name: row.tier_rank for name, row in rows.items()} == {"assets": 2, "both": 2, "below": 4, "unknown": 4}


def test_the_gap_is_what_is_missing_at_each_door_of_the_next_tier(spark: SparkSession) -> None:
    row = tiers_of(spark, [("a", "49999.99", 12.5)])["a"]
    assert (row.next_tier, row.gap_assets, row.gap_score) == ("growing", Decimal("0.01"), 47.5)


def test_a_next_tier_without_that_door_has_no_gap_there_and_the_top_has_none(spark: SparkSession) -> None:
    rows = tiers_of(spark, [("vip", 500_000, 99.0), ("top", 6_000_000, 10.0)])
    assert (rows["vip"].next_tier, rows["vip"].gap_assets, rows["vip"].gap_score) == (
        "diamond",
        Decimal(5_500_000),
        None,
    )
    assert (rows["top"].next_tier, rows["top"].gap_assets, rows["top"].gap_score) == (None, None, None)


def test_a_sentence_names_facts_level_and_movement(spark: SparkSession) -> None:
    rows = tiers_of(
        spark,
        [("up", 612_000, 10.0), ("down", 60_000, 10.0), ("same", 60_000, 10.0), ("new", 5, 91.26)],
        before=[("up", "growing"), ("down", "vip"), ("same", "growing")],
    )
    assert rows["up"].reason == "Assets of 612,000.00 reach the vip level of 500,000.00. Up from growing."
    assert rows["down"].reason == "Assets of 60,000.00 reach the growing level of 50,000.00. Down from vip."
    assert rows["same"].reason.endswith(" Unchanged.")
    assert rows["new"].reason == "A score of 91.26 reaches the vip level of 90.00."
    assert (rows["new"].previous_tier, rows["up"].previous_tier) == (None, "growing")


def test_quantile_levels_split_a_hundred_by_hand(spark: SparkSession, conf_dir: Path) -> None:
    # 1..100: the 0.99, 0.90 and 0.60 quantiles are 99.01, 90.1 and 60.4; no score opens a criterion.
    rows = tiers_of(spark, [(f"c{n}", n, 0.0) for n in range(1, 101)], policy=load_tier_policy(conf_dir / "tiers.yml"))
    counts = [sum(row.tier == tier for row in rows.values()) for tier in ("diamond", "vip", "growing", "ordinary")]
    assert counts == [1, 9, 30, 60]


def test_a_slice_of_empty_accounts_has_no_diamonds(spark: SparkSession, conf_dir: Path) -> None:
    rows = tiers_of(spark, [(f"c{n}", 0, 0.0) for n in range(10)], policy=load_tier_policy(conf_dir / "tiers.yml"))
    assert {row.tier for row in rows.values()} == {"ordinary"}


def test_a_slice_of_equal_customers_is_one_tier_and_not_the_best(spark: SparkSession, conf_dir: Path) -> None:
    rows = tiers_of(
        spark, [(f"c{n}", "1234567.89", 0.0) for n in range(10)], policy=load_tier_policy(conf_dir / "tiers.yml")
    )
    assert {row.tier for row in rows.values()} == {"ordinary"}


def _policy(**changes: dict[str, Any]) -> dict[str, Any]:
    return {**POLICIES, "tiers": [{**tier, **changes.get(tier["id"], {})} for tier in ABSOLUTE["tiers"]]}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (_policy(vip={"assets": {"amount": 7_000_000}}), "diamond must be above that of vip"),
        (_policy(vip={"assets": {"quantile": 0.9}}), "must both be amounts or both be quantiles"),
        (_policy(diamond={"assets": None}), "has no criterion"),
        (_policy(ordinary={"assets": {"amount": 1}}), "everyone else is in it"),
        (_policy(vip={"assets": {"amount": 5, "quantile": 0.5}}), "exactly one of"),
        ({**POLICIES, "tiers": list(reversed(ABSOLUTE["tiers"]))}, "in this order"),
    ],
)
def test_an_inconsistent_policy_is_refused(tmp_path: Path, policy: dict[str, Any], message: str) -> None:
    import yaml

    (tmp_path / "tiers.yml").write_text(yaml.safe_dump(policy))
    with pytest.raises(ConfigurationError, match=message):
        load_tier_policy(tmp_path / "tiers.yml")


OVERRIDE = "override_id string, customer_id string, tier string, starts_on date, ends_on date, reason string"


def test_a_tier_set_by_hand_holds_to_its_last_day_and_the_policy_goes_on_beneath(spark: SparkSession) -> None:
    rows = [
        ("1", "ends", "diamond", date(2024, 1, 1), AS_OF, "retention"),
        ("2", "over", "diamond", date(2023, 1, 1), date(2024, 1, 30), "retention"),
        ("3", "early", "diamond", date(2024, 2, 1), date(2024, 3, 1), "retention"),
        ("4", "twice", "diamond", date(2024, 1, 1), date(2024, 3, 1), "retention"),
        ("5", "twice", "growing", date(2024, 1, 2), date(2024, 2, 1), "complaint"),
    ]
    made = [(row[1], Decimal(600_000), 0.0) for row in rows[:4]]
    policy = TierPolicy.model_validate(ABSOLUTE)
    value = spark.createDataFrame(made, VALUE)
    nobody = spark.createDataFrame([], "customer_id string, tier string")
    assigned = assign_tiers(
        value,
        nobody,
        nobody,
        levels=tier_levels(value, policy=policy),
        overrides=spark.createDataFrame(rows, OVERRIDE),
        policy=policy,
        as_of=AS_OF,
    )
    found = {row.customer_id: row for row in assigned.collect()}
    tiers = {name: (row.tier, row.earned_tier, row.override_until) for name, row in found.items()}
    assert tiers == {
        "ends": ("diamond", "vip", AS_OF),
        "over": ("vip", "vip", None),
        "early": ("vip", "vip", None),
        "twice": ("growing", "vip", date(2024, 2, 1)),
    }
    assert found["twice"].reason == "Set to growing until 2024-02-01 (complaint). By the policy: vip."
    assert (found["twice"].reason_code, found["twice"].next_tier, found["twice"].override_reason) == (
        "override",
        "vip",
        "complaint",
    )


def _rules(**changes: Any) -> dict[str, Any]:
    return {**ABSOLUTE, "policies": {"now": RULES | changes}}


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (_rules(upgrade="at_once", fast_track=2.0), "fast_track belongs to upgrade: next_month"),
        (_rules(floors={"vip": "diamond"}), "the floor of vip must be a lower tier"),
        (_rules(drop_after_misses={"diamond": 6}), "one for each of diamond, vip, growing"),
        (_rules(drop_after_misses=3, watch_from_miss=4), "watch_from_miss of 4 is never reached"),
        (_rules(drop_after_misses=-1), "greater than or equal to 0"),
        (_rules(grace=2), "Extra inputs are not permitted"),
        ({**ABSOLUTE, "policy": "then"}, "there is no policy 'then'; policies: now"),
        ({**ABSOLUTE, "shadow": "now"}, "'now' already decides"),
    ],
)
def test_an_impossible_policy_is_refused_with_its_line(tmp_path: Path, policy: dict[str, Any], message: str) -> None:
    import yaml

    (tmp_path / "tiers.yml").write_text(yaml.safe_dump(policy))
    with pytest.raises(ConfigurationError) as caught:
        load_tier_policy(tmp_path / "tiers.yml")
    assert message in caught.value.message
    assert caught.value.where.startswith(f"{tmp_path / 'tiers.yml'}:")


STOOD = (
    "customer_id string, tier string, policy string, earned_tier string, since date, misses int, "
    "best_missed_tier string, coming_tier string, shadow_policy string, shadow_tier string, shadow_since date, "
    "shadow_misses int, shadow_best_missed_tier string, shadow_coming_tier string"
)


@pytest.mark.parametrize(
    ("deciding", "tier", "misses", "coming"),
    [
        ("three", "vip", 3, "ordinary"),  # goes on from its own two misses
        ("six", "diamond", 5, None),  # was the shadow: goes on from the four that it counted
        ("other", "vip", 1, None),  # was not computed: the tier stays, misses begin anew
    ],
)
def test_another_policy_goes_on_from_what_was_kept_for_it(
    spark: SparkSession, deciding: str, tier: str, misses: int, coming: str | None
) -> None:
    slow = {**RULES, "upgrade": "next_month"}
    rules = {name: slow | {"drop_after_misses": 6 if name == "six" else 3} for name in ("three", "six", "other")}
    policy = TierPolicy.model_validate({**ABSOLUTE, "policy": deciding, "policies": rules})
    since = date(2023, 1, 1)
    kept = [("a", "vip", "three", "vip", since, 2, "ordinary", None, "six", "diamond", since, 4, "growing", None)]
    value = spark.createDataFrame([("a", Decimal(10), 0.0)], VALUE)
    before = spark.createDataFrame(kept, STOOD)
    levels = tier_levels(value, policy=policy)
    found = assign_tiers(value, before, before, levels=levels, overrides=None, policy=policy, as_of=AS_OF).collect()[0]
    assert (found.tier, found.misses, found.coming_tier, found.since) == (tier, misses, coming, since)


def test_a_slice_of_an_earlier_build_gives_the_tier_to_begin_with(spark: SparkSession) -> None:
    policy = TierPolicy.model_validate({**ABSOLUTE, "policies": {"now": RULES | {"drop_after_misses": 3}}})
    value = spark.createDataFrame([("a", Decimal(10), 0.0)], VALUE)
    before = spark.createDataFrame([("a", "vip")], "customer_id string, tier string")
    levels = tier_levels(value, policy=policy)
    found = assign_tiers(value, before, before, levels=levels, overrides=None, policy=policy, as_of=AS_OF).collect()[0]
    assert (found.tier, found.misses, found.best_missed_tier, found.since) == ("vip", 1, "ordinary", date(2024, 1, 1))
