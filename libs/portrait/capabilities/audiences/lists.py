"""Commands that make audiences with Spark: build their members, export a list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portrait.capabilities.audiences.commands import Name
from portrait.capabilities.audiences.declaration import load_audiences
from portrait.capabilities.audiences.export import export_audience
from portrait.cli.context import declarations_of, embedded, existing, suite_of, writing
from portrait.cli.options import AsOf, Format, Output, Target, with_settings
from portrait.cli.output import console, emit, errors
from portrait.errors import ConfigurationError
from portrait.labels.tables import AUDIENCES
from portrait.lake import Lake
from portrait.run.runner import run
from portrait.settings import Settings


@with_settings
def build_command(as_of: AsOf, *, settings: Settings, target: Target = None, output: Output = Format.table) -> None:
    """Write gold.audience_members and gold.audiences for a day, as a run does; skipped when up to date."""
    catalogue = suite_of(settings)
    existing(settings)
    spark = embedded(settings, target)
    try:
        run(spark, settings, catalogue=catalogue, as_of=as_of, select="audiences")
        rows = Lake(spark, settings.lake, catalogue).slice(AUDIENCES, as_of).orderBy("audience")
        columns = ["audience", "members", "unknown", "customers"]
        emit(columns, [list(row) for row in rows.select(*columns).collect()], output, title=f"Audiences of {as_of}")
    finally:
        spark.stop()


@with_settings
def export_command(
    name: Name,
    purpose: Annotated[str, typer.Option(help="What the list is for: the audience's own purpose.")],
    to: Annotated[Path, typer.Option("--to", help="Folder below which the list is written.")],
    kind: Annotated[str, typer.Option("--as", metavar="csv|delta", help="How the list is written.")] = "csv",
    *,
    settings: Settings,
    target: Target = None,
) -> None:
    """Write the customers of an audience, without whom conf/exports.yml suppresses; ops.audience_exports says so."""
    if kind not in ("csv", "delta"):
        raise ConfigurationError(f"'{kind}' is no format", where="--as", remedy="csv or delta")
    declared = declarations_of(settings)
    audiences = load_audiences(settings.conf, declared.labels, declared.catalogue)
    audiences.audience(name)
    with writing(settings, target) as opened:
        done = export_audience(opened, audiences=audiences, name=name, purpose=purpose, to=to, kind=kind)
    console.print(
        f"Export {done.number}: {done.exported:,} of {done.members:,} members of {done.as_of}", soft_wrap=True
    )
    for doubt in done.doubts:
        errors.print(f"warning: {doubt}", markup=False, soft_wrap=True)
    for entry, customers in done.suppressed.items():
        console.print(f"  suppressed    {customers:,} by {entry}")
    for entry in done.not_asked:
        console.print(f"  not asked     {entry}: the bank delivers no such feed")
    console.print(f"  written to    {done.folder}", soft_wrap=True)
