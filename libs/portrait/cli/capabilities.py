"""The command that lists what the suite can do for this bank."""

from __future__ import annotations

from portrait.capability import capabilities
from portrait.cli.context import contracts_of
from portrait.cli.options import Format, Output, SettingsAndLanding, with_settings
from portrait.cli.output import emit
from portrait.ingest.landing import landed_feeds
from portrait.lake import Reader
from portrait.mappings import load_mappings

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
    catalogue = contracts_of(settings)
    reader = Reader(settings.lake, catalogue)
    mappings = load_mappings(settings.conf, catalogue, checked=True)
    here = landed_feeds(settings.landing, known=catalogue.feeds, mappings=mappings)
    here |= {feed for feed in catalogue.feeds if reader.has(f"bronze.{feed}")}
    rows = []
    for room in capabilities():
        tables = [contract.id for contract in catalogue if (contract.script or "").split("/")[0] == room.name]
        needed = catalogue.feeds_needed(tables)
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
