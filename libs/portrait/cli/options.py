"""The options that mean the same in every command, and how they become settings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from portrait.dates import business_date
from portrait.errors import ConfigurationError
from portrait.settings import Settings, load_settings


def identifier(text: str) -> str:
    """The id of a label or an audience; raises ConfigurationError for what cannot be one, a path for example."""
    if re.fullmatch(r"[a-z][a-z0-9_]{0,79}", text) is None:
        raise ConfigurationError(
            f"{text[:80]!r} is not an id", where="ID", remedy="lower-case letters, digits and _, with a letter first"
        )
    return text


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"


class PlanFormat(StrEnum):
    """How a plan is printed: for people, for machines, or for a scheduler."""

    table = "table"
    json = "json"
    csv = "csv"
    submit = "submit"
    airflow = "airflow"


AsOf = Annotated[date, typer.Option(parser=business_date, metavar="DATE", help="Business date, YYYY-MM-DD.")]
OptionalAsOf = Annotated[
    date | None,
    typer.Option("--as-of", parser=business_date, metavar="DATE", help="Business date; default: the newest."),
]
Landing = Annotated[Path | None, typer.Option(help="Folder into which the bank drops files.")]
LakeRoot = Annotated[Path | None, typer.Option("--lake", help="Root of the lake.")]
Conf = Annotated[Path, typer.Option(help="Folder of the configuration.")]
Target = Annotated[str | None, typer.Option(help="Settings of conf/<target>.toml and conf/spark/<target>.conf.")]
Output = Annotated[Format, typer.Option("--format", help="How to print.")]
PlanOutput = Annotated[
    PlanFormat,
    typer.Option("--format", help="How to print; submit: a spark-submit command a job; airflow: a DAG from DATE on."),
]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="Rows at the most.")]
Select = Annotated[
    str | None, typer.Option(metavar="JOB[+]", help="A job, table or capability; with + also what depends on it.")
]

CONF = Path("conf")


SettingsAndLanding = Annotated[Settings, "landing"]
"""As the annotation of `settings` below: the command has --landing too."""


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options --lake, --conf and --target in the place of its parameter `settings`.

    `settings` is made from them. A command that needs the target itself, to start Spark, has a parameter `target` too.

    | parameters of the command | options |
    | --- | --- |
    | `*, settings: Settings, output: Output = Format.table` | --lake --conf --target --format |
    | `*, settings: SettingsAndLanding, target: Target = None` | --landing --lake --conf --target |
    """
    own = inspect.signature(command, eval_str=True).parameters
    options = {"lake": (LakeRoot, None), "conf": (Conf, CONF)}
    if own["settings"].annotation == SettingsAndLanding:
        options = {"landing": (Landing, None), **options}
    if "target" not in own:
        options["target"] = (Target, None)
    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in options.items()
    ]
    parameters = [new for old in own.values() for new in (added if old.name == "settings" else [old])]

    @wraps(command)
    def with_options(**given: Any) -> None:
        flags = {name: given.pop(name, default) for name, (_, default) in options.items()}
        target = given.get("target", flags.pop("target", None))
        settings = settings_of(flags.pop("conf"), target, **flags)
        command(settings=settings, **given)

    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {item.name: item.annotation for item in parameters}
    return with_options


def settings_of(conf: Path, target: str | None, *, landing: Path | None = None, lake: Path | None = None) -> Settings:
    """The settings of a command."""
    return load_settings(conf, target=target, flags={"landing": landing, "lake": lake})
