"""The command that lists what the suite can do for this bank."""

from __future__ import annotations

from pathlib import Path

from portrait.capability import Capability, capabilities
from portrait.cli.options import CONF, Conf, Format, LakeRoot, Landing, Output, Target, settings_of
from portrait.cli.output import emit
from portrait.contracts import Catalogue, load_catalogue
from portrait.lake import Reader


def capabilities_command(
    landing: Landing = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """What the suite can do: each capability with the feeds it needs, which of them are missing, and its tables.

    A bank chooses by `capabilities` in conf/base.toml; without it, every capability whose feeds exist is used.
    """
    settings = settings_of(conf, target, landing=landing, lake=lake)
    catalogue = load_catalogue(settings.schemas, time_zone=settings.time_zone, standard=False)
    reader = Reader(settings.lake, catalogue)
    here = {feed for feed in catalogue.feeds if _is_there(feed, settings.landing, reader)}
    rows = []
    for room in capabilities():
        tables = [contract.id for contract in catalogue if (contract.script or "").split("/")[0] == room.name]
        needed = feeds_needed(catalogue, tables)
        missing = sorted(needed - here)
        used = settings.capabilities is None or room.name in settings.capabilities
        state = "switched off" if not used else "feeds missing" if missing else "ready"
        rows.append(
            [
                room.name,
                room.title,
                state,
                ", ".join(sorted(needed)),
                ", ".join(missing),
                ", ".join(tables),
                _words(room),
            ]
        )
    columns = ["capability", "answers", "state", "needs feeds", "missing", "tables", "commands"]
    if output is Format.table:  # a terminal is not wide enough for all
        rows, columns = [[*row[:3], row[4], row[5]] for row in rows], [*columns[:3], *columns[4:6]]
    emit(columns, rows, output, title="Capabilities")


def feeds_needed(catalogue: Catalogue, tables: list[str]) -> set[str]:
    """The feeds without which none of the tables is computed, through the tables that they read too."""
    waiting, seen = list(tables), set[str]()
    while waiting:
        table = waiting.pop()
        if table not in seen:
            seen.add(table)
            waiting += catalogue.expand(catalogue.table(table).reads)
    return {table.removeprefix("raw.") for table in seen if table.startswith("raw.")}


def _is_there(feed: str, landing: Path, reader: Reader) -> bool:
    folder = landing / feed
    return reader.has(f"bronze.{feed}") or (folder.is_dir() and any(folder.iterdir()))


def _words(room: Capability) -> list[str]:
    return [f"portrait {name}" for name in room.commands]
