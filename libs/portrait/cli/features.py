"""Commands about declared features."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

from portrait.cli.context import suite_of
from portrait.cli.options import CONF, AsOf, Conf, Format, Output, settings_of
from portrait.cli.output import emit
from portrait.errors import ConfigurationError
from portrait.features import explain, load_features

features = typer.Typer(help="Declared features: what there is, and what a number means.", no_args_is_help=True)


@features.command("list")
def list_command(conf: Conf = CONF, output: Output = Format.table) -> None:
    """Every feature of conf/features, in the order of files and lines."""
    declared = load_features(conf).features
    rows = [[item.name, item.source, item.aggregate, item.physical_type, item.description] for item in declared]
    emit(["feature", "source", "aggregate", "type", "meaning"], rows, output, title="Features")


@features.command("explain")
def explain_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A column of gold.customer_features.")],
    as_of: AsOf,
    conf: Conf = CONF,
    output: Output = Format.table,
) -> None:
    """One feature: declaration, meaning, SQL that anybody can run, what the job computes, lineage, cost."""
    declared = load_features(conf)
    feature = next((item for item in declared.features if item.name == name), None)
    if feature is None:
        near = difflib.get_close_matches(name, [item.name for item in declared.features], n=3)
        raise ConfigurationError(
            f"no feature is called '{name}'",
            where=str(conf / "features"),
            remedy=f"did you mean {', '.join(near)}?" if near else "see `portrait features list`",
        )
    bookings = suite_of(settings_of(conf, None)).table("silver.transactions")
    found = explain(feature, declared, bookings=bookings, as_of=as_of)
    rows = [
        ["declared", found.declared],
        ["meaning", found.meaning],
        ["sql", found.sql or "several steps: see the source's module in portrait.features"],
        *(["computed", text] for text in found.computed),
        ["lineage", found.lineage],
        ["cost", found.cost],
    ]
    emit(["what", name], rows, output)
