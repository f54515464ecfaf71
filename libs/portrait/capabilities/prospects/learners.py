"""The two learners of a propensity: logistic regression on weight of evidence, and boosted trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from numpy import column_stack
from pyspark.sql import Column
from pyspark.sql import functions as F

from portrait.capabilities.prospects.boosting import Codes, Trees, fit_trees
from portrait.capabilities.prospects.encoding import Bins, ranks, sql_number, weight_of_evidence
from portrait.capabilities.prospects.frames import value_of
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

    def inputs(self, names: Mapping[str, str]) -> list[Column]:
        """Nothing that must be selected before `column`."""
        return []

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

    def inputs(self, names: Mapping[str, str]) -> list[Column]:
        """What `column` reads, to be selected before it: numbers as they are, texts as their rank."""
        return tree_inputs(self.bins, self.order, names)

    def column(self, names: Mapping[str, str]) -> Column:
        """The same in Spark, over the inputs."""
        return tree_column(self.trees, self.bins)


def tree_inputs(bins: Mapping[str, Bins], order: Mapping[str, Codes], names: Mapping[str, str]) -> list[Column]:
    """One column per feature, v0, v1, ...; `names`: feature -> column of the frame."""
    return [
        (
            value_of(names[name], "number") if item.kind == "number" else item.looked_up(names[name], list(order[name]))
        ).alias(f"v{place}")
        for place, (name, item) in enumerate(bins.items())
    ]


def tree_column(trees: Trees, bins: Mapping[str, Bins]) -> Column:
    """The sum of the trees over v0, v1, ...: nested IFs, because Python workers would be slower and may lack numpy."""
    kinds = list(bins.values())

    def branch(tree: int, node: int, level: int) -> str:
        if level == trees.depth:
            return f"{float(trees.leaves[tree, node - (2**trees.depth - 1)])!r}D"
        feature, threshold = int(trees.features[tree, node]), int(trees.thresholds[tree, node])
        left = branch(tree, 2 * node + 1, level + 1)
        test = _goes_right(kinds[feature], f"v{feature}", threshold)
        return left if test is None else f"if({test}, {branch(tree, 2 * node + 2, level + 1)}, {left})"

    total = F.lit(trees.start)
    for tree in range(len(trees.leaves)):
        total = total + F.expr(branch(tree, 0, 0))
    return total


def _goes_right(bins: Bins, column: str, threshold: int) -> str | None:
    """The condition in SQL; None: no row does. A null number goes left, as its bin 0 does: IF takes null for false."""
    if bins.kind == "text":
        return f"{column} > {threshold}" if threshold < bins.size else None
    if threshold == 0:
        return f"{column} is not null"
    return f"{column} > {sql_number(bins.edges[threshold - 1])}" if threshold <= len(bins.edges) else None


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
