"""The command that lists what the suite can do for this bank."""

from __future__ import annotations

from pathlib import Path

from portrait.capability import capabilities
from portrait.cli.options import Format, Output, SettingsAndLanding, with_settings
from portrait.cli.output import emit
from portrait.contracts import Catalogue, load_catalogue
from portrait.lake import Reader

_COLUMNS = ["capability", "answers", "state", "needs feeds", "missing", "tables", "commands"]
_ON_A_TERMINAL = ["capability", "state", "missing", "tables", "commands"]


@with_settings
def capabilities_command(
    *,
    settings: SettingsAndLanding,
    output: Output = Format.table,
) -> None:
    """What the suite can do: each capability with the feeds it needs, which of them are missing, and its tables.

    A bank chooses by `capabilities` in conf/base.toml; without it, every capability whose feeds exist is used.
    """
    catalogue = load_catalogue(settings.schemas, time_zone=settings.time_zone, standard=False)
    reader = Reader(settings.lake, catalogue)
    here = {feed for feed in catalogue.feeds if _is_there(feed, settings.landing, reader)}
    rows = []
    for room in capabilities():
        tables = [contract.id for contract in catalogue if (contract.script or "").split("/")[0] == room.name]
        needed = feeds_needed(catalogue, tables)
        missing = sorted(needed - here)
        used = settings.capabilities is None or room.name in settings.capabilities
        state = "switched off" if not used else "no tables" if not tables else "feeds missing" if missing else "ready"
        commands = [f"portrait {name}" for name in room.commands]
        rows.append([room.name, room.title, state, sorted(needed), missing, tables, commands])
    if output is Format.json:
        emit(_COLUMNS, rows, output)
        return
    texts = [[", ".join(cell) if isinstance(cell, list) else cell for cell in row] for row in rows]
    shown = _ON_A_TERMINAL if output is Format.table else _COLUMNS  # a terminal is not wide enough for all
    places = [_COLUMNS.index(name) for name in shown]
    emit(shown, [[row[place] for place in places] for row in texts], output, title="Capabilities")


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
