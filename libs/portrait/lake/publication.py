"""The pointer to what readers see, and the views in schema `published` that follow it.

A publication names, for every gold table, the Delta version and the slice that are served. Views pin that version, so a
later run that rewrites the same slice stays unseen until it is published; rolling back writes an older pointer again
and costs nothing. Tables of one data product move together; a product that its gate refuses stays as it is served
while others move on (`moves` has the rule). However many products move, it is one row, so all or nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame

from portrait.contracts.contract import literal, quoted
from portrait.contracts.products import check_names, dependents, sources_of
from portrait.errors import ConfigurationError, GateRefused
from portrait.faults import fault_point
from portrait.lake.gate import RESULTS
from portrait.lake.lake import Lake
from portrait.lake.moves import Move, next_move
from portrait.lake.pointer import POINTER, Publication
from portrait.spark.frames import frame_of

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
    return served.day(table), rows_of(lake, table, served)


def rows_of(lake: Lake, table: str, served: Publication) -> DataFrame:
    """The rows of a table that a publication serves."""
    day = served.day(table) if lake.catalogue.table(table).sliced else None
    return lake.rows(table, version=served.versions[table], as_of=day)


def slice_at(lake: Lake, table: str, as_of: date | None) -> tuple[date, DataFrame]:
    """To look into the lake: the slice that readers see; see `Reader.slice_at`. And its day."""
    if as_of is None and publications(lake):
        return published_slice(lake, table, None)
    day = lake.newest_slice(table, until=as_of)
    return day, lake.slice(table, day)


def publish(lake: Lake, *, as_of: date, only: Collection[str] | None = None, backwards: bool = True) -> Publication:
    """Serve the slices of `as_of` as they are now, of every data product that its gate lets through, in one row.

    `only`: of these products; without `backwards` those of which readers see a later day stay there. Returns what is in
    force then. Raises GateRefused, after the others have moved, naming each product that stayed and why: the gate
    judged other versions than these or found errors in them, or the product is made from one that stayed.
    """
    served = next(iter(publications(lake)), None)
    move = next_move(lake, served, as_of=as_of, only=only, backwards=backwards)
    stopped = bool(move.refused) or (backwards and bool(move.waiting))
    tables = {table: version for versions in move.moving.values() for table, version in versions.items()}
    if move.moving and not (stopped and served is not None and _is_served(lake, served, tables, as_of)):
        served = _point(
            lake,
            run=lake.run_number,
            action="publish",
            before=served,
            moved=sorted({*move.moving, *move.dropped}),
            versions=tables,
            days=dict.fromkeys(tables, as_of),
            as_of=as_of,
        )
    if stopped:
        raise _refusal(move, served)
    assert served is not None, "what does not move is served of a later day"
    return served


def _is_served(lake: Lake, served: Publication, tables: dict[str, int], as_of: date) -> bool:
    """Whether nothing would change: a refused day that is tried again leaves no further row."""
    sliced = {table: as_of if lake.catalogue.table(table).sliced else None for table in tables}
    return all(served.serves(table, version=version, as_of=sliced[table]) for table, version in tables.items())


def _refusal(move: Move, served: Publication | None) -> GateRefused:
    """Which products stayed, why, and what happened to the others."""
    names = [*move.refused, *move.waiting]
    others = f"{', '.join(sorted(move.moving))} of {move.as_of} served; " if move.moving else ""
    lines = [f"{name}: {line}" for name, reasons in move.refused.items() for line in reasons]
    lines += [f"{name}: {reason}" for name, reason in move.waiting.items()]
    kept = "what was published before stays served" if served else "nothing of it is served"
    judge = f"let the gate check these slices: `portrait run --as-of {move.as_of} --select quality+`"
    mend = (
        "correct the input or the job that writes the table, or its rule (schemas/gold/, conf/references.yml); for "
        "references, deliver the records that are missing; then run again. All results are in ops.quality_results"
    )
    alone = "let the products that are named move as well: without --product, all of the day do"
    return GateRefused(
        f"publication of {move.as_of} refused for {', '.join(names)}: {others}{kept}:\n  " + "\n  ".join(lines),
        where=f"{RESULTS} of {move.as_of}",
        remedy=judge if move.unjudged else mend if move.refused else alone,
    )


def rollback(lake: Lake, run: int, *, only: Collection[str] | None = None) -> Publication:
    """Serve again what an earlier run had published: the data products that it moved, or `only` some of them.

    What is made from them and is served of that day or a later one goes back as well, to what readers saw then. Raises
    ConfigurationError when the run published nothing of that, GateRefused when a product would be ahead of one from
    which it is made.
    """
    history, catalogue = publications(lake), lake.catalogue
    check_names(catalogue, only or ())
    published = [item for item in history if item.action == "publish"]
    earlier = next((item for item in published if item.run == run), None)
    asked = set(only or (earlier.moved(catalogue) if earlier else ()))
    if earlier is None or not asked <= earlier.moved(catalogue):
        runs = ", ".join(str(item.run) for item in published if asked <= item.moved(catalogue)) or "none"
        of = f" of {', '.join(sorted(asked))}" if only else ""
        raise ConfigurationError(f"run {run} published nothing{of}", where=POINTER, remedy=f"runs that did: {runs}")
    served, then = history[0].days_of(catalogue), earlier.days_of(catalogue)
    made_from = {source: dependents(catalogue, [source]) - asked for source in asked}
    back = {
        name
        for name in served
        if any(served[name] >= then.get(source, earlier.as_of) for source in asked if name in made_from[source])
    }
    moved = asked | back
    tables = {
        table: version
        for table, version in earlier.versions.items()
        if table in catalogue.contracts and catalogue.table(table).product in moved
    }
    _check_not_ahead(lake, earlier, history[0], moved)
    days = {table: earlier.day(table) for table in tables}
    return _point(
        lake,
        run=run,
        action="rollback",
        before=history[0],
        moved=sorted(moved),
        versions=tables,
        days=days,
        as_of=max(days.values(), default=earlier.as_of),
    )


def _check_not_ahead(lake: Lake, earlier: Publication, now: Publication, moved: set[str]) -> None:
    """Raise GateRefused when what comes back was made from a later state of another product than the one that stays."""
    for table in earlier.versions:
        contract = lake.catalogue.contracts.get(table)
        if contract is None or contract.product not in moved:
            continue
        for source in sorted(sources_of(lake.catalogue, table) & earlier.versions.keys()):
            other = lake.catalogue.table(source).product
            stays = (now.day(source), now.versions[source]) if source in now.versions else (date.min, -1)
            if other not in moved and stays < (earlier.day(source), earlier.versions[source]):
                raise GateRefused(
                    f"{contract.product} of run {earlier.run} was made from a later state of {source} than is served",
                    where=POINTER,
                    remedy=f"roll {other} back to that run as well: `portrait rollback {earlier.run}`",
                )


def _point(
    lake: Lake,
    *,
    run: int,
    as_of: date,
    action: str,
    before: Publication | None,
    moved: list[str],
    versions: dict[str, int],
    days: dict[str, date],
) -> Publication:
    """Write the row that moves some products; the others, of which there is a contract, are as they were `before`."""
    kept = {
        table: version
        for table, version in (before.versions if before else {}).items()
        if table in lake.catalogue.contracts and lake.catalogue.table(table).product not in moved
    }
    days = {table: before.day(table) for table in kept} | days if before else days
    sequence = before.sequence + 1 if before else 1
    row = Publication(sequence, run, as_of, action, kept | versions, datetime.now(UTC), days, tuple(moved))
    values = [(row.sequence, run, as_of, action, row.versions, row.published_at, days, moved)]
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
    contracts = lake.catalogue.contracts
    versions = {table: version for table, version in served.versions.items() if table in contracts} if served else {}
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
        rows = f"SELECT {names} FROM {{slice}}" + (" WHERE as_of = DATE '{as_of}'" if contract.sliced else "")
        body = (contract.custom("publishedAs") or rows).format(slice=pinned, as_of=served.day(table).isoformat())
        meanings = {column.name: column.description for column in contract.columns}
        meanings |= contract.custom("publishedColumns", {})
        shown = lake.spark.sql(body).columns if contract.custom("publishedAs") else contract.column_names
        columns = ", ".join(f"{quoted(name)} COMMENT {literal(meanings[name])}" for name in shown)
        lake.spark.sql(
            f"CREATE OR REPLACE VIEW {quoted(database)}.{quoted(contract.name)} ({columns}) "
            f"COMMENT {literal(contract.description)} AS {body}"
        )
    return served
