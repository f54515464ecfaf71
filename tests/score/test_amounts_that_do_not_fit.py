"""Contribution, assets, lifetime value and sums of amounts that no type holds: unknown for their customer alone."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from tests.contribution.test_contribution import AS_OF, OLD, POLICY, SCHEMAS, account, held, owner
from tests.score.test_value import FEATURES
from tests.score.test_value import POLICY as VALUE

from portrait.capabilities.branches.branch_summary import branch_summary
from portrait.capabilities.contribution.contribution import by_customer, contribution
from portrait.capabilities.contribution.prices import ratio
from portrait.capabilities.lifetime.lifetime import purchase_histories, seen_spend
from portrait.capabilities.lifetime.policy import LifetimePolicy
from portrait.capabilities.score.rfm import customer_measures, cut_columns, rfm_scores
from portrait.capabilities.tiers.chain import tier_value
from portrait.capabilities.tiers.levels import tier_levels
from portrait.capabilities.tiers.policy import load_tier_policy
from portrait.capabilities.tiers.value_policy import load_tier_value_policy
from portrait.entities.money import settled, to_amount, unless_it_overflows

GIANT = 10**18 - 1
MOST = Decimal("9999999999999999.99")
LOAN_OF = (date(2024, 6, 1), Decimal(9 * 10**15), 60, Decimal("0.05"), None, "C", OLD, *held())
WITHOUT_END = (date(1990, 1, 1), MOST, 600, Decimal("999.999999"), None, "C", OLD, *held())


def rows_of(spark: SparkSession, table: str, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(list(rows), SCHEMAS[table]).coalesce(1)


@pytest.fixture(scope="module")
def earned(spark: SparkSession) -> dict[str, Any]:
    """What the bank earned with each of some customers, by customer, and the kept sums."""
    people = ["plain", "balance", "month", "fees", "loans", "endless"]
    bank = {
        "balances": rows_of(
            spark, "balances", *[(name, OLD, None, GIANT if name == "balance" else 100_000) for name in people[:2]],
            ("month", OLD, date(2024, 12, 31), 100_000), ("month", date(2025, 1, 1), None, None),
        ),
        "accounts": rows_of(spark, "accounts", *[account(name, "savings", "0.01") for name in people]),
        "account_parties": rows_of(spark, "account_parties", *[owner(name, name) for name in people]),
        "transactions": rows_of(
            spark, "transactions", *[("fees", AS_OF, "fee", None, -GIANT)] * 12, ("plain", AS_OF, "fee", None, -250)
        ),
        "loans": rows_of(
            spark, "loans", *[(f"l{n}", "loans", *LOAN_OF) for n in range(12)], ("e", "endless", *WITHOUT_END)
        ),
        "transfer_prices": rows_of(
            spark, "transfer_prices", ("savings", 0, Decimal("900.0"), *held()), ("loan", 60, Decimal("0.03"), *held())
        ),
    }  # fmt: skip
    customers = spark.createDataFrame([(name,) for name in people], "customer_id string")
    found: dict[str, Any] = {}

    def write(exact: bool) -> None:
        rows = contribution(customers, policy=POLICY, as_of=AS_OF, exact=exact, **bank).persist()
        found["accounts"] = {(row.account_id, row.product_kind): row for row in rows.collect()}
        found["customers"] = {row.customer_id: row for row in by_customer(rows).collect()}
        found["frame"] = rows

    unless_it_overflows(write)
    return found


def test_contribution_is_unknown_where_a_part_is(earned: dict[str, Any]) -> None:
    accounts, customers = earned["accounts"], earned["customers"]
    plain = accounts["plain", "savings"]
    # 1,000 x (900 - 0.01) a year, and a fee of 2.50
    assert (plain.balance_month, plain.deposit_margin, plain.fees) == (1000, Decimal("899990.00"), Decimal("2.50"))
    assert customers["plain"].contribution == Decimal("899992.50")
    assert accounts["balance", "savings"].balance_month == MOST
    assert accounts["balance", "savings"].deposit_margin is None
    assert accounts["month", "savings"].balance_month is None
    assert accounts["fees", "savings"].fees is None
    assert accounts["loans", "loan"].loan_margin is not None  # 12 x 9 x 10^15 x 2 % a year fits
    assert accounts["endless", "loan"].loan_margin is None
    assert accounts["endless", "loan"].expected_loss is None
    unknown = {name for name, row in customers.items() if row.contribution is None}
    assert unknown == {"balance", "month", "fees", "endless"}
    assert [customers[name].deposits_month_unknown for name in ("plain", "month", "fees")] == [False, True, False]


def test_assets_and_measures_are_unknown_where_a_part_is(spark: SparkSession) -> None:
    columns = FEATURES + ", holding_count bigint"
    row = (1, 3, Decimal(5), Decimal(10), Decimal(20), 1)
    features = spark.createDataFrame(
        [
            ("plain", *row),
            ("monetary", 1, 3, None, Decimal(10), Decimal(20), 1),
            ("deposits", 1, 3, Decimal(5), None, Decimal(20), 1),
            ("investments", 1, 3, Decimal(5), Decimal(10), None, 12),
            ("sum", 1, 3, Decimal(5), MOST, MOST, 1),
        ],
        columns,
    )
    kept = spark.createDataFrame(
        [(name, None if name == "monetary" else Decimal(1), Decimal(10), Decimal(10), False, False)
         for name in ("plain", "monetary", "deposits", "investments", "sum")],
        "customer_id string, contribution decimal(18,2), deposits_month decimal(18,2), deposits_quarter decimal(18,2), "
        "deposits_month_unknown boolean, deposits_quarter_unknown boolean",
    )  # fmt: skip
    measures = customer_measures(features, kept, policy=VALUE)
    found = {r.customer_id: (r.monetary, r.assets, r.assets_month, r.contribution) for r in measures.collect()}
    assert found == {
        "plain": (5, 30, 30, 1),
        "monetary": (None, 30, 30, None),
        "deposits": (5, None, 30, 1),
        "investments": (5, None, None, 1),
        "sum": (5, None, None, 1),
    }
    scores = rfm_scores(measures, measures.agg(*cut_columns(digits=4)), digits=4).collect()
    assert {r.customer_id for r in scores if r.monetary_score is None} == {"monetary"}


def test_purchases_of_giants_have_no_mean_and_disturb_no_sum(spark: SparkSession) -> None:
    days = [date(2024, 1, 3), date(2024, 1, 10), date(2024, 1, 17)]
    booked = [("plain", 1_000, 1), ("giant", GIANT, 12), ("gap", None, 1), ("one", GIANT, 1)]
    rows = [(who, day, 0, minor, times) for who, minor, times in booked for day in days]
    daily = spark.createDataFrame(
        rows, "customer_id string, booked_on date, kind_code int, amount_minor bigint, bookings int"
    )
    policy = LifetimePolicy(unit_days=7, window_units=104, horizon_units=39, discount_rate=0.0, least_repeaters=50)
    found: dict[str, Any] = {}

    def write(exact: bool) -> None:
        histories = purchase_histories(daily, counts=F.lit(True), policy=policy, as_of=date(2024, 1, 31), exact=exact)
        found["rows"] = {row.customer_id: (row.x, row.mean_spend) for row in histories.collect()}
        found["spend"] = seen_spend(histories.where("customer_id = 'one'").unionByName(histories).limit(2))

    unless_it_overflows(write)
    assert found["rows"] == {"plain": (2, Decimal(10)), "giant": (2, None), "gap": (2, None), "one": (2, MOST)}


def test_levels_and_sums_that_do_not_fit(spark: SparkSession, conf_dir: Path) -> None:
    policy = load_tier_policy(conf_dir / "tiers.yml")
    columns = "customer_id string, assets decimal(18,2), score double"
    value = spark.createDataFrame([("a", MOST, 1.0), ("b", MOST, 2.0)], columns)
    levels = tier_levels(value, policy=policy).collect()  # the quantile as DOUBLE is 10^16
    assert len(levels) == 1
    tiers = value.selectExpr("customer_id", "'vip' as tier")
    both = value.selectExpr("customer_id", "assets", "assets as contribution")
    people = spark.createDataFrame(
        [("a", "B", None, *held()), ("b", "B", None, *held())],
        "customer_id string, branch_id string, manager_id string, valid_from timestamp, valid_to timestamp",
    )
    row = branch_summary(tiers, tiers.limit(0), both, people, as_of=AS_OF).collect()[0]
    assert (row.customers, row.assets, row.contribution) == (2, None, None)
    policy = load_tier_value_policy(conf_dir)
    rows = tier_value(tiers, tiers, both, since=date(2024, 12, 31), policy=policy, discount_rate=0.08, as_of=AS_OF)
    of_vip = next(item for item in rows if item[1] == "vip")
    assert of_vip[5] is not None  # a twelfth of 10^16
    assert of_vip[6] is None  # and a year of months and more of it


def test_integers_that_do_not_fit(spark: SparkSession) -> None:
    values = ["'5'", "'-999999999999999999'", "'1000000000000000000'", "'-999999999999999999999999999999'"]
    text = ", ".join(f"({value})" for value in [*values, "null"])
    numbers = spark.sql(f"select cast(n as decimal(38,0)) as n from values {text} t(n)")
    number = F.col("n")
    found = [tuple(row) for row in numbers.select(settled(number), to_amount(number), ratio(number, 2)).collect()]
    unknown = 9 * 10**18
    assert found == [
        (5, Decimal("0.05"), 3),
        (-GIANT, -MOST, -(5 * 10**17)),
        (unknown, None, 5 * 10**17),
        (unknown, None, unknown),
        (None, None, None),
    ]
