"""The command that lists what the suite can do for this bank."""

from __future__ import annotations

from textwrap import fill

from portrait.capability import capabilities
from portrait.cli.context import contracts_of
from portrait.cli.options import Format, Output, SettingsAndLanding, with_settings
from portrait.cli.output import emit
from portrait.ingest.discover import landed_feeds
from portrait.lake import Reader
from portrait.mappings import load_mappings

_COLUMNS = ["capability", "answers", "state", "needs feeds", "missing", "tables", "commands"]


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
    if output is Format.csv:
        emit(_COLUMNS, texts, output)
        return
    for row in texts:
        _show(dict(zip(_COLUMNS, map(str, row), strict=True)))


def _show(room: dict[str, str]) -> None:
    """A paragraph: names of tables are too long for the columns of a terminal."""
    print(f"{room['capability']}: {room['answers']}")
    for name, value in (
        (room["state"], room["missing"] if room["state"] == "feeds missing" else ""),
        ("needs feeds", room["needs feeds"]),
        ("tables", room["tables"]),
        ("commands", room["commands"]),
    ):
        if value or name == room["state"]:
            print(fill(f"{name}: {value}".removesuffix(": "), 100, initial_indent="  ", subsequent_indent="      "))
