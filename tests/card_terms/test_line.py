"""Line and price: arithmetic by hand, a search in numpy over random customers, no worse band is better off."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import Row, SparkSession

from portrait.capabilities.card_terms.line import with_best_line
from portrait.capabilities.card_terms.policy import BANDS, UNSCORED, CardTermsPolicy, load_card_terms
from portrait.errors import ConfigurationError

LAYOUT = (
    "customer_id string, band string, pd double, ftp double, income double, debt double, spending double, "
    "headroom double"
)
NAMES = [part.split()[0] for part in LAYOUT.split(", ")]
GOOD = {"band": "A", "pd": 0.01, "ftp": 0.02, "income": 5000.0, "debt": 0.0, "spending": 20_000.0, "headroom": None}
GRADE_ENDS = {"A": 0.02, "B": 0.05, "C": 0.10, "D": 0.20, "E": 0.60, UNSCORED: 0.70}


def priced(spark: SparkSession, policy: CardTermsPolicy, cases: list[dict[str, Any]]) -> list[Row]:
    rows = [tuple(({"customer_id": f"{place:05d}"} | GOOD | case)[name] for name in NAMES)
            for place, case in enumerate(cases)]  # fmt: skip
    found = with_best_line(spark.createDataFrame(rows, LAYOUT), policy=policy).orderBy("customer_id").collect()
    assert len(found) == len(cases)
    return found


def test_line_and_price_by_hand(spark: SparkSession, conf_dir: Path) -> None:
    cases = [
        {"income": 50_000.0},
        {"income": 50_000.0, "pd": 0.05},
        {"income": 3000.0, "band": "C"},
        {"debt": 2000.0},
        {"headroom": 5500.0},
        {"income": 200.0},
        {"income": 1e9, "pd": 0.0005, "spending": 1e9},
        {"pd": 0.2, "band": "D", "income": 50_000.0},
        {"pd": 0.2, "band": "D", "income": 500.0},
    ]
    found = priced(spark, load_card_terms(conf_dir), cases)
    # .02 + .01 x .75 + .03 + .12 x .08 = .0671; margin .0471 x .3 = .01413 per unit, x .99 = .013989; EAD .65:
    # .01 x .75 x .65 + .0096 x .65 = .011115. Each unit earns .0029 beyond all spending: the largest line.
    assert (found[0].rate, found[0].line, found[0].codes) == (pytest.approx(0.0671), 60_000, ["largest_line"])
    profit = 0.99 * (12_000 * 0.008 + 0.0471 * 0.3 * 60_000) - (0.0075 + 0.0096) * 0.65 * 60_000
    assert found[0].profit == pytest.approx(profit)
    # PD .05: margin .0771 x .3 x .95 = .02197, cost .0306: only spending pays, 12,000 = 6 x 2,000.
    assert (found[1].rate, found[1].line, found[1].codes) == (pytest.approx(0.0971), 2000, [])
    # C, 3,000 a month: 2 incomes are 6,000, (.35 x 3,000) / .05 = 21,000.
    assert (found[2].line, found[2].codes) == (6000, ["income_multiple"])
    # A: .45 x 5,000 - 2,000 = 250 a month, / .05 = 5,000.
    assert (found[3].line, found[3].codes) == (5000, ["debt_service"])
    assert (found[4].line, found[4].codes) == (5000, ["group_exposure"])
    assert (found[5].line, found[5].codes) == (None, ["income_multiple"])  # 4 x 200 = 800, least line 1,000
    assert found[6].line == 60_000
    # PD .2: .02 + .15 + .03 + .0096 = .2096 < .24. One line of 1,000: .8 x (48 + 56.88) - .1596 x 650 < 0.
    assert (found[7].rate, found[7].line, found[7].codes) == (pytest.approx(0.2096), None, [])
    assert found[8].line is None


def test_prices_stay_within_the_law(spark: SparkSession, conf_dir: Path) -> None:
    high, low = priced(spark, load_card_terms(conf_dir), [{"pd": 0.5}, {"pd": 0.0005, "ftp": 0.0}])
    assert (high.rate, "rate_ceiling" in high.codes) == (0.24, True)
    assert (low.rate, "rate_floor" in low.codes) == (0.05, True)


def searched(policy: CardTermsPolicy, case: dict[str, Any]) -> tuple[float | None, float]:
    """The best line (None: none earns anything) and the price, by trying every line in numpy."""
    cost, income, band = policy.cost, policy.income, policy.band(case["band"])
    rate = case["ftp"] + case["pd"] * cost.loss_given_default + cost.operating + cost.hurdle * cost.capital_share
    rate = float(np.clip(rate, policy.rate.least, policy.rate.most))
    lines = np.arange(policy.lines.count) * float(policy.lines.step) + float(policy.lines.least)
    drawn = income.used * lines
    exposure = drawn + cost.conversion * (lines - drawn)
    spending = np.minimum(case["spending"] * income.spending_by_card, income.turns * lines)
    profit = (1 - case["pd"]) * (income.interchange * spending + (rate - case["ftp"]) * drawn)
    profit = profit - case["pd"] * cost.loss_given_default * exposure - cost.hurdle * cost.capital_share * exposure
    allowed = lines <= band.income_multiple * case["income"] + 1e-6
    allowed &= case["debt"] + policy.payment_share * lines <= band.debt_service * case["income"] + 1e-6
    if case["headroom"] is not None:
        allowed &= lines <= case["headroom"] + 1e-6
    profit = np.where(allowed, np.round(profit, 6), -np.inf)
    best = int(np.argmax(profit))  # the first of several: the smallest line
    return (float(lines[best]) if profit[best] > 0 else None), rate


def random_policy(draws: random.Random) -> CardTermsPolicy:
    multiples = sorted((draws.uniform(0, 6) for _ in range(6)), reverse=True)
    services = sorted((draws.uniform(0, 0.7) for _ in range(6)), reverse=True)
    bands = {
        name: {"income_multiple": multiples[place], "debt_service": services[place]}
        for place, name in enumerate([*BANDS, UNSCORED])
    }
    bands[UNSCORED]["probability"] = 0.7
    least = draws.uniform(0, 0.1)
    return CardTermsPolicy.model_validate(
        {
            "lines": {"least": 500, "most": draws.choice([20_000, 48_500]), "step": draws.choice([500, 1500])},
            "income": {"interchange": draws.uniform(0, 0.03), "spending_by_card": draws.random(),
                       "turns": draws.uniform(1, 12), "used": draws.random()},
            "cost": {"loss_given_default": draws.random(), "conversion": draws.random(),
                     "operating": draws.uniform(0, 0.1), "transfer_price": 0.02,
                     "capital_share": draws.uniform(0, 0.2), "hurdle": draws.uniform(0, 0.2)},
            "rate": {"least": least, "most": least + draws.uniform(0, 0.3)},
            "payment_share": draws.uniform(0.01, 0.1), "bands": bands, "least_probability": 0.0005,
            "review": {"raise_from": 1.2, "raise_most": 2, "lower_from": 0.5, "lower_most": 0.5},
        }
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_best_line_is_that_of_a_search_and_no_worse_band_is_better_off(spark: SparkSession, seed: int) -> None:
    draws = random.Random(seed)
    policy = random_policy(draws)
    cases: list[dict[str, Any]] = []
    for _ in range(120):
        person = {"ftp": 0.02, "income": draws.choice([0.0, 800.0, 4000.0, 30_000.0]) * draws.uniform(0.5, 1.5),
                  "debt": draws.choice([0.0, 300.0]), "spending": draws.uniform(0, 60_000),
                  "headroom": draws.choice([None, None, draws.uniform(0, 30_000)])}  # fmt: skip
        floor = 0.0005
        for band in (*BANDS, UNSCORED):
            pd = draws.uniform(floor, GRADE_ENDS[band])
            floor = pd  # rising with the band, as grades are stretches of the probability
            cases.append(person | {"band": band, "pd": pd})
    found = priced(spark, policy, cases)
    lines = set()
    for row, case in zip(found, cases, strict=True):
        line, rate = searched(policy, case)
        assert (row.line, row.rate) == (line, pytest.approx(rate, abs=1e-12)), case
        lines.add(line)
        if row.line is not None and row.line_free is not None and row.line < row.line_free:
            assert set(row.codes) & {"income_multiple", "debt_service", "group_exposure"}
    worse_offs = 0
    for at in range(0, len(found), 6):
        for better, worse in zip(found[at : at + 5], found[at + 1 : at + 6], strict=True):
            assert (worse.line or 0) <= (better.line or 0)
            assert worse.rate >= better.rate
            worse_offs += (worse.line or 0) < (better.line or 0)
    assert len(lines) > 5 or worse_offs > 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("B: {income_multiple: 3.0", "B: {income_multiple: 5.0", "the band B has wider bounds than A"),
        ("debt_service: 0.25, offer: false}", "debt_service: 0.31, offer: false}", "the band E has wider bounds"),
        ("C: {income_multiple: 2.0, debt_service: 0.35}", "C: {income_multiple: 2.0, debt_service: 0.35, offer: false}",
         "the band D gets offers and C does not"),
        ("most: 60000", "most: 60500", "some whole steps"),
        ("rate: {least: 0.05", "rate: {least: 0.5", "most is below least"),
        (", probability: 0.20}", "}", "unscored has a probability"),
        ("offer: false, probability: 0.20", "offer: true, probability: 0.19", "better off without a score"),
    ],
)  # fmt: skip
def test_policies_by_which_a_worse_band_gains_are_refused(
    tmp_path: Path, conf_dir: Path, old: str, new: str, told: str
) -> None:
    text = (conf_dir / "card_terms.yml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "card_terms.yml").write_text(text.replace(old, new, 1), encoding="utf-8")
    (tmp_path / "credit.yml").write_text((conf_dir / "credit.yml").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=told) as error:
        load_card_terms(tmp_path)
    assert str(tmp_path / "card_terms.yml") in error.value.where
