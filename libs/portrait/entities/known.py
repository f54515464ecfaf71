"""Which bookings of a long history a few records are about, without reading that history.

Delta keeps the least and the greatest value of a column for every file. Ids of one delivery mostly lie close together
(banks count upwards), as do days, so a few ranges cover them and the files between are passed over. A range may hold
more than was asked for, never less: what is found is exact whatever the ids look like, only the number of files that
are read depends on it. Ids without any order (UUIDs) are in every file; then the id column of all of them is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import reduce
from itertools import pairwise, takewhile
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_RANGES = 16  # each costs a comparison per row that is read
_CHARACTERS = 3  # so many after the common beginning tell groups of ids apart: a thousand groups of digits
_GROUPS = 10_000
_BYTES = 8


def near_ids(records: DataFrame, column: str) -> Column | None:
    """A condition that every value of a text column of `records` meets, and few others. None: there is no value."""
    ends = records.agg(F.min(column).alias("least"), F.max(column).alias("greatest")).collect()[0]
    if ends["least"] is None:
        return None
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(ends["least"], ends["greatest"], strict=False))
    shared = sum(1 for _ in alike)
    groups = (
        records.groupBy(F.substring(column, 1, shared + _CHARACTERS).alias("beginning"))
        .agg(F.min(column).alias("least"), F.max(column).alias("greatest"))
        .limit(_GROUPS + 1)
        .collect()
    )
    if len(groups) > _GROUPS:
        groups = [ends]

    def place(value: str) -> int:
        return int.from_bytes(value[shared:].encode()[:_BYTES].ljust(_BYTES, b"\0"))

    ranges = [((place(row["least"]), row["least"]), (place(row["greatest"]), row["greatest"])) for row in groups]
    covering = closest_together([(low[0], high[0], low[1], high[1]) for low, high in ranges])
    return reduce(or_, [F.col(column).between(low, high) for low, high in covering])


def on_days(days: Iterable[date], column: str) -> str:
    """SQL that exactly these days meet, or, where they fall into more than 16 stretches, few others. No day: false."""
    stretches = [(day.toordinal(), day.toordinal(), str(day), str(day)) for day in days]
    covering = closest_together(stretches, apart=1)
    return " or ".join(f"{column} between date'{low}' and date'{high}'" for low, high in covering) or "false"


def closest_together(ranges: list[tuple[int, int, str, str]], *, apart: int = 0) -> list[tuple[str, str]]:
    """At most 16 ranges that cover these (begin, end, and their names), with the widest gaps between them.

    Ranges at most `apart` from each other become one.
    """
    ordered = sorted(ranges)
    gaps = [(after[0] - before[1], place) for place, (before, after) in enumerate(pairwise(ordered))]
    widest = sorted((gap for gap in gaps if gap[0] > apart), reverse=True)[: _RANGES - 1]
    cuts = sorted(place for _, place in widest)
    starts, ends = [0, *[cut + 1 for cut in cuts]], [*cuts, len(ordered) - 1]
    return [(ordered[first][2], ordered[last][3]) for first, last in zip(starts, ends, strict=True)] if ordered else []
