"""The days of a backfill."""

from __future__ import annotations

from datetime import date

import pytest

from portrait.errors import ConfigurationError
from portrait.run.runner import Every, business_dates


def test_every_day_both_ends_included_over_a_leap_day() -> None:
    days = business_dates(date(2024, 2, 27), date(2024, 3, 1), Every.day)
    assert days == [date(2024, 2, 27), date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]


def test_weeks_count_from_the_first_day() -> None:
    days = business_dates(date(2025, 1, 1), date(2025, 1, 21), Every.week)
    assert days == [date(2025, 1, 1), date(2025, 1, 8), date(2025, 1, 15)]


def test_month_ends() -> None:
    days = business_dates(date(2023, 12, 31), date(2024, 3, 30), Every.month_end)
    assert days == [date(2023, 12, 31), date(2024, 1, 31), date(2024, 2, 29)]


@pytest.mark.parametrize("every", list(Every))
def test_a_range_without_a_day_is_refused(every: Every) -> None:
    with pytest.raises(ConfigurationError, match="lies between"):
        business_dates(date(2025, 2, 2), date(2025, 2, 1), every)


def test_a_month_without_its_end_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no month-end"):
        business_dates(date(2025, 2, 1), date(2025, 2, 27), Every.month_end)
