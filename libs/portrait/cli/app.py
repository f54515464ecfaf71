"""`portrait`: the commands, and how errors end."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from portrait import __version__
from portrait.cli.audience import audience
from portrait.cli.doctor import doctor_command
from portrait.cli.features import features
from portrait.cli.labels import labels
from portrait.cli.land import demo_command, land
from portrait.cli.look import digest_command, explain_command, show_command, sql_command
from portrait.cli.output import errors
from portrait.cli.quarantine import quarantine_command
from portrait.cli.reports import dictionary_command, report_command, superset_command
from portrait.cli.runs import plan_command, publish_command, rollback_command, run_command, status_command
from portrait.cli.tiers import tiers
from portrait.cli.users import sql_user_command
from portrait.cli.value import value
from portrait.failures import as_fault

app = typer.Typer(
    name="portrait",
    help="Know your customers: labels, value, tiers, groups, recommendations.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(land, name="land")
app.add_typer(features, name="features")
app.add_typer(tiers, name="tiers")
app.add_typer(value, name="value")
app.add_typer(labels, name="labels")
app.add_typer(audience, name="audience")
_COMMANDS: dict[str, Callable[..., None]] = {
    "doctor": doctor_command,
    "demo": demo_command,
    "run": run_command,
    "plan": plan_command,
    "status": status_command,
    "show": show_command,
    "sql": sql_command,
    "explain": explain_command,
    "quarantine": quarantine_command,
    "publish": publish_command,
    "rollback": rollback_command,
    "report": report_command,
    "digest": digest_command,
    "dictionary": dictionary_command,
    "superset": superset_command,
    "sql-user": sql_user_command,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)


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
        fault = as_fault(error, where="portrait " + " ".join(sys.argv[1:2]))
        errors.print(f"error: {fault}", markup=False, soft_wrap=True)
        sys.exit(fault.exit_code)
