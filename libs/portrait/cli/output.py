"""Printing rows and closing summaries."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from portrait.cli.options import Format

if TYPE_CHECKING:
    from portrait.lake import Publication
    from portrait.run.runner import RunSummary

# No markup: what is printed holds names, paths and ids of others, and `[x]` in them is text.
console = Console(highlight=False, markup=False, soft_wrap=False)
errors = Console(stderr=True, highlight=False, markup=False)


_FEW = 3


def emit(columns: Sequence[str], rows: Sequence[Sequence[Any]], output: Format, *, title: str | None = None) -> None:
    """Print rows as a table for people, or as JSON or CSV for machines."""
    if output is Format.json:
        print(
            json.dumps(
                [dict(zip(columns, row, strict=True)) for row in rows], indent=2, default=str, ensure_ascii=False
            )
        )
    elif output is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(["" if value is None else value for value in row] for row in rows)
    else:
        table = Table(title=title, title_justify="left", header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        texts = [["" if value is None else _text(value) for value in row] for row in rows]
        for row in texts:
            table.add_row(*row)
        # Names would be cut within words; with few columns it is only a long value that is.
        if len(columns) > _FEW and console.measure(table).minimum > console.width - 1:
            _print_records(columns, texts, title)
        else:
            console.print(table)


def _print_records(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> None:
    """Each row as lines of a column and its value: for tables that are too wide for the terminal."""
    if title:
        console.print(title, style="bold")
    if not rows:
        console.print("no rows")
    width = max(map(len, columns), default=0)
    for place, row in enumerate(rows):
        if place:
            console.print()
        for name, value in zip(columns, row, strict=True):
            console.print(f"{name:<{width}}  {value}", soft_wrap=True)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.2f}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return str(value)


def served_words(served: Publication, products: Mapping[str, date]) -> str:
    """How many tables readers see, and of which day; `products`: data product to its day, which may differ."""
    newest = max(products.values(), default=served.as_of)
    others = ", ".join(f"{product} of {day}" for product, day in sorted(products.items()) if day != newest)
    tables = sum(served.day(table) == newest for table in served.versions)
    return f"{tables} tables of {newest}" + (f"; {others}" if others else "")


def summarize(
    summary: RunSummary,
    *,
    notes: Sequence[tuple[str, str]],
    report: str | None,
) -> None:
    """The closing lines of a run; `notes`: what the user should know of it, a subject and a sentence each."""
    ran = [step for step in summary.steps if step.action == "run"]
    skipped = [step.job for step in summary.steps if step.action == "skip"]
    slowest = sorted(ran, key=lambda step: -step.seconds)[:3]
    if not summary.changed:
        console.print(
            f"Nothing to do for {summary.as_of}: {len(skipped)} jobs are up to date ({summary.seconds:.0f} s)."
        )
    else:
        console.print(f"Run {summary.run} (as_of {summary.as_of}) succeeded in {summary.seconds:.0f} s.")
    served = summary.publication
    if served is not None:
        told = served_words(served, summary.products)
        console.print(f"  published     {told} (run {served.run}), as schema published", soft_wrap=True)
    for subject, text in notes:
        console.print(f"  {subject:<13} {text}", markup=False, soft_wrap=True)
    if slowest:
        console.print(f"  slowest       {', '.join(f'{step.job} {step.seconds:.0f} s' for step in slowest)}")
    if summary.changed and skipped:
        console.print(f"  up to date    {', '.join(skipped)}")
    for step in summary.steps:
        if step.absent:
            reason = step.reason if step.action == "leave out" else "its feed is absent"
            console.print(f"  left out      {', '.join(step.absent)}: {reason}")
    if report:
        console.print(f"  report        {report}")
