"""How figures are written."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from portrait.report import texts


def test_counts_have_commas() -> None:
    assert texts.count(49_102) == "49,102"


def test_what_is_unknown_is_a_dash() -> None:
    for write in (texts.count, texts.amount, texts.short, texts.exact, texts.percent, texts.signed, texts.seconds):
        assert write(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999_999, "999,999"),
        (1_230_000, "1.23 million"),
        (Decimal("8880000000"), "8.88 billion"),
        (-2_000_000, "-2.00 million"),
    ],
)
def test_large_amounts_are_spoken(value: int, text: str) -> None:
    assert texts.short(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (0.0001, "< 0.1 %"), (0.093, "9.3 %"), (0.9999, "> 99.9 %"), (1, "100.0 %")],
)
def test_a_share_never_reads_as_nothing_or_all_when_it_is_not(share: float, text: str) -> None:
    assert texts.percent(share) == text


def test_a_ratio_to_nothing_is_unknown() -> None:
    assert texts.ratio(3, 0) is None
    assert texts.ratio(None, 4) is None
    assert texts.ratio(3, 4) == 0.75


@pytest.mark.parametrize(("value", "text"), [(1.26, "+1.3"), (-0.44, "−0.4"), (-0.01, "0.0"), (0, "0.0")])
def test_signs_are_written_unless_the_figure_is_nothing(value: float, text: str) -> None:
    assert texts.signed(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.44, "0.4 s"), (41.6, "42 s"), (200, "3 min 20 s")])
def test_durations(value: float, text: str) -> None:
    assert texts.seconds(value) == text


def test_a_date_is_not_broken_over_lines() -> None:
    assert texts.day(date(1994, 3, 31)) == "31\u00a0March\u00a01994"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("debit_amount_category_grocery_90d", "debit amount grocery (90 days)"),
        ("txn_count_channel_mobile_30d", "txn count mobile (30 days)"),
        ("spend_grocery", "spending: grocery"),
        ("balance_last", "balance last"),
    ],
)
def test_features_are_named_for_reading(name: str, text: str) -> None:
    assert texts.feature(name) == text
