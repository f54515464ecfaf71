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
from portrait.features import FeatureSet, check_values, explain, load_features
from portrait.features.bookings import aggregate_bookings
from portrait.features.explanation import plain_sql

from .conftest import CONTRACT

D = date(2025, 3, 31)


def booking(age: int, **values: object) -> dict[str, object]:
    plain = {"customer_id": "anna", "direction": "debit", "type": "card_payment", "amount_minor": 1000 + age}
    return plain | {"booked_on": D - timedelta(days=age)} | values


def test_the_sql_that_is_shown_gives_the_feature(
    transactions: Callable[..., DataFrame], some: Callable[..., FeatureSet]
) -> None:
    chosen = some(
        "debit_amount", "active_", "days_since_txn", "credit_max", "txn_count_channel", "net_amount", "credit_months"
    )
    rows = [booking(age, category="grocery", channel="pos") for age in (0, 6, 7, 29, 30, 89, 90, 364, 365)]
    rows += [booking(age, direction="credit", type="salary") for age in (1, 31, 61, 400)]
    rows += [booking(5, customer_id="ben", category="travel", channel="mobile"), booking(-3)]
    booked = transactions(rows)
    money = booked.withColumn("amount", (F.col("amount_minor") * Decimal("0.01")).cast("decimal(18,2)"))
    signed = F.when(F.col("direction") == "credit", F.col("amount")).otherwise(-F.col("amount"))
    shown_transactions = money.withColumn("signed_amount", signed)
    computed = aggregate_bookings(
        daily_bookings(booked), contract=CONTRACT, features=chosen.features, as_of=D
    ).collect()
    for feature in chosen.features:
        # As an argument, not as a view: other tests look at what the session has.
        sql = plain_sql(feature, D).replace("silver.transactions", "{shown}")
        shown = {row[0]: row[1] for row in booked.sparkSession.sql(sql, shown=shown_transactions).collect()}
        for row in computed:
            expected = shown.get(row.customer_id, 0 if feature.empty_is_zero else None)
            found = Decimal(row[feature.name]).scaleb(-2) if feature.is_money else row[feature.name]
            assert found == expected, (feature.name, row.customer_id)


def test_words_of_an_explanation(features: FeatureSet) -> None:
    feature = next(item for item in features.features if item.name == "salary_amount_90d")
    found = explain(feature, features, bookings=CONTRACT, as_of=D)
    assert found.declared.rsplit(":", 1)[0].endswith("conf/features/transactions.yml")
    assert found.lineage == ("silver.transactions -> silver.customer_daily -> gold.customer_features.salary_amount_90d")
    # salary_amount_365d is the other feature of the same conditions and amount.
    assert "this feature reads one, as 1 other feature(s) do; " in found.cost
    assert found.cost.endswith("plus what came and entered the window, less what left it")
    assert all("salary_amount_90d" in text for text in found.computed[1:])


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
