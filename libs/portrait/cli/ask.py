"""Commands that let Spark answer: queries and digests."""

from __future__ import annotations

from typing import Annotated

import sqlglot
import typer
from sqlglot import exp

from portrait.cli.context import reading, suite_of
from portrait.cli.options import Format, Limit, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.lake import digest, register_views
from portrait.serving import read_only_query
from portrait.settings import Settings


@with_settings
def sql_command(
    query: Annotated[str, typer.Argument(help="A SELECT over raw names like gold.segments or published.segments.")],
    *,
    settings: Settings,
    target: Target = None,
    limit: Limit = 1000,
    output: Output = Format.table,
) -> None:
    """Ask a question in Spark SQL; reading only."""
    tables = readable_tables(query, suite_of(settings))
    query = read_only_query(query)
    with reading(settings, target) as opened:
        for table in tables:
            if not table.startswith("published."):
                opened.read(table)  # one that was never written is refused by name
                opened.register(table)  # SQL asks by the name, which jobs do not need
        if any(table.startswith("published.") for table in tables):
            register_views(opened)
        result = opened.spark.sql(query)
        rows = result.limit(limit).collect()
    emit(result.columns, [list(row) for row in rows], output)


def readable_tables(query: str, catalogue: Catalogue) -> list[str]:
    """The tables that a query reads; raises ConfigurationError unless it is one SELECT over tables of the lake.

    A path as a table name, another statement or an unknown table is refused before Spark sees the text.
    """
    try:
        statements = sqlglot.parse(query, dialect="spark")
    except sqlglot.errors.ParseError as error:
        raise ConfigurationError(
            f"not a query: {str(error).splitlines()[0]}", where="sql", remedy="write one SELECT statement"
        ) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ConfigurationError("only one SELECT is allowed", where="sql", remedy="tables are written by jobs alone")
    names = {cte.alias for cte in statements[0].find_all(exp.CTE)}
    found = []
    for table in statements[0].find_all(exp.Table):
        if not table.db and table.name in names:
            continue
        name = f"{table.db}.{table.name}" if table.db else table.name
        catalogue.table(name.replace("published.", "gold."))
        if table.catalog:
            raise ConfigurationError(f"'{table.sql()}' is not a table of the lake", where="sql", remedy=f"write {name}")
        found.append(name)
    return found


@with_settings
def digest_command(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Default: every gold table.")] = None,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """An order-free digest of a table's contents at an as_of, for comparing runs."""
    catalogue = suite_of(settings)
    names = [catalogue.table(table).id] if table else [contract.id for contract in catalogue.layer("gold")]
    with reading(settings, target) as opened:
        written = [name for name in names if opened.has(name) and (as_of is None or as_of in opened.slices(name))]
        rows = [[name, as_of, digest(opened, name, as_of)] for name in (names if table else written)]
    if table and output is Format.table:
        console.print(rows[0][2])
    else:
        emit(["table", "as_of", "digest"], rows, output)
