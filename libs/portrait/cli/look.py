"""Commands that look: runs, tables, one customer. They read the lake as Arrow, without Spark, to answer at once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from portrait.capability import capabilities
from portrait.cli.context import declarations_of, existing, looking, reading
from portrait.cli.options import Format, Limit, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit, served_words
from portrait.contracts import Contract, load_catalogue
from portrait.errors import ConfigurationError
from portrait.ingest import FileCache, remedy_of
from portrait.lake import Publication, Reader, Selection
from portrait.lake.lease import is_held
from portrait.lake.runs import DIED, died_runs, run_records
from portrait.lake.selection import values_of
from portrait.settings import Settings

TableName = Annotated[str, typer.Argument(metavar="TABLE", help="gold.x is the table, published.x what readers see.")]
_PUBLISHED = "published."
_RECORDS = 20  # of runs that `status` shows
_ROWS = 100  # of one customer in a table


@with_settings
def status_command(*, settings: Settings, target: Target = None, output: Output = Format.table) -> None:
    """Runs and how they ended, what is published, and which landed files were quarantined whole."""
    with looking(settings, target) as opened:
        records = run_records(opened, newest=_RECORDS)
        served = next(iter(opened.publications()), None)
    died = died_runs(records, held=is_held(settings.lake))
    columns = ["run", "as_of", "status", "seconds", "recorded_at", "message", "absent"]
    rows = [
        [
            record.run,
            record.as_of,
            "died" if record.run in died else record.status,
            round(record.seconds, 1),
            record.recorded_at,
            DIED if record.run in died else record.message,
            (record.facts or {}).get("absent"),
        ]
        for record in records
    ]
    if output is not Format.table:
        emit(columns, rows, output)
        return
    ended = {record.run for record in records if record.status != "started"} | died
    shown = [
        [*row[:4], f"{record.recorded_at:%Y-%m-%d %H:%M}", row[5]]
        for record, row in zip(records, rows, strict=True)
        if row[2] != "started" or record.run not in ended
    ]
    emit(columns[:-1], shown, output, title="Runs")
    if records and (absent := (records[0].facts or {}).get("absent")):
        console.print(f"Absent in run {records[0].run}: {absent}.", soft_wrap=True)
    if served:
        told = served_words(served, served.days_of(opened.catalogue))
        console.print(f"Served: {told}, run {served.run} ({served.action}).", soft_wrap=True)
    for subject, text in not_ingested(settings.lake):
        console.print(f"{subject}: {text}", soft_wrap=True)


def not_ingested(root: Path) -> list[tuple[str, str]]:
    """The files of the landing folder that were quarantined whole."""
    return [
        ("not ingested", f"{item.path}: {item.reason}; {remedy_of(item.reason)}")
        for item in FileCache.below(root).kept_out()
    ]


@with_settings
def show_command(
    table: TableName,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    limit: Limit = 20,
    output: Output = Format.table,
) -> None:
    """The first rows of a table, in the order of its key."""
    contracts = load_catalogue(settings.schemas, time_zone=settings.time_zone, standard=False)
    contract = contracts.table(table.replace(_PUBLISHED, "gold."))
    existing(settings)
    if table.startswith(_PUBLISHED) and contract.custom("publishedAs"):
        columns, found = _of_view(settings, target, table, contract, limit)
        emit(columns, found, output, title=table)
        return
    if table.startswith(_PUBLISHED) and contract.custom("columnsFrom"):
        contracts = declarations_of(settings).catalogue  # readers see the columns in the order of the declarations
    with looking(settings, target, contracts) as opened:
        if table.startswith(_PUBLISHED):
            contract = contracts.table(contract.id)
            rows = opened.rows_of(contract.id, opened.served(contract.id, None))
        elif contract.sliced and (day := as_of or max(opened.slices(table), default=None)):
            rows = opened.slice(table, day)
        else:
            rows = opened.read(table)
        key = [name for name in contract.key if name in rows.columns]
        shown = rows.first(limit, order=key)
    if table.startswith(_PUBLISHED):
        shown = shown.select([name for name in contract.column_names if name in shown.column_names])
    emit(shown.column_names, _lists(shown), output, title=table)


def _lists(rows: pa.Table) -> list[list[Any]]:
    columns = [values_of(rows.column(name)) for name in rows.column_names]
    return [list(row) for row in zip(*columns, strict=True)]


def _of_view(
    settings: Settings, target: str | None, view: str, contract: Contract, limit: int
) -> tuple[list[str], list[list[Any]]]:
    """Rows of a published view that is more than a slice: its SQL is Spark's."""
    from portrait.lake import register_views

    with reading(settings, target) as opened:
        register_views(opened)
        rows = opened.spark.table(view)
        key = [name for name in contract.key if name in rows.columns]
        found = (rows.orderBy(*key) if key else rows).limit(limit).collect()
        return rows.columns, [list(row) for row in found]


@with_settings
def explain_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
) -> None:
    """Tier, group, labels and recommendations of one customer, each with the facts behind it: as readers see them."""
    with looking(settings, target) as opened:
        served = next(iter(opened.publications()), None) if as_of is None else None
        day = served.day("gold.customer_tier") if served else opened.newest_slice("gold.segments", until=as_of)
        parts = {
            _dated(title, table, day, served): _rows_of(opened, table, customer, day, served)
            for title, table in explained().items()
            if (table in served.versions if served else day in opened.slices(table))
        }
    if not any(parts.values()):
        raise ConfigurationError(
            f"no such customer in the slice of {day}", where="gold.customer_features", remedy="check the id, or --as-of"
        )
    console.print(f"Customer {customer} on {day}")
    for title, rows in parts.items():
        for row in rows:
            values = [
                [name, value]
                for name, value in row.items()
                if value is not None and name not in ("as_of", "customer_id")
            ]
            emit([title, "value"], values, Format.table)


def explained() -> dict[str, str]:
    """Section of `portrait explain` to its table: those of all capabilities, then labels and facts."""
    of_rooms = {title: table for room in capabilities() for title, table in room.explain.items()}
    return {**of_rooms, "Labels": "gold.customer_portrait", "Facts": "gold.customer_features"}


def _dated(title: str, table: str, day: date, served: Publication | None) -> str:
    """A title, with the day of its table where that is not the day of the customer's tier."""
    return title if served is None or served.day(table) == day else f"{title} of {served.day(table)}"


def _rows_of(lake: Reader, table: str, customer: str, day: date, served: Publication | None) -> list[dict[str, Any]]:
    """Rows of a customer; as published where `served` is given, because a newer slice may be one that was refused."""
    found: Selection = lake.rows_of(table, served) if served else lake.slice(table, day)
    return found.where("customer_id", "=", customer).rows()[:_ROWS]
