"""Product numbers: the vector of the methods page, check digits against those of real IBANs, Spark against Python."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession

from portrait.capabilities.products.number import canonical_terms, check_digits, checked_number, product_number
from portrait.capabilities.products.numbering import canonical, number_of
from portrait.errors import ConfigurationError

VECTOR = '{"annual_rate":"0.0215","currency":"CNY","holding_days":180,"start_amount":"50000.00"}'
NUMBER = "TD01012GCEQQ4F91"
LAYOUT = (
    "template string, version string, currency string, start_amount decimal(18,2), holding_days int, notice_days int, "
    "annual_rate decimal(9,4), fee_rate decimal(9,4), yearly_fee decimal(18,2), benefits array<string>"
)


def test_the_number_is_that_of_the_methods_page() -> None:
    assert product_number("TD01", "01", VECTOR) == NUMBER


def test_equal_terms_have_one_text_however_they_are_written() -> None:
    terms = {"start_amount": Decimal(50000), "holding_days": 180, "currency": "CNY", "annual_rate": Decimal(".0215")}
    assert canonical_terms(terms | {"benefits": [], "yearly_fee": None}) == VECTOR
    assert canonical_terms({"from": date(2025, 1, 31)}) == '{"from":"2025-01-31"}'


# ISO 7064 MOD 97-10 as IBANs have it: the examples of the registry, with country and check digits moved to the end.
@pytest.mark.parametrize("iban", ["DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606"])
def test_check_digits_are_those_of_published_ibans(iban: str) -> None:
    assert check_digits(iban[4:] + iban[:2]) == iban[2:4]


def test_spaces_hyphens_and_small_letters_are_accepted() -> None:
    assert checked_number("td01 01-2gceqq4f 91") == (NUMBER, "TD01", "01")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("TD01012GCEQQ4F9", "has 15 characters"),
        ("TD01012GCEQQ4F92", "check digits 92 do not belong to TD01012GCEQQ4F"),
        ("TD01012GCEQQ1F91", "not made as product numbers are"),  # base32 has no 1
        ("DT01012GCEQQ4F91", "check digits"),
        ("TD01012GCEQQ4٣91", "not made as product numbers are"),
        ("", "has 0 characters"),
    ],
)
def test_what_is_wrong_with_a_number_is_said(given: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as error:
        checked_number(given)
    assert "portrait product list" in error.value.remedy


def test_wrong_characters_and_exchanges_of_neighbours_are_noticed() -> None:
    # Of the same sort (letter for letter, digit for digit) every one: 97 divides no difference of two of them. A letter
    # in the place of a digit moves all digits before it, which 96 of 97 remainders show.
    letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "234567"
    wrong = []
    for place in range(6, 14):
        same = letters if NUMBER[place].isalpha() else digits
        wrong += [NUMBER[:place] + other + NUMBER[place + 1 :] for other in same if other != NUMBER[place]]
    wrong += [NUMBER[:at] + NUMBER[at + 1] + NUMBER[at] + NUMBER[at + 2 :] for at in (7, 8, 9, 10)]
    assert len(wrong) > 150
    for number in set(wrong) - {NUMBER}:
        with pytest.raises(ConfigurationError, match="check digits"):
            checked_number(number)


def test_spark_computes_the_same_numbers(spark: SparkSession) -> None:
    draws = random.Random(11)
    rows = [("TD01", "01", "CNY", Decimal("50000.00"), 180, None, Decimal("0.0215"), None, None, [])]
    for _ in range(400):
        some = lambda value: None if draws.random() < 0.4 else value  # noqa: E731
        rows.append(
            (
                draws.choice(["TD01", "CS99", "ZZ00"]), f"{draws.randrange(100):02d}", draws.choice(["CNY", "EUR"]),
                some(Decimal(draws.randrange(1, 10**13)) / 100), some(draws.randrange(1, 3650)),
                some(draws.randrange(1, 99)), some(Decimal(draws.randrange(10_000)) / 10_000),
                some(Decimal(draws.randrange(10_000)) / 10_000), some(Decimal(draws.randrange(10**6)) / 100),
                sorted(draws.sample(["lounge", "points", "film", "review"], draws.randrange(4))),
            )
        )  # fmt: skip
    frame = spark.createDataFrame(rows, LAYOUT).withColumn("terms", canonical())
    names = [part.split()[0] for part in LAYOUT.split(", ")]
    found = frame.withColumn("number", number_of("template", "version", "terms")).collect()
    assert found[0].number == NUMBER
    for row in found:
        terms = canonical_terms({name: row[name] for name in names[2:]})
        assert (row.terms, row.number) == (terms, product_number(row.template, row.version, terms))
        assert checked_number(row.number)[1:] == (row.template, row.version)
