"""Commands that make a landing folder: the PKDD'99 bank, or a synthetic one; and the demonstration."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from portrait.cli.context import embedded
from portrait.cli.options import CONF, Conf, Target, settings_of
from portrait.cli.output import console
from portrait.cli.runs import execute
from portrait.dates import business_date
from portrait.sources.berka import land_berka
from portrait.sources.synthetic import feeds_named, land_synthetic, last_day

land = typer.Typer(help="Write a bank's feeds into a landing folder.", no_args_is_help=True)

To = Annotated[Path, typer.Option("--to", help="Landing folder to write into.")]
Until = Annotated[
    date | None, typer.Option(parser=business_date, metavar="DATE", help="Only what the bank knew by this day.")
]
Customers = Annotated[int, typer.Option(min=100, max=100_000_000, help="Number of customers.")]
Months = Annotated[int, typer.Option(min=1, max=120, help="Months of history.")]
Seed = Annotated[int, typer.Option(help="The same seed makes the same bank.")]


class Period(StrEnum):
    """What a file of bookings holds."""

    month = "month"
    day = "day"


@land.command("berka")
def berka(
    source: Annotated[Path, typer.Option("--from", help="Folder of the PKDD'99 files.")], to: To, until: Until = None
) -> None:
    """The PKDD'99 Czech bank, mapped to feeds."""
    _print_landed(land_berka(source=source, landing=to, until=until), to)


@land.command("synthetic")
def synthetic(
    to: To,
    customers: Customers = 5000,
    months: Months = 12,
    seed: Seed = 7,
    until: Until = None,
    feeds: Annotated[str, typer.Option(help="core, all, or names with commas between them.")] = "all",
    tiers: Annotated[bool, typer.Option(help="Also the planted tiers by month: takes longer.")] = False,
    by: Annotated[Period, typer.Option(help="One file a feed and day, or bookings by month.")] = Period.month,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """A bank of any size made by Spark, with a planted truth beside the landing folder."""
    wanted = feeds_named(feeds.split(","))
    spark = embedded(settings_of(conf, target), target)
    landed = land_synthetic(
        spark,
        customers=customers,
        months=months,
        seed=seed,
        landing=to,
        until=until,
        feeds=wanted,
        by=by.value,
        tier_path=tiers,
    )
    _print_landed(landed, to)


def _print_landed(rows: dict[str, int], to: Path) -> None:
    for feed, count in rows.items():
        console.print(f"  {feed:<18} {count:>12,} rows")
    console.print(f"Landed in {to}")


def demo_command(
    folder: Annotated[Path, typer.Option("--to", help="Folder of the demonstration.")] = Path("demo"),
    customers: Customers = 5000,
    months: Months = 12,
    seed: Seed = 7,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """Make a synthetic bank, run the whole graph, and show the report."""
    landing, lake = folder / "landing", folder / "lake"
    spark = embedded(settings_of(conf, target), target)
    _print_landed(land_synthetic(spark, customers=customers, months=months, seed=seed, landing=landing), landing)
    settings = settings_of(conf, target, landing=landing, lake=lake)
    report = execute(settings, target, days=[last_day(months)], select=None, quiet=False)
    if report and console.is_terminal:
        typer.launch(report)
