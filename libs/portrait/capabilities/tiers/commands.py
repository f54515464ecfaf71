"""Commands about tiers."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.tiers.migration import OUTSIDE, Moves, expected_customers, groups_of_both, mobility, moves_by
from portrait.capabilities.tiers.policy import TIERS, load_tier_policy
from portrait.capabilities.tiers.simulate import month_ends, replay, simulated_moves
from portrait.cli.context import reading
from portrait.cli.options import Format, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.dates import business_date
from portrait.entities.versions import as_of as versions_at
from portrait.errors import ConfigurationError
from portrait.lake import Lake
from portrait.settings import Settings

tiers = typer.Typer(help="Tiers: how customers moved, and what another policy would do.", no_args_is_help=True)


class By(StrEnum):
    """What moves may be told apart by."""

    region = "region"
    group = "group"
    branch = "branch"
    manager = "manager"


_TIERS = "gold.customer_tier"
_GROUPS = {
    By.region: ("gold.customer_features", "region_id"),
    By.group: ("gold.customer_group", "group_name"),
    By.branch: ("silver.customers", "branch_id"),
    By.manager: ("silver.customers", "manager_id"),
}


@tiers.command("simulate")
@with_settings
def simulate_command(
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="A file like conf/tiers.yml.")],
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Who would be in another tier, and with what assets, had FILE decided in all months that the lake holds.

    Plays levels and policy of FILE over the last slice of each month of gold.customer_value up to DATE, and compares
    with the earned tiers of the slice of DATE. Writes nothing.
    """
    rules = load_tier_policy(policy)
    with reading(settings, target) as opened:
        day = as_of or opened.newest_slice(_TIERS)
        published = opened.slice(_TIERS, day)
        months = month_ends(opened.slices("gold.customer_value"), until=day)
        replayed = replay(opened.read("gold.customer_value"), months, rules=rules.deciding, policy=rules)
        earned = published.withColumn("earned_tier", F.coalesce("earned_tier", "tier"))
        moves = simulated_moves(earned, replayed).collect()
    moves.sort(key=lambda row: (TIERS.index(row.tier), TIERS.index(row.simulated_tier)))
    columns = ["tier", "simulated_tier", "move", "customers", "assets"]
    rows = [
        [row.tier, row.simulated_tier, _move(row.tier, row.simulated_tier), row.customers, row.assets] for row in moves
    ]
    emit(columns, rows, output, title=f"Policy {rules.policy} of {policy} over {len(months)} months to {day}")
    if output is Format.table:
        for move in ("up", "down"):
            moved = [row for row in rows if row[2] == move]
            customers, assets = sum(row[3] for row in moved), sum(row[4] or 0 for row in moved)
            console.print(f"  {move:<5} {customers:,} customers with assets of {assets:,.2f}")


@tiers.command("migration")
@with_settings
def migration_command(
    since: Annotated[date, typer.Option("--from", parser=business_date, metavar="DATE", help="The earlier slice.")],
    until: Annotated[date, typer.Option("--to", parser=business_date, metavar="DATE", help="The later slice.")],
    by: Annotated[By | None, typer.Option(help="Moves of each of these; who left counts where they were.")] = None,
    ahead: Annotated[int, typer.Option(min=0, max=120, help="Steps of this length to look ahead.")] = 0,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """How customers moved between the tiers of two slices, whatever lies between them; with --ahead, where to.

    A line per tier before: customers by tier now and those who left; the last line are those who came, with Shorrocks'
    mobility index. --ahead repeats the step from --from to --to; entries are not forecast.
    """
    if since >= until:
        raise ConfigurationError("--from must be earlier than --to", where="--from, --to", remedy="swap them")
    with reading(settings, target) as opened:
        now, before = (opened.slice(_TIERS, day) for day in (until, since))
        groups = None if by is None else groups_of_both(*(_groups(opened, by, day) for day in (until, since)))
        rows = moves_by(now, before, groups).collect()
    found: dict[str, Moves] = {}
    for row in rows:
        found.setdefault(row.group, {})[row.from_tier, row.to_tier] = row.customers
    lines = [
        [*([] if by is None else [group]), *line]
        for group, moves in sorted(found.items())
        for line in _matrix(moves, ahead=ahead)
    ]
    columns = [*([] if by is None else [by.value]), "from", *TIERS, OUTSIDE, "mobility"]
    emit(columns, lines, output, title=f"Customers by tier on {since} and on {until}")


def _groups(lake: Lake, by: By, day: date) -> DataFrame:
    """customer_id and group of a day."""
    table, name = _GROUPS[by]
    sliced = lake.catalogue.table(table).sliced
    rows = lake.slice(table, day) if sliced else versions_at(lake.read(table), day, zone=lake.catalogue.time_zone)
    return rows.select("customer_id", F.col(name).alias("group"))


def _matrix(moves: Moves, *, ahead: int) -> list[list[Any]]:
    """A line per tier before, mobility in the last one; with `ahead`, a line of the customers expected then."""
    places = (*TIERS, OUTSIDE)
    lines: list[list[Any]] = [[tier, *[moves.get((tier, to), 0) for to in places], None] for tier in places]
    lines[-1][-1] = mobility(moves)
    if ahead:
        expected = expected_customers(moves, steps=ahead)
        lines.append([f"after {ahead}", *[round(customers, 1) for customers in expected.values()], None])
    return lines


def _move(now: str, then: str) -> str:
    order = TIERS.index(then) - TIERS.index(now)
    return "same" if order == 0 else "up" if order < 0 else "down"
