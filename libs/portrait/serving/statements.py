"""What a client of the SQL server may say, and how it reads one publication and no other.

Only questions are let through, and only about schema `published`. Each statement is bound to one publication: its
table names are replaced, where they stand in the text, by the views of that publication. So a statement that joins two
tables never sees one of an old and one of a new publication, however long it waits before Spark analyses it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from portrait.errors import PortraitError
from portrait.lake.publication import PUBLISHED

# Functions that reach out of the data: into the JVM, or to a table whose name is only known when the query runs.
_FORBIDDEN_FUNCTIONS = {"reflect", "java_method", "try_reflect", "identifier"}
_TABLE_FUNCTIONS = {"range", "sequence", "stack", "json_tuple", "inline", "inline_outer"} | {
    f"{prefix}explode{suffix}" for prefix in ("", "pos") for suffix in ("", "_outer")
}
# A query may hold these and still not be a question: programs, other statements, parts that write.
_FORBIDDEN_NODES = (exp.QueryTransform, exp.Command, exp.DDL, exp.DML, exp.Into, exp.Set, exp.Use)

_SHOW_TABLES = re.compile(
    r"show\s+(tables|views)(?:\s+(?:in|from)\s+`?(\w+)`?)?(?:\s+(?:like\s+)?('[\w*%|]*'))?", re.IGNORECASE
)
_SHOW_SCHEMAS = re.compile(r"show\s+(?:schemas|databases)(?:\s+(?:like\s+)?'[\w*%|]*')?", re.IGNORECASE)
_SHOW_COLUMNS = re.compile(r"show\s+columns\s+(?:in|from)\s+(.+)", re.IGNORECASE)
_SHOW_OTHER = re.compile(r"show\s+(?:functions|catalogs|current\s+(?:schema|database))", re.IGNORECASE)
_DESCRIBE = re.compile(
    r"(?:describe|desc)\s+(?:table\s+)?((?:extended|formatted)\s+)?([\w.`]+)(\s+\w+)?", re.IGNORECASE
)
_USE = re.compile(r"use\s+(?:schema\s+|database\s+)?`?(\w+)`?", re.IGNORECASE)
_EXPLAIN = re.compile(r"explain(?:\s+(?:extended|formatted|cost|codegen))?\s+(?!.*\bexplain\b)", re.IGNORECASE)


class Refused(PortraitError):
    """A statement that this server does not run; nothing of it reached Spark."""


@dataclass(frozen=True)
class Bound:
    """A statement as Spark gets it, the published tables that it reads, and the columns of theirs that it names."""

    sql: str
    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def bind(statement: str, *, tables: Mapping[str, Collection[str]], schema: str) -> Bound:
    """The statement with the published tables it names replaced by the views of `schema`.

    `tables` are the published tables with their columns. Raises Refused for anything but a question about them.
    """
    text = statement.strip().rstrip(";").strip()
    word = text.split(None, 1)[0].lower() if text else ""
    if word in ("show", "describe", "desc", "use"):
        return Bound(_metadata(text, word, tables))
    prefix = ""
    if word == "explain":
        head = _EXPLAIN.match(text)
        if head is None:
            raise _not_a_question()
        prefix, text = head.group(), text[head.end() :]
    query = _query(text)
    found = list(_tables(query, tables))
    edits = {**dict(found), **dict(_column_qualifiers(query))}
    for (start, end), replacement in sorted(edits.items(), reverse=True):
        text = text[:start] + replacement.format(schema=f"`{schema}`", text=text[start:end]) + text[end:]
    read = sorted({str(node.name).lower() for node in _named(query, tables)})
    named = {column.name.lower() for column in query.find_all(exp.Column)}
    # Only names that a contract has: a statement may call its own columns by anything, a customer's name too.
    columns = sorted(named & {column for table in read for column in tables[table]})
    return Bound(prefix + text, tuple(read), tuple(columns))


def _query(text: str) -> exp.Query | exp.Values:
    # sqlglot says on its logger that it did not understand a statement; the refusal says it already.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        trees = sqlglot.parse(text, dialect="spark")
    except SqlglotError as error:
        raise Refused(
            "the statement is not understood",
            where=str(error).splitlines()[0][:200],
            remedy="write a SELECT of Spark SQL over the tables of schema published",
        ) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query | exp.Values):
        raise _not_a_question()
    for node in trees[0].walk():
        if isinstance(node, _FORBIDDEN_NODES):
            raise _not_a_question()
        name = str(node.this).lower() if isinstance(node, exp.Anonymous) else ""
        if name in _FORBIDDEN_FUNCTIONS:
            raise Refused(f"the function {name} is not to be had here", where=name, remedy="leave it out")
    return trees[0]


def _named(query: exp.Query | exp.Values, tables: Collection[str]) -> Iterator[exp.Table]:
    """The references to published tables; raises Refused for a reference to anything else."""
    own = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for node in query.find_all(exp.Table):
        if node.find_ancestor(exp.Hint):
            continue
        if isinstance(node.this, exp.Func):
            name = str(node.this.this if isinstance(node.this, exp.Anonymous) else node.this.key).lower()
            if name not in _TABLE_FUNCTIONS:
                raise Refused(f"{name} is not a table", where=name, remedy=f"tables here: {', '.join(sorted(tables))}")
            continue
        database = node.db.lower()
        if not database and node.name.lower() in own:
            continue
        if node.catalog or database not in ("", PUBLISHED) or node.name.lower() not in tables:
            raise Refused(
                f"there is no table {'.'.join(part.name for part in node.parts)} here",
                where=f"schema {PUBLISHED}",
                remedy=f"tables: {', '.join(sorted(tables)) or 'none, nothing is published yet'}",
            )
        if node.args.get("version") or node.args.get("when"):
            raise Refused(
                "a published table has no other versions here",
                where=node.name,
                remedy="leave VERSION AS OF out; a rollback serves an older publication",
            )
        yield node


def _tables(query: exp.Query | exp.Values, tables: Collection[str]) -> Iterator[tuple[tuple[int, int], str]]:
    for node in _named(query, tables):
        qualifier = node.args.get("db")
        if qualifier is not None:
            yield _place(qualifier), "{schema}"
        else:
            yield _place(node.this), "{schema}.{text}"


def _column_qualifiers(query: exp.Query | exp.Values) -> Iterator[tuple[tuple[int, int], str]]:
    for column in query.find_all(exp.Column):
        qualifier = column.args.get("db")
        if qualifier is not None and qualifier.name.lower() == PUBLISHED:
            yield _place(qualifier), "{schema}"


def _place(identifier: exp.Expression) -> tuple[int, int]:
    start, end = identifier.meta.get("start"), identifier.meta.get("end")
    if start is None or end is None:
        raise Refused(
            "the statement is not understood", where=identifier.name, remedy="name the table directly, as published.x"
        )
    return start, end + 1


def _metadata(text: str, word: str, tables: Collection[str]) -> str:
    """Statements that browse, about the one schema there is; it always has the newest views."""
    if word == "use" and (match := _USE.fullmatch(text)):
        # Drivers say `use default` when a client named no schema.
        _only_schema(match.group(1), also="default")
        return f"USE {PUBLISHED}"
    if match := _SHOW_TABLES.fullmatch(text):
        _only_schema(match.group(2) or PUBLISHED, also="default")
        return f"SHOW {match.group(1)} IN {PUBLISHED}" + (f" LIKE {match.group(3)}" if match.group(3) else "")
    if _SHOW_SCHEMAS.fullmatch(text):
        return f"SHOW SCHEMAS LIKE '{PUBLISHED}'"
    if match := _SHOW_COLUMNS.fullmatch(text):
        return f"SHOW COLUMNS IN {PUBLISHED}.{_only_table(match.group(1), tables)}"
    if _SHOW_OTHER.fullmatch(text):
        return text
    if word in ("describe", "desc") and (match := _DESCRIBE.fullmatch(text)):
        if match.group(2).lower() in ("schema", "database"):
            return f"DESCRIBE SCHEMA {PUBLISHED}"
        return f"DESCRIBE {match.group(1) or ''}{PUBLISHED}.{_only_table(match.group(2), tables)}{match.group(3) or ''}"
    raise _not_a_question()


def _only_schema(name: str, *, also: str) -> None:
    if name.lower() not in (PUBLISHED, also):
        raise Refused(f"there is no schema {name} here", where=name, remedy=f"the schema is {PUBLISHED}")


def _only_table(name: str, tables: Collection[str]) -> str:
    parts = name.replace("`", "").lower().split(".")
    if parts[-1] not in tables or parts[:-1] not in ([], [PUBLISHED]):
        raise Refused(
            f"there is no table {name} here", where=f"schema {PUBLISHED}", remedy=f"tables: {', '.join(tables)}"
        )
    return parts[-1]


def _not_a_question() -> Refused:
    return Refused(
        "this server answers questions and changes nothing",
        where="the statement",
        remedy="write one SELECT, SHOW, DESCRIBE or EXPLAIN; tables change only by the suite's jobs",
    )
