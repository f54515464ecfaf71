"""The cut-off by cost, and what changes with it: the swap set. Without Spark, from counts that a model keeps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """Applications with a known outcome that are alike to two scorecards."""

    grade: str
    percent: int
    """Probability of default by the scorecard, rounded up to whole percents."""
    earlier: int
    """The same by the scorecard before it."""
    applications: int
    bad: int


@dataclass(frozen=True)
class Cutoff:
    """What a cut-off would have cost: `percent` is the highest probability that is accepted."""

    percent: int
    accepted: int
    bad: int
    """Accepted and bad."""
    cost: float


@dataclass(frozen=True)
class Swapped:
    """One part of the swap set."""

    accepted_by: str
    applications: int
    bad: int

    @property
    def bad_rate(self) -> float | None:
        """None where there is no application."""
        return self.bad / self.applications if self.applications else None


PARTS = ("both", "only new", "only old", "none")


def grades_of(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Applications by grade."""
    found = Counter[str]()
    for row in outcomes:
        found[row.grade] += row.applications
    return dict(found)


def read_outcomes(file: Path) -> tuple[list[Outcome], str | None]:
    """The outcomes that a scorecard's file keeps, and the version that it is compared with.

    Neither is in files of earlier releases.
    """
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return [Outcome(*row) for row in content.get("outcomes", ())], content.get("earlier")


def cutoffs(outcomes: Sequence[Outcome], *, bad_cost: float) -> list[Cutoff]:
    """Every cut-off from 0 % (nobody is accepted) to 100 %.

    A bad one that is accepted costs `bad_cost`, a good one that is not accepted costs 1.
    """
    good = sum(row.applications - row.bad for row in outcomes)
    found = []
    for percent in range(101):
        taken = [row for row in outcomes if row.percent <= percent]
        accepted, bad = sum(row.applications for row in taken), sum(row.bad for row in taken)
        found.append(Cutoff(percent, accepted, bad, bad_cost * bad + good - (accepted - bad)))
    return found


def cheapest(found: Sequence[Cutoff]) -> Cutoff:
    """The one that costs least; of equal ones the strictest."""
    return min(found, key=lambda cutoff: (cutoff.cost, cutoff.percent))


def swap_set(outcomes: Iterable[Outcome], *, new: int, old: int) -> list[Swapped]:
    """Applications accepted by both, only by the new, only by the old, and by none: the scorecard with cut-off `new`
    against the one before it with cut-off `old`, in whole percents."""
    counted, bad = Counter[str](), Counter[str]()
    for row in outcomes:
        by_new, by_old = row.percent <= new, row.earlier <= old
        part = "both" if by_new and by_old else "only new" if by_new else "only old" if by_old else "none"
        counted[part] += row.applications
        bad[part] += row.bad
    return [Swapped(part, counted[part], bad[part]) for part in PARTS]
