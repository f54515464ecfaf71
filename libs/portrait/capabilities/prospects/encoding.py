"""Features as bin numbers, on the driver and in Spark alike.

Bin 0 is null (or NaN). A number's further bins are quantiles, closed on the right; a text's are the other values (1)
and the frequent ones (2, 3, ...).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.prospects.boosting import Codes
from portrait.capabilities.prospects.frames import Kind, value_of
from portrait.capabilities.prospects.logistic import Vector
from portrait.capabilities.prospects.policy import BinPolicy

OTHER = 1


@dataclass(frozen=True)
class Bins:
    """How one feature becomes a bin number: upper edges of a number's bins, or the text values that have their own."""

    kind: Kind
    edges: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of bins, that of null included."""
        return len(self.edges) + 2 if self.kind == "number" else len(self.texts) + 2

    def codes(self, values: np.ndarray) -> Codes:
        """Bin numbers of values that the driver holds."""
        if self.kind == "number":
            found = 1 + np.searchsorted(np.array(self.edges), values, side="left")
            return np.where(np.isnan(values), 0, found).astype(np.int32)
        places = {text: place + 2 for place, text in enumerate(self.texts)}
        series = pd.Series(values, dtype=object)
        return np.where(series.isna(), 0, series.map(places).fillna(OTHER)).astype(np.int32)

    def column(self, name: str) -> Column:
        """The same in Spark, as INT."""
        value = value_of(name, self.kind)
        code = F.when(value.isNull(), F.lit(0))
        if self.kind == "number":
            for place, edge in enumerate(self.edges):
                code = code.when(value <= F.lit(edge), F.lit(place + 1))
            return code.otherwise(F.lit(len(self.edges) + 1))
        if not self.texts:
            return code.otherwise(F.lit(OTHER))
        pairs = chain.from_iterable((F.lit(text), F.lit(place + 2)) for place, text in enumerate(self.texts))
        return code.otherwise(F.coalesce(F.element_at(F.create_map(*pairs), value), F.lit(OTHER)))

    def looked_up(self, name: str, values: Sequence[float]) -> Column:
        """Per row the value of its bin, as DOUBLE."""
        return F.element_at(F.array(*[F.lit(float(value)) for value in values]), self.column(name) + F.lit(1))


def sql_number(value: float) -> str:
    """A literal of SQL."""
    return f"{value!r}D" if np.isfinite(value) else f"double('{'-' if value < 0 else ''}Infinity')"


def bins_of(values: np.ndarray, kind: Kind, *, copies: Vector, policy: BinPolicy) -> Bins:
    """The bins of one feature; `copies` says how many rows each value stands for."""
    if kind == "number":
        known = ~np.isnan(values)
        return Bins("number", edges=_edges(values[known], copies[known], policy.numeric))
    known = np.array([value is not None for value in values], dtype=bool)
    counts = pd.Series(copies[known]).groupby(pd.Series(values[known], dtype=object)).sum()
    frequent = sorted(((-count, text) for text, count in counts.items() if count >= policy.least_rows))
    return Bins("text", texts=tuple(str(text) for _, text in frequent[: policy.categories]))


def _edges(values: Vector, copies: Vector, most: int) -> tuple[float, ...]:
    """Quantiles that are values of the data, the largest value left out; all values where there are few."""
    if len(values) == 0:
        return ()
    distinct, place = np.unique(values, return_inverse=True)
    if len(distinct) > most:
        reached = np.cumsum(np.bincount(place, copies)) / copies.sum()
        wanted = np.searchsorted(reached, np.arange(1, most) / most - 1e-12)
        distinct = np.unique(np.append(distinct[wanted], distinct[-1]))
    return tuple(float(value) for value in distinct[:-1])


def weight_of_evidence(codes: Codes, y: Vector, *, copies: Vector, size: int, smoothing: float) -> Vector:
    """Per bin ln(odds in the bin / odds of all); `smoothing` rows at the overall rate are added to each bin.

    0 for a bin without rows. Equals WOE = ln(%good / %bad) with the sign turned, so that more means more likely.
    """
    rate = float(np.average(y, weights=copies))
    positives = np.bincount(codes, copies * y, size) + smoothing * rate
    negatives = np.bincount(codes, copies * (1 - y), size) + smoothing * (1 - rate)
    seen = np.bincount(codes, copies, size) > 0
    odds = np.maximum(positives, 1e-6) / np.maximum(negatives, 1e-6)
    return np.where(seen, np.log(odds) - np.log(rate / (1 - rate)), 0.0)


def ranks(bins: Bins, evidence: Vector) -> Codes:
    """What trees see of a bin: numbers keep their order, texts are ordered by evidence."""
    if bins.kind == "number":
        return np.arange(bins.size, dtype=np.int32)
    placed = np.empty(bins.size, dtype=np.int32)
    placed[np.argsort(evidence, kind="stable")] = np.arange(bins.size, dtype=np.int32)
    return placed


def said_nothing(values: Mapping[str, np.ndarray]) -> dict[str, str]:
    """feature -> reason, for features that are null in all rows or have one value."""
    reasons = {}
    for name, column in values.items():
        known = column[~pd.isna(column)]
        if len(known) == 0:
            reasons[name] = "null in all rows"
        elif len(known) == len(column) and bool((known == known[0]).all()):
            reasons[name] = "the same value in all rows"
    return reasons
