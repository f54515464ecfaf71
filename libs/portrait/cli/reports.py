"""Commands that write documents: the HTML report of a run, the data dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from portrait.cli.context import reading, suite_of
from portrait.cli.options import CONF, Conf, LakeRoot, OptionalAsOf, Target, settings_of
from portrait.cli.output import console
from portrait.contracts.dictionary import dictionary
from portrait.errors import ConfigurationError
from portrait.report import write_report


def report_command(as_of: OptionalAsOf = None, lake: LakeRoot = None, conf: Conf = CONF, target: Target = None) -> None:
    """Write the HTML report of a slice: one file that works offline."""
    with reading(settings_of(conf, target, lake=lake), target) as opened:
        day = as_of or max(opened.slices("gold.segments"), default=None)
        if day is None:
            raise ConfigurationError(
                "no segments were computed yet", where=str(opened.root), remedy="`portrait run` first"
            )
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
