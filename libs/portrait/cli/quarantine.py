"""`portrait quarantine`: rejected rows, and their way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portrait.cli.context import reading, suite_of, writing
from portrait.cli.options import CONF, Conf, Format, LakeRoot, Landing, Output, Target, settings_of
from portrait.cli.output import console, emit
from portrait.entities.conflicts import CONFLICTS, conflict_counts
from portrait.errors import ConfigurationError
from portrait.ingest import (
    damaged_identifiers,
    export_quarantine,
    quarantine_summary,
    quarantined_files,
    release,
    remedy_of,
)
from portrait.settings import Settings


def quarantine_command(
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows of --feed as CSV.")] = None,
    release_rows: Annotated[
        bool, typer.Option("--release", help="Land rows again that meet their contract now.")
    ] = False,
    corrected: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Corrected rows of an export.")
    ] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Records that conflict with another of their key, one by one.")
    ] = False,
    feed: Annotated[str | None, typer.Option(help="One feed only.")] = None,
    landing: Landing = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Rejected rows by feed, rule and file, files quarantined whole, conflicts of records; --export, --release rows."""
    settings = settings_of(conf, target, landing=landing, lake=lake)
    catalogue = suite_of(settings)
    if feed is not None:
        catalogue.table(f"raw.{feed}")
    if corrected is not None and not corrected.is_file():
        raise ConfigurationError("the file does not exist", where=str(corrected), remedy="name a corrected export")
    if export is not None:
        if feed is None:
            raise ConfigurationError("which feed?", where="--export", remedy="name it with --feed")
        with reading(settings, target) as opened:
            rows = export_quarantine(opened, landing=settings.landing, catalogue=catalogue, feed=feed, path=export)
        console.print(f"Wrote {rows:,} rows to {export}; correct them, then `portrait quarantine --release --from` it.")
    elif release_rows:
        _release(settings, target, corrected, feed)
    elif conflicts:
        _show_conflicts(settings, target, feed, output)
    else:
        _show(settings, target, feed, output)


def _show(settings: Settings, target: str | None, feed: str | None, output: Format) -> None:
    columns = ["feed", "rule", "file", "file_status", "rows", "line"]
    with reading(settings, target) as opened:
        found = quarantine_summary(opened).collect() if opened.has("ops.quarantine") else []
        found = [row for row in found if feed in (None, row["feed"])]
        values = damaged_identifiers(opened, found)
        conflicts = conflict_counts(opened) if output is Format.table else []
        files = [item for item in quarantined_files(opened) if feed in (None, item.feed)]
    keys = [(row["feed"], row["rule"], row["file"]) for row in found]
    rows = [[*(row[name] for name in columns), values.get(key)] for row, key in zip(found, keys, strict=True)]
    columns = [*columns, "first_value"]
    whole = [
        [item.path, (settings.landing / item.path).is_file(), item.reason or "", remedy_of(item.reason or "")]
        for item in files
    ]
    if output is Format.table:
        emit(columns, rows, output, title="Quarantine")
        if whole:
            emit(["file", "still landed", "reason", "remedy"], whole, output, title="Files quarantined whole")
        counted = ["feed", "why", "records", "day"]
        told = [[row[name] for name in counted] for row in conflicts if feed in (None, row["feed"])]
        if told:
            emit(["feed", "why", "records", "newest day"], told, output, title="Conflicts (one by one: --conflicts)")
        return
    # One list for machines: a file that was kept out whole is an entry without a line.
    entries = [[*row, None, None] for row in rows]
    for item, (path, _, reason, remedy) in zip(files, whole, strict=True):
        rule = str(reason).split(":", 1)[0]
        entries.append([item.feed, rule, path, item.status, None, None, None, reason, remedy])
    emit([*columns, "reason", "remedy"], entries, output)


def _show_conflicts(settings: Settings, target: str | None, feed: str | None, output: Format) -> None:
    """Where they are, not what they say: the versions are customers' data (`portrait show ops.conflicts`)."""
    columns = ["feed", "file", "line", "day", "why", "counts", "differs", "run"]
    with reading(settings, target) as opened:
        found = opened.read(CONFLICTS).select(*columns).orderBy(*columns[:3]) if opened.has(CONFLICTS) else None
        rows = [] if found is None else [row for row in found.collect() if feed in (None, row["feed"])]
    emit(columns, [list(row) for row in rows], output, title="Conflicts")


def _release(settings: Settings, target: str | None, corrected: Path | None, feed: str | None) -> None:
    with writing(settings, target) as opened:
        if not opened.has("ops.quarantine"):
            console.print("Nothing is in quarantine.")
            return
        feeds = [feed] if feed else None
        releases = release(
            opened, landing=settings.landing, catalogue=opened.catalogue, corrected=corrected, feeds=feeds
        )
    for done in releases:
        still = ", ".join(f"{rule} {count}" for rule, count in done.still_bad.items())
        landed = f"{done.rows:,} rows landed in {done.file}" if done.file else "no row meets its contract"
        console.print(f"{done.feed}: {landed}" + (f"; still broken: {still}" if still else ""), soft_wrap=True)
