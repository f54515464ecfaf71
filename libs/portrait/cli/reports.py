"""Commands that write documents: the HTML report of a run, the data dictionary, the bundle for Superset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portrait.cli.context import reading, suite_of
from portrait.cli.options import CONF, Conf, LakeRoot, OptionalAsOf, Target, settings_of
from portrait.cli.output import console
from portrait.contracts.dictionary import dictionary
from portrait.report import write_report
from portrait.superset import PLACEHOLDER, load_declaration, write_bundle


def report_command(as_of: OptionalAsOf = None, lake: LakeRoot = None, conf: Conf = CONF, target: Target = None) -> None:
    """Write the HTML report of a slice: one file that works offline."""
    with reading(settings_of(conf, target, lake=lake), target) as opened:
        day = as_of or opened.newest_slice("gold.segments")
        console.print(str(write_report(opened, as_of=day, run=None)), soft_wrap=True)


def dictionary_command(
    write: Annotated[Path | None, typer.Option(help="File to write; default: print it.")] = None, conf: Conf = CONF
) -> None:
    """The data dictionary, generated from the contracts."""
    text = dictionary(suite_of(settings_of(conf, None)))
    if write is None:
        print(text)
    else:
        write.write_text(text, encoding="utf-8")
        console.print(f"Wrote {write}", soft_wrap=True)


def superset_command(
    write: Annotated[Path, typer.Option(help="File to write.")] = Path("dist/portrait-superset.zip"),
    uri: Annotated[str, typer.Option(help="SQLAlchemy address of the SQL server, without password.")] = PLACEHOLDER,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """Write the import bundle for Apache Superset: datasets, metrics, charts and a dashboard over schema published."""
    settings = settings_of(conf, target)
    catalogue = suite_of(settings)
    write_bundle(write, load_declaration(settings.conf, catalogue), catalogue, uri=uri)
    console.print(f"Wrote {write}", soft_wrap=True)
