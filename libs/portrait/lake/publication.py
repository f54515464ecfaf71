"""The pointer to what readers see, and the views in schema `published` that follow it.

A publication names, for every gold table, the Delta version and the slice that are served. Views pin that version, so a
later run that rewrites the same slice stays unseen until it is published, whole; rolling back writes an older pointer
again and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from pyspark.sql import functions as F

from portrait.contracts.contract import literal, quoted
from portrait.errors import ConfigurationError
from portrait.faults import fault_point
from portrait.lake.lake import Lake

POINTER = "ops.publication"


@dataclass(frozen=True)
class Publication:
    """One row of the pointer table."""

    sequence: int
    run: int
    as_of: date
    action: str
    versions: dict[str, int]
    published_at: datetime


def publications(lake: Lake) -> list[Publication]:
    """All publications and rollbacks, newest first; the first is in force."""
    if not lake.has(POINTER):
        return []
    rows = lake.read(POINTER).orderBy(F.col("sequence").desc()).limit(1000).collect()
    return [
        Publication(row.sequence, row.run, row.as_of, row.action, dict(row.versions), row.published_at) for row in rows
    ]


def publish(lake: Lake, *, as_of: date) -> Publication:
    """Serve the slices of `as_of` as they are now: every gold table that has one. One row, so all or nothing."""
    versions = {
        contract.id: lake.records.versions[contract.id, as_of]
        for contract in lake.catalogue.layer("gold")
        if (contract.id, as_of) in lake.records.versions
    }
    if not versions:
        raise ConfigurationError(
            f"no gold table has a slice of {as_of}", where=str(lake.root), remedy="run the jobs for that day first"
        )
    return _point(lake, run=lake.run_number, as_of=as_of, action="publish", versions=versions)


def rollback(lake: Lake, run: int) -> Publication:
    """Serve again what an earlier run had published; raises ConfigurationError when it published nothing."""
    known = publications(lake)
    earlier = next((item for item in known if item.run == run and item.action == "publish"), None)
    if earlier is None:
        runs = ", ".join(str(item.run) for item in known if item.action == "publish") or "none"
        raise ConfigurationError(f"run {run} published nothing", where=POINTER, remedy=f"runs that did: {runs}")
    return _point(lake, run=run, as_of=earlier.as_of, action="rollback", versions=earlier.versions)


def _point(lake: Lake, *, run: int, as_of: date, action: str, versions: dict[str, int]) -> Publication:
    sequence = max((item.sequence for item in publications(lake)), default=0) + 1
    row = Publication(sequence, run, as_of, action, versions, datetime.now(UTC))
    values = [(row.sequence, row.run, row.as_of, row.action, row.versions, row.published_at)]
    fault_point("lake.before_publish", str(as_of))
    lake.append(POINTER, lake.spark.createDataFrame(values, lake.catalogue.table(POINTER).struct_type))
    register_views(lake)
    return row


def register_views(lake: Lake) -> Publication | None:
    """Point the session's `published.*` views at the publication in force; None when there is none yet."""
    current = next(iter(publications(lake)), None)
    lake.spark.sql("CREATE DATABASE IF NOT EXISTS published")
    for view in lake.spark.catalog.listTables("published"):
        lake.spark.sql(f"DROP VIEW IF EXISTS published.{quoted(view.name)}")
    if current is None:
        return None
    for table, version in current.versions.items():
        contract = lake.catalogue.table(table)
        lake.register(table)
        pinned = f"(SELECT * FROM {table} VERSION AS OF {version})"
        custom = contract.custom("publishedAs")
        names = ", ".join(quoted(column.name) for column in contract.columns)
        body = custom or f"SELECT {names} FROM {{slice}} WHERE as_of = DATE '{{as_of}}'"
        comments = ", ".join(f"{quoted(c.name)} COMMENT {literal(c.description)}" for c in contract.columns)
        lake.spark.sql(
            f"CREATE OR REPLACE VIEW published.{quoted(contract.name)} {'' if custom else f'({comments})'} "
            f"COMMENT {literal(contract.description)} AS " + body.format(slice=pinned, as_of=current.as_of.isoformat())
        )
    return current
