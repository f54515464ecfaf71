"""SQL of features in the wide row: types as declared, and what is computed out of other features.

The row has a BIGINT (days: INT) for every feature that was aggregated, money in minor units.
"""

from __future__ import annotations

from collections.abc import Sequence

from portrait.entities.money import MOST, rounded_sql
from portrait.features.feature import Feature
from portrait.features.windows import months_of


def as_declared(feature: Feature, *, available: bool) -> str:
    """SQL of a feature's column in the wide row: money in currency, nothing happened as 0, an absent source as NULL."""
    if not available:
        return f"cast(null as {feature.physical_type}) as {feature.name}"
    value = value_of(feature)
    if feature.is_money:
        # Hundredths, exactly: a decimal of scale 0 times 0.01, never a floating number.
        value = f"cast({value} as decimal(20,0)) * 0.01BD"
    # What the type cannot hold (a ratio of 10^12 and more) is unknown: no customer's number may end the run.
    cast = "try_cast" if feature.is_money or feature.aggregate in {"ratio", "trend"} else "cast"
    return f"{cast}({value} as {feature.physical_type}) as {feature.name}"


def value_of(feature: Feature) -> str:
    """SQL of a feature's value, money in minor units.

    Quotients are of whole numbers, divided once as DECIMAL (14 digits or more behind the point) and rounded HALF_UP:
    an average or a trend of money to the minor unit, everything else, by the cast of `as_declared`, to six digits.
    Where the divisor is 0 or either is NULL they are NULL.
    """
    match feature.aggregate:
        case "average":
            total, count = feature.parts
            return f"cast({rounded_sql(_quotient(total, count))} as bigint)"
        case "ratio" | "share":
            part, whole = feature.parts
            unit = {1: " * 0.01BD", 0: "", -1: " * 100"}[part.is_money - whole.is_money]
            return _quotient(part, whole, unit)
        case "trend":
            return _trend(feature)
        case "entropy":
            return _entropy([value_of(part) for part in feature.parts])
    value = f"coalesce({feature.name}, 0L)" if feature.empty_is_zero else feature.name
    if not feature.is_of_money:
        return value
    return f"if({value} between {-MOST}L and {MOST}L, {value}, null)"  # not UNKNOWN


def _quotient(part: Feature, whole: Feature, unit: str = "") -> str:
    divisor = f"nullif({value_of(whole)}, 0)"
    return f"cast({value_of(part)} as decimal(20,0)){unit} / cast({divisor} as decimal(20,0))"


def _trend(feature: Feature) -> str:
    """Slope of the least-squares line through the values y of n months, t = 0 to n - 1.

    sum((t - (n - 1) / 2) y) / sum((t - (n - 1) / 2)^2), in whole numbers: with u = n - 1 - t months before the last,
    ((n - 1) sum(y) - 2 sum(u y)) / (n (n^2 - 1) / 6). Six digits are enough to round: the divisor is below 1000.
    """
    months = months_of(feature.window) or 0
    level, moment = (f"cast({value_of(part)} as decimal(20,0))" for part in feature.parts)
    slope = f"({level} * {months - 1} - {moment} * 2) / {months * (months * months - 1) // 6}"
    return f"try_cast({rounded_sql(slope)} as bigint)" if feature.is_money else slope


def _entropy(parts: Sequence[str]) -> str:
    """Shannon's entropy, natural logarithm: -sum(p ln p) with p = n / N, that is ln N - sum(n ln n) / N.

    DOUBLE, added up in the order of the declaration: equal parts give equal bits.
    """
    total = f"({' + '.join(f'cast({part} as double)' for part in parts)})"  # of money it may pass what BIGINT holds
    terms = " + ".join(f"if({part} > 0, {part} * ln({part}), 0D)" for part in parts)
    return f"if({total} > 0, ln({total}) - ({terms}) / {total}, null)"
