"""`portrait quarantine`: rejected rows, and their way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portrait.cli.context import looking, reading, writing
from portrait.cli.options import Format, Output, SettingsAndLanding, Target, with_settings
from portrait.cli.output import console, emit
from portrait.contracts import load_catalogue
from portrait.entities.conflict_counts import CONFLICTS, conflict_counts
from portrait.errors import ConfigurationError
from portrait.ingest import (
    UnmappedCode,
    quarantine_summary,
    quarantined_files,
    readable_identifiers,
    remedy_of,
    unmapped_codes,
)
from portrait.lake.selection import ordered, python_rows
from portrait.mappings import Mappings, load_mappings
from portrait.settings import Settings

_MOST_CODES = 10
"""So many codes of a column are shown in a table."""


@with_settings
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
    *,
    settings: SettingsAndLanding,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Rejected rows by feed, rule and file, files quarantined whole, conflicts of records; --export, --release rows."""
    if feed is not None:
        load_catalogue(settings.schemas, time_zone=settings.time_zone, standard=False).table(f"raw.{feed}")
    if corrected is not None and not corrected.is_file():
        raise ConfigurationError("the file does not exist", where=str(corrected), remedy="name a corrected export")
    if export is not None:
        if feed is None:
            raise ConfigurationError("which feed?", where="--export", remedy="name it with --feed")
        from portrait.ingest import export_quarantine

        with reading(settings, target) as opened:
            rows = export_quarantine(
                opened,
                landing=settings.landing,
                catalogue=opened.catalogue,
                feed=feed,
                path=export,
                mappings=load_mappings(settings.conf, opened.catalogue),
            )
        console.print(f"Wrote {rows:,} rows to {export}; correct them, then `portrait quarantine --release --from` it.")
    elif release_rows:
        _release(settings, target, corrected, feed)
    elif conflicts:
        _show_conflicts(settings, target, feed, output)
    else:
        _show(settings, target, feed, output)


def _show(settings: Settings, target: str | None, feed: str | None, output: Format) -> None:
    columns = ["feed", "rule", "file", "file_status", "rows", "line", "first_value"]
    with looking(settings, target) as opened:
        found = [item for item in quarantine_summary(opened) if feed in (None, item.feed)]
        values = readable_identifiers(opened, found)
        conflicts = conflict_counts(opened) if output is Format.table else []
        files = [item for item in quarantined_files(opened) if feed in (None, item.feed)]
        codes = [item for item in unmapped_codes(opened) if feed in (None, item.feed)]
        mappings = load_mappings(settings.conf, opened.catalogue, checked=True)
    if values is None:
        from portrait.ingest import damaged_identifiers

        with reading(settings, target) as lake:
            values = damaged_identifiers(lake, found, mappings=mappings)
    told_codes = _told(codes, mappings)
    rows: list[list[object]] = [
        [item.feed, item.rule, item.file, item.file_status, item.rows, item.line, values.get(key)]
        for item, key in ((item, (item.feed, item.rule, item.file)) for item in found)
    ]
    whole = [
        [item.path, (settings.landing / item.path).is_file(), item.reason or "", remedy_of(item.reason or "")]
        for item in files
    ]
    if output is Format.table:
        emit(columns, rows, output, title="Quarantine")
        for lines in told_codes.values():
            for line in lines[:_MOST_CODES]:
                console.print(line, soft_wrap=True, markup=False, highlight=False)
            if len(lines) > _MOST_CODES:
                console.print(f"... and {len(lines) - _MOST_CODES:,} further codes (--output json)", soft_wrap=True)
        if whole:
            emit(["file", "still landed", "reason", "remedy"], whole, output, title="Files quarantined whole")
        told = [
            [row["feed"], row["why"], row["records"], row["day"]] for row in conflicts if feed in (None, row["feed"])
        ]
        if told:
            emit(["feed", "why", "records", "newest day"], told, output, title="Conflicts (one by one: --conflicts)")
        return
    # One list for machines: a file that was rejected whole is an entry without a line.
    entries = [
        [*row, None, "; ".join(told_codes.get((item.feed, item.rule), [])) or None]
        for item, row in zip(found, rows, strict=True)
    ]
    for item, (path, _, reason, remedy) in zip(files, whole, strict=True):
        rule = str(reason).split(":", 1)[0]
        entries.append([item.feed, rule, path, item.status, None, None, None, reason, remedy])
    emit([*columns, "reason", "remedy"], entries, output)


def _told(codes: list[UnmappedCode], mappings: Mappings) -> dict[tuple[str, str], list[str]]:
    """Feed and rule to what is to be done about each code that a map does not know, the most frequent first."""
    told: dict[tuple[str, str], list[str]] = {}
    for item in codes:
        mapping = next((known for known in mappings if known.id == item.mapping and known.feed == item.feed), None)
        column = None if mapping is None else mapping.spec.columns.get(item.column)
        place = "its map" if mapping is None or column is None else mapping.path.name
        if column is not None and isinstance(column.map, str):
            place = column.map
        known_now = mapping is not None and item.code in mapping.codes.get(item.column, {})
        remedy = "it is mapped now: `portrait quarantine --release`" if known_now else f"add it to {place}"
        line = f"{item.column}: '{item.code}' {item.rows:,} times: {remedy}"
        told.setdefault((item.feed, f"{item.column}_unmapped"), []).append(line)
    return told


def _show_conflicts(settings: Settings, target: str | None, feed: str | None, output: Format) -> None:
    """Where they are, not what they say: the versions are customers' data (`portrait show ops.conflicts`)."""
    columns = ["feed", "file", "line", "day", "why", "counts", "differs", "run"]
    with looking(settings, target) as opened:
        found = ordered(opened.read(CONFLICTS).read(columns), columns[:3]) if opened.has(CONFLICTS) else None
        rows = [] if found is None else [row for row in python_rows(found) if feed in (None, row["feed"])]
    emit(columns, [list(row.values()) for row in rows], output, title="Conflicts")


def _release(settings: Settings, target: str | None, corrected: Path | None, feed: str | None) -> None:
    from portrait.ingest import release

    with writing(settings, target) as opened:
        if not opened.has("ops.quarantine"):
            console.print("Nothing is in quarantine.")
            return
        feeds = [feed] if feed else None
        releases = release(
            opened,
            landing=settings.landing,
            catalogue=opened.catalogue,
            corrected=corrected,
            feeds=feeds,
            mappings=load_mappings(settings.conf, opened.catalogue),
        )
    for done in releases:
        still = ", ".join(f"{rule} {count}" for rule, count in done.still_bad.items())
        landed = f"{done.rows:,} rows landed in {done.file}" if done.file else "no row meets its contract"
        console.print(f"{done.feed}: {landed}" + (f"; still broken: {still}" if still else ""), soft_wrap=True)
