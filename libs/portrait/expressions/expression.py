"""Expressions of labels and of mappings: parsed and checked against an allow-list before Spark sees them.

What is not listed is refused: other statements, sub-queries, windows, functions that reach the JVM, files, clocks or
chance, quoted or qualified names. What Spark gets is the text rendered from the checked tree, never the author's own,
so that both parsers cannot disagree about it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from sqlglot import exp, parse
from sqlglot.errors import SqlglotError

from portrait.errors import ConfigurationError
from portrait.expressions.types import Types

_DIALECT = "spark"
MAX_LENGTH = 4_000  # characters; a text of megabytes would keep the parser busy for minutes
MAX_NODES = 400  # more is not a label but a feature
MAX_DEPTH = 150  # eighty conditions joined by 'and', as many as there can be, are half as deep; the parsers recurse

# Functions as authors write them, with the nodes they parse to.
_FUNCTIONS: dict[str, tuple[type[exp.Expr], ...]] = {
    "abs": (exp.Abs,),
    "ceil": (exp.Ceil,),
    "coalesce": (exp.Coalesce,),
    "datediff": (exp.DateDiff, exp.TsOrDsToDate),
    "day": (exp.Day, exp.DayOfMonth),
    "floor": (exp.Floor,),
    "greatest": (exp.Greatest,),
    "if": (exp.If,),
    "least": (exp.Least,),
    "length": (exp.Length,),
    "lower": (exp.Lower,),
    "month": (exp.Month,),
    "nullif": (exp.Nullif,),
    "quarter": (exp.Quarter,),
    "round": (exp.Round,),
    "sign": (exp.Sign,),
    "trim": (exp.Trim,),
    "try_cast": (exp.TryCast, exp.DataType, exp.DataTypeParam),
    "try_divide": (exp.SafeDivide,),
    "upper": (exp.Upper,),
    "year": (exp.Year,),
}  # fmt: skip
_OPERATORS: tuple[type[exp.Expr], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Case, exp.If, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Cast,
)  # fmt: skip
# What texts of source files need, and labels do not: values of labels are clean.
_OF_MAPPINGS: dict[str, tuple[type[exp.Expr], ...]] = {
    "concat": (exp.Concat,),
    "contains": (exp.Contains,),
    "left": (exp.Left,),
    "lpad": (exp.Pad,),
    "replace": (exp.Replace,),
    "right": (exp.Right,),
    "split_part": (exp.SplitPart,),
    "startswith": (exp.StartsWith,),
    "substring": (exp.Substring,),
}
_CAST_TYPES = frozenset({"INT", "BIGINT", "DOUBLE", "DATE", "TEXT", "BOOLEAN", "DECIMAL"})

# Never needed in a label, and the ways in which text hides from a reader or from one of two parsers.
_FORBIDDEN_TEXT = {
    ";": "one expression only: remove everything from the semicolon on",
    "--": "no comments: put the explanation into 'description'",
    "/*": "no comments: put the explanation into 'description'",
    "`": "write the column's name without back quotes; only columns of 'from' can be used",
    "\\": "no escapes: write the text plainly",
    "$": "no parameters: write the value itself",
    "{": "no templates: write the value itself",
    "@": "no variables: write the value itself",
}
_TEXT_LITERAL = re.compile(r"[\w .,:+/%()<>&-]*")
_NUMBER = re.compile(r"\d{1,18}(\.\d{1,10})?")

_ONLY_COLUMNS = (
    "a label sees the columns of its 'from' and nothing else: declare a feature in conf/features for the rest"
)
_REMEDIES: tuple[tuple[tuple[type[exp.Expr], ...], str], ...] = (
    ((exp.Query, exp.Exists, exp.Unnest, exp.Table), _ONLY_COLUMNS),
    ((exp.Window, exp.AggFunc), _ONLY_COLUMNS),
    ((exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.StrToUnix), "use 'as_of', the business date"),
    ((exp.Rand, exp.Uuid), "a label must give the same value every time: remove it"),
    ((exp.Div, exp.IntDiv, exp.Mod), "write try_divide(a, b): a division by zero would stop every label"),
    ((exp.RegexpLike, exp.Like, exp.ILike), "compare with = or in (...)"),
    ((exp.Star,), "name the columns"),
    ((exp.Placeholder, exp.Parameter), "write the value itself"),
    ((exp.Alias,), "the label's name is its id: remove 'as ...'"),
)


@dataclass(frozen=True)
class Language:
    """Who writes the expression: what it is called in messages, and the functions it may use."""

    subject: str
    functions: Mapping[str, tuple[type[exp.Expr], ...]]
    only_columns: str
    no_column: str = "'from' has no such column"

    @cached_property
    def allowed(self) -> frozenset[type[exp.Expr]]:
        """Every kind of node that may stand in it."""
        return frozenset(_OPERATORS).union(*self.functions.values())


LABELS = Language("label", _FUNCTIONS, _ONLY_COLUMNS)
MAPPINGS = Language(
    "mapping",
    _FUNCTIONS | _OF_MAPPINGS,
    "a mapping sees one record of the file and nothing else",
    "the file has no such column",
)


@dataclass(frozen=True)
class Checked:
    """An expression that passed: the text for Spark, the columns it reads, and the family of its type."""

    sql: str
    columns: frozenset[str]
    family: str  # see portrait.expressions.types
    turns_unknown_into_value: bool  # an ELSE gives a value where the condition is unknown
    outcomes: tuple[str, ...]  # text literals that a CASE or IF can give


def check_expression(text: str, *, columns: Mapping[str, str], where: str, language: Language = LABELS) -> Checked:
    """The expression, checked. `columns`: name to Spark type of what may be read.

    Raises ConfigurationError naming `where` (file, line, key), the offending text and what to write instead.
    """
    tree = parse_expression(text, where=where, language=language)
    for node in tree.walk():
        _check_node(node, columns, where, language)
    sql = tree.sql(dialect=_DIALECT)
    if [again.sql(dialect=_DIALECT) for again in parse(sql, dialect=_DIALECT) if again] != [sql]:
        raise _refusal(text, "this reads differently when written out", where, "write it more simply")
    return Checked(
        sql=sql,
        columns=frozenset(column.name for column in tree.find_all(exp.Column)),
        family=Types(columns, lambda node, what, instead: _refusal(_text(node), what, where, instead)).of(tree),
        turns_unknown_into_value=any(_gives_value(branch) for branch in _branches(tree)),
        outcomes=tuple(literal.name for literal in _outcomes(tree)),
    )


def parse_expression(text: str, *, where: str, bounded: bool = True, language: Language = LABELS) -> exp.Expr:
    """The syntax tree of one expression in which every node is on the allow-list; names are not looked at.

    `bounded`: whether length, terms and nesting have limits; what the suite itself wrote down may be longer. Raises
    ConfigurationError as `check_expression` does.
    """
    if bounded and len(text) > MAX_LENGTH:
        raise _refusal(text, f"more than {MAX_LENGTH} characters", where, f"make several {language.subject}s of it")
    _refuse_text(text, where, language.subject)
    try:
        trees = parse(text, dialect=_DIALECT)
    except (SqlglotError, RecursionError) as error:
        raise _refusal(
            text, "this is not one Spark SQL expression", where, "check parentheses, quotes, keywords"
        ) from error
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expr):
        raise _refusal(text, "this is not one Spark SQL expression", where, "write one expression")
    nodes = list(tree.walk())
    if bounded and len(nodes) > MAX_NODES:
        raise _refusal(text, f"more than {MAX_NODES} terms", where, "declare a feature in conf/features for it")
    if bounded and max(node.depth for node in nodes) > MAX_DEPTH:
        raise _refusal(text, f"nested deeper than {MAX_DEPTH} terms", where, "write it more simply")
    for node in nodes:
        if type(node) not in language.allowed:
            what = _what(node, language.subject)
            raise _refusal(node.sql(dialect=_DIALECT), what, where, _remedy(node, language))
        if isinstance(node, exp.Literal):
            _check_literal(node, where)
    return tree


def _check_literal(node: exp.Literal, where: str) -> None:
    pattern = _TEXT_LITERAL if node.is_string else _NUMBER
    if not pattern.fullmatch(node.name):
        raise _refusal(
            node.name,
            "this may not stand in a literal",
            where,
            "use letters, digits and . , : + - / % ( ); numbers of up to 18 digits",
        )


def _refuse_text(text: str, where: str, subject: str) -> None:
    for part, remedy in _FORBIDDEN_TEXT.items():
        if part in text:
            raise _refusal(part, f"this may not stand in a {subject}", where, remedy)
    if not text.strip() or not all(character.isprintable() or character == "\n" for character in text):
        remedy = "write one expression in printable text"
        raise _refusal(text.strip(), f"this may not stand in a {subject}", where, remedy)


def _check_node(node: exp.Expr, columns: Mapping[str, str], where: str, language: Language) -> None:
    if isinstance(node, exp.Column):
        _check_column(node, columns, where, language.no_column)
    elif isinstance(node, exp.Cast):
        _check_cast(node, where)
    elif isinstance(node, exp.In) and not node.expressions:
        raise _refusal(node.sql(dialect=_DIALECT), "'in' needs a list of values", where, "write a in ('x', 'y')")
    elif isinstance(node, exp.Is) and not isinstance(node.expression, exp.Null | exp.Boolean):
        raise _refusal(node.sql(dialect=_DIALECT), "'is' compares with null, true or false only", where, "use =")
    elif isinstance(node, exp.TsOrDsToDate) and columns.get(node.this.name) != "DATE":
        raise _refusal(node.sql(dialect=_DIALECT), "this needs a column of type date", where, "use a date column")


def _check_column(node: exp.Column, columns: Mapping[str, str], where: str, no_column: str) -> None:
    if node.table or node.args.get("db") or node.this.quoted:
        raise _refusal(
            node.sql(dialect=_DIALECT), "a name of several parts or in quotes", where, "write the column's name alone"
        )
    if node.name not in columns:
        near = [name for name in columns if name.startswith(node.name[:6])][:8] or sorted(columns)[:8]
        raise _refusal(node.name, no_column, where, f"near it: {', '.join(near)}")


def _check_cast(node: exp.Cast, where: str) -> None:
    date_literal = node.to.this == exp.DataType.Type.DATE and isinstance(node.this, exp.Literal)
    if date_literal and not _is_day(node.this.name):
        raise _refusal(_text(node), "invalid date literal", where, "write date'2024-12-31'")
    safe = isinstance(node, exp.TryCast) and node.args.get("safe")
    if node.to.this.name not in _CAST_TYPES or not (safe or (date_literal and not isinstance(node, exp.TryCast))):
        raise _refusal(node.sql(dialect=_DIALECT), "this conversion may fail", where, "write try_cast(a as type)")


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _text(node: exp.Expr) -> str:
    return node.sql(dialect=_DIALECT)


def _what(node: exp.Expr, subject: str) -> str:
    if isinstance(node, exp.Func) and not isinstance(node, exp.Binary):
        return (
            f"the function '{node.name if isinstance(node, exp.Anonymous) else node.sql_name().lower()}' is not allowed"
        )
    return f"this is not allowed in a {subject}"


def _remedy(node: exp.Expr, language: Language) -> str:
    for kinds, remedy in _REMEDIES:
        if isinstance(node, kinds):
            return language.only_columns if remedy is _ONLY_COLUMNS else remedy
    functions = ", ".join(language.functions)
    return f"operators: = <> < > <= >= and or not between in is case + - *; functions: {functions}"


def _refusal(text: str, problem: str, where: str, remedy: str) -> ConfigurationError:
    shown = " ".join(text.split())
    return ConfigurationError(f"{problem}: {shown[:120]}", where=where, remedy=remedy)


def _branches(tree: exp.Expr) -> list[exp.Expr]:
    """Every ELSE of a CASE and last argument of an IF."""
    found = [node.args.get("default") for node in tree.find_all(exp.Case)]
    found += [node.args.get("false") for node in tree.find_all(exp.If)]
    return [branch for branch in found if isinstance(branch, exp.Expr)]


def _gives_value(branch: exp.Expr) -> bool:
    return not isinstance(branch, exp.Null)


def _outcomes(tree: exp.Expr) -> list[exp.Literal]:
    if isinstance(tree, exp.Paren):
        return _outcomes(tree.this)
    if isinstance(tree, exp.Case):
        results = [branch.args["true"] for branch in tree.args["ifs"]] + [tree.args.get("default")]
    elif isinstance(tree, exp.If):
        results = [tree.args["true"], tree.args.get("false")]
    else:
        return [tree] if isinstance(tree, exp.Literal) and tree.is_string else []
    return [literal for result in results if isinstance(result, exp.Expr) for literal in _outcomes(result)]
