"""The two learners of a propensity: logistic regression on weight of evidence, and boosted trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from numpy import column_stack
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from portrait.capabilities.prospects.boosting import Codes, Trees, fit_trees
from portrait.capabilities.prospects.encoding import Bins, ranks, weight_of_evidence
from portrait.capabilities.prospects.logistic import Linear, Vector, fit_logistic
from portrait.capabilities.prospects.policy import BoostingPolicy, PropensityPolicy


@dataclass(frozen=True)
class Rows:
    """Rows for a learner: bin numbers per feature, target, and how many rows each stands for."""

    codes: Mapping[str, Codes]
    y: Vector
    copies: Vector

    def part(self, rows: Vector | Codes) -> Rows:
        """Some of the rows, by mask or position."""
        return Rows({name: codes[rows] for name, codes in self.codes.items()}, self.y[rows], self.copies[rows])


def evidence_of(bins: Mapping[str, Bins], rows: Rows, *, smoothing: float) -> dict[str, Vector]:
    """Per feature the weight of evidence of its bins."""
    return {
        name: weight_of_evidence(rows.codes[name], rows.y, copies=rows.copies, size=item.size, smoothing=smoothing)
        for name, item in bins.items()
    }


@dataclass(frozen=True)
class EvidenceModel:
    """log-odds = intercept + sum over features of coefficient x weight of evidence of the bin."""

    bins: Mapping[str, Bins]
    evidence: Mapping[str, Vector]
    linear: Linear

    def log_odds(self, codes: Mapping[str, Codes]) -> Vector:
        """One value per row."""
        return self.linear.log_odds(column_stack([self.evidence[name][codes[name]] for name in self.bins]))

    def column(self, names: Mapping[str, str]) -> Column:
        """The same in Spark; `names`: feature -> column of the frame."""
        total = F.lit(self.linear.intercept)
        for (name, bins), coefficient in zip(self.bins.items(), self.linear.coefficients, strict=True):
            total = total + bins.looked_up(names[name], list(coefficient * self.evidence[name]))
        return total


def fit_evidence(bins: Mapping[str, Bins], rows: Rows, *, policy: PropensityPolicy) -> EvidenceModel:
    """The logistic regression on the weight of evidence of every feature; bins need not be monotone."""
    evidence = evidence_of(bins, rows, smoothing=policy.bins.smoothing)
    matrix = column_stack([evidence[name][rows.codes[name]] for name in bins])
    return EvidenceModel(bins, evidence, fit_logistic(matrix, rows.y, weight=rows.copies, ridge=policy.ridge))


@dataclass(frozen=True)
class TreesModel:
    """log-odds (or, fitted with loss "squared", a value) as a sum of trees over the ranks of bins."""

    bins: Mapping[str, Bins]
    order: Mapping[str, Codes]
    trees: Trees

    def log_odds(self, codes: Mapping[str, Codes]) -> Vector:
        """One value per row."""
        return self.trees.value(ranked(self.order, codes))

    def column(self, names: Mapping[str, str]) -> Column:
        """The same in Spark, by an Arrow UDF over bin numbers; `names`: feature -> column of the frame."""
        order, trees = dict(self.order), self.trees

        @pandas_udf("double")  # type: ignore[call-overload, untyped-decorator]
        def value(codes: pd.DataFrame) -> pd.Series:
            return pd.Series(
                trees.value(ranked(order, {name: codes[f"x{place}"].to_numpy() for place, name in enumerate(order)}))
            )

        coded = [bins.column(names[name]).alias(f"x{place}") for place, (name, bins) in enumerate(self.bins.items())]
        result: Column = value(F.struct(*coded))
        return result


def ranked(order: Mapping[str, Codes], codes: Mapping[str, Codes]) -> Codes:
    """rows x features: what trees see of the bin numbers."""
    return column_stack([ranking[codes[name]] for name, ranking in order.items()])


def fit_boosted(
    bins: Mapping[str, Bins],
    rows: Rows,
    *,
    evidence: Mapping[str, Vector],
    policy: BoostingPolicy,
    seed: int,
    validation: Rows | None = None,
) -> TreesModel:
    """Boosted trees for the log-odds; with `validation` they end where its loss is lowest."""
    order = {name: ranks(item, evidence[name]) for name, item in bins.items()}
    held = None if validation is None else (ranked(order, validation.codes), validation.y, validation.copies)
    trees = fit_trees(ranked(order, rows.codes), rows.y, weight=rows.copies, policy=policy, seed=seed, validation=held)
    return TreesModel(bins, order, trees)
