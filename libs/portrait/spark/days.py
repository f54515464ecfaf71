"""The bank's days: which day an instant belongs to, and at which instant a day begins.

Spark keeps instants in UTC and its session stays in UTC. `zone` is the setting `time_zone` (IANA name), which every
frame gets as a parameter. A clock time that a change to summer time skips is the instant that the clock would show
without the change (02:30 becomes 03:30); one that occurs twice is the first of the two.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.settings import UTC


def day_of(instant: Column | str, zone: str) -> Column:
    """DATE: the day that the bank's calendar shows at an instant (TIMESTAMP)."""
    return F.to_date(instant if zone == UTC else F.from_utc_timestamp(instant, zone))


def instant_of(clock: Column, zone: str) -> Column:
    """TIMESTAMP: the instant at which the bank's clock shows `clock`, a TIMESTAMP that was read as if it were UTC."""
    return clock if zone == UTC else F.to_utc_timestamp(clock, zone)


def start_of(day: Column, zone: str) -> Column:
    """TIMESTAMP: the first instant of a day (DATE)."""
    return instant_of(day.cast("timestamp"), zone)
