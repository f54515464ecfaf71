"""Rings of seven neighbours whose transfers make a typology of AMLSim: who pays whom, on which day, how much.

The eighth typology, `cycle`, are the rings of five (`recurring`, `bank`), which were there first. The first block of
customers has none of these rings, so that small banks are what they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Final

from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.sources.synthetic import plan
from portrait.sources.synthetic.draws import Draws
from portrait.sources.synthetic.texts import looked_up

SEATS: Final = 7
FIRST_PLACE: Final = 10  # of a block; the rings of five sit before it
CANDIDATES: Final = 14  # rings that a block may have
SHARE: Final = 0.10  # of them that are rings, less where somebody comes or goes
MONTHS: Final = 3  # running
Pays = tuple[int, int, int]
"""Giver, taker, day after the first."""

_WALK: Final = (0, 3, 1, 5, 2, 6, 4)
TYPOLOGIES: Final[dict[str, tuple[Pays, ...]]] = {
    "fan_in": tuple((seat, 0, 0) for seat in range(1, 7)),
    "fan_out": tuple((0, seat, 0) for seat in range(1, 7)),
    "bipartite": tuple((giver, taker, 0) for giver in (0, 1, 2) for taker in (3, 4, 5)),
    "stack": (
        *((giver, middle, 0) for giver in (0, 1) for middle in (2, 3)),
        *((middle, taker, 1) for middle in (2, 3) for taker in (4, 5, 6)),
    ),
    "random": tuple((giver, taker, day) for day, (giver, taker) in enumerate(pairwise(_WALK))),
    "scatter_gather": (
        *((0, middle, 0) for middle in (1, 2, 3, 4)),
        *((middle, 5, 1) for middle in (1, 2, 3, 4)),
    ),
    "gather_scatter": (*((giver, 3, 0) for giver in (0, 1, 2)), *((3, taker, 1) for taker in (4, 5, 6))),
}
NAMES: Final = tuple(TYPOLOGIES)


@dataclass(frozen=True)
class _Leg:
    """One side of a transfer: negative `sign` out of the account."""

    other: int
    day: int
    second: int
    sign: int
    share: float


def _legs(name: str, seat: int) -> list[_Leg]:
    """What a seat pays and gets, in the order of the transfers; a little stays with everybody who passes money on."""
    found = []
    for number, (giver, taker, day) in enumerate(TYPOLOGIES[name]):
        second, share = 46_800 + 300 * number, 1 - 0.02 * day
        if giver == seat:
            found.append(_Leg(taker, day, second, -1, share))
        if taker == seat:
            found.append(_Leg(giver, day, second + 1, 1, share))
    return found


MOST_LEGS: Final = max(len(_legs(name, seat)) for name in NAMES for seat in range(SEATS))
_TABLE: Final = [
    dict(enumerate(_legs(name, seat))).get(leg) for name in NAMES for seat in range(SEATS) for leg in range(MOST_LEGS)
]


def membership(draws: Draws, steady_from: float) -> dict[str, Column]:
    """Columns of a customer `k`: `pattern`, the number of the ring, its `pattern_kind`, and the `pattern_seat`; null in
    no ring. Only those who neither come nor go: `steady_from` is the least fate of these.
    """
    block, place = F.floor((F.col("k") - 1) / plan.RING_BLOCK), (F.col("k") - 1) % plan.RING_BLOCK - FIRST_PLACE
    ring, seat = block * CANDIDATES + F.floor(place / SEATS), (place % SEATS).cast("int")
    steady = [draws.uniform("fate", F.col("k") - seat + other) >= steady_from for other in range(SEATS)]
    drawn = (block > 0) & place.between(0, CANDIDATES * SEATS - 1) & draws.happens(SHARE, "pattern", ring)
    member = reduce(Column.__and__, steady, drawn)
    kind = draws.whole(len(NAMES), "pattern kind", ring)
    return {
        name: F.when(member, column)
        for name, column in (("pattern", ring), ("pattern_kind", kind), ("pattern_seat", seat))
    }


def month_columns(draws: Draws, months: int) -> dict[str, Column]:
    """Of a customer and month: whether the ring is at work, on which day it begins, and cents of a transfer."""
    begins = first_month(draws, months)
    return {
        "pattern_now": F.coalesce(F.col("month").between(begins, begins + MONTHS - 1), F.lit(False)),
        "pattern_day": F.col("offset") + draws.whole(20, "pattern day", "pattern", "month"),
        "pattern_minor": 60_000 + draws.whole(20_000, "pattern minor", "pattern", "month"),
    }


def first_month(draws: Draws, months: int) -> Column:
    """The month 0.. in which the ring of a row begins."""
    return F.when(F.col("pattern").isNotNull(), draws.whole(max(months - 2, 1), "pattern month", "pattern"))


@dataclass(frozen=True)
class LegColumns:
    """The leg of a number 0.. of the customer of a row; all null where the seat has not so many."""

    takes_place: Column
    day: Column
    second: Column
    signed: Column
    other: Column


def leg_columns(number: int) -> LegColumns:
    """Columns of one leg of the customer of a row with `membership` and `month_columns`."""
    index = (F.col("pattern_kind") * SEATS + F.col("pattern_seat")) * MOST_LEGS + number

    def of(name: str) -> Column:
        return looked_up([None if leg is None else getattr(leg, name) for leg in _TABLE], index)

    return LegColumns(
        takes_place=F.col("pattern_now") & of("day").isNotNull(),
        day=F.col("pattern_day") + of("day"),
        second=of("second"),
        signed=F.round(F.col("pattern_minor") * of("share")) * of("sign"),
        other=F.col("k") - F.col("pattern_seat") + of("other"),
    )
