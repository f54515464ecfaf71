"""Behaviour of groups against vectors by hand, pandas and planted effects; which advice follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from tests.report.figures import figures

from portrait.capabilities.advice.behaviour import (
    OTHER_BANKS,
    Basket,
    Behaviour,
    Season,
    behaviours,
    frequent_sets,
    spending,
    year_of_months,
)
from portrait.capabilities.advice.commands import audience_keys
from portrait.capabilities.advice.policy import When, load_advice, load_advice_policy
from portrait.capabilities.advice.report import advice_section
from portrait.capabilities.advice.rules import TOO_SMALL, give_advice, holds
from portrait.capabilities.advice.significance import adjusted, control_size, two_proportions, wilson
from portrait.capabilities.advice.tables import advice_rows, audience_of, behaviour_rows
from portrait.capabilities.audiences.declaration import Audience
from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError
from portrait.lake.schema import check_frame

AS_OF = date(2025, 12, 31)
CONF = Path(__file__).resolve().parents[2] / "conf"
CATEGORIES = ("grocery", "travel", "fuel", "home")


# -- vectors by hand and of published pages


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(30, 200, 0.1071, 0.2061), (8, 20, 0.2188, 0.6134), (0, 10, 0.0, 0.2775)]
)
def test_wilson(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


def test_benjamini_and_hochberg_reject_the_first_three() -> None:
    p = [0.001, 0.008, 0.012, 0.041, 0.042, 0.060, 0.074, 0.205, 0.212, 0.216]
    order = np.random.default_rng(1).permutation(10)
    found = adjusted([p[place] for place in order])
    assert sorted(order[found <= 0.05]) == [0, 1, 2]
    # i = 3: .012 x 10 / 3; the largest is its own p.
    assert found[list(order).index(2)] == pytest.approx(0.04)
    assert found[list(order).index(9)] == pytest.approx(0.216)


def test_two_proportions_by_hand() -> None:
    # 30 of 100 against 20 of 100: pooled .25, z = .1 / sqrt(.25 x .75 x .02) = 1.633.
    assert two_proportions((30, 100), (20, 100)) == pytest.approx(0.1025, abs=5e-4)
    assert two_proportions((0, 100), (0, 100)) == 1.0
    assert two_proportions((1, 100), (1, 0)) == 1.0


def test_control_size_is_the_published_one() -> None:
    assert control_size(0.02, 0.005) == 13_809


def test_the_year_is_of_whole_months() -> None:
    assert year_of_months(date(2025, 12, 31)) == (date(2025, 1, 1), date(2025, 12, 31))
    assert year_of_months(date(2025, 12, 30)) == (date(2024, 12, 1), date(2025, 11, 30))
    assert year_of_months(date(2024, 2, 29)) == (date(2023, 3, 1), date(2024, 2, 29))


# -- behaviour in Spark, against pandas


def bookings(customers: int = 240, seed: int = 5) -> pd.DataFrame:
    """Two groups alike but for what is planted: group 2 spends twice as much on travel in July, and more of it travels;
    travel and fuel are bought together by group 1.
    """
    draws = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for number in range(customers):
        group = 1 + number % 2
        buys = {"grocery": True, "travel": draws.random() < (0.3, 0.8)[group - 1], "fuel": draws.random() < 0.5}
        buys["home"] = draws.random() < 0.5
        for month in range(1, 13):
            weeks = {name: draws.integers(1, 29, 2) for name in CATEGORIES}
            if group == 1:
                weeks["fuel"] = weeks["travel"]
            for name, there in buys.items():
                for day in weeks[name] if there else ():
                    amount = float(draws.lognormal(4, 0.3)) * (2 if (group, name, month) == (2, "travel", 7) else 1)
                    rows.append((f"C{number:04d}", date(2025, month, int(day)), name, "card_payment", None, amount))
            if group == 2:
                rows.append((f"C{number:04d}", date(2025, month, 3), None, "transfer_out", "Other Bank", 100.0))
    frame = pd.DataFrame(rows, columns=["customer_id", "booked_on", "category", "type", "counterparty_bank", "amount"])
    return frame.assign(direction="debit", amount_minor=(frame.amount * 100).round().astype("int64"))


@pytest.fixture(scope="module")
def booked() -> pd.DataFrame:
    return bookings()


@pytest.fixture(scope="module")
def transactions(spark: SparkSession, booked: pd.DataFrame) -> DataFrame:
    columns = ["customer_id", "booked_on", "category", "type", "counterparty_bank", "direction", "amount_minor"]
    layout = (
        "customer_id string, booked_on date, category string, type string, counterparty_bank string, direction string"
    )
    values = booked[columns].astype(object).where(booked[columns].notna(), None).values.tolist()
    return spark.createDataFrame(values, f"{layout}, amount_minor bigint").repartition(2)


@pytest.fixture(scope="module")
def customers(spark: SparkSession) -> DataFrame:
    rows = [(f"C{n:04d}", 1 + n % 2, 2000) for n in range(240)]
    return spark.createDataFrame(rows, "customer_id string, group_id int, tenure_days int")


@pytest.fixture(scope="module")
def found(transactions: DataFrame, customers: DataFrame) -> dict[tuple[int, str], Behaviour]:
    policy = load_advice_policy(CONF)
    rows = spending(transactions, customers, as_of=AS_OF, least_tenure_days=365).collect()
    sets = frequent_sets(transactions, customers, as_of=AS_OF, support=0.002)
    made = behaviours(rows, {1: 120, 2: 120}, sets, as_of=AS_OF, policy=policy)
    return {(item.group, item.category): item for item in made}


def test_counts_amounts_and_tickets_are_those_of_pandas(
    found: dict[tuple[int, str], Behaviour], booked: pd.DataFrame
) -> None:
    spent = booked.dropna(subset=["category"]).assign(group=lambda f: 1 + f.customer_id.str[1:].astype(int) % 2)
    expected = spent.groupby(["group", "category"]).agg(
        buyers=("customer_id", "nunique"), amount=("amount_minor", "sum"), count=("amount_minor", "size")
    )
    assert set(found) == set(expected.index)
    for key, row in expected.iterrows():
        item = found[key]
        assert (item.buyers, item.amount) == (row.buyers, pytest.approx(row.amount / 100))
        assert item.ticket == pytest.approx(row.amount / 100 / row["count"])
        assert item.frequency == pytest.approx(row["count"] / row.buyers / 12)
        overall = expected.loc[(slice(None), key[1]), "buyers"].sum() / 240
        assert item.tgi == pytest.approx(100 * row.buyers / 120 / overall)


def test_the_planted_differences_are_found_and_no_others(found: dict[tuple[int, str], Behaviour]) -> None:
    assert {key for key, item in found.items() if item.p_adjusted <= 0.05} == {(1, "travel"), (2, "travel")}
    seasonal = {
        key for key, item in found.items() if item.month_p_adjusted is not None and item.month_p_adjusted <= 0.05
    }
    assert seasonal == {(2, "travel")}
    july = found[2, "travel"].month
    assert july is not None
    assert (july.best, july.index) == (7, pytest.approx(2 / (13 / 12), rel=0.06))


def test_the_share_of_wallet_is_of_money_that_stays(
    found: dict[tuple[int, str], Behaviour], booked: pd.DataFrame
) -> None:
    mine = booked[booked.customer_id.str[1:].astype(int) % 2 == 1]
    own, leaving = mine[mine.category.notna()].amount_minor.sum(), mine[mine.category.isna()].amount_minor.sum()
    assert found[2, "grocery"].wallet == pytest.approx(own / (own + leaving))
    assert found[1, "grocery"].wallet is None
    assert not any(category == OTHER_BANKS for _, category in found)


def test_baskets_are_counted_as_by_hand(
    transactions: DataFrame, customers: DataFrame, booked: pd.DataFrame, found: dict[tuple[int, str], Behaviour]
) -> None:
    sets = frequent_sets(transactions, customers, as_of=AS_OF, support=0.002)
    spent = booked.dropna(subset=["category"]).assign(
        week=lambda f: pd.to_datetime(f.booked_on).dt.to_period("W-SUN"),
        group=lambda f: 1 + f.customer_id.str[1:].astype(int) % 2,
    )
    baskets = spent.groupby(["customer_id", "week"]).agg(items=("category", set), group=("group", "first"))
    assert sets[frozenset()] == len(baskets)
    for group in (1, 2):
        own = baskets[baskets.group == group]["items"]
        for pair in combinations(CATEGORIES, 2):
            both = sum(set(pair) <= items for items in own)
            assert sets.get(frozenset({f"group {group}", *pair}), 0) == (both if both >= 0.002 * len(baskets) else 0)
    together = found[1, "travel"].basket
    assert together is not None
    assert (together.category, together.confidence > 0.4) == ("fuel", True)
    assert together.lift > 1.5


def test_customers_who_came_within_the_year_make_no_season(transactions: DataFrame, spark: SparkSession) -> None:
    young = spark.createDataFrame(
        [(f"C{n:04d}", 1 + n % 2, 100) for n in range(240)], "customer_id string, group_id int, tenure_days int"
    )
    rows = spending(transactions, young, as_of=AS_OF, least_tenure_days=395).collect()
    made = behaviours(rows, {1: 120, 2: 120}, {}, as_of=AS_OF, policy=load_advice_policy(CONF))
    assert all(item.month is None and item.weekday is None for item in made)
    assert all(item.buyers > 0 for item in made)


def test_the_frames_are_what_contracts_say(spark: SparkSession, found: dict[tuple[int, str], Behaviour]) -> None:
    catalogue = load_catalogue(CONF.parent / "schemas")
    given = give_advice(
        list(found.values()),
        load_advice(CONF),
        names={1: "Drivers", 2: "Travellers"},
        channels={1: ["mobile"], 2: ["phone"]},
        policy=load_advice_policy(CONF),
    )
    assert ("seasonal_offer", 2, "travel", "before July", "phone") in {
        (item.advice.id, item.behaviour.group, item.behaviour.category, item.moment, item.channel) for item in given
    }
    check_frame(
        behaviour_rows(spark, list(found.values()), as_of=AS_OF, level=0.05), catalogue.table("gold.group_behaviour")
    )
    check_frame(
        advice_rows(spark, given, names={1: "Drivers", 2: "Travellers"}, as_of=AS_OF),
        catalogue.table("gold.group_advice"),
    )


# -- rules


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour(
        3, "travel", 1000, 400, 0.4, 0.2, 200.0, 185.0, 215.0, 0.001, 90_000.0, 90.0, 0.5,
        Season(7, 1.6, 0.0001), 0.002, Season(6, 1.2, 0.01), 0.6, Basket("fuel", 1.5, 0.05, 0.5),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"tgi_low_least": 185}, True),
        ({"tgi_low_least": 186}, False),
        ({"categories": ["home"], "tgi_low_least": 100}, False),
        ({"month_index_least": 1.6}, True),
        ({"month_index_least": 1.7}, False),
        ({"wallet_most": 0.6}, True),
        ({"wallet_most": 0.5}, False),
        ({"basket_lift_least": 1.5}, True),
        ({"basket_lift_least": 1.6}, False),
    ],
)
def test_when_a_rule_holds(behaviour: Behaviour, when: dict[str, Any], expected: bool) -> None:
    assert holds(When(**when), behaviour, level=0.05) is expected


def test_what_is_not_significant_is_no_advice(behaviour: Behaviour) -> None:
    assert not holds(When(tgi_low_least=100), replace(behaviour, p_adjusted=0.06), level=0.05)
    assert not holds(When(month_index_least=1), replace(behaviour, month_p_adjusted=0.06), level=0.05)
    assert not holds(When(month_index_least=1), replace(behaviour, month=None), level=0.05)
    assert not holds(When(wallet_most=0.9), replace(behaviour, wallet=None), level=0.05)


def test_advice_has_evidence_a_moment_and_a_control_group(behaviour: Behaviour) -> None:
    policy, rules = load_advice_policy(CONF), load_advice(CONF)
    names, channels = {3: "High income, travellers"}, {3: ["branch", "phone", "mobile"]}
    given = {
        item.advice.id: item for item in give_advice([behaviour], rules, names=names, channels=channels, policy=policy)
    }
    season = given["seasonal_offer"]
    assert season.wording == (
        "High income, travellers spend most on travel in July: offer to pay in instalments in the weeks before."
    )
    assert (season.channel, season.moment, season.control, season.remark) == ("phone", "before July", 13_809, TOO_SMALL)
    assert season.evidence == (
        "400 of 1,000 customers buy travel within a year; July 1.60 of a month's mean, adjusted p 0.002"
    )
    assert given["card_benefit"].moment == "the day before Saturday"
    assert "TGI 200 (185 to 215), adjusted p 0.001" in given["card_benefit"].evidence
    assert given["joint_benefit"].channel == "mobile"
    assert "fuel in 50% of its weekly baskets, lift 1.50" in given["joint_benefit"].evidence
    large = replace(behaviour, size=30_000)
    assert give_advice([large], rules, names=names, channels=channels, policy=policy)[0].remark is None


def test_a_wording_that_names_what_is_unknown_is_refused(tmp_path: Path) -> None:
    (tmp_path / "advice").mkdir()
    text = (CONF / "advice" / "card_benefit.yml").read_text().replace("{group} buy", "{segment} buy")
    (tmp_path / "advice" / "card_benefit.yml").write_text(text)
    with pytest.raises(ConfigurationError, match="names what is not known"):
        load_advice(tmp_path)


ROW = {
    "group_id": 3,
    "group_name": "Doctors' savers",
    "advice": "card_benefit",
    "category": "travel",
    "title": "A benefit",
    "product_kind": "card",
    "channel": "phone",
    "moment": "any day",
    "wording": "They travel.",
    "evidence": "TGI 200",
    "expected_effect": "not measured",
    "customers": 1000,
    "control_size": 13_809,
    "remark": TOO_SMALL,
    "audience": audience_of("Doctors' savers"),
}


def test_an_audience_of_a_piece_of_advice() -> None:
    made = Audience(**audience_keys("doctors", ROW))
    assert (made.id, made.where, made.channels) == ("doctors", "behaviour_group = 'Doctors'' savers'", ["phone"])


def test_a_marketer_reads_the_advice() -> None:
    differs = {"group_id": 3, "category": "travel", "share": 0.4, "tgi": 200.0, "tgi_low": 185.0, "tgi_high": 215.0}
    made = figures(advice=[ROW], behaviour=[differs | {"is_significant": True}, differs | {"is_significant": False}])
    html = str(advice_section(made, load_catalogue(CONF.parent / "schemas")))
    for sentence in (
        "1 of 2 shares differ",
        "They travel.",
        "Any day, by phone; product: card.",
        TOO_SMALL,
        "185 to 215",
    ):
        assert sentence in html
    assert "not looked at" in str(advice_section(figures(), load_catalogue(CONF.parent / "schemas")))
