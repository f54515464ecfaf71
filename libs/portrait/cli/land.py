"""Commands that make a landing folder: the PKDD'99 bank, or a synthetic one; and the demonstration."""

from __future__ import annotations

import json
import shutil
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from portrait.cli.context import embedded, suite_of
from portrait.cli.options import CONF, Conf, Target, settings_of
from portrait.cli.output import console
from portrait.cli.runs import execute
from portrait.dates import business_date
from portrait.lake import Reader
from portrait.run.runner import Every, business_dates
from portrait.settings import Settings
from portrait.sources.berka import land_berka
from portrait.sources.synthetic import all_feeds, feeds_named, land_synthetic, last_day

_SLICES = 3  # month ends of the demonstration: migration, label history and drift compare with earlier ones
_MADE = "made.json"

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
    """The PKDD'99 Czech bank, as files of the source `berka` (conf/sources/berka)."""
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
    by: Annotated[Period, typer.Option(help="One file per feed and day, or bookings by month.")] = Period.month,
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
    again: Annotated[bool, typer.Option("--again", help="Land and run even if the demonstration is there.")] = False,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """Make a synthetic bank, run the whole graph for its last three month ends, and show the report."""
    settings = settings_of(conf, target, landing=folder / "landing", lake=folder / "lake")
    days = business_dates(last_day(1), last_day(months), Every.month_end)[-_SLICES:]
    made = {"customers": customers, "months": months, "seed": seed}
    report = None if again else _report_of(settings, folder / _MADE, made, as_of=days[-1])
    if report is not None:
        console.print(f"The demonstration is there: {days[-1]} is served. `portrait demo --again` makes it anew.")
    else:
        if (folder / _MADE).is_file():  # a demonstration of ours, of another size or to be made anew
            for made_by_us in (settings.landing, settings.lake):
                shutil.rmtree(made_by_us, ignore_errors=True)
        spark = embedded(settings, target)
        landed = land_synthetic(
            spark, customers=customers, months=months, seed=seed, landing=settings.landing, feeds=all_feeds()
        )
        _print_landed(landed, settings.landing)
        report = execute(settings, target, days=days, select=None, quiet=False)
        (folder / _MADE).write_text(json.dumps(made), encoding="utf-8")
    console.print(
        f"Look at the report: {report}\n"
        f"Then ask: portrait status --lake {settings.lake}\n"
        f"          portrait show gold.tier_migration --lake {settings.lake}\n"
        f"          portrait labels list --lake {settings.lake}",
        soft_wrap=True,
    )
    if report and console.is_terminal:
        typer.launch(report)


def _report_of(settings: Settings, made: Path, wanted: dict[str, int], *, as_of: date) -> str | None:
    """The report of a demonstration of this size whose last day is served; None when there is none."""
    if not made.is_file() or json.loads(made.read_text(encoding="utf-8")) != wanted:
        return None
    served = next(iter(Reader(settings.lake, suite_of(settings)).publications()), None)
    reports = sorted((settings.lake / "reports").glob("*.html"), key=lambda path: path.stat().st_mtime)
    return str(reports[-1]) if reports and served is not None and served.as_of == as_of else None
