"""Groups of commands whose modules are imported when one of their commands is asked for.

A command that only looks must not wait until everything is imported that a run needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


def group_of(places: Mapping[str, str]) -> type[TyperGroup]:
    """A group of the commands in `places`: name to `module:attribute`, a function or a `typer.Typer`."""

    class Commands(TyperGroup):
        """The commands in their order."""

        def list_commands(self, ctx: Any) -> list[str]:
            return list(places)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return command_of(places, cmd_name) if cmd_name in places else None

    return Commands


def command_of(places: Mapping[str, str], name: str) -> Any:
    """One command of `places`, imported now."""
    found = function_of(places[name])
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(found)
        return typer.main.get_command(alone)
    group = typer.main.get_command(found)
    group.name = name
    return group


def function_of(place: str) -> Any:
    """What `module:attribute` names."""
    module, attribute = place.split(":")
    return getattr(import_module(module), attribute)
