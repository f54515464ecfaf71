"""Scorecards: bins, weight of evidence, logistic regression, points, reasons - on any frame, in Spark.

    card = fit_scorecard(applications, target="defaulted", signs={"income": -1, "days past due": 1})
    card.score(applicants).select("id", "points", "probability")
    card.table; card.left_out; card.reasons(applicants)

The driver gets counts of bins and coefficients, never rows. Method: `docs/credit.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.credit.bins import Totals
from portrait.capabilities.credit.counts import Source, kind_of, prebins_of, totals_of
from portrait.capabilities.credit.feature import BinnedFeature, binned
from portrait.capabilities.credit.policy import CreditPolicy, Points
from portrait.capabilities.credit.regression import Line, fit_line
from portrait.errors import ConfigurationError
from portrait.spark.columns import by_place, place_name, place_of, refuse_present

_SIGNS: Mapping[Any, int] = {1: 1, -1: -1, 0: 0, None: 0, "+": 1, "-": -1, "rising": 1, "falling": -1}


@dataclass(frozen=True)
class Scorecard:
    """A fitted scorecard. It says nothing about applicants of a kind that the population did not have."""

    features: tuple[BinnedFeature, ...]
    """Those with points, in the order of the frame."""
    line: Line
    left_out: dict[str, str]
    """Feature to the reason why it has no points."""
    information: dict[str, float]
    """Information value of every feature that has bins."""
    totals: Totals
    """Good and bad rows of the population on which it was fitted."""
    scale: Points

    def score(self, frame: DataFrame) -> DataFrame:
        """The rows with `points` (high is good) and `probability` (of bad).

        Missing values, and texts that were never seen, have points of their own: no row is dropped.
        Raises ConfigurationError when a feature is absent or of another kind, or the frame has such columns already.
        """
        refuse_present(frame, ("points", "probability"), where="score")
        parts = [
            F.element_at(F.array(*[F.lit(value) for value in self.points_of(place)]), bin_of_row + 1)
            for place, bin_of_row in enumerate(self.bins_of_row(frame))
        ]
        points = sum(parts, F.lit(self._base))
        odds = F.exp((F.col("points") - F.lit(self.scale.offset)) / F.lit(self.scale.factor))
        scored = by_place(frame).select("*", points.alias("points")).select("*", (1.0 / (1.0 + odds)).alias("p"))
        return scored.toDF(*frame.columns, "points", "probability")

    def reasons(self, frame: DataFrame, n: int = 4) -> DataFrame:
        """The rows with `reasons`: the n features that lose most points against their best bin, the largest first.

        Each has feature, bin, points, lost and a text; a feature in its best bin is no reason, so there may be fewer.
        """
        if n < 1:
            raise ConfigurationError(f"{n} reasons", where="n", remedy="ask for at least one")
        refuse_present(frame, ("reasons",), where="reasons")
        losses = [
            F.element_at(F.array(*self._losses(place)), bin_of_row + 1)
            for place, bin_of_row in enumerate(self.bins_of_row(frame))
        ]
        told = F.lit(None).cast(_REASONS)
        if losses:
            lost = F.filter(F.array(*losses), lambda item: item["change"] < 0)
            told = F.transform(F.slice(F.array_sort(lost), 1, n), _reason)  # by change, then by place
        reasons = F.coalesce(told, F.array().cast(_REASONS))
        return by_place(frame).select("*", reasons.alias("reasons")).toDF(*frame.columns, "reasons")

    @property
    def table(self) -> pd.DataFrame:
        """One row per feature and bin that rows were in: feature, bin, share, bad rate, woe, points."""
        rows = [
            (feature.name, item.label, item.rows / self.totals.rows, item.bad / item.rows, item.woe, points)
            for place, feature in enumerate(self.features)
            for item, points in zip(feature.bins, self.points_of(place), strict=True)
            if item.rows
        ]
        return pd.DataFrame(rows, columns=["feature", "bin", "share", "bad rate", "woe", "points"])

    @property
    def _base(self) -> float:
        """Points before any feature: all of them where there is none."""
        return 0.0 if self.features else self.scale.offset - self.scale.factor * self.line.intercept

    def points_of(self, place: int) -> list[float]:
        """Points of each bin of a feature; the intercept is shared out evenly, so that points add up to the score."""
        share = (self.scale.offset - self.scale.factor * self.line.intercept) / len(self.features)
        slope = self.scale.factor * self.line.coefficients[place]
        return [share - slope * item.woe for item in self.features[place].bins]

    def _losses(self, place: int) -> list[Column]:
        """What to say of each bin of a feature."""
        feature, points = self.features[place], self.points_of(place)
        best = max(value for value, item in zip(points, feature.bins, strict=True) if item.rows)
        return [
            F.struct(
                F.lit(min(value - best, 0.0)).alias("change"),
                F.lit(place).alias("place"),
                F.lit(feature.name).alias("feature"),
                F.lit(item.label).alias("bin"),
                F.lit(value).alias("points"),
                F.lit(f"{feature.name}: {item.label}, {best - value:.0f} points below the best").alias("text"),
            )
            for value, item in zip(points, feature.bins, strict=True)
        ]

    def bins_of_row(self, frame: DataFrame) -> list[Column]:
        """For each feature the position of the bin that a row of `by_place(frame)` is in."""
        places = []
        for feature in self.features:
            place = place_of(frame, feature.name, parameter="frame")
            kind = frame.schema.fields[place].dataType
            if kind.typeName() != "void" and kind_of(kind) != feature.source.kind:
                raise ConfigurationError(
                    f"'{feature.name}' was a {feature.source.kind} when the scorecard was fitted",
                    where=f"frame, type {kind.simpleString()}",
                    remedy="cast it",
                )
            places.append(feature.place_of_bin(F.col(place_name(place))))
        return places


_REASONS = "array<struct<feature: string, bin: string, points: double, lost: double, text: string>>"


def _reason(item: Column) -> Column:
    return F.struct(item["feature"], item["bin"], item["points"], (-item["change"]).alias("lost"), item["text"])


def fit_scorecard(
    frame: DataFrame,
    *,
    target: str,
    features: Sequence[str] | None = None,
    signs: Mapping[str, Any] | None = None,
    policy: CreditPolicy | None = None,
) -> Scorecard:
    """A scorecard of a frame: one row per applicant whose result is known; `target` is 1 for bad, 0 for good.

    `features`: all other columns where they are not named; numbers, booleans and texts, NULL and NaN are missing.
    `signs`: feature to 1 (the bad rate rises with it) or -1 (it falls), for numbers; without one the data decide.
    `policy`: None means the shipped defaults of `conf/credit.yml`.
    Raises ConfigurationError for absent columns, a target other than 0 and 1, and signs of what is no number.
    """
    policy = policy or CreditPolicy()
    target_place = place_of(frame, target, parameter="target")
    sources, left_out = _sources(frame, target_place, features)
    wanted = _signs_of(frame, signs or {}, sources)
    rows = by_place(frame)
    name = place_name(target_place)
    if kind_of(frame.schema.fields[target_place].dataType) != "number":
        raise ConfigurationError("the target is no number", where=f"target={target!r}", remedy="1 for bad, 0 for good")
    totals = totals_of(rows, target=name, parameter=f"target={target!r}")
    prebins = prebins_of(rows, sources, target=name, totals=totals, policy=policy.bins) if sources else {}
    found = [
        binned(item, prebins[item.place], sign=wanted.get(item.place, 0), totals=totals, policy=policy.bins)
        for item in sources
    ]
    information = {item.name: item.information for item in found}
    for item in found:
        if item.information < policy.regression.least_iv:
            left_out[item.name] = f"information value {item.information:.3f}, below {policy.regression.least_iv:g}"
    useful = [item for item in found if item.name not in left_out]
    line, wrong = fit_line(rows, useful, target=name, totals=totals, policy=policy.regression)
    left_out |= {item.name: f"wrong sign: coefficient {slope:+.3f} of its WOE" for item, slope in wrong}
    used = tuple(item for item in useful if item.name not in left_out)
    order = {name: place for place, name in enumerate(frame.columns)}
    named = dict(sorted(left_out.items(), key=lambda item: order[item[0]]))
    return Scorecard(used, line, named, information, totals, policy.points)


def _sources(frame: DataFrame, target: int, features: Sequence[str] | None) -> tuple[list[Source], dict[str, str]]:
    """The features that can be read, and the others with the reason."""
    if isinstance(features, str):
        raise ConfigurationError("features is a text", where="features", remedy=f"features=[{features!r}]")
    every = [place for place in range(len(frame.columns)) if place != target]
    places = every if features is None else [place_of(frame, name, parameter="features") for name in features]
    names = [frame.columns[place] for place in places]
    twice = [name for place, name in zip(places, names, strict=True) if place == target or names.count(name) > 1]
    if twice:
        raise ConfigurationError(
            f"'{twice[0]}' is the target, or named twice", where="features", remedy="name every feature once"
        )
    sources, left_out = [], {}
    for place, name in zip(places, names, strict=True):
        kind = frame.schema.fields[place].dataType
        if (read := kind_of(kind)) is None:
            left_out[name] = f"type {kind.simpleString()} is neither number, boolean nor text"
        else:
            sources.append(Source(place, name, read))
    return sources, left_out


def _signs_of(frame: DataFrame, signs: Mapping[str, Any], sources: Sequence[Source]) -> dict[int, int]:
    """Position of a feature to its sign."""
    kinds = {source.place: source.kind for source in sources}
    found = {}
    for name, sign in signs.items():
        place = place_of(frame, name, parameter="signs")
        if sign not in _SIGNS:
            raise ConfigurationError(f"'{name}' has the sign {sign!r}", where="signs", remedy="1 or -1")
        if _SIGNS[sign] and kinds.get(place) != "number":
            raise ConfigurationError(
                f"'{name}' has a sign, but is not a number among the features", where="signs", remedy="remove the sign"
            )
        found[place] = _SIGNS[sign]
    return found
