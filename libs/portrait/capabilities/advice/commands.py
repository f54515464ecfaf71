"""Commands about advice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from portrait.cli.context import looking
from portrait.cli.options import CONF, Conf, Format, LakeRoot, OptionalAsOf, Output, Target, settings_of
from portrait.cli.output import console, emit
from portrait.errors import ConfigurationError

advice = typer.Typer(help="Advice: what to offer to which group, and why.", no_args_is_help=True)

_ADVICE = "gold.group_advice"
Group = Annotated[int, typer.Argument(min=1, metavar="GROUP", help="Number of the group.")]


@advice.command("show")
def show_command(
    group: Annotated[
        int | None, typer.Argument(min=1, metavar="[GROUP]", help="Number of a group; all without.")
    ] = None,
    as_of: OptionalAsOf = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """What to offer to a group, or to all: when, how, and on which figures it rests."""
    settings = settings_of(conf, target, lake=lake)
    with looking(settings, target) as opened:
        day, found = opened.slice_at(_ADVICE, as_of)
        rows = [row for row in found.rows() if group in (None, row["group_id"])]
    rows.sort(key=lambda row: (row["group_id"], row["advice"], row["category"]))
    columns = ["group", "advice", "category", "what", "when", "channel", "evidence", "remark"]
    keys = ("group_id", "advice", "category", "wording", "moment", "channel", "evidence", "remark")
    emit(columns, [[row[key] for key in keys] for row in rows], output, title=f"Advice on {day}")


@advice.command("audience")
def audience_command(
    group: Group,
    kind: Annotated[str, typer.Argument(metavar="ADVICE", help="A file of conf/advice.")],
    name: Annotated[str, typer.Argument(metavar="ID", help="What the audience is to be called.")],
    write: Annotated[Path | None, typer.Option("--write", metavar="FOLDER", help="Write ID.yml there.")] = None,
    as_of: OptionalAsOf = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """The customers of a piece of advice as a file of an audience: printed, or written with --write conf/audiences."""
    settings = settings_of(conf, target, lake=lake)
    with looking(settings, target) as opened:
        day, found = opened.slice_at(_ADVICE, as_of)
        rows = [row for row in found.rows() if (row["group_id"], row["advice"]) == (group, kind)]
    if not rows:
        raise ConfigurationError(
            f"there is no advice '{kind}' for group {group} on {day}",
            where=_ADVICE,
            remedy="see `portrait advice show`",
        )
    text = audience_file(name, rows[0])
    if write is None:
        typer.echo(text, nl=False)
        return
    path = write / f"{name}.yml"
    if path.exists():
        raise ConfigurationError("the file exists", where=str(path), remedy="give another ID, or remove it")
    path.write_text(text, encoding="utf-8")
    console.print(f"Wrote {path}", soft_wrap=True)


def audience_file(name: str, row: dict[str, Any]) -> str:
    """The text of conf/audiences/NAME.yml for a row of gold.group_advice."""
    told = {
        "id": name,
        "title": f"{row['title']}: {row['group_name']}",
        "where": row["audience"],
        "purpose": "marketing",
        "channels": [row["channel"]],
        "owner": "marketing",
        "description": f"{row['wording']} {row['evidence']}.",
    }
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=110)
