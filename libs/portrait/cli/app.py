"""`portrait`: the commands, and how errors end."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from portrait import __version__
from portrait.capability import ROOMS, capabilities
from portrait.cli.commands import group_of
from portrait.cli.output import errors
from portrait.errors import PortraitError

KIT = {
    "doctor": "portrait.cli.doctor:doctor_command",
    "demo": "portrait.cli.land:demo_command",
    "run": "portrait.cli.runs:run_command",
    "plan": "portrait.cli.runs:plan_command",
    "capabilities": "portrait.cli.capabilities:capabilities_command",
    "status": "portrait.cli.look:status_command",
    "show": "portrait.cli.look:show_command",
    "sql": "portrait.cli.ask:sql_command",
    "explain": "portrait.cli.look:explain_command",
    "quarantine": "portrait.cli.quarantine:quarantine_command",
    "publish": "portrait.cli.runs:publish_command",
    "rollback": "portrait.cli.runs:rollback_command",
    "report": "portrait.cli.reports:report_command",
    "digest": "portrait.cli.ask:digest_command",
    "dictionary": "portrait.cli.reports:dictionary_command",
    "superset": "portrait.cli.reports:superset_command",
    "sql-user": "portrait.cli.users:sql_user_command",
    "land": "portrait.cli.land:land",
    "source": "portrait.cli.source:source",
    "features": "portrait.cli.features:features",
    "labels": "portrait.cli.labels:labels",
}
"""Commands of the kit; every room adds its own."""


def commands() -> dict[str, str]:
    """Command to `module:attribute`, those of the kit first."""
    rooms = {name: f"{ROOMS}.{room.name}.{place}" for room in capabilities() for name, place in room.commands.items()}
    return {**KIT, **rooms}


app = typer.Typer(
    name="portrait",
    help="Know your customers: labels, value, tiers, groups, recommendations.",
    cls=group_of(commands()),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the stack trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of all commands; `main` looks for --debug itself, to have it before anything can fail."""


def main() -> None:
    """Run a command. Errors go to stderr in three lines: what, where, remedy; the exit code says which kind."""
    debug = "--debug" in sys.argv
    # The flag is welcome anywhere on the line.
    sys.argv[1:] = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        app()
    except Exception as error:
        if debug:
            traceback.print_exc()
        fault = error if isinstance(error, PortraitError) else _as_fault(error)
        errors.print(f"error: {fault}", markup=False, soft_wrap=True)
        sys.exit(fault.exit_code)


def _as_fault(error: Exception) -> PortraitError:
    from portrait.failures import as_fault

    return as_fault(error, where="portrait " + " ".join(sys.argv[1:2]))
