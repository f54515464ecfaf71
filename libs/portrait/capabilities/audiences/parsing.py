"""The text of an audience as a tree of clauses, checked against the labels before Spark starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from sqlglot import exp

from portrait.capabilities.audiences.clauses import Clause, Comparison, Joined, Not, Reference, Value, every
from portrait.errors import ConfigurationError
from portrait.expressions.expression import parse_expression
from portrait.labels.declaration import Label

MAX_CLAUSES = 1000  # with all audiences written out

_SWAPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_LITERALS = (exp.Literal, exp.Neg, exp.Boolean, exp.Cast)


@dataclass(frozen=True)
class Vocabulary:
    """What an audience may name: labels that have values, and other audiences."""

    labels: Mapping[str, Label]
    audience: Callable[[str], Clause | None]
    """The clause of another audience; None where none has that name."""
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Other names of labels, by the contracts of gold tables: `tier` for `value_tier`."""
    past: bool = False
    """Whether it is a past slice that is asked: labels had values then that they may have lost since."""


def parse_audience(text: str, *, words: Vocabulary, where: str) -> Clause:
    """The clause that `text` means.

    Raises ConfigurationError naming `where` for anything but tests of labels against values joined by and, or, not.
    """
    # What an audience meant on a past day was written down with all that it names.
    clause = _clause(parse_expression(text, where=where, bounded=not words.past), words, where)
    if sum(1 for _ in every(clause)) > MAX_CLAUSES:
        raise ConfigurationError(
            f"more than {MAX_CLAUSES} clauses, other audiences included",
            where=where,
            remedy="make a label of what repeats",
        )
    return clause


def _clause(node: exp.Expr, words: Vocabulary, where: str) -> Clause:
    if isinstance(node, exp.Paren):
        return _clause(node.this, words, where)
    if isinstance(node, exp.And | exp.Or):
        word = "and" if isinstance(node, exp.And) else "or"
        # `a and b and c` as one list; what stands in parentheses stays together.
        return Joined(word, tuple(_clause(part, words, where) for part in node.flatten(unnest=False)))
    if isinstance(node, exp.Not):
        return Not(_clause(node.this, words, where))
    if isinstance(node, exp.Column):
        return _named(node, words, where)
    if isinstance(node, exp.Is):
        return _is(node, words, where)
    if isinstance(node, exp.In) and node.expressions:
        label = _label(node.this, words, where)
        return Comparison(label.id, "in", tuple(_value(item, label, "=", words, where) for item in node.expressions))
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        label = _label(node.this, words, where)
        low = Comparison(label.id, ">=", (_value(node.args["low"], label, ">=", words, where),))
        return Joined("and", (low, Comparison(label.id, "<=", (_value(node.args["high"], label, "<=", words, where),))))
    if type(node) in _OPERATORS:
        return _comparison(node, words, where)
    raise _refusal(node, "an audience only tests labels", where, "make a label of it in conf/labels, and name that")


def _named(node: exp.Column, words: Vocabulary, where: str) -> Clause:
    other = None if node.table else words.audience(node.name)
    if other is not None:
        return Reference(node.name, other)
    label = _label(node, words, where)
    if label.type != "boolean":
        raise _refusal(node, f"'{label.id}' is not yes or no", where, f"compare it: {label.id} {_example(label)}")
    return Comparison(label.id, "true")


def _is(node: exp.Is, words: Vocabulary, where: str) -> Clause:
    label = _label(node.this, words, where)
    wanted = node.expression
    if isinstance(wanted, exp.Null):
        return Comparison(label.id, "is", (None,))
    if isinstance(wanted, exp.Boolean) and label.type == "boolean":
        return Comparison(label.id, "is", (bool(wanted.this),))
    raise _refusal(node, "'is' compares with null, and yes-or-no labels with true or false", where, "use =")


def _comparison(node: exp.Expr, words: Vocabulary, where: str) -> Clause:
    left, right, operator = node.args["this"], node.args["expression"], _OPERATORS[type(node)]
    if isinstance(left, _LITERALS):
        left, right, operator = right, left, _SWAPPED[operator]
    label = _label(left, words, where)
    return Comparison(label.id, operator, (_value(right, label, operator, words, where),))


def _label(node: exp.Expr, words: Vocabulary, where: str) -> Label:
    if not isinstance(node, exp.Column):
        raise _refusal(node, "a label's name should stand here", where, "make a label of it in conf/labels")
    if node.table or node.args.get("db") or node.this.quoted:
        raise _refusal(node, "a name of several parts or in quotes", where, "write the label's name alone")
    name = words.synonyms.get(node.name, node.name)
    label = words.labels.get(name)
    if label is None:
        near = [known for known in words.labels if known[:4] == name[:4]] or list(words.labels)
        raise _refusal(node, "no label or audience has this name", where, f"near it: {', '.join(near[:8])}")
    if not (label.has_column if words.past else label.is_computed):
        instead = f"; use {label.replaced_by}" if label.replaced_by else ""
        raise _refusal(node, f"the label is {label.status}: it has no values", where, f"name an active label{instead}")
    return label


def _value(node: exp.Expr, label: Label, operator: str, words: Vocabulary, where: str) -> Value:
    """A literal as a value of the label's own type, so that every engine compares the same."""
    if isinstance(node, exp.Null):
        raise _refusal(node, "nothing equals null", where, f"write {label.id} is null")
    if operator not in ("=", "<>") and label.type in ("boolean", "string"):
        raise _refusal(node, f"'{label.id}' has no order", where, "use = <> or in")
    if label.type == "boolean" and isinstance(node, exp.Boolean):
        return bool(node.this)
    if label.type == "string" and isinstance(node, exp.Literal) and node.is_string:
        if label.values and node.name not in label.values and not words.past:
            raise _refusal(node, f"'{label.id}' never has this value", where, f"values: {', '.join(label.values)}")
        return str(node.name)
    if label.type == "date" and isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.DATE:
        return _day(node, where)
    if label.type in ("integer", "decimal"):
        return _number(node, label, where)
    raise _refusal(node, f"'{label.id}' is of type {label.type}", where, f"write {label.id} {_example(label)}")


def _day(node: exp.Cast, where: str) -> date:
    try:
        return date.fromisoformat(node.this.name)
    except ValueError as error:
        raise _refusal(node, "invalid date literal", where, "write date'2024-12-31'") from error


def _number(node: exp.Expr, label: Label, where: str) -> Value:
    negative = isinstance(node, exp.Neg)
    literal = node.this if negative else node
    if isinstance(literal, exp.Literal) and not literal.is_string:
        number = -Decimal(literal.name) if negative else Decimal(literal.name)
        if label.type == "integer" and number == int(number) and abs(number) < 2**63:
            return int(number)
        if label.type == "decimal" and number == round(number, 2) and abs(number) < 10**16:
            return number.quantize(Decimal("0.01"))
    raise _refusal(node, f"'{label.id}' is of type {label.type}", where, f"write {label.id} {_example(label)}")


def _example(label: Label) -> str:
    text = f"= '{next(iter(label.values))}'" if label.values else "= 'x'"
    return {"string": text, "integer": ">= 3", "decimal": ">= 1000.50", "date": ">= date'2024-12-31'"}.get(
        label.type, "= true"
    )


def _refusal(node: exp.Expr, problem: str, where: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"{problem}: {node.sql(dialect='spark')[:120]}", where=where, remedy=remedy)
