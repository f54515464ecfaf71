"""Groups judged by what they are worth to the bank: lift, share, cohesion, stability; gates first, then the rank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from portrait.capabilities.core_group.idec import Matrix
from portrait.capabilities.core_group.policy import Gates
from portrait.capabilities.groups.lloyd import Labels


@dataclass(frozen=True)
class Worth:
    """A group in figures; `core_score` and `rank` are None where a gate failed, `failed` says which."""

    group: int
    customers: int
    size_share: float
    lift: float | None
    value_share: float | None
    cohesion: float | None
    jaccard: float | None
    failed: str | None
    core_score: float | None
    rank: int | None


def cohesion(x: Matrix, labels: Labels, *, k: int) -> Matrix:
    """1 - mean squared distance of a group to its centre / that of all to the mean of all; NaN without members."""
    total = float(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean())
    found = np.full(k, np.nan)
    for group in np.unique(labels):
        inside = x[labels == group]
        within = float(((inside - inside.mean(axis=0)) ** 2).sum(axis=1).mean())
        found[group] = 1 - within / total if total > 0 else np.nan
    return found


def rank_groups(
    customers: dict[int, int], value: dict[int, float], *, cohesions: Matrix, jaccards: Matrix, gates: Gates
) -> list[Worth]:
    """One row per group of `customers` (group to its size); `value`: sum of contributions of the group.

    Lift V = mean contribution in the group / mean of all; core score = (V x V x H x J) ^ 1/4, because V and share of
    value / share of customers are the same number where both are of one population.
    """
    everybody, worth = sum(customers.values()), sum(value.values())
    rows = []
    for group, size in sorted(customers.items()):
        share = size / everybody
        known = worth > 0
        value_share = value[group] / worth if known else None
        lift = value_share / share if value_share is not None else None
        h, j = _number(cohesions[group]), _number(jaccards[group])
        failed = _failed(size, share, lift, h, j, gates=gates)
        score = None if failed or None in (lift, h, j) else float((lift * lift * h * j) ** 0.25)  # type: ignore[operator]
        rows.append((group, size, share, lift, value_share, h, j, failed, score))
    order = sorted((row for row in rows if row[8] is not None), key=lambda row: (-row[8], row[0]))  # type: ignore[operator]
    ranks = {row[0]: place for place, row in enumerate(order, start=1)}
    return [Worth(*row, ranks.get(row[0])) for row in rows]


def _failed(
    size: int, share: float, lift: float | None, h: float | None, j: float | None, *, gates: Gates
) -> str | None:
    """The gates that a group does not pass, in words; None: it passes."""
    if lift is None:
        return "mean contribution not positive"
    said = []
    if share < gates.share_least or size < gates.customers_least:
        said.append(f"{size} customers, needed {gates.customers_least} and {gates.share_least:.0%}")
    if lift < gates.lift_least:
        said.append(f"lift {lift:.2f}, needed {gates.lift_least:.2f}")
    if h is None or h <= 0:
        said.append("not cohesive")
    if j is None or j < gates.jaccard_least:
        said.append(f"stability {'unknown' if j is None else f'{j:.2f}'}, needed {gates.jaccard_least:.2f}")
    return "; ".join(said) or None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
