"""What the shipped labels say of a customer who only uses an account of others: money that is not theirs is unknown."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from portrait.contracts import Catalogue, load_catalogue
from portrait.features import load_features
from portrait.labels import LabelSet, load_labels
from portrait.labels.declared import with_sources_declared
from portrait.labels.portrait import customer_portrait

D = date(2024, 3, 31)
UNKNOWN = (
    *("salary_customer", "monthly_income", "income_band", "dormant", "activity_level", "spending_level", "atm_user"),
    *("low_balance", "balance_swings", "early_warning", "salary_stopped", "money_leaving", "asset_mix", "tenure_band"),
    *("prefers_mobile", "main_channel", "cash_share", "rfm_segment", "could_borrow", "win_back"),
)
KNOWN = {
    "relationship": "user",
    "uses_others_account": True,
    "has_card": True,
    "has_loan": False,
    "several_accounts": False,
    "gender": "F",
    "value_tier": "ordinary",
    "tier_reason": "owns_nothing",
}


@pytest.fixture(scope="module")
def catalogue(conf_dir: Path, schemas_dir: Path) -> Catalogue:
    return with_sources_declared(conf_dir, load_catalogue(schemas_dir))


def row(spark: SparkSession, catalogue: Catalogue, table: str, **values: str) -> DataFrame:
    """One row of a contract; NULL where no value is given."""
    columns = catalogue.table(f"gold.{table}").columns
    return spark.range(1).selectExpr(
        *[f"cast({values.get(c.name, 'null')} as {c.physical_type}) as {c.name}" for c in columns]
    )


def test_a_user_of_an_account_is_not_judged_by_the_money_of_others(
    spark: SparkSession, conf_dir: Path, catalogue: Catalogue
) -> None:
    # As tests/features/test_population.py finds it: nothing happened is 0, never happened is NULL.
    zero = {feature.name: "0" for feature in load_features(conf_dir).features if feature.empty_is_zero}
    roles = {"relationship": "'user'", "account_count_role_user": "1", "card_count": "1", "gender": "'F'"}
    amounts = dict.fromkeys(("frequency", "monetary", "deposits", "investments", "assets", "score"), "0")
    tier = {"tier": "'ordinary'", "tier_rank": "4", "reason_code": "'owns_nothing'", "gap_assets": "1000"}
    named = {"customer_id": "'u'", "as_of": f"date'{D}'"}
    sources = {
        "customer_features": row(spark, catalogue, "customer_features", **named, **{**zero, **roles}),
        "customer_value": row(spark, catalogue, "customer_value", **named, **amounts, relationship="'user'"),
        "customer_tier": row(spark, catalogue, "customer_tier", **named, **tier),
        "customer_group": row(spark, catalogue, "customer_group", **named, not_grouped_reason="'owns_no_account'"),
    }
    labels = needed(load_labels(conf_dir, catalogue), {*UNKNOWN, *KNOWN})
    found = customer_portrait(labels=labels, as_of=D, sources=sources).collect()[0]
    assert {name: found[name] for name in UNKNOWN} == dict.fromkeys(UNKNOWN)
    assert {name: found[name] for name in KNOWN} == KNOWN


def needed(labels: LabelSet, names: set[str]) -> LabelSet:
    """The labels of these names, and those that they are made of."""
    by_name = {item.label.id: item for item in labels.checked}
    assert names <= by_name.keys(), names - by_name.keys()
    wanted: set[str] = set()
    while new := names - wanted:
        wanted |= new
        names = {read for name in new if by_name[name].label.from_ == "portrait" for read in by_name[name].reads}
        names &= by_name.keys()
    return LabelSet(tuple(item for item in labels.checked if item.label.id in wanted))
