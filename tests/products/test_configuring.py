"""Terms, rules and card designs: a customer per rule by hand; random customers and templates against plain Python."""

from __future__ import annotations

import random
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.offers.eligibility import judged_candidates
from portrait.capabilities.offers.policy import load_recommendation_policy
from portrait.capabilities.products.configuring import RULES, card_habits, configured, product_offers, product_refusals
from portrait.capabilities.products.policy import ProductPolicy, Template, load_product_policy, load_templates
from portrait.capabilities.products.policy import categories_of as categories_in
from portrait.capabilities.products.templates import card_holders, product_rows, template_rows, term_options
from portrait.capabilities.tiers.policy import TIERS

AS_OF = date(2025, 12, 31)
CUSTOMER = (
    "customer_id string, age_years int, risk_level string, risk_assessed_on date, consent_marketing boolean, "
    "balance_last decimal(18,2), balance_avg_90d decimal(18,2), debit_amount_90d decimal(18,2), relationship string, "
    "tier string, tier_rank int, group_id int, group_name string, bank_assesses boolean, bank_asks_consent boolean, "
    "card_count bigint, merchant_amount_365d decimal(18,2), debit_amount_category_travel_365d decimal(18,2), "
    "debit_amount_category_restaurant_365d decimal(18,2), debit_amount_category_entertainment_365d decimal(18,2), "
    "available bigint, horizon int, warned boolean"
)
NAMES = [part.split()[0] for part in CUSTOMER.split(", ")]
# Nothing speaks against any product for this one; spending is like everyone's, so the card is the standard one.
FINE: dict[str, Any] = {
    "age_years": 40, "risk_level": "C3", "risk_assessed_on": date(2025, 6, 1), "consent_marketing": True,
    "balance_last": Decimal(100_000), "balance_avg_90d": Decimal(100_000), "debit_amount_90d": Decimal(3000),
    "relationship": "owner", "tier": "vip", "tier_rank": 2, "group_id": 1, "group_name": "Savers",
    "bank_assesses": True, "bank_asks_consent": True, "card_count": 0, "merchant_amount_365d": Decimal(10_000),
    "debit_amount_category_travel_365d": Decimal(1000), "debit_amount_category_restaurant_365d": Decimal(1000),
    "debit_amount_category_entertainment_365d": Decimal(1000), "available": 100_000_00, "horizon": 180, "warned": False,
}  # fmt: skip
Offers = dict[tuple[str, str], Row]


class Bank:
    """Configured products of customers that are given as rows."""

    def __init__(
        self,
        spark: SparkSession,
        conf: Path,
        customers: list[dict[str, Any]],
        *,
        templates: tuple[Template, ...] | None = None,
        prices: DataFrame | None = None,
        behaviour: DataFrame | None = None,
        warnings: bool = True,
    ) -> None:
        self.policy: ProductPolicy = load_product_policy(conf)
        self.templates = templates or load_templates(conf)
        rows = [{"customer_id": f"c{place}"} | FINE | given for place, given in enumerate(customers)]
        self.given = {row["customer_id"]: row for row in rows}
        everybody = spark.createDataFrame([tuple(row[name] for name in NAMES) for row in rows], CUSTOMER)
        categories = categories_in(self.templates)
        starts = {item.id: item.start for item in self.templates if item.start is not None}
        self.starts = {
            (row["customer_id"], name): _start(row["available"], start)
            for row in rows
            for name, start in starts.items()
        }
        money = spark.createDataFrame(
            [
                (
                    *(row["customer_id"], None if row["available"] is None else Decimal(row["available"])),
                    {name: self.starts[row["customer_id"], name] for name in starts},
                    *(dict.fromkeys(starts, row["horizon"]), "EUR"),
                )
                for row in rows
            ],
            "customer_id string, available decimal(38,0), start_minor map<string,decimal(38,0)>, "
            "horizon_days map<string,int>, currency string",
        )
        listed = product_rows(spark, self.templates)
        judged = judged_candidates(
            everybody.select(*NAMES[: NAMES.index("card_count")]), listed, card_holders(everybody, self.templates),
            policy=load_recommendation_policy(conf), as_of=AS_OF,
        )  # fmt: skip
        warned = everybody.select("customer_id", F.col("warned").alias("early_warning")) if warnings else None
        self.rows = configured(
            judged, template_rows(spark, self.templates), term_options(spark, self.templates, prices, as_of=AS_OF),
            money, card_habits(everybody, behaviour, categories=categories, policy=self.policy, groups=everybody),
            warned, categories=categories, policy=self.policy,
        ).persist()  # fmt: skip
        self.offers = product_offers(self.rows, policy=self.policy, as_of=AS_OF)
        self.refusals = product_refusals(self.rows, self.offers, everybody, listed, as_of=AS_OF)

    def rules(self) -> dict[tuple[str, str], str | None]:
        return {(row.customer_id, row.product_id): row.rule for row in self.rows.collect()}

    def offered(self) -> Offers:
        return {(row.customer_id, row.template): row for row in self.offers.collect()}


def _start(available: int | None, start: Any) -> Decimal | None:
    if available is None:
        return None
    steps = (Decimal(available) * Decimal(str(start.share)) / (start.step * 100)).to_integral_value(ROUND_FLOOR)
    return min(max(start.minimum * 100, steps * start.step * 100), start.maximum * 100)


def test_terms_by_hand(spark: SparkSession, conf_dir: Path) -> None:
    bank = Bank(spark, conf_dir, [{}, {"tier": None, "tier_rank": None, "horizon": 100}])
    offers = bank.offered()
    deposit, worse = offers["c0", "TD01"], offers["c1", "TD01"]
    # Half of 100,000; 180 days at 2.60 % - .40 % of vip. Without a tier the ordinary margin: 90 days, 2.30 % - .70 %.
    assert (deposit.start_amount, deposit.holding_days, deposit.annual_rate) == (Decimal(50_000), 180, Decimal("0.022"))
    assert (worse.start_amount, worse.holding_days, worse.annual_rate) == (Decimal(50_000), 90, Decimal("0.016"))
    assert (deposit.benefits, worse.benefits) == (["early_withdrawal"], [])
    savings, fund, card = (offers["c0", name] for name in ("SV01", "IV01", "CS01"))
    assert (savings.start_amount, savings.notice_days, savings.annual_rate) == (30_000, 35, Decimal("0.013"))
    assert (fund.start_amount, fund.holding_days, fund.fee_rate) == (20_000, 180, Decimal("0.008"))
    assert (card.yearly_fee, card.start_amount, card.currency) == (0, None, "EUR")
    assert deposit.number.startswith("TD0101")
    assert deposit.facts["transfer_price_of"] == "the template"
    assert "50000.00 was there on at least 90 % of the last 180 days, so it is bound for 180 days" in deposit.reason


def test_prices_of_the_feed_come_first(spark: SparkSession, conf_dir: Path) -> None:
    layout = "kind string, term_months int, rate decimal(9,6), valid_from timestamp, valid_to timestamp"
    prices = spark.sql(
        "select * from values ('term_deposit', 0, .01, timestamp'2020-01-01', timestamp'2025-12-31'), "
        "('term_deposit', 3, .031234, timestamp'2020-01-01', null), ('savings', 0, .02, timestamp'2020-01-01', null), "
        "('term_deposit', 9, .09, timestamp'2020-01-01', null) as t(kind, term_months, rate, valid_from, valid_to)"
    ).selectExpr(*[f"cast({part.split()[0]} as {part.split(maxsplit=1)[1]})" for part in layout.split(", ")])
    offers = Bank(spark, conf_dir, [{}, {"horizon": 40}], prices=prices).offered()
    # 180 days: of 0, 3 and 9 months, 3 is the longest that is not longer. 3.1234 % - .4 % = 2.7234 %.
    assert offers["c0", "TD01"].annual_rate == Decimal("0.0272")
    assert offers["c0", "TD01"].facts["transfer_price_of"] == "the feed transfer_prices"
    assert offers["c0", "SV01"].annual_rate == Decimal("0.0150")
    # 30 days: the feed's price has expired, the template has 2.00 %.
    assert offers["c1", "TD01"].annual_rate == Decimal("0.0160")


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "consent_refused": ("TD01", {"consent_marketing": False}),
    "already_held": ("CS01", {"card_count": 1}),
    "no_own_account": ("TD01", {"relationship": "holder", "available": None}),
    "age": ("TD01", {"age_years": None}),
    "suitability": ("IV01", {"risk_level": "C2"}),
    "assessment_expired": ("IV01", {"risk_assessed_on": date(2024, 12, 30)}),
    "minimum_amount": ("TD01", {"available": 4_999_99}),
    "elderly_never_assessed": ("IV01", {"risk_level": None, "age_years": 65}),
    "early_warning": ("CS01", {"warned": True}),
    "early_warning_unknown": ("CS01", {"warned": None}),
    "liquidity_horizon": ("TD01", {"horizon": 29}),
    "no_preference": ("CT01", {}),
    "benefit_cost": ("CT01", {"merchant_amount_365d": Decimal(2000),
                              "debit_amount_category_travel_365d": Decimal(2000), "risk_level": "C1"}),
    "another_design": ("CS01", {"debit_amount_category_restaurant_365d": Decimal(4000)}),
}  # fmt: skip


def test_each_rule_refuses_its_case_and_nobody_is_lost(spark: SparkSession, conf_dir: Path) -> None:
    bank = Bank(spark, conf_dir, [*[given for _, given in CASES.values()], *[{}] * 20])
    rules = bank.rules()
    assert {name: rules[f"c{place}", CASES[name][0]] for place, name in enumerate(CASES)} == {n: n for n in CASES}
    counted = bank.refusals.collect()
    assert {(row.template, row.rule): row.customers for row in counted}["IV01", "suitability"] == 2
    for template in {row.template for row in counted}:
        of_it = [row for row in counted if row.template == template]
        assert sum(row.customers for row in of_it) == len(CASES) + 20
        assert {row.candidates for row in of_it} == {len(CASES) + 20}
        assert all(row.offered + row.refused == row.candidates for row in of_it)
    assert {row.rule for row in counted} - {"offered"} <= set(RULES)


def test_elderly_customers_who_were_never_assessed_get_what_the_template_says(
    spark: SparkSession, conf_dir: Path
) -> None:
    never = {"risk_level": None, "risk_assessed_on": None}
    cases = [
        never | {"age_years": 64},
        never | {"age_years": 80},
        never | {"age_years": 80, "bank_assesses": False},
        {"age_years": 80, "bank_assesses": False},
    ]
    rules = Bank(spark, conf_dir, cases).rules()
    found = [rules[f"c{place}", "IV01"] for place in range(4)]
    assert found == ["suitability", "elderly_never_assessed", "elderly_never_assessed", None]
    assert [rules[f"c{place}", "TD01"] for place in range(4)] == [None] * 4


def test_without_warnings_of_the_day_no_card_is_offered(spark: SparkSession, conf_dir: Path) -> None:
    rules = Bank(spark, conf_dir, [{}], warnings=False).rules()
    assert {rules["c0", name] for name in ("CT01", "CD01", "CS01")} == {"early_warning_unknown"}
    assert rules["c0", "TD01"] is None


def test_a_rate_that_the_margin_eats_up_is_not_offered(spark: SparkSession, conf_dir: Path) -> None:
    (template,) = [item for item in load_templates(conf_dir) if item.id == "SV01"]
    poor = template.model_copy(update={"transfer_prices": {35: Decimal("0.0050")}})
    bank = Bank(spark, conf_dir, [{}, {"tier": "diamond", "tier_rank": 1}], templates=(poor,))
    assert bank.rules() == {("c0", "SV01"): "rate_too_low", ("c1", "SV01"): None}  # .50 % - .50 %, .50 % - .40 %


def test_the_margin_is_never_below_the_floor(spark: SparkSession, conf_dir: Path) -> None:
    templates = tuple(
        item.model_copy(update={"margin_floor": Decimal("0.0065")} if item.margin_floor else {})
        for item in load_templates(conf_dir)
    )
    offers = Bank(spark, conf_dir, [{"tier": "diamond", "tier_rank": 1}], templates=templates).offered()
    assert offers["c0", "TD01"].annual_rate == Decimal("0.0195")  # 2.60 % - .65 %, not - .30 %
    assert offers["c0", "IV01"].fee_rate == Decimal("0.0065")


def test_card_designs_follow_habits_and_pay_for_themselves(spark: SparkSession, conf_dir: Path) -> None:
    travel, dining = "debit_amount_category_travel_365d", "debit_amount_category_restaurant_365d"
    rich = {"merchant_amount_365d": Decimal(100_000), travel: Decimal(10_000), dining: Decimal(10_000)}
    rich |= {"debit_amount_category_entertainment_365d": Decimal(10_000)}
    cases = [
        rich | {travel: Decimal(20_000)},
        {travel: Decimal(2_000)},
        rich | {travel: Decimal(20_000), dining: Decimal(30_000), "tier": "diamond", "tier_rank": 1},
        {travel: Decimal(60), "merchant_amount_365d": Decimal(100)},
        *[rich] * 40,
    ]
    behaviour = spark.sql("select 1 as group_id, 'travel' as category, 150d as tgi")
    bank = Bank(spark, conf_dir, cases, behaviour=behaviour)
    offers = {row.customer_id: row for row in bank.offers.where("kind = 'card'").collect()}
    # vip: points 1 % of 20,000 x .6 = 120, insurance 12, lounge 60: 192; interchange .8 % of 60,000 = 480.
    assert (offers["c0"].template, offers["c0"].facts["benefit_cost"]) == ("CT01", "192.00")
    assert offers["c0"].facts["interchange"] == "480.00"
    assert offers["c0"].benefits == ["lounge", "travel_insurance", "travel_points"]
    # interchange .8 % of 6,000 = 48; vip 84, growing 12 + 12 = 24: the benefits of growing.
    assert (offers["c1"].template, offers["c1"].benefits) == ("CT01", ["travel_insurance", "travel_points"])
    assert offers["c1"].facts["benefits_of_tier"] == "growing"
    assert offers["c2"].template == "CD01"  # both habits stand out, dining more
    # Spent too little for own shares; the group travels. Interchange .48, benefits of ordinary .36.
    assert (offers["c3"].template, offers["c3"].facts["habit_of"]) == ("CT01", "group")
    assert offers["c3"].benefits == ["travel_points"]
    assert {offers[f"c{place}"].template for place in range(4, 44)} == {"CS01"}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_higher_tier_never_gets_worse_terms(spark: SparkSession, conf_dir: Path, seed: int) -> None:
    draws = random.Random(seed)
    templates = random_templates(draws)
    people = [random_customer(draws) for _ in range(150)]
    cases = [
        person | {"customer_id": f"p{place}_{rank}", "tier": tier, "tier_rank": rank}
        for place, person in enumerate(people)
        for rank, tier in enumerate(TIERS, start=1)
    ]
    bank = Bank(spark, conf_dir, cases, templates=templates)
    offers, by_id = bank.offered(), {item.id: item for item in templates}
    better_terms = designs = 0
    for place in range(len(people)):
        for rank in (2, 3, 4):
            better, worse = f"p{place}_{rank - 1}", f"p{place}_{rank}"
            for template in templates:
                low, high = offers.get((worse, template.id)), offers.get((better, template.id))
                if low is None:
                    continue
                assert high is not None, (better, template.id)
                assert (high.start_amount, high.holding_days) == (low.start_amount, low.holding_days)
                assert low.annual_rate is None or high.annual_rate >= low.annual_rate
                assert low.fee_rate is None or high.fee_rate <= low.fee_rate
                assert low.yearly_fee is None or high.yearly_fee <= low.yearly_fee
                assert set(high.benefits) >= set(low.benefits)
                better_terms += high.number != low.number
        designs += sum((f"p{place}_1", item.id) in offers for item in templates if item.kind == "card")
    assert better_terms > 100
    assert designs > 50
    for (customer, name), offer in offers.items():
        check_terms(offer, by_id[name], bank.given[customer], bank.starts.get((customer, name)))


def check_terms(offer: Row, template: Template, customer: dict[str, Any], start: Decimal | None) -> None:
    """The terms of an offer, computed again in plain Python."""
    tier = customer["tier"]
    assert template.risk_level is None or int(customer["risk_level"][1]) >= int(template.risk_level[1])
    if template.kind == "card":
        spend = float(customer["merchant_amount_365d"]) * 0.6
        rank = TIERS.index(offer.facts["benefits_of_tier"]) + 1
        assert rank >= customer["tier_rank"]
        levels = {}
        for level in range(customer["tier_rank"], 5):
            cost = sum(
                float(b.yearly_cost)
                + b.share * float(customer.get(f"debit_amount_category_{b.category}_365d") or 0) * 0.6
                for b in template.benefits
                if TIERS.index(b.from_tier) + 1 >= level
            )
            levels[level] = round(cost, 2) <= round(spend * 0.008, 2) + 1e-9
        assert rank == min(level for level, affordable in levels.items() if affordable)
        assert offer.yearly_fee == template.yearly_fee[tier]
        assert offer.benefits == sorted(b.id for b in template.benefits if TIERS.index(b.from_tier) + 1 >= rank)
        return
    assert start is not None
    assert offer.start_amount * 100 == start <= customer["available"]
    fitting = [days for days in template.options if days <= customer["horizon"]]
    assert (offer.notice_days if template.kind == "savings" else offer.holding_days) == fitting[-1]
    assert template.margin_floor is not None
    margin = max(template.margin[tier], template.margin_floor)
    if template.is_deposit:
        rate = (template.transfer_prices[fitting[-1]] - margin).quantize(Decimal("0.0001"), ROUND_FLOOR)
        assert offer.annual_rate == rate >= template.least_rate
    else:
        assert offer.fee_rate == margin


def random_templates(draws: random.Random) -> tuple[Template, ...]:
    def by_tier(scale: int, digits: int) -> dict[str, Decimal]:
        values = sorted(Decimal(draws.randrange(scale)).scaleb(-digits) for _ in TIERS)
        return dict(zip(TIERS, values, strict=True))

    def benefits() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for place in range(draws.randrange(5)):
            one = {"id": f"b{place}", "title": "B", "from_tier": draws.choice(TIERS)}
            one["yearly_cost"] = Decimal(draws.randrange(40))
            if draws.random() < 0.5:
                one |= {"category": draws.choice(["travel", "restaurant"]), "share": draws.choice([0.005, 0.02])}
            found.append(one)
        return found

    common = {
        "version": "01", "title": "T", "owner": "o", "description": "d",
        "elderly_never_assessed": {"from_age": 65, "rule": "refuse"},
    }  # fmt: skip
    made = []
    for place, kind in enumerate(["term_deposit", "savings", "investment", "card", "card", "card"]):
        one: dict[str, Any] = common | {"id": f"T{'DSICCC'[place]}{place:02d}", "kind": kind, "benefits": benefits()}
        if kind == "card":
            one |= {"yearly_fee": by_tier(100, 0), "habits": [["travel"], ["restaurant"], []][place - 3]}
        else:
            one["start"] = {"minimum": 1000, "maximum": 100_000, "step": 500, "share": draws.choice([0.1, 0.5, 1.0])}
            one |= {"margin": by_tier(150, 4), "margin_floor": Decimal(draws.randrange(60)).scaleb(-4)}
            one["minimum_tier"] = draws.choice([None, None, "growing"])
        days = {"term_deposit": [7, 60, 150], "investment": [90], "savings": [], "card": []}[kind]
        one["holding_days"] = days
        one["risk_level"] = "R2" if kind == "investment" else None
        one["notice_days"] = 20 if kind == "savings" else None
        if kind in ("term_deposit", "savings"):
            one["transfer_prices"] = {day: Decimal(draws.randrange(100, 300)).scaleb(-4) for day in days or [20]}
        made.append(Template.model_validate(one))
    return tuple(made)


def random_customer(draws: random.Random) -> dict[str, Any]:
    available = draws.choice([None, 500_00, 1_500_00, 77_777_77, 900_000_00])
    return {
        "age_years": draws.choice([25, 50, 70]), "risk_level": draws.choice(["C1", "C2", "C4", None]),
        "available": available, "horizon": 0 if available is None else draws.choice([5, 30, 95, 180]),
        "balance_last": None if available is None else Decimal(available) / 100,
        "balance_avg_90d": Decimal(draws.choice([100, 1_000_000])), "warned": draws.choice([False, False, True]),
        "merchant_amount_365d": Decimal(draws.choice([0, 2000, 9000, 30_000])),
        "debit_amount_category_travel_365d": Decimal(draws.randrange(3000)),
        "debit_amount_category_restaurant_365d": Decimal(draws.randrange(3000)),
    }  # fmt: skip
