"""`portrait features explain`: its SQL, run as it stands, gives what the job computes; its words name what is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import load_catalogue
from portrait.entities.daily import daily_bookings
from portrait.errors import ConfigurationError
from portrait.features import Feature, FeatureSet, check_values, explain, load_features
from portrait.features.bookings import aggregate_bookings
from portrait.features.explanation import plain_sql
from portrait.features.values import as_declared

from .conftest import CONTRACT

D = date(2025, 3, 31)


def booking(age: int, **values: object) -> dict[str, object]:
    plain = {"customer_id": "anna", "direction": "debit", "type": "card_payment", "amount_minor": 1000 + age}
    return plain | {"booked_on": D - timedelta(days=age)} | values


def test_the_sql_that_is_shown_gives_the_feature(
    transactions: Callable[..., DataFrame], some: Callable[..., FeatureSet]
) -> None:
    chosen = some(
        "debit_amount", "active_", "days_since_txn", "credit_max", "txn_count_channel", "net_amount", "credit_months",
        "salary_min", "customer_txn_avg", "salary_avg", "debit_to_credit", "txn_share", "channels",
        "merchant_categories", "credit_amount_3cm", "credit_trend", "salary_streak",
        "spending_entropy", "channel_entropy",
    )  # fmt: skip
    rows = [booking(age, category="grocery", channel="pos") for age in (0, 6, 7, 29, 30, 89, 90, 364, 365)]
    rows += [booking(age, direction="credit", type="salary") for age in (1, 31, 61, 400)]
    rows += [booking(5, customer_id="ben", category="travel", channel="mobile"), booking(-3)]
    booked = transactions(rows)
    money = booked.withColumn("amount", (F.col("amount_minor") * Decimal("0.01")).cast("decimal(18,2)"))
    signed = F.when(F.col("direction") == "credit", F.col("amount")).otherwise(-F.col("amount"))
    aggregated = aggregate_bookings(
        daily_bookings(booked), contract=CONTRACT, features=chosen.aggregates("transactions"), as_of=D
    )
    slice_of = aggregated.selectExpr(
        f"date'{D}' as as_of",
        "customer_id",
        *[as_declared(item, available=True) for item in with_parts(chosen)],
    ).localCheckpoint()
    computed = slice_of.collect()
    # As arguments, not as views: other tests look at what the session has.
    tables = {"booked": money.withColumn("signed_amount", signed), "features": slice_of}
    for feature in chosen.features:
        sql = plain_sql(feature, D).replace("silver.transactions", "{booked}")
        sql = sql.replace("gold.customer_features", "{features}")
        shown = {row[0]: row[1] for row in booked.sparkSession.sql(sql, **tables).collect()}
        for row in computed:
            expected = shown.get(row.customer_id, 0 if feature.empty_is_zero else None)
            assert row[feature.name] == expected, (feature.name, row.customer_id)


def with_parts(features: FeatureSet) -> list[Feature]:
    found = {feature.name: feature for item in features.features for feature in (item, *item.parts)}
    return [feature for feature in found.values() if not feature.name.startswith("_")]


def test_words_of_an_explanation(features: FeatureSet) -> None:
    feature = next(item for item in features.features if item.name == "salary_amount_90d")
    found = explain(feature, features, bookings=CONTRACT, as_of=D)
    assert found.declared.rsplit(":", 1)[0].endswith("conf/features/transactions.yml")
    assert found.lineage == ("silver.transactions -> silver.customer_daily -> gold.customer_features.salary_amount_90d")
    # 90 days and three calendar months before the end of March begin on 1 January.
    firsts = [leaf.period(D).first for leaf in features.aggregates("transactions")]
    recent = sum(first is not None and first >= date(2025, 1, 1) for first in firsts)
    words = f"1 of {recent} aggregates in a pass over the bookings since 2025-01-01 of silver.customer_daily; "
    assert found.cost.startswith(words)
    assert found.cost.endswith("plus what came and entered the window, less what left it")
    assert [text.rsplit(" as ", 1)[1] for text in found.computed] == ["salary_amount_90d"]


def test_words_about_a_feature_of_others(features: FeatureSet) -> None:
    named = {item.name: item for item in features.features}
    average = explain(named["salary_avg_365d"], features, bookings=CONTRACT, as_of=D)
    assert average.cost.startswith("one expression per customer, over nothing that is not computed anyway; ")
    assert average.lineage.splitlines() == [
        f"silver.transactions -> silver.customer_daily -> gold.customer_features.{part}_365d"
        " -> gold.customer_features.salary_avg_365d"
        for part in ("salary_amount", "salary_count")
    ]
    of_two_sources = explain(named["deposit_coverage_90d"], features, bookings=CONTRACT, as_of=D)
    assert "features of one scan of silver.balances" in of_two_sources.cost
    assert of_two_sources.sql is not None
    assert "try_cast(balance_avg_90d / nullif(debit_amount_90d, 0) as DECIMAL(18,6))" in of_two_sources.sql


def test_a_value_that_no_booking_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "transactions.yml").write_text(
        "source: transactions\nmeasures:\n"
        "  - {measure: fun, aggregate: sum, of: amount, where: {category: grocer}, description: Money spent on fun}\n"
    )
    catalogue = load_catalogue(Path(__file__).resolve().parents[2] / "schemas")
    with pytest.raises(ConfigurationError, match="no value of 'category' called 'grocer'") as raised:
        check_values(load_features(tmp_path), catalogue)
    assert "transactions.yml:3" in str(raised.value)


def test_a_value_of_an_entropy_that_no_booking_can_have_is_refused(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "transactions.yml").write_text(
        "source: transactions\nmeasures:\n"
        "  - {measure: mix, aggregate: entropy, across: {channel: [atm, fax]}, windows: [30d], "
        "description: Of channels}\n"
    )
    catalogue = load_catalogue(Path(__file__).resolve().parents[2] / "schemas")
    with pytest.raises(ConfigurationError, match="no value of 'channel' called 'fax'") as raised:
        check_values(load_features(tmp_path), catalogue)
    assert "transactions.yml:3" in str(raised.value)


def test_a_name_that_the_slice_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    text = "source: transactions\nmeasures:\n  - {measure: tenure_days, aggregate: count, description: Any bookings}\n"
    (tmp_path / "features" / "transactions.yml").write_text(text)
    catalogue = load_catalogue(Path(__file__).resolve().parents[2] / "schemas")
    with pytest.raises(ConfigurationError, match="has a column 'tenure_days' already") as raised:
        check_values(load_features(tmp_path), catalogue)
    assert "transactions.yml:3" in str(raised.value)
