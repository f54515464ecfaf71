"""Bounds of days and instants, and values that mean "unknown", as contracts state them.

A bound is a day (`1900-01-02`), an instant (`1970-01-01 00:00:00`, in the bank's time zone) or another column of the
row, with or without a distance: `changed_at`, `as_of`, `changed_at + 31 days`, `opened_on - 2 years`. So no verdict
depends on the clock, or on the date for which a run happens to be: a backfill takes in what later days delivered.
A bound on a column that is null holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from portrait.dates import day_sql

NUMBERS = ("INT", "BIGINT", "DOUBLE", "DECIMAL")
TIMES = ("DATE", "TIMESTAMP")

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})?")
_RELATIVE = re.compile(r"([a-z_][a-z0-9_]*)(?: ([+-]) (\d{1,6}) (day|month|year)s?)?")


def check_bound(value: float | str, kind: str, types: Mapping[str, str]) -> None:
    """Raise ValueError, with what is wrong, unless `value` may bound a column of type `kind`.

    `types`: the types of the table's columns by name.
    """
    if not isinstance(value, str):
        if not kind.startswith(NUMBERS):
            raise ValueError(f"a number does not bound a {kind}")
        return
    if kind not in TIMES:
        raise ValueError(f"a {kind} is bounded by a number, not by '{value}'")
    if _DAY.fullmatch(value) or (kind == "TIMESTAMP" and _INSTANT.fullmatch(value)):
        datetime.fromisoformat(value)
        return
    relative = _RELATIVE.fullmatch(value)
    if relative is None:
        raise ValueError(f"'{value}' is neither a day as 1900-01-02 nor a column, as 'changed_at + 31 days'")
    if types.get(relative[1]) not in TIMES:
        raise ValueError(f"'{relative[1]}' is no column of type DATE or TIMESTAMP of this table")


def time_bound(column: str, sign: str, value: str, *, types: Mapping[str, str], zone: str) -> str:
    """SQL that holds when `column` is within a bound; `sign` is `>=` or `<=`. `value` must have been checked."""
    name, kind = f"`{column}`", types[column]
    if _DAY.fullmatch(value):
        if kind == "DATE":
            return f"{name} {sign} date'{value}'"
        day = date.fromisoformat(value)
        if sign == ">=":
            return f"{name} >= {_start(day, zone)}"
        # The whole day is inside.
        return f"{name} < {_start(day + timedelta(days=1), zone)}" if day < date.max else f"{name} is not null"
    if _INSTANT.fullmatch(value):
        return f"{name} {sign} {_instant(datetime.fromisoformat(value), zone)}"
    relative = _RELATIVE.fullmatch(value)
    assert relative is not None
    other, direction, count, unit = relative.groups()
    if kind == types[other] == "TIMESTAMP" and count is None:
        return f"{name} {sign} `{other}`"
    day_of_other = _day(other, types, zone)
    if count is not None:
        distance = int(count) * (-1 if direction == "-" else 1) * (12 if unit == "year" else 1)
        day_of_other = f"{'date_add' if unit == 'day' else 'add_months'}({day_of_other}, {distance})"
    return f"{_day(column, types, zone)} {sign} {day_of_other}"


def equals_any(column: str, kind: str, values: tuple[str, ...], *, zone: str) -> str:
    """SQL that is true when a typed column is one of some values, written as a feed writes them; values of another
    type are none of them."""
    if kind == "TIMESTAMP":
        instants = [datetime.fromisoformat(value) for value in values if _INSTANT.fullmatch(value)]
        listed = [_instant(instant, zone) for instant in instants]
    else:
        listed = [f"try_cast('{_escaped(value)}' as {kind})" for value in values]
    return f"coalesce(`{column}` in ({', '.join(listed)}), false)" if listed else "false"


def is_text_of(column: str, values: tuple[str, ...]) -> str:
    """SQL that is true when a text is exactly one of some values."""
    listed = ", ".join(f"'{_escaped(value)}'" for value in values)
    return f"coalesce(`{column}` in ({listed}), false)"


def _day(column: str, types: Mapping[str, str], zone: str) -> str:
    return f"`{column}`" if types[column] == "DATE" else day_sql(f"`{column}`", zone)


def _start(day: date, zone: str) -> str:
    return _instant(datetime(day.year, day.month, day.day), zone)


def _instant(clock: datetime, zone: str) -> str:
    instant = clock if clock.tzinfo else clock.replace(tzinfo=ZoneInfo(zone))
    try:
        return f"timestamp'{instant.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}Z'"
    except OverflowError:  # Python's years are 1 to 9999, Spark's are not
        return f"to_utc_timestamp(timestamp'{clock.isoformat(sep=' ')}', '{zone}')"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
