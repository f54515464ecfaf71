"""What a tier is worth: two states by hand, the closed form, an interval by the binomial distribution, a slice."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy.stats import binom

from portrait.capabilities.tiers.chain import ALL, chain_value, tier_value, tier_values
from portrait.capabilities.tiers.migration import OUTSIDE, PLACES, Moves, chances
from portrait.capabilities.tiers.policy import TIERS
from portrait.capabilities.tiers.value_policy import load_tier_value_policy
from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError

# vip: 9 of 10 stay, 1 falls. growing: 2 of 10 rise.
TWO: Moves = {("vip", "vip"): 9, ("vip", "growing"): 1, ("growing", "vip"): 2, ("growing", "growing"): 8}
MARGINS = {"vip": 10.0, "growing": 1.0}


def of_step(margins: dict[str, float]) -> np.ndarray:
    return np.array([margins.get(place, 0.0) for place in PLACES])


def test_two_states_by_hand() -> None:
    # t = 1: .9 x 10 + .1 x 1 = 9.1 and .2 x 10 + .8 x 1 = 2.8; t = 2: .9 x 9.1 + .1 x 2.8 = 8.47 and 4.06.
    values = chain_value(chances(TWO), of_step(MARGINS), discount=0.1, horizon=3)
    found = dict(zip(PLACES, values, strict=True))
    assert found["vip"] == pytest.approx(10 + 9.1 / 1.1 + 8.47 / 1.21)
    assert found["growing"] == pytest.approx(1 + 2.8 / 1.1 + 4.06 / 1.21)


def test_a_long_horizon_is_the_closed_form() -> None:
    # sum of (P / (1 + d))^t m = (I - P / (1 + d))^-1 m
    moves: Moves = {
        **TWO,
        ("vip", OUTSIDE): 3,
        ("diamond", "vip"): 4,
        ("diamond", "diamond"): 16,
        ("ordinary", OUTSIDE): 1,
    }
    margins = of_step({**MARGINS, "diamond": 90.0, "ordinary": -2.0})
    steps = chances(moves)
    closed = np.linalg.solve(np.eye(len(PLACES)) - steps / 1.02, margins)
    assert chain_value(steps, margins, discount=0.02, horizon=3000) == pytest.approx(closed)


def test_who_leaves_brings_nothing_and_who_stays_in_an_unseen_tier_stays() -> None:
    moves: Moves = {("vip", OUTSIDE): 5, (OUTSIDE, "ordinary"): 2}
    found = {item.tier: item for item in tier_values(moves, {"vip": 7.0, "ordinary": 3.0}, discount=0.0, horizon=4,
                                                     draws=100, seed=1)}  # fmt: skip
    assert (found["vip"].value, found["vip"].observed, found["vip"].customers) == (7.0, 5, 0)
    assert (found["ordinary"].value, found["ordinary"].observed, found["ordinary"].customers) == (12.0, 0, 2)
    assert (found[ALL].value, found[ALL].customers, found[ALL].observed) == (12.0, 2, 5)


def test_the_interval_is_that_of_the_binomial_distribution() -> None:
    # One tier of which 180 of 200 stay: value = sum over t of (s / 1.01)^t x 5 grows with the share s that stays.
    moves: Moves = {("vip", "vip"): 180, ("vip", OUTSIDE): 20}
    item = next(v for v in tier_values(moves, {"vip": 5.0}, discount=0.01, horizon=24, draws=20_000, seed=3)
                if v.tier == "vip")  # fmt: skip

    def worth(stay: float) -> float:
        return 5 * sum((stay / 200 / 1.01) ** t for t in range(24))

    assert item.value == pytest.approx(worth(180))
    ends = [binom.ppf(share, 200, 0.9) for share in (0.025, 0.975)]
    assert [item.low, item.high] == pytest.approx([worth(end) for end in ends], rel=1e-9)


def test_the_same_seed_gives_the_same_interval_and_another_a_near_one() -> None:
    many = {move: 100 * customers for move, customers in TWO.items()}
    once, again, other = (
        [(v.low, v.high) for v in tier_values(many, MARGINS, discount=0.01, horizon=12, draws=500, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert once == again != other
    assert np.array(once) == pytest.approx(np.array(other), rel=0.02)


def test_a_slice_by_hand(spark: SparkSession, conf_dir: Path, schemas_dir: Path) -> None:
    policy = load_tier_value_policy(conf_dir).model_copy(update={"horizon_months": 4})
    was, now = date(2024, 1, 31), date(2024, 3, 31)
    layout = "customer_id string, tier string"
    before = spark.createDataFrame([("a", "vip"), ("b", "vip"), ("c", "growing")], layout)
    tiers = spark.createDataFrame([("a", "vip"), ("b", "growing"), ("c", "growing"), ("d", "growing")], layout)
    earned = [("a", Decimal(600)), ("b", Decimal(30)), ("c", Decimal(60)), ("d", Decimal(90)), ("e", Decimal(9))]
    value = spark.createDataFrame(earned, "customer_id string, contribution decimal(18,2)")
    rows = tier_value(tiers, before, value, since=was, policy=policy, discount_rate=0.21, as_of=now)
    frame = spark.createDataFrame(rows, load_catalogue(schemas_dir).table("gold.tier_value").struct_type)
    found = {row.tier: row for row in frame.collect()}
    # Two steps of two months: a vip brings 100, a growing customer 10; 1.21^(1/6) - 1 is the discount of a step.
    factor = 1.21 ** (1 / 6)
    assert list(found) == [*TIERS, ALL]
    assert (found["vip"].margin, found["growing"].margin) == (Decimal("50.00"), Decimal("5.00"))
    assert float(found["vip"].value) == pytest.approx(100 + 55 / factor, abs=0.005)
    assert found["growing"].value == found["growing"].value_low == round(Decimal(10 + 10 / factor), 2)
    mean = (100 + 55 / factor + 3 * (10 + 10 / factor)) / 4
    assert float(found[ALL].value) == pytest.approx(mean, abs=0.005)
    assert float(found[ALL].margin) == pytest.approx((50 + 15) / 4, abs=0.005)
    assert {row.previous_as_of for row in found.values()} == {was}


def test_margins_of_three_tiers_are_refused(conf_dir: Path, tmp_path: Path) -> None:
    text = (conf_dir / "tier_value.yml").read_text()
    assert "margins: contribution\n" in text
    given = text.replace("margins: contribution\n", "margins: {diamond: 3, vip: 2, growing: 1}\n")
    (tmp_path / "tier_value.yml").write_text(given)
    with pytest.raises(ConfigurationError, match="give the margin of diamond, vip, growing and ordinary"):
        load_tier_value_policy(tmp_path)
