"""Quantile levels and fifths where many customers have the same value: nobody rises because of a tie."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, Row, SparkSession
from tests.score.test_rfm import measures, valued
from tests.score.test_value import POLICY

from portrait.capabilities.tiers.levels import level_rows, tier_levels
from portrait.capabilities.tiers.policy import TierPolicy, load_tier_policy
from portrait.capabilities.tiers.simulate import replay
from portrait.capabilities.tiers.tiers import assign_tiers
from portrait.errors import ConfigurationError

AS_OF = date(2024, 1, 31)
VALUE = "customer_id string, assets decimal(18,2), score double, relationship string"
Rows = list[tuple[str, Decimal, float, str]]


@pytest.fixture
def policy(conf_dir: Path) -> TierPolicy:
    return load_tier_policy(conf_dir / "tiers.yml")


def customers(*assets: str, scores: list[float] | None = None, relationship: str = "owner") -> Rows:
    points = scores or [0.0] * len(assets)
    named = [f"{relationship}{n:03}" for n in range(len(assets))]
    return [(*row, relationship) for row in zip(named, map(Decimal, assets), points, strict=True)]  # type: ignore[misc]


def placed(spark: SparkSession, rows: Rows, policy: TierPolicy) -> tuple[dict[str, Row], dict[tuple[str, str], Any]]:
    """The customers by id, and the rows of gold.tier_levels by tier and criterion."""
    value: DataFrame = spark.createDataFrame(rows, VALUE)
    nobody = spark.createDataFrame([], "customer_id string, tier string")
    levels = tier_levels(value, policy=policy)
    made = level_rows(levels.collect()[0], policy=policy, as_of=AS_OF)
    assigned = assign_tiers(value, nobody, nobody, levels=levels, overrides=None, policy=policy, as_of=AS_OF)
    return {row.customer_id: row for row in assigned.collect()}, {(row[1], row[2]): row for row in made}


def reached(levels: dict[tuple[str, str], Any], criterion: str) -> dict[str, tuple[int, int, bool]]:
    """By tier: owners with a value, those who reach the level, and whether it counts."""
    return {tier: row[6:9] for (tier, name), row in levels.items() if name == criterion}


NOBODY = {"diamond": False, "vip": False, "growing": False}
CASES: dict[str, tuple[list[str], dict[str, tuple[int, int, bool]], dict[str, int]]] = {
    # Everybody is at the quantile: all reach it, and 100 % is more than 1, 10 or 40 %.
    "one customer": (["5000000.00"], dict.fromkeys(NOBODY, (1, 1, False)), {"ordinary": 1}),
    "two equal ones": (["70.00"] * 2, dict.fromkeys(NOBODY, (2, 2, False)), {"ordinary": 2}),
    # Levels 19.9, 19 and 16: the second reaches all of them. Half is more than 41 %, even for growing.
    "two customers": (["10.00", "20.00"], dict.fromkeys(NOBODY, (2, 1, False)), {"ordinary": 2}),
    # Place 198 of 0 .. 199 is 0.99 x 199 = 197.01: both neighbours have 1,000.00, so have those of 0.9 and 0.6.
    "199 equal and one a cent above": (
        ["1000.00"] * 199 + ["1000.01"], dict.fromkeys(NOBODY, (200, 200, False)), {"ordinary": 200},
    ),
    "all equal": (["1234567.89"] * 150, dict.fromkeys(NOBODY, (150, 150, False)), {"ordinary": 150}),
    # at_least 1 is above all: no tie, nobody reaches it.
    "all zero": (["0.00"] * 150, dict.fromkeys(NOBODY, (150, 0, True)), {"ordinary": 150}),
    # 100 with 1 .. 100 and 100 with 500: quantiles .99, .9 and .6 are all 500, which half reach: 50 % > 1, 11, 41 %.
    "half of all at the boundary": (
        [f"{n}.00" for n in range(1, 101)] + ["500.00"] * 100, dict.fromkeys(NOBODY, (200, 100, False)),
        {"ordinary": 200},
    ),
    # 30 of 200 share the top: 15 % is more than 2 % and 11 %, and less than 41 %. The quantile .6 is at place 119.4
    # of 170 different ones and 30 ties: 120.4 -> those with 121 .. 170 and the 30, 80 of 200.
    "a tie that only the upper levels cannot bear": (
        [f"{n}.00" for n in range(1, 171)] + ["500.00"] * 30,
        {"diamond": (200, 30, False), "vip": (200, 30, False), "growing": (200, 80, True)},
        {"growing": 80, "ordinary": 120},
    ),
    # Without ties: 1 .. 200; quantiles 198.01, 180.1 and 120.4.
    "no ties": (
        [f"{n}.00" for n in range(1, 201)],
        {"diamond": (200, 2, True), "vip": (200, 20, True), "growing": (200, 80, True)},
        {"diamond": 2, "vip": 18, "growing": 60, "ordinary": 120},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_level_of_assets_that_too_many_reach_qualifies_nobody(
    spark: SparkSession, policy: TierPolicy, case: str
) -> None:
    assets, expected, tiers = CASES[case]
    rows, levels = placed(spark, customers(*assets), policy)
    assert reached(levels, "assets") == expected
    found: dict[str, int] = {}
    for row in rows.values():
        found[row.tier] = found.get(row.tier, 0) + 1
    assert found == tiers


def test_the_score_is_judged_alike(spark: SparkSession, policy: TierPolicy) -> None:
    # 60 of 200 have 80 points: 30 % is more than .5 + 1 % and 3 + 1 %, and more than the 20 + 1 % of growing.
    rows, levels = placed(spark, customers(*["0.00"] * 200, scores=[1.0] * 140 + [80.0] * 60), policy)
    assert reached(levels, "score") == dict.fromkeys(NOBODY, (200, 60, False))
    assert {row.tier for row in rows.values()} == {"ordinary"}
    # 42 of 200 are the 21 % that growing allows.
    rows, levels = placed(spark, customers(*["0.00"] * 200, scores=[1.0] * 158 + [80.0] * 42), policy)
    assert reached(levels, "score")["growing"] == (200, 42, True)
    assert sum(row.tier == "growing" for row in rows.values()) == 42


def test_who_reaches_only_tied_levels_is_told_why_and_has_no_gap_to_them(
    spark: SparkSession, policy: TierPolicy
) -> None:
    row = placed(spark, customers(*["1000.00"] * 150), policy)[0]["owner000"]
    assert (row.reason_code, row.next_tier, row.gap_assets) == ("tied_levels", "growing", None)
    assert row.reason == (
        "Assets of 1,000.00 and a score of 0.00 qualify for no tier: more customers reach the same level than its "
        "share allows."
    )


def test_a_fixed_amount_has_no_share(spark: SparkSession, conf_dir: Path) -> None:
    tree = yaml.safe_load((conf_dir / "tiers.yml").read_text())
    for tier, amount in zip(tree["tiers"], (300, 200, 100), strict=False):
        tier["assets"] = {"amount": amount}
    rows, levels = placed(spark, customers(*["500.00"] * 3), TierPolicy.model_validate(tree))
    assert {row.tier for row in rows.values()} == {"diamond"}
    assert levels["diamond", "assets"][4:] == (None, None, 3, 3, True)


def test_who_owns_nothing_shifts_no_level_and_is_in_the_last_tier(spark: SparkSession, policy: TierPolicy) -> None:
    owners = customers(*[f"{n}.00" for n in range(1, 201)])
    alone, levels = placed(spark, owners, policy)
    users = customers(*["0.00"] * 900, relationship="user")
    invested = customers("190.00", relationship="holder")
    both, with_others = placed(spark, owners + users + invested, policy)
    assert with_others == levels
    assert {name: both[name].tier for name in alone} == {name: row.tier for name, row in alone.items()}
    assert {row.tier for name, row in both.items() if name.startswith("user")} == {"ordinary"}
    assert (both["user000"].reason_code, both["user000"].reason) == (
        "owns_nothing", "Owns no account and has no investments.",
    )  # fmt: skip
    # Investments are assets, whoever has them: 190 is above the vip level of 180.1.
    assert (both["holder000"].tier, both["holder000"].reason_code) == ("vip", "assets_level")


def test_simulate_follows_the_same_rule(spark: SparkSession, policy: TierPolicy) -> None:
    value = spark.createDataFrame(
        [(AS_OF, *row) for row in customers(*["1000.00"] * 150) + customers("0.00", relationship="user")],
        f"as_of date, {VALUE}",
    )
    played = replay(value, [AS_OF], rules=policy.deciding, policy=policy)
    assert {row.level_tier for row in played.select("level_tier").collect()} == {"ordinary"}


@pytest.mark.parametrize(
    ("tolerance", "message"),
    [(-0.1, "greater than or equal to 0"), (0.6, "less than 0.5"), (None, "valid number")],
)
def test_a_tolerance_that_is_none_is_refused(
    tmp_path: Path, conf_dir: Path, tolerance: float | None, message: str
) -> None:
    tree = yaml.safe_load((conf_dir / "tiers.yml").read_text()) | {"tie_tolerance": tolerance}
    (tmp_path / "tiers.yml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigurationError, match=message):
        load_tier_policy(tmp_path / "tiers.yml")


def test_a_tolerance_under_which_all_may_reach_a_level_is_refused(tmp_path: Path, conf_dir: Path) -> None:
    tree = yaml.safe_load((conf_dir / "tiers.yml").read_text()) | {"tie_tolerance": 0.45}
    tree["tiers"][2]["assets"] = {"quantile": 0.4}
    (tmp_path / "tiers.yml").write_text(yaml.safe_dump(tree))
    with pytest.raises(ConfigurationError, match=r"assets of growing: with tie_tolerance 0\.45 all may reach it"):
        load_tier_policy(tmp_path / "tiers.yml")


def test_fifths_of_rfm_keep_ties_together(spark: SparkSession) -> None:
    # 10 customers: frequencies 1, 1, 1, 1, 1, 1, 2, 3, 4, 5. Cuts at places 1.8, 3.6, 5.4, 7.2: 1, 1, 1.4, 3.2.
    frequencies = [1, 1, 1, 1, 1, 1, 2, 3, 4, 5]
    rows = valued(spark, measures(spark, [(n, f, 100.0) for n, f in enumerate(frequencies)]), policy=POLICY)
    scores = [rows[f"c{n:02}"].frequency_score for n in range(10)]
    assert scores == [1, 1, 1, 1, 1, 1, 4, 4, 5, 5]
    # Everybody alike: the middle, not the best.
    assert {row.monetary_score for row in rows.values()} == {3}
