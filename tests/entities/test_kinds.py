"""What a booking is, as one number: parts by hand, and every text found again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from portrait.contracts import load_catalogue
from portrait.entities.kinds import kind_code, place_of, places
from portrait.errors import ConfigurationError

CONTRACT = load_catalogue(Path(__file__).resolve().parents[2] / "schemas").table("silver.transactions")
DIMENSIONS = ("direction", "type", "channel", "category")


@pytest.mark.parametrize(
    ("values", "number"),
    [
        # credit 0, cash_deposit 1: ((0 * 32 + 1) * 16 + 0) * 32 + 0
        ("'credit', 'cash_deposit', null, null", 512),
        # debit 1, card_payment 4, pos 5, grocery 1: ((1 * 32 + 4) * 16 + 5) * 32 + 1
        ("'debit', 'card_payment', 'pos', 'grocery'", 18593),
        # debit 1, direct_debit 7, no channel, insurance 14: ((1 * 32 + 7) * 16 + 0) * 32 + 14
        ("'debit', 'direct_debit', null, 'insurance'", 19982),
    ],
)
def test_parts_count_in_the_order_of_the_contract(spark: SparkSession, values: str, number: int) -> None:
    row = spark.sql(f"select {kind_code(CONTRACT)} as code from values ({values}) as t({', '.join(DIMENSIONS)})").head()
    assert row["code"] == number


def test_every_part_is_found_again(spark: SparkSession) -> None:
    longest = max(len(places(CONTRACT, dimension)) for dimension in DIMENSIONS)
    values = {dimension: list(places(CONTRACT, dimension)) for dimension in DIMENSIONS}
    rows = [tuple(values[name][at % len(values[name])] for name in DIMENSIONS) for at in range(longest)]
    frame = spark.createDataFrame(rows, ", ".join(f"{name} string" for name in DIMENSIONS))
    coded = frame.selectExpr("*", f"{kind_code(CONTRACT)} as kind_code")
    for row in coded.selectExpr(*DIMENSIONS, *[f"{place_of(name)} as place_{name}" for name in DIMENSIONS]).collect():
        for name in DIMENSIONS:
            assert row[f"place_{name}"] == places(CONTRACT, name)[row[name]]


def test_an_enum_that_outgrows_its_part_is_an_error() -> None:
    grown = replace(CONTRACT.column("channel"), enum=tuple(f"channel_{number}" for number in range(16)))
    columns = tuple(grown if column.name == "channel" else column for column in CONTRACT.columns)
    with pytest.raises(ConfigurationError, match="'channel' has 16 values"):
        kind_code(replace(CONTRACT, columns=columns))
