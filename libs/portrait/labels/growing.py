"""Labels that are declared value by value, and grow with a set of `conf/vocabulary.yml`.

`grows_with: merchant` in a label's file means: every value of the set that the expression does not name is treated as
the last one that it names. Its branch of a CASE, its argument of `greatest`, its summand are repeated for the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from portrait.expressions.expression import parse_expression

_LISTS = (exp.Greatest, exp.Least, exp.Coalesce)


def grown_expression(text: str, values: Sequence[str], *, where: str) -> tuple[str, list[str]]:
    """The expression for all values, and those of them that it did not name; unchanged where it names none or all."""
    tree = parse_expression(text, where=where)
    named = [value for value in values if _mentions(tree, value)]
    further = [value for value in values if value not in named]
    if not named or not further:
        return text, []
    model = named[-1]
    root = exp.Paren(this=tree)
    for node in list(root.walk()):
        if isinstance(node, exp.Case):
            node.set("ifs", _repeated(node.args["ifs"], model, further))
        elif isinstance(node, _LISTS):
            node.set("expressions", _repeated(node.expressions, model, further))
        elif isinstance(node, exp.Add) and _mentions(node.expression, model):
            total = node.copy()
            for value in further:
                total = exp.Add(this=total, expression=_of(node.expression, model, value))
            node.replace(total)
    return str(root.this.sql(dialect="spark")), further


def _repeated(items: Sequence[exp.Expr], model: str, further: Sequence[str]) -> list[exp.Expr]:
    found: list[exp.Expr] = []
    for item in items:
        found.append(item)
        if _mentions(item, model):
            found += [_of(item, model, value) for value in further]
    return found


def _of(node: exp.Expr, model: str, value: str) -> exp.Expr:
    """The same of another value: its columns and its text."""
    copy = node.copy()
    for part in list(copy.walk()):
        if isinstance(part, exp.Column) and _is_of(part.name, model):
            part.set("this", exp.to_identifier(_words(part.name, model, value)))
        elif isinstance(part, exp.Literal) and part.is_string and part.name == model:
            part.set("this", value)
    return copy


def _mentions(node: exp.Expr, value: str) -> bool:
    return any(_is_of(column.name, value) for column in node.find_all(exp.Column))


def _is_of(column: str, value: str) -> bool:
    return f"_{value}_" in f"_{column}_"


def _words(column: str, model: str, value: str) -> str:
    return f"_{column}_".replace(f"_{model}_", f"_{value}_")[1:-1]
