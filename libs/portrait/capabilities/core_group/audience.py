"""The rule of a core group over labels, as the expression of an audience."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from portrait.capabilities.core_group.idec import Matrix
from portrait.capabilities.core_group.policy import Rule
from portrait.capabilities.groups.lloyd import Labels
from portrait.capabilities.groups.surrogate import Bound, Path, fidelity, fit_tree, paths
from portrait.labels.declaration import Label

_UNKNOWN = -1e300  # below every value: a number that is unknown goes where `at most` goes


@dataclass(frozen=True)
class Column:
    """A column of the tree: a label, or one of the texts that it can have."""

    label: Label
    text: str | None = None


@dataclass(frozen=True)
class Audience:
    """`expression` says by labels who is meant, None where the tree finds nobody; measured on customers held out."""

    expression: str | None
    words: str | None
    fidelity: float
    precision: float | None
    recall: float | None


def usable_labels(labels: Sequence[Label], *, policy: Rule) -> list[Label]:
    """Labels that a rule may name: of its themes, with values, and no date."""
    return [
        label
        for label in labels
        if label.is_computed
        and label.theme in policy.themes
        and label.id not in policy.without
        and label.type != "date"
    ]


def label_matrix(table: pa.Table, labels: Sequence[Label]) -> tuple[Matrix, list[Column]]:
    """Labels as columns of numbers: yes 1, no or unknown 0; a text is a column per value; an unknown number lowest."""
    found, columns = [], []
    for label in labels:
        values = table.column(label.id)
        if label.type == "string":
            for text in label.values:
                found.append(np.array([value == text for value in values.to_pylist()], dtype=np.float64))
                columns.append(Column(label, text))
            continue
        empty = 0.0 if label.type == "boolean" else _UNKNOWN
        found.append(np.array([empty if value is None else float(value) for value in values.to_pylist()]))
        columns.append(Column(label))
    return np.stack(found, axis=1), columns


def find_audience(matrix: Matrix, columns: Sequence[Column], members: Labels, *, policy: Rule) -> Audience:
    """The rule of the rows whose `members` is 1, among those whose it is 0."""
    held_out = np.arange(len(matrix)) % policy.held_out == policy.held_out - 1
    least = max(1, int(policy.least_share * (~held_out).sum()))
    tree = fit_tree(matrix[~held_out], members[~held_out], depth=policy.depth, least_rows=least)
    found = paths(tree).get(1)
    judged = fidelity(tree, matrix[held_out], members[held_out], k=2)
    precision, recall = (None if np.isnan(x) else float(x) for x in (judged.precision[1], judged.recall[1]))
    if not found:
        return Audience(None, None, judged.overall, precision, recall)
    return Audience(expression(found, columns), words(found, columns), judged.overall, precision, recall)


def expression(found: Sequence[Path], columns: Sequence[Column]) -> str:
    """The paths as an expression over labels that is never unknown, and holds for whom the tree says so."""
    return " or ".join(f"({' and '.join(_test(bound, columns[bound.feature]) for bound in path)})" for path in found)


def words(found: Sequence[Path], columns: Sequence[Column]) -> str:
    """The paths in the titles of labels."""
    return "; or ".join(" and ".join(_said(bound, columns[bound.feature]) for bound in path) for path in found)


def _test(bound: Bound, column: Column) -> str:
    name = column.label.id
    if column.label.type == "boolean":
        return f"{name} is true" if bound.above is not None else f"not {name} is true"
    if column.text is not None:
        text = column.text.replace("'", "''")
        return f"{name} = '{text}'" if bound.above is not None else f"({name} <> '{text}' or {name} is null)"
    tests = []
    if bound.above is not None and bound.above <= _UNKNOWN / 2:
        tests.append(f"not {name} is null")
    elif bound.above is not None:
        tests.append(f"(not {name} is null and {name} > {_literal(bound.above, column.label)})")
    if bound.most is not None and bound.most <= _UNKNOWN / 2:
        tests.append(f"{name} is null")
    elif bound.most is not None:
        tests.append(f"({name} is null or {name} <= {_literal(bound.most, column.label)})")
    return " and ".join(tests)


def _said(bound: Bound, column: Column) -> str:
    title = column.label.title.lower()
    if column.text is not None:
        value = column.label.values[column.text]
        return f"{title} is {value}" if bound.above is not None else f"{title} is not {value}"
    if column.label.type == "boolean":
        return title if bound.above is not None else f"not {title}"
    said = []
    if bound.above is not None:
        known = bound.above > _UNKNOWN / 2
        said.append(f"{title} above {_literal(bound.above, column.label)}" if known else f"{title} is known")
    if bound.most is not None:
        known = bound.most > _UNKNOWN / 2
        said.append(f"{title} at most {_literal(bound.most, column.label)}" if known else f"{title} is unknown")
    return " and ".join(said)


def _literal(number: float, label: Label) -> str:
    """The bound as the label has values: whole, or of two decimals. What lies below it stays below it."""
    if label.type == "integer":
        return str(math.floor(number))
    return f"{math.floor(number * 100 + 1e-6) / 100:.2f}"
