"""Commands about the value of customers."""

from __future__ import annotations

from typing import Annotated

import typer

from portrait.capabilities.lifetime.calibration import calibration
from portrait.capabilities.lifetime.lifetime import initiated
from portrait.capabilities.lifetime.policy import load_lifetime_policy
from portrait.cli.context import reading
from portrait.cli.options import AsOf, Format, Output, Target, with_settings
from portrait.cli.output import console, emit
from portrait.features import load_features
from portrait.settings import Settings

value = typer.Typer(help="Value: how well forecasts hold.", no_args_is_help=True)


@value.callback()
def _group() -> None:
    """Keeps `calibrate` a word of its own while it is the only one."""


@value.command("calibrate")
@with_settings
def calibrate_command(
    as_of: AsOf,
    held_out: Annotated[int, typer.Option(min=1, max=400, help="Units (unit_days of conf/lifetime.yml) to forecast.")],
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """The lifetime model judged by what came: a line per tenth of the customers, forecast and purchases since.

    Fits on the bookings up to HELD_OUT units before DATE and compares with those since. Writes nothing.
    """
    policy = load_lifetime_policy(settings.conf)
    with reading(settings, target) as opened:
        counts = initiated(load_features(settings.conf), opened.catalogue.table("silver.transactions"))
        daily = opened.read("silver.customer_daily")
        judged = calibration(daily, counts=counts, policy=policy, as_of=as_of, held_out=held_out)
        rows = [list(row) for row in judged.collect()]
    title = f"Purchases a customer in the {held_out} units to {as_of}, by tenth of the forecast"
    emit(["tenth", "customers", "expected", "came"], rows, output, title=title)
    if output is Format.table:
        expected, came = (sum(row[1] * row[place] for row in rows) for place in (2, 3))
        console.print(f"  all    {expected:,.0f} expected, {came:,.0f} came")
