"""Features are cut into passes by what reading and adding up costs; expected cuts are computed by hand."""

from __future__ import annotations

from datetime import date
from itertools import chain

import pytest

from portrait.features.feature import Feature
from portrait.features.passes import passes

D = date(2025, 12, 31)


def features(number: int, window: str | None) -> list[Feature]:
    return [
        Feature(f"n{place}_{window}", source="transactions", aggregate="count", of=None, where=(), window=window)
        for place in range(number)
    ]


def sizes(*groups: list[Feature], days: int = 3653) -> list[tuple[date | None, int]]:
    return [(one.first, len(one.features)) for one in passes([*chain(*groups)], as_of=D, days=days)]


def test_many_features_of_a_short_window_are_worth_a_pass_of_their_own() -> None:
    # Together 365 x (60 + 10 + 10) = 29,200; apart 365 x (60 + 10) + 30 x (60 + 10) = 27,650.
    assert sizes(features(10, "30d"), features(10, "365d")) == [(date(2025, 1, 1), 10), (date(2025, 12, 2), 10)]


def test_few_features_of_a_short_window_are_not() -> None:
    # Together 365 x (60 + 10 + 5) = 27,375; apart 365 x (60 + 10) + 30 x (60 + 5) = 27,500.
    assert sizes(features(5, "30d"), features(10, "365d")) == [(date(2025, 1, 1), 15)]


@pytest.mark.parametrize(("days", "passes_of"), [(365, [16]), (3653, [6, 10])])
def test_a_long_history_is_read_for_endless_features_alone(days: int, passes_of: list[int]) -> None:
    # Of ten years: together 3653 x 76 = 277,628; apart 3653 x 66 + 365 x 70 = 266,648. Of one: 27,740 and 49,640.
    found = sizes(features(6, "life"), features(10, "365d"), days=days)
    assert [size for _, size in found] == passes_of
    assert found[0][0] is None


def test_a_pass_has_at_most_ninety_features() -> None:
    assert sizes(features(91, "30d")) == [(date(2025, 12, 2), 46), (date(2025, 12, 2), 45)]


def test_every_feature_is_in_one_pass_and_passes_lie_within_each_other() -> None:
    groups = [
        features(9 * place + 1, window) for place, window in enumerate(("7d", "mtd", "90d", "12cm", "365d", "life"))
    ]
    declared = [*chain(*groups)]
    found = passes(declared, as_of=D, days=900)
    assert sorted(item.name for one in found for item in one.features) == sorted(f.name for f in declared)
    firsts = [one.first or date.min for one in found]
    assert firsts == sorted(firsts)
    assert all(
        (item.period(D).first or date.min) >= first
        for one, first in zip(found, firsts, strict=True)
        for item in one.features
    )


def test_no_features_need_no_pass() -> None:
    assert passes([], as_of=D, days=365) == []
