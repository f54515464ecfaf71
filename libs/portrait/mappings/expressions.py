"""Expressions of mappings: which columns of the file they read, as text or as number, and the SQL that Spark gets.

A column of a file is a text. Where an expression needs a number, a column that stands there by itself is read as one,
by the decimal and thousands marks of the format. A name that is no plain word (`Customer ID`) is written with `_` in
place of what is none (`Customer_ID`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp, parse_one

from portrait.contracts import Contract
from portrait.errors import ConfigurationError
from portrait.expressions.expression import MAPPINGS, check_expression, parse_expression
from portrait.mappings.source import SourceMapping
from portrait.settings import line_of

LINE = "line_number"
"""What stands in expressions for the line of a record in its file, as a text: a key for records that have none."""
NUMBER = "DECIMAL(20,6)"
"""What numbers in expressions are: more digits make a record unreadable, so that none is lost."""
_ARITHMETIC = (
    exp.Abs, exp.Add, exp.Ceil, exp.Floor, exp.Mul, exp.Neg, exp.Round, exp.SafeDivide, exp.Sign, exp.Sub,
)  # fmt: skip
_ALIKE = (
    exp.Between, exp.Coalesce, exp.EQ, exp.GT, exp.GTE, exp.Greatest, exp.In, exp.LT, exp.LTE, exp.Least, exp.NEQ,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Nullif,
)  # fmt: skip
_ORDERED = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Greatest, exp.Least)
_NUMBERS = ("INT", "BIGINT", "DOUBLE", "DECIMAL")
_SAFE: dict[type[exp.Expr], str] = {exp.Add: "try_add", exp.Sub: "try_subtract", exp.Mul: "try_multiply"}


@dataclass(frozen=True)
class Compiled:
    """SQL over columns `text:<name>` and `number:<name>`, which hold the columns `texts` and `numbers` of the file."""

    sql: str
    texts: tuple[str, ...]
    numbers: tuple[str, ...]
    family: str


def check_expressions(mapping: SourceMapping, contract: Contract) -> None:
    """Raise ConfigurationError for an expression that is not allowed, or names a column that the format has not."""
    for target, column in mapping.spec.columns.items():
        if column.expression is not None:
            _compiled_at(mapping, ("columns", target, "expression"), column.expression)
        elif column.column is not None:
            _check_known(mapping, ("columns", target), column.column)
    for name in mapping.spec.first_of:
        _check_known(mapping, ("first_of",), name)
    if mapping.spec.where is not None:
        where = _compiled_at(mapping, ("where",), mapping.spec.where)
        if where.family not in ("boolean", "null"):
            raise _refused(mapping, ("where",), "this is no condition", "write one, such as amount <> 0")


def compiled(mapping: SourceMapping, target: str | None) -> Compiled:
    """The expression of a column of the feed; of `where` for None."""
    text = mapping.spec.where if target is None else mapping.spec.columns[target].expression
    assert text is not None
    return _compile(text, "where" if target is None else f"columns.{target}")


def resolved(name: str, columns: Sequence[str]) -> str | None:
    """The column of a file that a mapping means; None where there is none, or several are written alike."""
    if name in columns:
        return name
    alike = [column for column in columns if as_word(column) == name]
    return alike[0] if len(alike) == 1 else None


def as_word(column: str) -> str:
    """How an expression writes a column of the file."""
    return re.sub(r"\W+", "_", column.strip())


def read_columns(mapping: SourceMapping) -> list[str]:
    """The columns of the file that the mapping reads, as it names them."""
    names: list[str] = []
    for target, column in mapping.spec.columns.items():
        if column.column is not None:
            names.append(column.column)
        elif column.expression is not None:
            names += _names(compiled(mapping, target))
    if mapping.spec.where is not None:
        names += _names(compiled(mapping, None))
    names += mapping.spec.first_of
    if mapping.spec.snapshot is not None and mapping.spec.snapshot.date.column is not None:
        names.append(mapping.spec.snapshot.date.column)
    return [name for name in dict.fromkeys(names) if name != LINE]


def numbered_columns(mapping: SourceMapping) -> list[str]:
    """The columns of the feed in which the line of the record stands."""
    columns = mapping.spec.columns
    return [name for name, column in columns.items() if column.expression and LINE in compiled(mapping, name).texts]


def _names(expression: Compiled) -> tuple[str, ...]:
    return expression.texts + expression.numbers


def _compiled_at(mapping: SourceMapping, key: tuple[str, ...], text: str) -> Compiled:
    found = _compile(text, f"{mapping.path}:{line_of(mapping.path, key)} {'.'.join(key)}")
    if LINE in found.numbers:
        raise _refused(mapping, key, f"{LINE} is a text here", f"write it into a text, as concat(invoice, '-', {LINE})")
    for name in _names(found):
        _check_known(mapping, key, name)
    return found


def _check_known(mapping: SourceMapping, key: tuple[str, ...], name: str) -> None:
    known = mapping.spec.format.columns
    if name == LINE:
        if key[-1] != "expression":
            raise _refused(mapping, key, f"{LINE} is no column of the file", "use it in an expression of a column")
        return
    if known is not None and resolved(name, known) is None:
        raise _refused(mapping, key, f"the file has no column '{name}'", f"its columns: {', '.join(known)}")


def _refused(mapping: SourceMapping, key: tuple[str, ...], message: str, remedy: str) -> ConfigurationError:
    where = f"{mapping.path}:{line_of(mapping.path, key)}"
    return ConfigurationError(f"'{'.'.join(key)}': {message}", where=where, remedy=remedy)


@lru_cache(maxsize=1000)
def _compile(text: str, where: str) -> Compiled:
    tree = parse_expression(text, where=where, language=MAPPINGS)
    names = list(dict.fromkeys(column.name for column in tree.find_all(exp.Column)))
    numbers = _used_as_numbers(tree)
    _refuse_texts_in_order(tree, numbers, where)
    types = {name: NUMBER if name in numbers else "STRING" for name in names}
    checked = check_expression(text, columns=types, where=where, language=MAPPINGS)
    return Compiled(
        _for_spark(checked.sql, numbers),
        tuple(name for name in names if name not in numbers),
        tuple(name for name in names if name in numbers),
        checked.family,
    )


def _used_as_numbers(tree: exp.Expr) -> set[str]:
    """Columns that stand where only a number can; of what is compared or chosen from, one number makes all numbers."""
    numbers: set[str] = set()
    while True:
        found = {column.name for column in tree.find_all(exp.Column) if _must_be_number(column, numbers)}
        if found <= numbers:
            return numbers
        numbers |= found


def _must_be_number(column: exp.Column, numbers: set[str]) -> bool:
    node: exp.Expr = column
    while isinstance(node.parent, exp.Paren):
        node = node.parent
    parent = node.parent
    if isinstance(parent, _ARITHMETIC):
        return parent.args.get("decimals") is not node
    if isinstance(parent, exp.Cast):
        return str(parent.to.this.name) in _NUMBERS
    if isinstance(parent, _ALIKE):
        return any(_is_number(part, numbers) for part in _parts(parent) if part is not node)
    return False


def _parts(node: exp.Expr) -> Iterable[exp.Expr]:
    return node.iter_expressions()


def _is_number(node: exp.Expr, numbers: set[str]) -> bool:
    if isinstance(node, exp.Paren):
        return _is_number(node.this, numbers)
    if isinstance(node, exp.Column):
        return node.name in numbers
    if isinstance(node, exp.Literal):
        return not node.is_string
    if isinstance(node, exp.Cast):
        return str(node.to.this.name) in _NUMBERS
    return isinstance(node, (*_ARITHMETIC, exp.Length))


def _refuse_texts_in_order(tree: exp.Expr, numbers: set[str], where: str) -> None:
    """Two columns that are compared as texts would put 9 behind 10."""
    for node in tree.find_all(*_ORDERED):
        columns = [part for part in _parts(node) if isinstance(part, exp.Column) and part.name not in numbers]
        if len(columns) > 1:
            name = columns[0].name
            raise ConfigurationError(
                f"two texts are put in order: {node.sql(dialect='spark')}",
                where=where,
                remedy=f"if they are numbers, write try_cast({name} as decimal(20,6))",
            )


def _for_spark(sql: str, numbers: set[str]) -> str:
    """Names of columns as the frame has them; arithmetic that gives null where a number becomes too large."""

    tree = exp.Paren(this=parse_one(sql, dialect="spark"))
    for node in reversed(list(tree.walk())):  # what is inside first
        if isinstance(node, exp.Column):
            kind = "number" if node.name in numbers else "text"
            node.replace(exp.column(exp.to_identifier(f"{kind}:{node.name}", quoted=True)))
        elif type(node) in _SAFE:
            node.replace(exp.Anonymous(this=_SAFE[type(node)], expressions=[node.this, node.expression]))
    return str(tree.this.sql(dialect="spark"))
