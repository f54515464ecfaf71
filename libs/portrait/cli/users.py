"""The command that makes a user of the SQL server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from portrait.serving import check_name, user_line


def sql_user_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name with which the user logs in.")],
) -> None:
    """Print a line for the SQL server's file of users; the password is asked for, or read from standard input."""
    check_name(name)
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    typer.echo(user_line(name, password))
