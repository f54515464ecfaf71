"""Commands about core groups."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from portrait.capabilities.groups.audience_file import NewName, WriteTo, give_file
from portrait.cli.context import looking
from portrait.cli.options import Format, OptionalAsOf, Output, Target, identifier, with_settings
from portrait.cli.output import console, emit
from portrait.errors import ConfigurationError
from portrait.settings import Settings

core_group = typer.Typer(help="Core groups: how they were found, and their audiences.", no_args_is_help=True)

_SUMMARY, _STEPS = "gold.core_group_summary", "gold.core_group_steps"
Name = Annotated[
    str, typer.Argument(parser=identifier, metavar="POPULATION", help="A population of conf/core_group.yml.")
]


@core_group.command("show")
@with_settings
def show_command(
    population: Name,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """The groups of a population by core score, the five steps that found them, and the rule of the core group."""
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
@with_settings
def audience_command(
    population: Name,
    name: NewName,
    write: WriteTo = None,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
) -> None:
    """The rule of a core group as a file of an audience: printed, or written with --write conf/audiences."""
    with looking(settings, target) as opened:
        day, summary = opened.slice_at(_SUMMARY, as_of)
        rows = [row for row in summary.where("population", "=", population).rows() if row["audience"]]
    if not rows:
        raise ConfigurationError(
            f"'{population}' has no core group with a rule on {day}",
            where=_SUMMARY,
            remedy=f"`portrait core-group show {population}` says why",
        )
    give_file(audience_keys(name, rows[0], day=str(day)), write)


def audience_keys(name: str, row: dict[str, Any], *, day: str) -> dict[str, Any]:
    """The keys of conf/audiences/NAME.yml for a row of gold.core_group_summary."""
    return {
        "id": name,
        "title": f"Core group of {row['population']}: {row['group_name']}",
        "where": row["audience"],
        "purpose": "service",
        "owner": "customer-value",
        "description": f"{row['rule']}. Found on {day}; fidelity {row['rule_fidelity']:.2f}.",
    }
