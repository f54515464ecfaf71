"""From features in their own unit to the matrix that is clustered: coverage, winsorising, transforms, z-scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from portrait.capabilities.core_group.idec import Matrix
from portrait.capabilities.core_group.policy import Cleaning
from portrait.capabilities.groups.policy import VectorFeature


@dataclass(frozen=True)
class Cleaner:
    """Which features are used, and how each becomes a column; `dropped` says why the others are not.

    A value is cut at `low` and `high`, transformed (shares by square root, levels by log(1 + x)), less `centre`,
    divided by `spread`, cut at +- `clip`. What is unknown for a customer is put at the mean, 0.
    """

    features: tuple[str, ...]
    kinds: tuple[str, ...]
    low: Matrix
    high: Matrix
    centre: Matrix
    spread: Matrix
    clip: float
    dropped: dict[str, str]
    coverage: float
    """Share of known values among the features that are used."""

    def apply(self, raw: Matrix) -> Matrix:
        """One row per customer; `raw` has the columns of `features`, NaN where unknown."""
        cut = np.clip(raw, self.low, self.high)
        share = np.array([kind == "share" for kind in self.kinds])
        moved = np.where(share, np.sqrt(np.maximum(cut, 0.0)), np.log1p(np.maximum(cut, 0.0)))
        cleaned: Matrix = np.nan_to_num(np.clip((moved - self.centre) / self.spread, -self.clip, self.clip), nan=0.0)
        return cleaned


def fit_cleaner(raw: dict[str, Matrix], features: list[VectorFeature], *, policy: Cleaning) -> Cleaner:
    """Measure the features of a sample; those that are known of too few, or equal for all, are dropped."""
    used, dropped, columns = [], {}, []
    for feature in features:
        values = raw[feature.id]
        known = float((~np.isnan(values)).mean())
        if known < policy.coverage_least:
            dropped[feature.id] = f"known of {known:.0%}, needed {policy.coverage_least:.0%}"
            continue
        low, high = np.nanquantile(values, [policy.winsorise, 1 - policy.winsorise])
        cut = np.maximum(np.clip(values, low, high), 0.0)
        moved = np.sqrt(cut) if feature.kind == "share" else np.log1p(cut)
        centre, spread = float(np.nanmean(moved)), float(np.nanstd(moved))
        if spread < 1e-9:
            dropped[feature.id] = "the same for all but a few customers"
            continue
        used.append(feature)
        columns.append((known, low, high, centre, spread))
    table = np.array(columns, dtype=np.float64).reshape(-1, 5)
    return Cleaner(
        tuple(feature.id for feature in used),
        tuple(feature.kind for feature in used),
        low=table[:, 1],
        high=table[:, 2],
        centre=table[:, 3],
        spread=table[:, 4],
        clip=policy.clip,
        dropped=dropped,
        coverage=float(table[:, 0].mean()) if len(table) else 0.0,
    )


def with_columns(cleaner: Cleaner, raw: dict[str, Matrix]) -> Matrix:
    """The columns of `features`; a feature that is not there any more is unknown for all."""
    rows = len(next(iter(raw.values())))
    return np.stack([raw.get(name, np.full(rows, np.nan)) for name in cleaner.features], axis=1)
