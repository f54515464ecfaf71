"""Commands about where money goes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from portrait.capabilities.funds.withdrawals import withdrawals
from portrait.cli.context import looking
from portrait.cli.options import Format, Limit, OptionalAsOf, Output, Target, with_settings
from portrait.cli.output import emit
from portrait.errors import PortraitError
from portrait.settings import Settings

funds = typer.Typer(help="Funds: where money came from, and patterns of transfers.", no_args_is_help=True)


class Pattern(StrEnum):
    """Kinds of alerts."""

    pass_through = "pass_through"
    fan_in = "fan_in"
    fan_out = "fan_out"
    cycle = "cycle"
    structuring = "structuring"
    bipartite = "bipartite"
    stack = "stack"
    random = "random"
    scatter_gather = "scatter_gather"
    gather_scatter = "gather_scatter"


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


@funds.command("trace")
@with_settings
def trace_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer.")],
    as_of: OptionalAsOf = None,
    limit: Limit = 50,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """What a customer paid and withdrew, the newest first, and which money that came in paid for it, to the cent.

    Example: portrait funds trace C000000017
    """
    with looking(settings, target) as lake:
        day, flows = lake.slice_at("gold.fund_flows", as_of)
        found = flows.where("customer_id", "=", customer).rows()
    if not found:
        raise PortraitError(
            f"no booking of '{customer}' is within the window that ends on {day}",
            where="gold.fund_flows",
            remedy="check the id, or ask for another day with --as-of",
        )
    told = withdrawals(found)
    title = f"Withdrawals of {customer} up to {day} ({found[0]['method']}): {len(told)}"
    emit(["day", "account", "what", "amount", "came from"], told[:limit], output, title=title)
