"""Commands about advice."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from portrait.capabilities.groups.audience_file import NewName, WriteTo, give_file
from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import emit
from portrait.errors import ConfigurationError
from portrait.settings import Settings

advice = typer.Typer(help="Advice: what to offer to which group, and why.", no_args_is_help=True)

_ADVICE = "gold.group_advice"
Group = Annotated[int, typer.Argument(min=1, metavar="GROUP", help="Number of the group.")]


@advice.command("show")
@with_settings
def show_command(
    group: Annotated[
        int | None, typer.Argument(min=1, metavar="[GROUP]", help="Number of a group; all without.")
    ] = None,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """What to offer to a group, or to all: when, how, and on which figures it rests."""
    with looking(settings, target) as opened:
        day, found = opened.slice_at(_ADVICE, as_of)
        rows = [row for row in found.rows() if group in (None, row["group_id"])]
    rows.sort(key=lambda row: (row["group_id"], row["advice"], row["category"]))
    columns = ["group", "advice", "category", "what", "when", "channel", "evidence", "remark"]
    keys = ("group_id", "advice", "category", "wording", "moment", "channel", "evidence", "remark")
    emit(columns, [[row[key] for key in keys] for row in rows], output, title=f"Advice on {day}")


@advice.command("audience")
@with_settings
def audience_command(
    group: Group,
    kind: Annotated[str, typer.Argument(metavar="ADVICE", help="A file of conf/advice.")],
    name: NewName,
    write: WriteTo = None,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
) -> None:
    """The customers of a piece of advice as a file of an audience: printed, or written with --write conf/audiences."""
    with looking(settings, target) as opened:
        day, found = opened.slice_at(_ADVICE, as_of)
        rows = [row for row in found.rows() if (row["group_id"], row["advice"]) == (group, kind)]
    if not rows:
        raise ConfigurationError(
            f"there is no advice '{kind}' for group {group} on {day}",
            where=_ADVICE,
            remedy="see `portrait advice show`",
        )
    give_file(audience_keys(name, rows[0]), write)


def audience_keys(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """The keys of conf/audiences/NAME.yml for a row of gold.group_advice."""
    return {
        "id": name,
        "title": f"{row['title']}: {row['group_name']}",
        "where": row["audience"],
        "purpose": "marketing",
        "channels": [row["channel"]],
        "owner": "marketing",
        "description": f"{row['wording']} {row['evidence']}.",
    }
