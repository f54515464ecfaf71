"""What an audience asks: a tree of tests on labels, joined by and, or, not; unknown stays unknown.

The same tree is written out as Spark SQL, which builds members, and evaluated on Arrow columns, for counts and reasons.
Arrow's Kleene kernels and SQL agree: false and unknown is false, true or unknown is true, not unknown is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from portrait.lake.arrow import array_of, scalar_of

Value = bool | str | int | Decimal | date
Columns = Mapping[str, pa.Array]
"""One Arrow column a label, all of one length and order."""

_COMPARE: dict[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


@dataclass(frozen=True)
class Comparison:
    """One label against values: a comparison, `in`, or `is` with null, true or false, which alone is never unknown."""

    label: str
    operator: str  # = <> < <= > >= in, is, true: the label itself
    values: tuple[Value | None, ...] = ()

    @property
    def sql(self) -> str:
        """The test as Spark SQL."""
        if self.operator == "true":
            return self.label
        written = [_written(value) for value in self.values]
        if self.operator == "in":
            return f"{self.label} IN ({', '.join(written)})"
        return f"{self.label} {self.operator.upper()} {written[0]}"

    def evaluate(self, columns: Columns) -> pa.Array:
        """True, false or null for every row."""
        column = columns[self.label]
        if self.operator == "is":
            wanted = self.values[0]
            missing = pc.is_null(column)
            if wanted is None:
                return missing
            return pc.coalesce(column if wanted else pc.invert(column), scalar_of(False, pa.bool_()))
        if self.operator == "true":
            return column
        if isinstance(column, pa.DictionaryArray):
            # A text is compared once for each of its values, not for each customer.
            return pc.take(self._compared(column.dictionary), column.indices)
        return self._compared(column)

    def _compared(self, column: pa.Array) -> pa.Array:
        if self.operator == "in":
            found = pc.is_in(column, value_set=array_of(self.values, column.type))
            return pc.if_else(pc.is_valid(column), found, scalar_of(None, pa.bool_()))
        return _COMPARE[self.operator](column, scalar_of(self.values[0], column.type))


@dataclass(frozen=True)
class Not:
    """The opposite; unknown stays unknown."""

    clause: Clause

    @property
    def sql(self) -> str:
        """The clause as Spark SQL."""
        return f"NOT ({self.clause.sql})"

    def evaluate(self, columns: Columns) -> pa.Array:
        """True, false or null for every row."""
        return pc.invert(self.clause.evaluate(columns))


@dataclass(frozen=True)
class Joined:
    """Clauses joined by `and`, or by `or`."""

    word: str  # and | or
    clauses: tuple[Clause, ...]

    @property
    def sql(self) -> str:
        """The clauses as Spark SQL."""
        return f" {self.word.upper()} ".join(f"({clause.sql})" for clause in self.clauses)

    def evaluate(self, columns: Columns) -> pa.Array:
        """True, false or null for every row."""
        kernel = pc.and_kleene if self.word == "and" else pc.or_kleene
        return reduce(kernel, (clause.evaluate(columns) for clause in self.clauses))


@dataclass(frozen=True)
class Reference:
    """Another audience, as its expression says: its own policy for unknown does not apply within this one."""

    audience: str
    clause: Clause

    @property
    def sql(self) -> str:
        """The other audience's expression, written out."""
        return self.clause.sql

    def evaluate(self, columns: Columns) -> pa.Array:
        """True, false or null for every row."""
        return self.clause.evaluate(columns)


Clause = Comparison | Not | Joined | Reference


def parts_of(clause: Clause) -> tuple[Clause, ...]:
    """The clauses right below one."""
    if isinstance(clause, Joined):
        return clause.clauses
    return () if isinstance(clause, Comparison) else (clause.clause,)


def every(clause: Clause) -> Iterator[Clause]:
    """A clause and all below it, in reading order."""
    yield clause
    for part in parts_of(clause):
        yield from every(part)


def labels_read(clause: Clause) -> frozenset[str]:
    """The labels on which a clause depends, through other audiences too."""
    return frozenset(part.label for part in every(clause) if isinstance(part, Comparison))


def shown(clause: Clause) -> str:
    """One line for people: the test as it would be written, or how the parts are joined."""
    if isinstance(clause, Comparison):
        return clause.sql
    if isinstance(clause, Joined):
        return "all of" if clause.word == "and" else "one of"
    return "not" if isinstance(clause, Not) else f"audience {clause.audience}"


def _written(value: Value | None) -> str:
    if value is None or isinstance(value, bool):
        return str(value).upper() if value is not None else "NULL"
    if isinstance(value, str):
        return f"'{value}'"  # the parser lets no quote and no backslash into a literal
    if isinstance(value, date):
        return f"DATE'{value.isoformat()}'"
    return str(value)
