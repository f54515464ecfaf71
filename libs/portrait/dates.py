"""Business dates as words of a command and in SQL. Without Spark; see `portrait.spark.days` for frames."""

from __future__ import annotations

from datetime import date

from portrait.errors import ConfigurationError
from portrait.settings import UTC


def business_date(text: str) -> date:
    """A date as `YYYY-MM-DD`; raises ConfigurationError for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"'{text}' is not a date", where="--as-of", remedy="write it as 2025-12-31") from error
    if text != day.isoformat():
        raise ConfigurationError(f"'{text}' is not a date as YYYY-MM-DD", where="--as-of", remedy=f"write {day}")
    return day


def day_sql(instant: str, zone: str) -> str:
    """The day that the bank's calendar shows, `portrait.spark.days.day_of`, as SQL; `instant` is SQL of a TIMESTAMP."""
    return f"to_date({instant})" if zone == UTC else f"to_date(from_utc_timestamp({instant}, '{zone}'))"
