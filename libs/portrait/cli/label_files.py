"""Commands about the files of labels: what a change of them would do, to apply it, their examples, a new file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer
import yaml

from portrait.capability import modules_of_rooms
from portrait.cli.context import embedded, reading, suite_of, writing
from portrait.cli.labels import fact_text, label_of
from portrait.cli.options import CONF, Conf, Format, Output, Target, identifier, settings_of, with_settings
from portrait.cli.output import console, emit
from portrait.contracts import load_catalogue
from portrait.errors import ConfigurationError
from portrait.labels import LabelSet, computable, load_labels
from portrait.labels.declaration import CheckedLabel
from portrait.labels.editor import editor_schemas
from portrait.labels.examples import try_examples
from portrait.labels.lifecycle import Applied, Change, applied_labels, apply, plan
from portrait.labels.preview import changed_customers, facts_behind, label_preview
from portrait.labels.slices import label_sources_of, portrait_at
from portrait.labels.usage import LabelUse, label_usage
from portrait.lake import Lake
from portrait.settings import Settings

SAMPLE = 5  # customers shown for each changed label


def declared(settings: Settings) -> LabelSet:
    """The labels of the configuration, all of which is checked."""
    return load_labels(settings.conf, suite_of(settings))


@with_settings
def plan_command(*, settings: Settings, target: Target = None, output: Output = Format.table) -> None:
    """What the files would change: labels, customers gained and lost by tier and group, audiences, a sample."""
    known = declared(settings)
    with reading(settings, target) as opened:
        applied = applied_labels(opened)
        changes = plan(known, applied)
        rows = [[c.label, c.action, c.status, c.version, ", ".join(c.keys)] for c in changes]
        emit(["label", "action", "status", "version", "keys"], rows, output, title="Changes")
        ending = [c.label for c in changes if c.action in ("deprecated", "retired")]
        if ending:
            used = [[*astuple(use)] for use in label_usage(opened.reader, log=settings.log) if use.label in ending]
            emit([field.name for field in fields(LabelUse)], used, output, title="Uses so far of what ends")
        touched = [c for c in changes if c.changes_values]
        # Before anything was ever applied every label is new, and nothing can be compared.
        if applied and touched and opened.slices("gold.customer_portrait"):
            _preview(opened, settings.conf, known, touched, applied, output)


def _preview(
    lake: Lake,
    conf: Path,
    known: LabelSet,
    changes: list[Change],
    applied: Mapping[str, Applied],
    output: Format,
) -> None:
    day, before = portrait_at(lake, None)
    sources = label_sources_of(lake, day)
    after, failed = computable(known, as_of=day, sources=sources)
    if failed:
        emit(["label", "cannot be computed"], [[*item] for item in failed.items()], output, title="Labels that fail")
    names = {change.label for change in changes}
    names |= {i.label.id for step in known.levels() for i in step if _reads(known, i, names)}
    touched = [item.label for item in known.checked if item.label.id in names and item.label.has_column]
    tiers = lake.slice("gold.customer_tier", day).select("customer_id", "tier")
    groups = lake.slice("gold.customer_group", day).select("customer_id", "group_name")
    placed = tiers.join(groups, on="customer_id", how="full_outer")
    effects = label_preview(before=before, after=after, labels=touched, placed=placed)
    columns = ["label", "effect", "tier", "group_name", "customers"]
    rows = [list(row) for row in effects.orderBy(*columns[:-1]).collect()]
    emit(columns, rows, output, title=f"Customers of {day}")
    for room in modules_of_rooms("readers"):
        effects = room.effects_of_labels(conf, lake.catalogue, known, before=before, after=after, changed=sorted(names))
        if effects is not None:
            emit(effects.columns, [list(row) for row in effects.collect()], output, title=f"Audiences of {day}")
    sample = changed_customers(before=before, after=after, labels=touched, limit=SAMPLE)
    shown = sample.orderBy("label", "customer_id").collect()
    checked = {item.label.id: item for item in known.checked}
    then = {name: item.definition for name, item in applied.items()}
    facts = facts_behind(shown, labels=checked, applied=then, sources={**sources, "portrait": after})
    said = [", ".join(f"{name} = {fact_text(value)}" for name, value in found.items()) for found in facts]
    rows = [[*row, words] for row, words in zip(shown, said, strict=True)]
    emit([*sample.columns, "facts"], rows, output, title="Sample")


def _reads(known: LabelSet, item: CheckedLabel, names: set[str]) -> bool:
    """Whether a label is made from one of `names`, through other labels too."""
    made = {i.label.id: i for i in known.computed_from("portrait")}
    return any(name in names or (name in made and _reads(known, made[name], names)) for name in item.reads)


@with_settings
def apply_command(*, settings: Settings, target: Target = None) -> None:
    """Record the changes of the files in ops.label_events, with who applied them; the next run computes them."""
    known = declared(settings)
    with writing(settings, target) as opened:
        changes = plan(known, applied_labels(opened))
        if not changes:
            console.print("Nothing to apply: the files are as applied last.")
            return
        event = apply(opened, changes)
    counted: dict[str, int] = {}
    for change in changes:
        counted[change.action] = counted.get(change.action, 0) + 1
    told = ", ".join(f"{count} {action}" for action, count in sorted(counted.items()))
    console.print(f"Applied as event {event}: {told}.", soft_wrap=True)


def examples_command(
    name: Annotated[str | None, typer.Argument(metavar="[ID]", help="Default: every label with examples.")] = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Compute the examples in the label files, and say which do not hold; exit code 1 when one does not."""
    settings = settings_of(conf, target)
    catalogue = suite_of(settings)
    known = declared(settings)
    items = [item for item in known.checked if item.label.examples and name in (None, item.label.id)]
    if name is not None and not items:
        label_of(known, name)
    spark = embedded(settings, target)
    try:
        tried = [one for item in items for one in try_examples(spark, item, source=catalogue.table(item.label.source))]
    finally:
        spark.stop()
    rows = [
        [one.label, one.example.given, one.example.expect, one.found, "ok" if one.passed else "NOT OK"] for one in tried
    ]
    emit(["label", "given", "expected", "found", "state"], rows, output, title="Examples")
    if not all(one.passed for one in tried):
        raise typer.Exit(1)


def schema_command(
    write: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("docs/editor"),
    conf: Conf = CONF,
) -> None:
    """Write the JSON Schemas of label, audience and mapping files, for completion in editors."""
    schemas = settings_of(conf, None).schemas
    write.mkdir(parents=True, exist_ok=True)
    for name, text in editor_schemas(load_catalogue(schemas, standard=False)).items():
        (write / name).write_text(text, encoding="utf-8")
        console.print(f"Wrote {write / name}", soft_wrap=True)


def new_command(
    name: Annotated[str, typer.Option("--id", prompt="Id (lower case, with underscores)", help="Id of the label.")],
    title: Annotated[str, typer.Option(prompt="Title", help="What people call it.")],
    theme: Annotated[str, typer.Option(prompt="Theme", help="Folder of conf/labels.")],
    source: Annotated[str, typer.Option("--from", prompt="From (a table, or portrait)", help="Where the facts are.")],
    kind: Annotated[str, typer.Option("--type", prompt="Type (boolean, string, integer, decimal, date)", help="Type.")],
    value: Annotated[str, typer.Option(prompt="Value (Spark SQL)", help="Spark SQL over columns of --from.")],
    description: Annotated[str, typer.Option(prompt="Description", help="What a marketer needs to know.")],
    unknown_means: Annotated[str, typer.Option(prompt="Unknown means", help="What it means that it is unknown.")],
    owner: Annotated[str, typer.Option(prompt="Owner", help="Team that answers for it.")],
    sensitivity: Annotated[str, typer.Option(help="public, internal, personal or sensitive.")] = "internal",
    conf: Conf = CONF,
) -> None:
    """Write a valid label file by asking; it is a draft until its status is changed."""
    path = conf / "labels" / identifier(theme) / f"{identifier(name)}.yml"
    if path.exists():
        raise ConfigurationError("the file exists already", where=str(path), remedy="choose another id")
    written = {
        "id": name, "title": title, "theme": theme, "kind": "rule", "type": kind, "from": source, "value": value,
        "unknown_means": unknown_means, "owner": owner, "sensitivity": sensitivity, "freshness": "1 day",
        "status": "active", "version": 1, "description": description,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Checked as an active label, because a draft's expression is not looked at.
        for status in ("active", "draft"):
            path.write_text(yaml.safe_dump(written | {"status": status}, sort_keys=False, width=110), encoding="utf-8")
            declared(settings_of(conf, None))
    except ConfigurationError:
        path.unlink()
        raise
    console.print(f"Wrote {path}; set 'status: active' to compute it from the next run on.", soft_wrap=True)
