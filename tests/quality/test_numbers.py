"""Unknown numbers are counted by table and column, as warnings; what a source or model lacks is not one of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession

from portrait.contracts import Column, Contract
from portrait.quality.numbers import missing_rates, number_counts, number_results
from portrait.quality.results import RuleResult

MONEY = "DECIMAL(18,2)"
CONTRACT = Contract(
    id="gold.some",
    description="",
    grain="",
    columns=(
        Column("customer_id", "STRING"),
        Column("alive", "DOUBLE"),
        Column("amount", MONEY, unknown_when="true"),
        Column("forecast", MONEY, unknown_when="alive is not null"),
        Column("unmodelled", MONEY, unknown_when="alive is not null"),
        Column("declared", MONEY, unknown_when="true"),
        Column("undelivered", MONEY, unknown_when="true"),
        Column("free", MONEY),
    ),
    declared=("declared", "undelivered"),
)


def check_numbers(df: DataFrame, contract: Contract) -> list[RuleResult]:
    counts = number_counts(df, contract)
    return number_results(df, contract, {"rows": df.count(), **counts.first().asDict()})


def test_unknown_numbers_are_counted(spark: SparkSession) -> None:
    one, none = Decimal(1), None
    rows = [
        ("a", 0.5, none, one, none, one, none, none),
        ("b", 0.5, one, none, none, one, none, none),
        ("c", none, one, none, none, one, none, none),  # no forecast of who bought nothing
        ("d", 0.5, none, one, none, none, none, none),
        ("e", 0.5, one, one, none, one, none, none),
    ]
    schema = ", ".join(f"{column.name} {column.physical_type}" for column in CONTRACT.columns)
    found = check_numbers(spark.createDataFrame(rows, schema), CONTRACT)
    assert {(item.rule, item.success, item.unexpected_count, item.total) for item in found} == {
        ("numbers.fit", False, 3, 5),
        ("amount.fits", False, 2, 5),
        ("forecast.fits", False, 1, 5),
        ("declared.fits", False, 1, 5),
    }
    assert {item.severity for item in found} == {"warning"}
    known = spark.createDataFrame(rows[-1:], schema)
    assert [(item.rule, item.success) for item in check_numbers(known, CONTRACT)] == [("numbers.fit", True)]


def test_missing_rates_are_a_warning_that_names_the_days() -> None:
    day = date(2024, 5, 1)
    found = missing_rates(currency="CHF", bookings=9, unknown=2, first_day=day, last_day=day)
    assert (found.rule, found.severity, found.success, found.unexpected_count) == ("CHF.rate", "warning", False, 2)
    assert found.details == "no rate was known from 2024-05-01 to 2024-05-01"
    assert missing_rates(currency="CHF", bookings=9, unknown=0, first_day=None, last_day=None).success
