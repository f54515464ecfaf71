"""Commands about core groups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from portrait.cli.context import looking
from portrait.cli.options import CONF, Conf, Format, LakeRoot, OptionalAsOf, Output, Target, settings_of
from portrait.cli.output import console, emit
from portrait.errors import ConfigurationError

core_group = typer.Typer(help="Core groups: how they were found, and their audiences.", no_args_is_help=True)

_SUMMARY, _STEPS = "gold.core_group_summary", "gold.core_group_steps"
Name = Annotated[str, typer.Argument(metavar="POPULATION", help="A population of conf/core_group.yml.")]


@core_group.command("show")
def show_command(
    population: Name,
    as_of: OptionalAsOf = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """The groups of a population by core score, the five steps that found them, and the rule of the core group."""
    settings = settings_of(conf, target, lake=lake)
    with looking(settings, target) as opened:
        day, steps = opened.slice_at(_STEPS, as_of)
        taken = steps.where("population", "=", population).rows()
        groups = opened.slice_at(_SUMMARY, day)[1].where("population", "=", population).rows()
    if not taken:
        raise ConfigurationError(
            f"there is no population '{population}' on {day}", where=_STEPS, remedy="see conf/core_group.yml"
        )
    groups.sort(key=lambda row: (row["core_rank"] or 1_000, row["group_id"]))
    columns = ["rank", "group", "name", "customers", "lift", "value share", "cohesion", "stability", "score", "gates"]
    keys = (
        "core_rank",
        "group_id",
        "group_name",
        "customers",
        "lift",
        "value_share",
        "cohesion",
        "jaccard",
        "core_score",
    )
    rows: list[list[Any]] = [[*(row[key] for key in keys), row["failed_gates"]] for row in groups]
    emit(columns, rows, output, title=f"Groups of {population} on {day}")
    if output is not Format.table:
        return
    for step in sorted(taken, key=lambda row: row["step"]):
        passed = "passed" if step["passed"] else "failed"
        console.print(
            f"  {step['step']} {step['name']:<9} {passed}; {step['reason'] or 'nothing to note'}", soft_wrap=True
        )
    core = next((row for row in groups if row["core_rank"] == 1), None)
    if core is not None and core["rule"]:
        console.print(f"  rule      {core['rule']}", soft_wrap=True)


@core_group.command("audience")
def audience_command(
    population: Name,
    name: Annotated[str, typer.Argument(metavar="ID", help="What the audience is to be called.")],
    write: Annotated[Path | None, typer.Option("--write", metavar="FOLDER", help="Write ID.yml there.")] = None,
    as_of: OptionalAsOf = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """The rule of a core group as a file of an audience: printed, or written with --write conf/audiences."""
    settings = settings_of(conf, target, lake=lake)
    with looking(settings, target) as opened:
        day, summary = opened.slice_at(_SUMMARY, as_of)
        rows = [row for row in summary.where("population", "=", population).rows() if row["audience"]]
    if not rows:
        raise ConfigurationError(
            f"'{population}' has no core group with a rule on {day}",
            where=_SUMMARY,
            remedy=f"`portrait core-group show {population}` says why",
        )
    text = audience_file(name, rows[0], day=str(day))
    if write is None:
        typer.echo(text, nl=False)
        return
    path = write / f"{name}.yml"
    if path.exists():
        raise ConfigurationError("the file exists", where=str(path), remedy="give another ID, or remove it")
    path.write_text(text, encoding="utf-8")
    console.print(f"Wrote {path}", soft_wrap=True)


def audience_file(name: str, row: dict[str, Any], *, day: str) -> str:
    """The text of conf/audiences/NAME.yml for a row of gold.core_group_summary."""
    told = {
        "id": name,
        "title": f"Core group of {row['population']}: {row['group_name']}",
        "where": row["audience"],
        "purpose": "service",
        "owner": "customer-value",
        "description": f"{row['rule']}. Found on {day}; fidelity {row['rule_fidelity']:.2f}.",
    }
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=110)
