"""Commands about where money goes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from portrait.cli.context import looking
from portrait.cli.options import Format, Limit, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import emit
from portrait.settings import Settings

funds = typer.Typer(help="Funds: patterns of transfers that are to be looked at.", no_args_is_help=True)


class Pattern(StrEnum):
    """Kinds of alerts."""

    pass_through = "pass_through"
    fan_in = "fan_in"
    fan_out = "fan_out"
    cycle = "cycle"
    structuring = "structuring"


@funds.callback()
def _group() -> None:
    """Keeps `alerts` a command of its own while it is the only one."""


@funds.command("alerts")
@with_settings
def alerts_command(
    as_of: OptionalAsOf = None,
    kind: Annotated[Pattern | None, typer.Option(help="Only alerts of this kind.")] = None,
    limit: Limit = 50,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Patterns of transfers that are to be looked at, with the accounts and amounts.

    Example: portrait funds alerts --kind cycle
    """
    with looking(settings, target) as opened:
        day, rows = opened.slice_at("gold.fund_alerts", as_of)
        chosen = rows if kind is None else rows.where("kind", "=", kind.value)
        found = chosen.first(limit, order=["kind", "account_id"]).to_pylist()
    columns = ["kind", "account_id", "customer_id", "first_on", "last_on", "events", "amount", "evidence"]
    emit(columns, [[row[name] for name in columns] for row in found], output, title=f"Patterns of transfers on {day}")
