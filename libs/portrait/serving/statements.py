"""What a client of the SQL server may say, and how it reads one publication and no other.

Only questions are let through, and only about schema `published`. Each statement is bound to one publication: its
table names are replaced, where they stand in the text, by the views of that publication. So a statement that joins two
tables never sees one of an old and one of a new publication, however long it waits before Spark analyses it.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.dialects import Spark
from sqlglot.errors import SqlglotError

from portrait.lake.publication import PUBLISHED
from portrait.serving.functions import ALLOWED, KEYWORDS, TABLE_FUNCTIONS
from portrait.serving.lexer import Refused, Token, read_tokens

__all__ = ["Bound", "Refused", "bind", "read_only_query"]

# A query may hold these and still not be a question: programs, other statements, parts that write, variables.
_FORBIDDEN_NODES = (
    exp.QueryTransform, exp.Command, exp.DDL, exp.DML, exp.Into, exp.Set, exp.Use, exp.MultitableInserts,
    exp.Parameter, exp.SessionParameter, exp.Placeholder,
)  # fmt: skip
# Bounds of the parser, not of questions: a statement of megabytes or of a thousand brackets keeps it busy for minutes.
_LONGEST = 200_000
_DEEPEST = 200

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
_EXPLAIN = re.compile(r"explain(?:\s+(?:extended|formatted|cost|codegen))?(?=[\s(])", re.IGNORECASE)


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
    if len(statement) > _LONGEST:
        raise Refused(
            "the statement is too long", where=f"{len(statement)} characters", remedy=f"at most {_LONGEST} characters"
        )
    text, tokens = read_tokens(statement)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    if not tokens:
        raise _not_read_only()
    text, first = text[: tokens[-1].end], tokens[0].start
    word = tokens[0].text.lower()
    if word in ("show", "describe", "desc", "use"):
        return Bound(_metadata(text[first:], word, tables))
    prefix = ""
    if word == "explain" and (head := _EXPLAIN.match(text, first)):
        # Blanks instead of the words keep every token of the query in its place.
        prefix, text = head.group(), " " * head.end() + text[head.end() :]
        tokens = [token for token in tokens if token.start >= head.end()]
    query = _query(text, tokens)
    _check_calls(query, tokens)
    found = list(_tables(query, tables))
    edits = {**dict(found), **dict(_column_qualifiers(query))}
    for (start, end), replacement in sorted(edits.items(), reverse=True):
        text = text[:start] + replacement.format(schema=f"`{schema}`", text=text[start:end]) + text[end:]
    read = sorted({str(node.name).lower() for node in _named(query, tables)})
    named = {column.name.lower() for column in query.find_all(exp.Column)}
    # Only names that a contract has: a statement may call its own columns by anything, a customer's name too.
    columns = sorted(named & {column for table in read for column in tables[table]})
    return Bound(f"{prefix} {text.strip()}".strip(), tuple(read), tuple(columns))


def read_only_query(statement: str) -> str:
    """One SELECT as it may be given to Spark: without comments, calling only functions of the list; else Refused."""
    text, tokens = read_tokens(statement)
    _check_calls(_query(text, tokens), tokens)
    return text


def _query(text: str, tokens: list[Token]) -> exp.Query | exp.Values:
    # sqlglot says on its logger that it did not understand a statement; the refusal says it already.
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    _check_shape(text, tokens)
    try:
        trees = sqlglot.parse(text, dialect="spark")
    except Exception as error:  # sqlglot has others than its own for some texts, an IndexError for `map(a)`
        raise Refused(
            "the statement is not understood",
            where=str(error).splitlines()[0][:200] if isinstance(error, SqlglotError) else "the statement",
            remedy="write a SELECT of Spark SQL over the tables of schema published",
        ) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query | exp.Values):
        raise _not_read_only()
    if any(isinstance(node, _FORBIDDEN_NODES) for node in trees[0].walk()):
        raise _not_read_only()
    return trees[0]


def _check_shape(text: str, tokens: list[Token]) -> None:
    """Refuse what parsers may read differently, scripts, and more brackets than a parser can bear."""
    depth = 0
    for token, following in pairwise([*tokens, Token("symbol", ";", len(text), len(text))]):
        depth += (token.text in "([") - (token.text in ")]") if token.kind == "symbol" else 0
        if depth > _DEEPEST:
            raise Refused("the statement is nested too deeply", where="(", remedy=f"at most {_DEEPEST} brackets")
        if "${" in token.text:
            raise Refused("variables are not available", where="${", remedy="write the value itself")
        if token.text == "|" and following.text == ">" and token.end == following.start:
            raise Refused("pipe syntax is not allowed", where="|>", remedy="write a SELECT")
        if token.kind == "word" and token.identifier == "using" and following.kind == "string":
            raise _not_read_only()
    # Two lexers that disagree about what is text would check one statement and run another.
    quoted = [token.end - 1 for token in tokens if token.kind in ("string", "name")]
    try:
        seen = [token.end for token in Spark().tokenize(text) if text[token.end] in "'\"`"]
    except SqlglotError:
        seen = []
    # sqlglot takes a doubled quote for the end of one text and the beginning of the next.
    inside = _insides(tokens)
    if not set(quoted) <= set(seen) or any(not inside(end) for end in set(seen) - set(quoted)):
        raise Refused("the statement is not understood", where="its quotes", remedy="escape quotes in text by doubling")


def _insides(tokens: list[Token]) -> Callable[[int], bool]:
    """Whether a place is inside a text of the statement."""
    texts = [token for token in tokens if token.kind == "string"]
    starts = [token.start for token in texts]

    def inside(place: int) -> bool:
        number = bisect_left(starts, place) - 1
        return number >= 0 and texts[number].start < place < texts[number].end

    return inside


def _check_calls(query: exp.Query | exp.Values, tokens: list[Token]) -> None:
    """Refuse a call of a function that is not allowed: whatever its quotes, its schema, or the place that it is in.

    What Spark calls is a name before a parenthesis. So every such name must be an allowed function, a word of the
    grammar, or the name of a table or sub-query that a list of columns follows.
    """
    listed = {place[0] for alias in query.find_all(exp.TableAlias) if alias.columns and (place := _span(alias.this))}
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        if after.text != "(" or token.kind == "symbol" or token.start in listed:
            continue
        name = token.identifier
        qualified = before is not None and before.text == "."
        if not qualified and token.kind == "word" and name in KEYWORDS | ALLOWED:
            continue
        if not qualified and token.kind == "name" and name in ALLOWED:
            continue
        raise Refused(
            f"function {name[:60]} is not allowed",
            where=(f"{before.text}{token.text}" if qualified and before else token.text)[:80],
            remedy="use another function, without a schema in front; docs/sql-server.md lists those that are allowed",
        )


def _named(query: exp.Query | exp.Values, tables: Collection[str]) -> Iterator[exp.Table]:
    """The references to published tables; raises Refused for a reference to anything else."""
    own = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for node in query.find_all(exp.Table):
        if isinstance(node.this, exp.Func):
            name = str(node.this.this if isinstance(node.this, exp.Anonymous) else node.this.key).lower()
            if name not in TABLE_FUNCTIONS:
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


def _span(identifier: exp.Expression | None) -> tuple[int, int] | None:
    meta = identifier.meta if identifier is not None else {}
    return (meta["start"], meta["end"] + 1) if "start" in meta and "end" in meta else None


def _place(identifier: exp.Expression) -> tuple[int, int]:
    place = _span(identifier)
    if place is None:
        raise Refused(
            "the statement is not understood", where=identifier.name, remedy="name the table directly, as published.x"
        )
    return place


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
    raise _not_read_only()


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


def _not_read_only() -> Refused:
    return Refused(
        "only read-only statements are allowed: SELECT, SHOW, DESCRIBE, EXPLAIN",
        where="the statement",
        remedy="write one of these; tables are changed by the suite's jobs only",
    )
