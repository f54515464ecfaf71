"""Every way to measure bookings against a plain reference: random bookings, each declaration in whole numbers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any

import pytest
from pyspark.sql import DataFrame

from portrait.features import Feature, FeatureSet, customer_features, load_features

from .conftest import CONTRACT

KINDS = """\
source: transactions
measures:
  - {measure: txn_count, aggregate: count, windows: [30d, 90d, 1cm], description: Bookings of any kind}
  - {measure: debit_amount, aggregate: sum, of: amount, where: {direction: debit}, windows: [30d, 90d, life, 1cm, 3cm, 12cm], description: Money that went out}
  - {measure: debit_amount, aggregate: sum, of: amount, where: {direction: debit}, by: {category: [grocery, household]}, windows: [90d], description: Money that went out}
  - {measure: debit_count, aggregate: count, where: {direction: debit}, windows: [life], description: Bookings out}
  - {measure: net_amount, aggregate: sum, of: signed_amount, windows: [90d], description: Money in less out}
  - {measure: debit_min, aggregate: min, of: amount, where: {direction: debit}, windows: [30d, mtd, life, 6cm], description: Least that went out}
  - {measure: net_min, aggregate: min, of: amount, where: {category: grocery}, windows: [90d], description: Least of groceries}
  - {measure: debit_avg, aggregate: average, of: amount, where: {direction: debit}, windows: [30d, 90d, life, 3cm], description: Mean that went out}
  - {measure: net_avg, aggregate: average, of: signed_amount, where: {type: [salary, interest]}, windows: [mtd, 365d], description: Mean of either sign}
  - {measure: active_days, aggregate: distinct_days, windows: [1cm], description: Days with a booking}
  - {measure: debit_months, aggregate: distinct_months, where: {direction: debit}, windows: [1cm, 12cm], description: Months with a booking}
  - {measure: channels, aggregate: count_distinct, of: channel, windows: [30d, 3cm], description: Different channels}
  - {measure: categories, aggregate: count_distinct, of: category, where: {direction: debit}, windows: [90d, 1cm], description: Different categories}
  - {measure: types, aggregate: count_distinct, of: type, where: {channel: atm}, by: {category: [travel]}, windows: [365d], description: Different types}
  - {measure: merchants, aggregate: count_distinct, of: merchant_id, windows: [30d, 365d, 3cm], description: Different merchants}
  - {measure: debit_merchants, aggregate: count_distinct, of: merchant_id, where: {direction: debit, channel: [atm, branch]}, windows: [mtd, 6cm], description: Different merchants}
  - {measure: counterparties, aggregate: count_distinct, of: counterparty_account, windows: [90d], description: Different accounts}
  - {measure: per_merchant, aggregate: ratio, of: debit_amount_30d, over: merchants_30d, description: Money by merchants}
  - {measure: net_trend, aggregate: trend, of: signed_amount, windows: [3cm, 6cm, 12cm], description: Slope of money}
  - {measure: grocery_trend, aggregate: trend, where: {category: grocery}, windows: [6cm], description: Slope of numbers}
  - {measure: debit_streak, aggregate: streak, where: {direction: debit}, windows: [1cm, 3cm, 12cm], description: Months in a row}
  - {measure: travel_streak, aggregate: streak, where: {category: travel}, windows: [6cm], description: Months in a row}
  - {measure: spread, aggregate: entropy, of: amount, where: {direction: debit}, across: {category: [grocery, household, travel]}, windows: [90d, 3cm], description: Entropy of money}
  - {measure: types_spread, aggregate: entropy, across: {type: [card_payment, salary, interest]}, windows: [30d], description: Entropy of numbers}
  - {measure: trend_ratio, aggregate: ratio, of: net_trend_3cm, over: debit_streak_12cm, description: Slope by months}
  - {measure: net_per_txn, aggregate: ratio, of: net_amount, over: txn_count, windows: [90d], description: Money by number}
  - {measure: txn_per_net, aggregate: ratio, of: txn_count, over: net_amount, windows: [90d], description: Number by money}
  - {measure: txn_recent, aggregate: ratio, of: txn_count_30d, over: txn_count_90d, description: Number by number}
  - {measure: debit_rise, aggregate: ratio, of: debit_avg_30d, over: debit_avg_90d, description: Money by money}
  - {measure: debit_share, aggregate: share, of: debit_amount, by: {category: [grocery, household]}, windows: [90d], description: Part of money out}
  - {measure: grocery_share, aggregate: share, of: debit_amount_category_grocery_90d, over: debit_amount_90d, description: The same by names}
"""  # noqa: E501
OWNERS = [f"c{number:02}" for number in range(40)]
Row = dict[str, Any]


def bookings(as_of: date, seed: int) -> list[Row]:
    dice = random.Random(seed)
    edges = [-3, 0, 1, 6, 14, 29, 30, 31, 59, 89, 90, 120, 181, 364, 365, 400, 900]
    return [
        {
            "customer_id": dice.choice(OWNERS[:-1]),  # the last has an account and never books
            "booked_on": as_of - timedelta(days=dice.choice(edges)),
            "direction": dice.choice(["credit", "debit"]),
            "type": dice.choice(["card_payment", "salary", "interest"]),
            "channel": dice.choice(["atm", "branch", None]),
            "category": dice.choice(["grocery", "household", "travel", None]),
            "merchant_id": dice.choice(["m1", "m2", "m3", "m4", None]),
            "counterparty_account": dice.choice(["a", "b", None]),
            # Small odd numbers, so that averages often end on a half; and some very large.
            "amount_minor": dice.choice([1, 2, 3, 5, 101, 999, 12345, 10**13 + 1]),
        }
        for _ in range(500)
    ]


def month(day: date) -> int:
    return day.year * 12 + day.month


def complete_months(as_of: date) -> int:
    """The number of the last month that has ended."""
    return month(as_of + timedelta(days=1)) - 1


def is_in(day: date, window: str | None, as_of: date) -> bool:
    if day > as_of or window in (None, "life"):
        return day <= as_of
    if window == "mtd":
        return month(day) == month(as_of)
    if window.endswith("cm"):
        return 0 <= complete_months(as_of) - month(day) < int(window[:-2])
    return (as_of - day).days < int(window[:-1])


def half_up(value: Fraction, digits: int) -> Decimal:
    wide = Context(prec=60)
    exact = wide.divide(Decimal(value.numerator), Decimal(value.denominator))
    return exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=wide)


def slope(values: list[int], *, money: bool) -> Decimal:
    """Of the least-squares line, by the textbook: covariance of month and value over variance of the month."""
    n, mean = len(values), Fraction(sum(values), len(values))
    middle = Fraction(n - 1, 2)
    up = sum((t - middle) * (value - mean) for t, value in enumerate(values))
    found = up / sum((t - middle) ** 2 for t in range(n))
    return half_up(found / 100, 2) if money else half_up(found, 6)


def reference(feature: Feature, own: list[Row], as_of: date) -> Any:
    """The value of a feature, money and quotients as Decimal, of one customer's bookings."""
    if feature.aggregate in {"ratio", "share"}:
        part, whole = (reference(item, own, as_of) for item in feature.parts)
        return half_up(Fraction(part) / Fraction(whole), 6) if whole and part is not None else None
    rows = [row for row in own if is_in(row["booked_on"], feature.window, as_of)]
    rows = [row for row in rows if all(row[dimension] in values for dimension, values in feature.where)]
    sign = feature.of == "signed_amount"
    amounts = [row["amount_minor"] * (-1 if sign and row["direction"] == "debit" else 1) for row in rows]
    match feature.aggregate:
        case "count":
            return len(rows)
        case "sum":
            return Decimal(sum(amounts)).scaleb(-2)
        case "min":
            return Decimal(min(amounts)).scaleb(-2) if amounts else None
        case "count_distinct":
            return len({row[feature.of] for row in rows} - {None})
        case "distinct_days":
            return len({row["booked_on"] for row in rows})
        case "distinct_months":
            return len({month(row["booked_on"]) for row in rows})
        case "trend":
            months = int(feature.window[:-2])
            by_month = [0] * months
            for row, amount in zip(rows, amounts, strict=True):
                by_month[months - 1 - complete_months(as_of) + month(row["booked_on"])] += amount if feature.of else 1
            return slope(by_month, money=feature.of is not None)
        case "streak":
            seen = {complete_months(as_of) - month(row["booked_on"]) for row in rows}
            return next(length for length in range(100) if length not in seen)
        case "entropy":
            (dimension, known) = feature.parts[0].where[-1][0], {part.where[-1][1][0] for part in feature.parts}
            sums: dict[str, int] = {}
            for row in rows:
                if row[dimension] in known:
                    sums[row[dimension]] = sums.get(row[dimension], 0) + (row["amount_minor"] if feature.of else 1)
            total = sum(sums.values())
            shares = [value / total for value in sums.values()]
            return half_up(Fraction(-sum(share * math.log(share) for share in shares)), 6) if shares else None
        case "average":
            return half_up(Fraction(sum(amounts), len(amounts) * 100), 2) if amounts else None
    raise AssertionError(feature.aggregate)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    conf = tmp_path_factory.mktemp("kinds")
    (conf / "features").mkdir()
    (conf / "features" / "kinds.yml").write_text(KINDS, encoding="utf-8")
    return load_features(conf)


@pytest.mark.parametrize("as_of", [date(2024, 2, 29), date(2025, 1, 15)])
def test_every_kind_is_what_the_reference_computes(
    as_of: date,
    kinds: FeatureSet,
    silver: Callable[..., dict[str, DataFrame]],
    transactions: Callable[[list[Row]], DataFrame],
) -> None:
    rows = bookings(as_of, seed=as_of.day)
    tables = silver(
        accounts=[{"account_id": f"a-{owner}"} for owner in OWNERS],
        account_parties=[{"account_id": f"a-{owner}", "party_id": owner} for owner in OWNERS],
        transactions=rows,
    )
    tables["transactions"] = transactions(rows)
    slice_of = customer_features(tables, features=kinds, bookings=CONTRACT, as_of=as_of).collect()
    assert {row.customer_id for row in slice_of} == set(OWNERS)
    for row in slice_of:
        own = [booking for booking in rows if booking["customer_id"] == row.customer_id]
        for feature in kinds.features:
            assert row[feature.name] == reference(feature, own, as_of), (feature.name, row.customer_id)


def test_parts_that_are_declared_are_not_computed_twice(kinds: FeatureSet) -> None:
    named = {feature.name: [part.name for part in feature.parts] for feature in kinds.features if feature.parts}
    assert named["debit_avg_life"] == ["debit_amount_life", "debit_count_life"]
    assert named["debit_avg_90d"] == ["debit_amount_90d", "_count_of_debit_avg_90d"]
    assert named["debit_share_category_grocery_90d"] == named["grocery_share"]


def test_parts_that_nobody_declared_are_not_published(kinds: FeatureSet) -> None:
    assert "_count_of_debit_avg_90d" in [feature.name for feature in kinds.aggregates("transactions")]
    assert not [column.name for column in kinds.columns() if column.name.startswith("_")]
