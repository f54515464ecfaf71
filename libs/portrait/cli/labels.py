"""Commands that look at labels: what there is, what a customer had when. Without Spark."""

from __future__ import annotations

from typing import Annotated

import typer

from portrait.cli.commands import group_of
from portrait.cli.context import declarations_of, looking
from portrait.cli.options import CONF, Conf, Format, Limit, OptionalAsOf, Output, Target, settings_of, with_settings
from portrait.cli.output import emit
from portrait.errors import ConfigurationError
from portrait.labels import LabelSet, label_intervals
from portrait.labels.declaration import CheckedLabel
from portrait.labels.intervals import COLUMNS
from portrait.labels.readers import readers_of
from portrait.labels.tables import HISTORY, STATISTICS
from portrait.labels.usage import label_usage
from portrait.settings import Settings

COMMANDS = {
    "list": "portrait.cli.labels:list_command",
    "show": "portrait.cli.labels:show_command",
    "history": "portrait.cli.labels:history_command",
    "plan": "portrait.cli.label_files:plan_command",
    "apply": "portrait.cli.label_files:apply_command",
    "test": "portrait.cli.label_files:examples_command",
    "schema": "portrait.cli.label_files:schema_command",
    "new": "portrait.cli.label_files:new_command",
}
labels = typer.Typer(
    help="Labels: their files, their history, and what a change would do.", cls=group_of(COMMANDS), no_args_is_help=True
)


@labels.callback()
def _group() -> None:
    """Labels: their files, their history, and what a change would do."""


def list_command(conf: Conf = CONF, output: Output = Format.table) -> None:
    """Every label of conf/labels."""
    label_set = declarations_of(settings_of(conf, None)).labels
    rows = [
        [item.id, item.theme, item.kind, item.type, item.status, item.version, item.sensitivity, item.title]
        for item in (checked.label for checked in label_set.checked)
    ]
    emit(["label", "theme", "kind", "type", "status", "version", "sensitivity", "title"], rows, output, title="Labels")


@with_settings
def show_command(
    name: Annotated[str, typer.Argument(metavar="ID", help="A label, a file of conf/labels.")],
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """One label: what it means, who reads it, how its values are spread, what it costs, whether to trust it."""
    declared = declarations_of(settings)
    item = label_of(declared.labels, name)
    label = item.label
    rows: list[list[object]] = [
        ["title", label.title], ["description", label.description], ["values", label.values or ""],
        ["rule", label.rule], ["from", f"{label.source}: {', '.join(sorted(item.reads))}"],
        ["unknown means", label.unknown_means or ""], ["owner", label.owner], ["sensitivity", label.sensitivity],
        ["status", f"{label.status}, version {label.version}"],
        ["read by", ", ".join(readers_of(settings.conf, declared.catalogue).get(name, []))],
    ]  # fmt: skip
    with looking(settings, target, declared.catalogue) as opened:
        for use in label_usage(opened, log=settings.log):
            if use.label == name:
                rows.append([f"used by {use.kind} {use.reader}", f"{use.times} times, last for {use.last}"])
        if any(as_of is None or day <= as_of for day in opened.slices(STATISTICS)):
            day, statistics = opened.slice_at(STATISTICS, as_of)
            for facts in statistics.where("label", "=", name).rows()[:1]:
                rows += [[f"{key}, {day}", fact_text(value)] for key, value in facts.items() if key not in _NOT_SHOWN]
    emit(["what", name], rows, output)


_NOT_SHOWN = ("as_of", "label", "theme", "kind")


def fact_text(value: object) -> object:
    """A fact as it is printed: nothing where it is unknown, a list in one line."""
    return "" if value is None else "; ".join(value) if isinstance(value, list) else value


@with_settings
def history_command(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    name: Annotated[str | None, typer.Argument(metavar="[LABEL]", help="Default: every label.")] = None,
    as_of: OptionalAsOf = None,
    *,
    settings: Settings,
    target: Target = None,
    limit: Limit = 1000,
    output: Output = Format.table,
) -> None:
    """When the labels of a customer changed, and to what; with --as-of what they were that day."""
    declared = declarations_of(settings)
    if name is not None:
        label_of(declared.labels, name)
    with looking(settings, target, declared.catalogue) as opened:
        spans = label_intervals(opened.read(HISTORY), customer=customer, label=name, as_of=as_of)[:limit]
    emit(COLUMNS, [list(span.values()) for span in spans], output, title=f"Customer {customer}")


def label_of(known: LabelSet, name: str) -> CheckedLabel:
    """One label; raises ConfigurationError for a name that none has."""
    for item in known.checked:
        if item.label.id == name:
            return item
    raise ConfigurationError(f"no label is called '{name}'", where="conf/labels", remedy="see `portrait labels list`")
