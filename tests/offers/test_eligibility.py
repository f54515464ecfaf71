"""Who may have which product: one test per rule, first failing rule counts, counts add up."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.offers.eligibility import (
    RULES,
    customer_facts,
    holders_at,
    judged_candidates,
    products_at,
    rejections,
)
from portrait.capabilities.offers.policy import RecommendationPolicy, load_recommendation_policy
from portrait.entities.recorded import Recorded, RecordedColumns
from portrait.errors import ConfigurationError

AS_OF = date(2025, 12, 31)
CUSTOMER = (
    "customer_id string, age_years int, risk_level string, risk_assessed_on date, consent_marketing boolean, "
    "balance_last decimal(18,2), balance_avg_90d decimal(18,2), debit_amount_90d decimal(18,2), tier string, "
    "tier_rank int, group_id int, group_name string, bank_assesses boolean, bank_asks_consent boolean"
)
PRODUCT = (
    "product_id string, product_name string, product_kind string, product_risk string, minimum_amount decimal(18,2), "
    "holding_days int, available_from date, available_to date, minimum_tier string, age_from int, age_to int"
)
HOLDER = "customer_id string, product_id string"
# A customer whom no rule stops, and a product that stops nobody.
FINE: dict[str, Any] = {
    "customer_id": "c",
    "age_years": 40,
    "risk_level": "C3",
    "risk_assessed_on": date(2025, 6, 1),
    "consent_marketing": True,
    "balance_last": Decimal(9000),
    "balance_avg_90d": Decimal(9000),
    "debit_amount_90d": Decimal(3000),
    "tier": "vip",
    "tier_rank": 2,
    "group_id": 1,
    "group_name": "Savers",
    "bank_assesses": True,
    "bank_asks_consent": True,
}
OPEN: dict[str, Any] = dict.fromkeys(part.split()[0] for part in PRODUCT.split(", ")) | {
    "product_id": "p",
    "product_name": "P",
    "product_kind": "investment",
}


@pytest.fixture
def policy(conf_dir: Path) -> RecommendationPolicy:
    return load_recommendation_policy(conf_dir)


def frame(spark: SparkSession, layout: str, rows: list[dict[str, Any]]) -> DataFrame:
    names = [part.split()[0] for part in layout.split(", ")]
    return spark.createDataFrame([tuple(row[name] for name in names) for row in rows], layout)


def judged(
    spark: SparkSession,
    policy: RecommendationPolicy,
    customers: list[dict[str, Any]],
    products: list[dict[str, Any]],
    holders: list[tuple[str, str]] | None = None,
) -> DataFrame:
    return judged_candidates(
        frame(spark, CUSTOMER, [FINE | row for row in customers]),
        frame(spark, PRODUCT, [OPEN | row for row in products]),
        spark.createDataFrame(holders or [], HOLDER),
        policy=policy,
        as_of=AS_OF,
    )


def rules(
    spark: SparkSession, policy: RecommendationPolicy, cases: dict[str, tuple[dict[str, Any], dict[str, Any]]]
) -> dict[str, str | None]:
    """The failing rule of each case; all cases in one frame, case n being customer n with product n."""
    customers = [change | {"customer_id": name} for name, (change, _) in cases.items()]
    products = [change | {"product_id": name} for name, (_, change) in cases.items()]
    pairs = judged(spark, policy, customers, products).where("customer_id = product_id")
    return {row.customer_id: row.rule for row in pairs.collect()}


def test_who_meets_everything_may_have_the_product(spark: SparkSession, policy: RecommendationPolicy) -> None:
    assert rules(spark, policy, {"fine": ({}, {})}) == {"fine": None}


def test_consent(spark: SparkSession, policy: RecommendationPolicy) -> None:
    assert rules(
        spark,
        policy,
        {
            "refused": ({"consent_marketing": False}, {}),
            "missing": ({"consent_marketing": None}, {}),
            "never_asked": ({"consent_marketing": None, "bank_asks_consent": False}, {}),
        },
    ) == {"refused": "consent_refused", "missing": "consent_missing", "never_asked": None}


def test_dates_of_sale_count_both_ends(spark: SparkSession, policy: RecommendationPolicy) -> None:
    assert rules(
        spark,
        policy,
        {
            "first_day": ({}, {"available_from": AS_OF}),
            "not_yet": ({}, {"available_from": date(2026, 1, 1)}),
            "last_day": ({}, {"available_to": AS_OF}),
            "no_more": ({}, {"available_to": date(2025, 12, 30)}),
        },
    ) == {"first_day": None, "not_yet": "not_on_sale", "last_day": None, "no_more": "not_on_sale"}


def test_minimum_tier(spark: SparkSession, policy: RecommendationPolicy) -> None:
    assert rules(
        spark,
        policy,
        {
            "enough": ({}, {"minimum_tier": "vip"}),
            "better": ({"tier": "diamond", "tier_rank": 1}, {"minimum_tier": "vip"}),
            "below": ({"tier": "growing", "tier_rank": 3}, {"minimum_tier": "vip"}),
            "none": ({"tier": None, "tier_rank": None}, {"minimum_tier": "growing"}),
        },
    ) == {"enough": None, "better": None, "below": "minimum_tier", "none": "minimum_tier"}


def test_age_limits_are_included_and_an_unknown_age_meets_none(
    spark: SparkSession, policy: RecommendationPolicy
) -> None:
    assert rules(
        spark,
        policy,
        {
            "at_least": ({}, {"age_from": 40}),
            "young": ({}, {"age_from": 41}),
            "at_most": ({}, {"age_to": 40}),
            "old": ({}, {"age_to": 39}),
            "unknown": ({"age_years": None}, {"age_to": 70}),
            "no_limit": ({"age_years": None}, {}),
        },
    ) == {"at_least": None, "young": "age", "at_most": None, "old": "age", "unknown": "age", "no_limit": None}


def test_level_m_needs_at_least_level_m(spark: SparkSession, policy: RecommendationPolicy) -> None:
    assert rules(
        spark,
        policy,
        {
            "equal": ({}, {"product_risk": "R3"}),
            "above": ({}, {"product_risk": "R4"}),
            "c1_r1": ({"risk_level": "C1"}, {"product_risk": "R1"}),
            "c1_r2": ({"risk_level": "C1"}, {"product_risk": "R2"}),
            "never_r1": ({"risk_level": None, "risk_assessed_on": None}, {"product_risk": "R1"}),
            "never_r2": ({"risk_level": None, "risk_assessed_on": None}, {"product_risk": "R2"}),
            "no_risk": ({"risk_level": "C1"}, {"product_risk": None}),
        },
    ) == {
        "equal": None,
        "above": "suitability",
        "c1_r1": None,
        "c1_r2": "suitability",
        "never_r1": None,
        "never_r2": "suitability",
        "no_risk": None,
    }


def test_an_assessment_older_than_a_year_allows_nothing_above_r1(
    spark: SparkSession, policy: RecommendationPolicy
) -> None:
    assert rules(
        spark,
        policy,
        {
            "a_year": ({"risk_assessed_on": date(2024, 12, 31)}, {"product_risk": "R2"}),
            "older": ({"risk_assessed_on": date(2024, 12, 30)}, {"product_risk": "R2"}),
            "older_r1": ({"risk_assessed_on": date(2024, 12, 30)}, {"product_risk": "R1"}),
            "no_day": ({"risk_assessed_on": None}, {"product_risk": "R2"}),
        },
    ) == {"a_year": None, "older": "assessment_expired", "older_r1": None, "no_day": "assessment_expired"}


def test_a_bank_without_risk_levels_does_not_ask(spark: SparkSession, policy: RecommendationPolicy) -> None:
    unassessed = {"risk_level": None, "risk_assessed_on": None, "bank_assesses": False}
    assert rules(spark, policy, {"any": (unassessed, {"product_risk": "R5"})}) == {"any": None}


def test_minimum_amount_against_the_balance(spark: SparkSession, policy: RecommendationPolicy) -> None:
    assert rules(
        spark,
        policy,
        {
            "exactly": ({}, {"minimum_amount": Decimal(9000)}),
            "short": ({}, {"minimum_amount": Decimal("9000.01")}),
            "unknown": ({"balance_last": None}, {"minimum_amount": Decimal(1)}),
            "borrowed": ({}, {"product_kind": "loan", "minimum_amount": Decimal(50_000)}),
        },
    ) == {"exactly": None, "short": "minimum_amount", "unknown": "minimum_amount", "borrowed": None}


def test_bound_money_must_leave_three_months_of_outflow(spark: SparkSession, policy: RecommendationPolicy) -> None:
    # Outflow is 1,000 a month; 9,000 on average less 6,000 leaves exactly the reserve.
    assert rules(
        spark,
        policy,
        {
            "exactly": ({}, {"holding_days": 365, "minimum_amount": Decimal(6000)}),
            "short": ({}, {"holding_days": 365, "minimum_amount": Decimal(6001)}),
            "briefly": ({}, {"holding_days": 29, "minimum_amount": Decimal(6001)}),
            "unknown": ({"balance_avg_90d": None}, {"holding_days": 30}),
        },
    ) == {"exactly": None, "short": "holding_period", "briefly": None, "unknown": "holding_period"}


def test_what_is_held_is_not_offered(spark: SparkSession, policy: RecommendationPolicy) -> None:
    pairs = judged(spark, policy, [{}, {"customer_id": "other"}], [{}], holders=[("c", "p")]).collect()
    assert {row.customer_id: row.rule for row in pairs} == {"c": "already_held", "other": None}


def test_who_owns_no_account_is_offered_a_first_one_and_nothing_that_needs_one(
    spark: SparkSession, policy: RecommendationPolicy
) -> None:
    kinds = ("savings", "insurance", "card", "loan", "term_deposit", "investment", "standing_order")
    customers = frame(spark, CUSTOMER, [FINE | {"customer_id": name} for name in ("owner", "user", "holder")])
    pairs = judged_candidates(
        customers.withColumn("relationship", F.col("customer_id")),
        frame(spark, PRODUCT, [OPEN | {"product_id": kind, "product_kind": kind} for kind in kinds]),
        spark.createDataFrame([("user", "card")], HOLDER),
        policy=policy,
        as_of=AS_OF,
    )
    found = {(row.customer_id, row.product_id): row.rule for row in pairs.collect()}
    needs = dict.fromkeys(kinds[2:], "no_own_account") | dict.fromkeys(kinds[:2])
    assert {kind: found["holder", kind] for kind in kinds} == needs
    assert {kind: found["user", kind] for kind in kinds} == needs | {"card": "already_held"}
    assert {found["owner", kind] for kind in kinds} == {None}


def test_only_the_first_failing_rule_counts(spark: SparkSession, policy: RecommendationPolicy) -> None:
    # Fails everything; then one rule after another is mended, and the next in order speaks.
    customer = FINE | {"consent_marketing": False, "age_years": 80, "risk_level": "C1", "balance_last": Decimal(1)}
    customer |= {"tier": "ordinary", "tier_rank": 4, "debit_amount_90d": Decimal(6000)}
    product = OPEN | {"available_to": date(2020, 1, 1), "minimum_tier": "vip", "age_to": 70, "product_risk": "R4"}
    product |= {"minimum_amount": Decimal(5000), "holding_days": 365}
    spoken = []
    for mended in (
        {},
        {"consent_marketing": True},
        {"available_to": None},
        {"tier_rank": 1},
        {"age_years": 30},
        {"risk_level": "C5"},
        {"balance_last": Decimal(9000)},
    ):
        customer |= {key: value for key, value in mended.items() if key in customer}
        product |= {key: value for key, value in mended.items() if key in product}
        spoken.append(judged(spark, policy, [customer], [product]).first().rule)
    assert spoken == [
        "consent_refused",
        "not_on_sale",
        "minimum_tier",
        "age",
        "suitability",
        "minimum_amount",
        "holding_period",
    ]
    assert spoken == sorted(spoken, key=RULES.index)


def test_candidates_are_the_eligible_and_the_rejected(spark: SparkSession, policy: RecommendationPolicy) -> None:
    customers = [{"customer_id": f"c{n}", "age_years": n, "consent_marketing": n % 5 != 0} for n in range(20, 60)]
    products = [
        {"product_id": "young", "age_to": 35},
        {"product_id": "r4", "product_risk": "R4"},
        {"product_id": "any"},
    ]
    pairs = judged(spark, policy, customers, products, holders=[("c21", "any"), ("c22", "any")])
    counted = {(row.rule, row.product_id): row.customers for row in rejections(pairs, as_of=AS_OF).collect()}
    eligible = pairs.where("rule is null").count()
    assert sum(counted.values()) + eligible == 40 * 3
    assert counted["consent_refused", "any"] == 8
    assert counted["already_held", "any"] == 2
    assert counted["suitability", "r4"] == 32


def test_products_are_the_versions_in_force(spark: SparkSession) -> None:
    layout = (
        "product_id string, name string, kind string, risk_level string, minimum_amount decimal(18,2), "
        "holding_days int, available_from date, available_to date, minimum_tier string, age_from int, age_to int, "
        "valid_from timestamp, valid_to timestamp, is_current boolean"
    )
    nothing = (None,) * 8
    rows = [
        ("p", "Old", "savings", *nothing, datetime(2020, 1, 1), datetime(2025, 12, 31, 12), False),
        ("p", "New", "savings", *nothing, datetime(2025, 12, 31, 12), None, True),
        ("q", "Later", "savings", *nothing, datetime(2026, 1, 1), None, True),
    ]
    found = products_at(spark.createDataFrame(rows, layout), as_of=AS_OF).collect()
    assert [(row.product_id, row.product_name) for row in found] == [("p", "New")]


def test_holders_hold_on_the_day(spark: SparkSession) -> None:
    layout = (
        "holding_id string, customer_id string, product_id string, opened_on date, closed_on date, "
        "amount decimal(18,2), valid_from timestamp, valid_to timestamp, is_current boolean"
    )
    since = datetime(2020, 1, 1)
    rows = [
        ("h1", "open", "p", date(2025, 1, 1), None, None, since, None, True),
        ("h2", "open", "p", date(2025, 2, 1), None, None, since, None, True),
        ("h3", "closed", "p", date(2025, 1, 1), AS_OF, None, since, None, True),
        ("h4", "closes_later", "p", date(2025, 1, 1), date(2026, 1, 1), None, since, None, True),
        ("h5", "opens_later", "p", date(2026, 1, 1), None, None, since, None, True),
    ]
    found = holders_at(spark.createDataFrame(rows, layout), as_of=AS_OF).collect()
    assert sorted(row.customer_id for row in found) == ["closes_later", "open"]


def recorded(*, consent: bool = True, risk: bool = True, share: float = 0.25) -> Recorded:
    columns = RecordedColumns(consent_marketing=consent, risk_level=risk)
    return Recorded(minimum_share=share, columns=columns, feeds={})


def features_of(spark: SparkSession, *changes: dict[str, Any]) -> DataFrame:
    given = ("tier", "tier_rank", "group_id", "group_name", "bank_assesses", "bank_asks_consent")
    rows = [FINE | {"customer_id": f"c{number}"} | change for number, change in enumerate(changes)]
    return frame(spark, CUSTOMER, rows).drop(*given)


def test_the_configuration_says_whether_the_bank_assesses_and_asks(spark: SparkSession) -> None:
    nothing = {"risk_level": None, "consent_marketing": None}
    tiers = spark.createDataFrame([("c0", "vip", 2)], "customer_id string, tier string, tier_rank int")
    groups = spark.createDataFrame([("c0", 1, "G")], "customer_id string, group_id int, group_name string")
    features = features_of(spark, {}, nothing)
    for consent, risk in ((True, False), (False, True)):
        rows = customer_facts(features, tiers, groups, recorded=recorded(consent=consent, risk=risk)).collect()
        found = [(row.customer_id, row.bank_assesses, row.bank_asks_consent, row.tier) for row in rows]
        assert sorted(found) == [
            ("c0", risk, consent, "vip"),
            ("c1", risk, consent, None),
        ]


def test_an_empty_column_does_not_switch_its_rules_off(spark: SparkSession, policy: RecommendationPolicy) -> None:
    nothing = {"risk_level": None, "risk_assessed_on": None, "consent_marketing": None}
    tiers = spark.createDataFrame([("c0", "vip", 2)], "customer_id string, tier string, tier_rank int")
    groups = spark.createDataFrame([("c0", 1, "G")], "customer_id string, group_id int, group_name string")
    customers = customer_facts(features_of(spark, nothing), tiers, groups, recorded=recorded())
    products = frame(spark, PRODUCT, [OPEN])
    pairs = judged_candidates(customers, products, spark.createDataFrame([], HOLDER), policy=policy, as_of=AS_OF)
    assert [row.rule for row in pairs.collect()] == ["consent_missing"]


@pytest.mark.parametrize(
    ("known", "consent", "expected"),
    [(1, True, []), (0, True, ["0 of 4"]), (0, False, []), (1, False, ["1 of 4"]), (4, False, ["4 of 4"])],
)
def test_data_that_contradict_the_configuration(
    spark: SparkSession, known: int, consent: bool, expected: list[str]
) -> None:
    consents = [{"consent_marketing": number % 2 == 0 if number < known else None} for number in range(4)]
    found = recorded(consent=consent).contradictions(features_of(spark, *consents))
    said = "records it" if consent else "does not record it"
    assert len(found) == len(expected)
    assert all(f"consent_marketing is known of {text}" in line for line, text in zip(found, expected, strict=True))
    assert all(said in line for line in found)


def test_a_slice_of_nobody_contradicts_nothing(spark: SparkSession) -> None:
    assert recorded().contradictions(features_of(spark, {}).limit(0)) == []


def test_on_a_day_that_contradicts_nobody_gets_anything(spark: SparkSession, policy: RecommendationPolicy) -> None:
    customers = frame(spark, CUSTOMER, [FINE, FINE | {"customer_id": "refused", "consent_marketing": False}])
    products, holders = frame(spark, PRODUCT, [OPEN]), spark.createDataFrame([], HOLDER)
    pairs = judged_candidates(customers, products, holders, policy=policy, as_of=AS_OF, contradicted=True)
    assert [tuple(row)[1:] for row in rejections(pairs, as_of=AS_OF).collect()] == [("records_contradict", "p", 2)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("popularity: 0.16", "popularity: 0.26", "sum to 1.1"),
        ("funded_kinds: [savings", "funded_kinds: [saving", "funded_kinds"),
        ("like: 120", "likes: 120", "like"),
    ],
)
def test_an_inconsistent_policy_is_refused(conf_dir: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (conf_dir / "offers.yml").read_text()
    assert old in text
    (tmp_path / "offers.yml").write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=message):
        load_recommendation_policy(tmp_path)
