"""Types of expressions, found before Spark starts: what Spark would refuse, or cast at the risk of failing, is refused.

A family is boolean, string, integer, decimal (every other number), date, timestamp, or null: only NULL can come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sqlglot import exp

_NUMBERS = {"integer", "decimal"}
_FAMILIES = {
    "BOOLEAN": "boolean", "STRING": "string", "INT": "integer", "BIGINT": "integer", "DOUBLE": "decimal",
    "DATE": "date", "TIMESTAMP": "timestamp",
}  # fmt: skip
_CAST = {
    "BOOLEAN": "boolean", "TEXT": "string", "INT": "integer", "BIGINT": "integer", "DOUBLE": "decimal",
    "DECIMAL": "decimal", "DATE": "date",
}  # fmt: skip
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_TEXT = (exp.Lower, exp.Upper, exp.Trim)
_MOST_PADDED = 1000  # characters
_PARTS_OF_A_DAY = (exp.Year, exp.Quarter, exp.Month, exp.Day, exp.DayOfMonth)
_SMALL = 10  # digits to which a number may be rounded

Refuse = Callable[[exp.Expr, str, str], Exception]
"""Makes the error for a node: what is wrong, and what to write instead."""


def family_of_type(physical_type: str) -> str:
    """The family of a Spark type; the type itself where expressions cannot use it."""
    return _FAMILIES.get(physical_type, "decimal" if physical_type.startswith("DECIMAL") else physical_type.lower())


class Types:
    """The family of every node of a checked tree; raises what `refuse` makes for one that does not fit."""

    def __init__(self, columns: Mapping[str, str], refuse: Refuse) -> None:
        self._columns = columns
        self._refuse = refuse

    def of(self, node: exp.Expr) -> str:
        """The family of a node, all below it checked."""
        if isinstance(node, exp.Column):
            return family_of_type(self._columns[node.name])
        if isinstance(node, exp.Literal):
            return "string" if node.is_string else "decimal" if "." in node.name else "integer"
        if isinstance(node, exp.Boolean):
            return "boolean"
        if isinstance(node, exp.Null):
            return "null"
        if isinstance(node, exp.Paren):
            return self.of(node.this)
        if isinstance(node, exp.Cast):  # also TryCast
            self.of(node.this)
            return _CAST[node.to.this.name]
        return self._condition(node) or self._choice(node) or self._arithmetic(node) or self._function(node)

    def _condition(self, node: exp.Expr) -> str | None:
        if isinstance(node, exp.And | exp.Or):
            self._needs(node.left, {"boolean"})
            self._needs(node.right, {"boolean"})
        elif isinstance(node, exp.Not):
            self._needs(node.this, {"boolean"})
        elif isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ):
            self._one_family(node, [node.left, node.right])
        elif isinstance(node, _COMPARISONS):
            self._comparable(node, [node.left, node.right])
        elif isinstance(node, exp.Between):
            self._comparable(node, [node.this, node.args["low"], node.args["high"]])
        elif isinstance(node, exp.In):
            self._comparable(node, [node.this, *node.expressions])
        elif isinstance(node, exp.Is):
            if isinstance(node.expression, exp.Boolean):
                self._needs(node.this, {"boolean"})
            else:
                self.of(node.this)
        else:
            return None
        return "boolean"

    def _choice(self, node: exp.Expr) -> str | None:
        if isinstance(node, exp.Case):
            cases = node.args["ifs"]
            if node.this is None:
                for case in cases:
                    self._needs(case.this, {"boolean"})
            else:
                self._comparable(node, [node.this, *[case.this for case in cases]])
            default = node.args.get("default")
            return self._one_family(node, [*[case.args["true"] for case in cases], *([default] if default else [])])
        if isinstance(node, exp.If):
            if node.args.get("false") is None:
                raise self._refuse(node, "'if' needs three arguments", "write if(condition, a, b)")
            self._needs(node.this, {"boolean"})
            return self._one_family(node, [node.args["true"], node.args["false"]])
        if isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
            parts = [node.this, *node.expressions]
            if len(parts) < 2:
                raise self._refuse(node, "this compares several values", "name at least two")
            return self._one_family(node, parts)
        if isinstance(node, exp.Nullif):
            self._comparable(node, [node.this, node.expression])
            return self.of(node.this)
        return None

    def _arithmetic(self, node: exp.Expr) -> str | None:
        if isinstance(node, exp.Add | exp.Sub | exp.Mul):
            found = {self._number(node.left), self._number(node.right)}
            return "decimal" if "decimal" in found else "integer"
        if isinstance(node, exp.Neg | exp.Abs):
            return self._number(node.this)
        if isinstance(node, exp.SafeDivide):
            self._number(node.this)
            self._number(node.expression)
            return "decimal"
        if isinstance(node, exp.Ceil | exp.Floor | exp.Sign):
            if node.args.get("decimals") is not None:
                raise self._refuse(node, "one argument only", "use round(a, digits)")
            self._number(node.this)
            return "integer"
        if isinstance(node, exp.Round):
            digits = node.args.get("decimals")
            whole = digits is None or (isinstance(digits, exp.Literal) and digits.name.isdigit())
            if not whole or (digits is not None and int(digits.name) > _SMALL):
                raise self._refuse(node, "the digits must be a number", f"write round(a, n) with n up to {_SMALL}")
            return self._number(node.this)
        return None

    def _function(self, node: exp.Expr) -> str:
        if isinstance(node, _TEXT):
            self._needs(node.this, {"string"})
            return "string"
        if (found := self._part_of_text(node)) is not None:
            return found
        if isinstance(node, exp.Length):
            self._needs(node.this, {"string"})
            return "integer"
        if isinstance(node, exp.TsOrDsToDate):
            self._needs(node.this, {"date"})
            return "date"
        if isinstance(node, _PARTS_OF_A_DAY):
            self._needs(node.this, {"date", "timestamp"})
            return "integer"
        if isinstance(node, exp.DateDiff):
            self._needs(node.this, {"date"})
            self._needs(node.expression, {"date"})
            return "integer"
        raise self._refuse(node, "this is not allowed here", "write it more simply")

    def _part_of_text(self, node: exp.Expr) -> str | None:
        """Texts made of texts; numbers among the arguments are literals, so that no row can make Spark fail."""
        if isinstance(node, exp.Concat):
            for part in node.expressions:
                self._needs(part, {"string"})
            return "string"
        if isinstance(node, exp.StartsWith | exp.Contains):
            self._needs(node.this, {"string"})
            self._needs(node.expression, {"string"})
            return "boolean"
        if isinstance(node, exp.Replace):
            for part in (node.this, node.expression, node.args.get("replacement")):
                if part is not None:
                    self._needs(part, {"string"})
            return "string"
        if isinstance(node, exp.Substring):
            self._needs(node.this, {"string"})
            for place in (node.args.get("start"), node.args.get("length")):
                if place is not None:
                    self._whole(node, place, least=0)
            return "string"
        if isinstance(node, exp.Left | exp.Right):
            self._needs(node.this, {"string"})
            self._whole(node, node.expression, least=0)
            return "string"
        if isinstance(node, exp.Pad):
            fill = node.args.get("fill_pattern")
            if not node.args.get("is_left") or not isinstance(fill, exp.Literal) or not fill.is_string or not fill.name:
                raise self._refuse(node, "this fills up a text from the left", "write lpad(a, 8, '0')")
            self._needs(node.this, {"string"})
            self._whole(node, node.expression, least=1)
            return "string"
        if isinstance(node, exp.SplitPart):
            mark = node.args.get("delimiter")
            if not isinstance(mark, exp.Literal) or not mark.is_string or not mark.name:
                raise self._refuse(node, "the mark must be a text", "write split_part(a, '-', 1)")
            self._needs(node.this, {"string"})
            self._whole(node, node.args["part_index"], least=1)
            return "string"
        return None

    def _whole(self, node: exp.Expr, place: exp.Expr, *, least: int) -> None:
        found = isinstance(place, exp.Literal) and not place.is_string and place.name.isdigit()
        if not found or not least <= int(place.name) <= _MOST_PADDED:
            raise self._refuse(node, f"the places must be numbers from {least} to {_MOST_PADDED}", "write the number")

    def _number(self, node: exp.Expr) -> str:
        return self._needs(node, _NUMBERS)

    def _needs(self, node: exp.Expr, wanted: set[str]) -> str:
        found = self.of(node)
        if found in wanted or found == "null":
            return found
        names = "a number" if wanted is _NUMBERS else " or ".join(sorted(wanted))
        remedy = "write a condition, such as a > 0" if wanted == {"boolean"} else "convert it with try_cast(a as type)"
        if found == "date" and wanted is _NUMBERS:
            remedy = "count days with datediff(later, earlier)"
        raise self._refuse(node, f"this is {found}, and {names} is needed", remedy)

    def _comparable(self, node: exp.Expr, parts: list[exp.Expr]) -> None:
        for part in parts:
            if isinstance(part, exp.Null):
                raise self._refuse(node, "nothing equals null: this is never true", "write a is null")
        self._one_family(node, parts)

    def _one_family(self, node: exp.Expr, parts: Iterable[exp.Expr]) -> str:
        found = {self.of(part) for part in parts} - {"null"}
        if found <= _NUMBERS and found:
            return "decimal" if "decimal" in found else "integer"
        if len(found) > 1:
            raise self._refuse(
                node, f"{' and '.join(sorted(found))} do not go together", "convert one with try_cast(a as type)"
            )
        return found.pop() if found else "null"
