"""The pointer to what readers see, and the views in schema `published` that follow it.

A publication names, for every gold table, the Delta version and the slice that are served. Views pin that version, so a
later run that rewrites the same slice stays unseen until it is published, whole; rolling back writes an older pointer
again and costs nothing.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts.contract import literal, quoted
from portrait.errors import ConfigurationError, GateRefused
from portrait.faults import fault_point
from portrait.lake.lake import Lake
from portrait.lake.pointer import POINTER, Publication
from portrait.spark.frames import frame_of

RESULTS = "ops.quality_results"
PUBLISHED = "published"
"""The schema of the views that readers see."""


def publications(lake: Lake) -> list[Publication]:
    """All publications and rollbacks, newest first; the first is in force."""
    return lake.reader.publications()


def published_slice(lake: Lake, table: str, as_of: date | None) -> tuple[date, DataFrame]:
    """The slice that readers see, as it was published, and its day; with `as_of` what was published last of the newest
    day up to then.

    For whatever leaves the lake. Raises GateRefused when there is none; see `Reader.served`.
    """
    served = lake.reader.served(table, as_of)
    return served.as_of, rows_of(lake, table, served)


def rows_of(lake: Lake, table: str, served: Publication) -> DataFrame:
    """The rows of a table that a publication serves."""
    return lake.rows(table, version=served.versions[table], as_of=served.as_of)


def slice_at(lake: Lake, table: str, as_of: date | None) -> tuple[date, DataFrame]:
    """To look into the lake: the slice that readers see; see `Reader.slice_at`. And its day."""
    if as_of is None and publications(lake):
        return published_slice(lake, table, None)
    day = lake.newest_slice(table, until=as_of)
    return day, lake.slice(table, day)


def publish(lake: Lake, *, as_of: date) -> Publication:
    """Serve the slices of `as_of` as they are now: every gold table that has one. One row, so all or nothing.

    Whoever calls it: raises GateRefused, naming tables and versions, unless the gate judged exactly these versions and
    found no error in them.
    """
    versions = {
        contract.id: lake.records.versions[contract.id, as_of]
        for contract in lake.catalogue.layer("gold")
        if (contract.id, as_of) in lake.records.versions
    }
    if not versions:
        raise ConfigurationError(
            f"no gold table has a slice of {as_of}", where=str(lake.root), remedy="run the jobs for that day first"
        )
    _check_judged(lake, versions, as_of=as_of)
    return _point(lake, run=lake.run_number, as_of=as_of, action="publish", versions=versions)


def _check_judged(lake: Lake, versions: dict[str, int], *, as_of: date) -> None:
    judged: dict[str, tuple[int | None, list[str]]] = {}
    if lake.has(RESULTS):
        results = lake.read(RESULTS).where(F.col("as_of") == F.lit(as_of))
        failed = F.when(~F.col("success") & (F.col("severity") == "error"), F.col("rule"))
        by_table = results.groupBy("table_name").agg(
            F.max("version").alias("version"), F.sort_array(F.collect_set(failed)).alias("failed")
        )
        judged = {row.table_name: (row.version, row.failed) for row in by_table.collect()}
    refused = {
        table: reason
        for table, version in versions.items()
        if (reason := _reason_against(version, *judged.get(table, (None, None)))) is not None
    }
    if refused:
        raise GateRefused(
            f"publication of {as_of} refused, what was published before stays served:\n  "
            + "\n  ".join(f"{table}: {reason}" for table, reason in refused.items()),
            where=f"{RESULTS} of {as_of}",
            remedy=f"let the gate judge these slices: `portrait run --as-of {as_of} --select quality+`",
        )


def _reason_against(version: int, judged: int | None, failed: list[str] | None) -> str | None:
    """Why a version of a table must not be served; None when the gate judged it and it passed."""
    if failed is None:
        return f"version {version} was not judged by the gate"
    if judged is None:
        return f"version {version} was judged before the gate kept versions, so it is not known what was judged"
    if judged != version:
        return f"version {version} was not judged by the gate, which saw version {judged}"
    return f"version {version} failed {', '.join(failed)}" if failed else None


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
    lake.append(POINTER, frame_of(lake.spark, values, lake.catalogue.table(POINTER).struct_type))
    return row


def register_views(
    lake: Lake, publication: Publication | None = None, *, database: str = PUBLISHED
) -> Publication | None:
    """Make the views of a publication in `database`: of the one in force unless told; None when there is none yet.

    Views are of a session: whoever queries them makes them, and makes them again to follow the pointer.
    A table that a later release has published, and of which this one has no contract, gets none.
    """
    served = publication or next(iter(publications(lake)), None)
    lake.spark.sql(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}")
    known = lake.catalogue.contracts
    versions = {table: version for table, version in served.versions.items() if table in known} if served else {}
    kept = {table.split(".")[1] for table in versions}
    for view in lake.spark.catalog.listTables(database):
        if view.name not in kept:
            lake.spark.sql(f"DROP VIEW IF EXISTS {quoted(database)}.{quoted(view.name)}")
    if served is None:
        return None
    for table, version in versions.items():
        contract = lake.catalogue.table(table)
        lake.register(table)
        pinned = f"(SELECT * FROM {table} VERSION AS OF {version})"
        names = ", ".join(quoted(column.name) for column in contract.columns)
        body = contract.custom("publishedAs") or f"SELECT {names} FROM {{slice}} WHERE as_of = DATE '{{as_of}}'"
        body = body.format(slice=pinned, as_of=served.as_of.isoformat())
        meanings = {column.name: column.description for column in contract.columns}
        meanings |= contract.custom("publishedColumns", {})
        shown = lake.spark.sql(body).columns if contract.custom("publishedAs") else contract.column_names
        columns = ", ".join(f"{quoted(name)} COMMENT {literal(meanings[name])}" for name in shown)
        lake.spark.sql(
            f"CREATE OR REPLACE VIEW {quoted(database)}.{quoted(contract.name)} ({columns}) "
            f"COMMENT {literal(contract.description)} AS {body}"
        )
    return served
