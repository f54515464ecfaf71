"""Commands that look: tables, queries, digests, one customer."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import sqlglot
import typer
from pyspark.sql import functions as F
from sqlglot import exp

from portrait.cli.context import reading, suite_of
from portrait.cli.options import CONF, Conf, Format, LakeRoot, Limit, OptionalAsOf, Output, Target, settings_of
from portrait.cli.output import console, emit
from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.lake import Lake, Publication, digest, publications, register_views
from portrait.lake.publication import rows_of
from portrait.serving import read_only_query

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="gold.x is the table, published.x what readers see.")]


def show_command(
    table: TableName,
    as_of: OptionalAsOf = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    limit: Limit = 20,
    output: Output = Format.table,
) -> None:
    """The first rows of a table, in the order of its key."""
    settings = settings_of(conf, target, lake=lake)
    contract = suite_of(settings).table(table.replace("published.", "gold."))
    with reading(settings, target) as opened:
        if table.startswith("published."):
            register_views(opened)
            rows = opened.spark.table(table)
        elif contract.sliced and (day := as_of or max(opened.slices(table), default=None)):
            rows = opened.slice(table, day)
        else:
            rows = opened.read(table)
        key = [name for name in contract.key if name in rows.columns]
        found = (rows.orderBy(*key) if key else rows).limit(limit).collect()
    emit(rows.columns, [list(row) for row in found], output, title=table)


def sql_command(
    query: Annotated[str, typer.Argument(help="A SELECT over raw names like gold.segments or published.segments.")],
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    limit: Limit = 1000,
    output: Output = Format.table,
) -> None:
    """Ask a question in Spark SQL; reading only."""
    settings = settings_of(conf, target, lake=lake)
    tables = readable_tables(query, suite_of(settings))
    query = read_only_query(query)
    with reading(settings, target) as opened:
        for table in tables:
            if not table.startswith("published."):
                opened.read(table)
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


def digest_command(
    table: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="Default: every gold table.")] = None,
    as_of: OptionalAsOf = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """An order-free digest of a table's contents at an as_of, for comparing runs."""
    settings = settings_of(conf, target, lake=lake)
    catalogue = suite_of(settings)
    names = [catalogue.table(table).id] if table else [contract.id for contract in catalogue.layer("gold")]
    with reading(settings, target) as opened:
        written = [name for name in names if opened.has(name) and (as_of is None or as_of in opened.slices(name))]
        rows = [[name, as_of, digest(opened, name, as_of)] for name in (names if table else written)]
    if table and output is Format.table:
        console.print(rows[0][2])
    else:
        emit(["table", "as_of", "digest"], rows, output)


def explain_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    as_of: OptionalAsOf = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """Tier, group, labels and recommendations of one customer, each with the facts behind it: as readers see them."""
    settings = settings_of(conf, target, lake=lake)
    with reading(settings, target) as opened:
        served = next(iter(publications(opened)), None) if as_of is None else None
        day = served.as_of if served else opened.newest_slice("gold.segments", until=as_of)
        parts = {
            title: _rows_of(opened, table, customer, day, served)
            for title, table in (
                ("Tier", "gold.customer_tier"),
                ("Value", "gold.customer_value"),
                ("Group", "gold.customer_group"),
                ("Labels", "gold.customer_portrait"),
                ("Recommendations", "gold.recommendations"),
                ("Facts", "gold.customer_features"),
            )
            if (table in served.versions if served else day in opened.slices(table))
        }
    if not parts.get("Tier") and not parts.get("Facts"):
        raise ConfigurationError(
            f"no such customer in the slice of {day}", where="gold.customer_tier", remedy="check the id, or --as-of"
        )
    console.print(f"Customer {customer} on {day}")
    for title, rows in parts.items():
        for row in rows:
            known = [
                [name, value]
                for name, value in row.items()
                if value is not None and name not in ("as_of", "customer_id")
            ]
            emit([title, "value"], known, Format.table)


def _rows_of(lake: Lake, table: str, customer: str, day: date, served: Publication | None) -> list[dict[str, object]]:
    """Rows of a customer; as published where `served` is given, because a newer slice may be one that was refused."""
    found = rows_of(lake, table, served) if served else lake.slice(table, day)
    rows = found.where(F.col("customer_id") == F.lit(customer))
    return [row.asDict() for row in rows.limit(100).collect()]
