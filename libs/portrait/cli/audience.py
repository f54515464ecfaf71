"""Commands about audiences: count, build, members, overlap, export, explain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pyarrow.compute as pc
import typer
from pyarrow import Array
from pyspark.sql import functions as F

from portrait.cli.context import embedded, existing, reading, suite_of, writing
from portrait.cli.options import (
    CONF,
    AsOf,
    Conf,
    Format,
    LakeRoot,
    Limit,
    OptionalAsOf,
    Output,
    Target,
    identifier,
    settings_of,
)
from portrait.cli.output import console, emit, errors
from portrait.errors import ConfigurationError, PortraitError
from portrait.labels import LabelSet, load_labels
from portrait.labels.audiences import (
    AUDIENCES,
    MEMBERS,
    AudienceSet,
    CheckedAudience,
    Line,
    PortraitColumns,
    Weighed,
    audiences_at,
    behind,
    export_audience,
    label_doubts,
    load_audiences,
    one_customer,
    portrait_at,
    tree,
    weigh,
)
from portrait.labels.trust import Verdict
from portrait.lake import Lake, published_slice
from portrait.runner import run
from portrait.settings import Settings

audience = typer.Typer(help="Audiences: expressions over labels, and who is in them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(parser=identifier, metavar="ID", help="An audience, a file of conf/audiences.")]
PastDay = OptionalAsOf


def declared(settings: Settings) -> tuple[LabelSet, AudienceSet]:
    """Labels and audiences of the configuration, checked."""
    catalogue = suite_of(settings)
    labels = load_labels(settings.conf, catalogue)
    return labels, load_audiences(settings.conf, labels, catalogue)


@audience.command("list")
def list_command(conf: Conf = CONF, output: Output = Format.table) -> None:
    """Every audience of conf/audiences and what it means."""
    audiences = declared(settings_of(conf, None))[1]
    rows = [
        [name, item.audience.title, item.audience.purpose, audiences.sensitivity(item.clause), item.audience.where]
        for name, item in audiences.checked.items()
    ]
    emit(["audience", "title", "purpose", "sensitivity", "where"], rows, output, title="Audiences")


@audience.command("count")
def count_command(
    expression: Annotated[
        str | None,
        typer.Argument(metavar="[EXPR]", help="Labels and audiences with and, or, not; default: one a line of input."),
    ] = None,
    as_of: PastDay = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """How many customers an expression has, and of how many it cannot be told; without one, as many as you type."""
    settings = settings_of(conf, target, lake=lake)
    audiences = declared(settings)[1]
    if expression is not None and as_of is None:
        audiences.parse(expression, where="EXPR")  # before Spark starts
    with _asking(settings, target, audiences, as_of) as asked:
        if expression is not None:
            asked.print_count(expression, output)
            return
        for text in _lines():
            try:
                asked.print_count(text, output)
            except PortraitError as error:  # a slip of the pen does not end the session
                console.print(f"error: {error}", markup=False)


def _lines() -> Iterator[str]:
    while True:
        if sys.stdin.isatty():
            console.print("expression> ", end="")
        line = sys.stdin.readline()
        if not line.strip():
            return
        yield line.strip()


@dataclass(frozen=True)
class _Asked:
    """A slice that is asked: what audiences meant that day, its columns, and the labels that are in doubt."""

    meant: AudienceSet
    columns: PortraitColumns
    doubts: dict[str, Verdict]

    def member(self, name: str) -> Array:
        """For every customer whether they are in an audience; warns of labels in doubt, or refuses by its policy."""
        item = self.meant.audience(name)
        _heed(self.meant.weigh(item, self.doubts), name)
        return self.columns.member(item)

    def print_count(self, text: str, output: Format) -> None:
        """How many customers an expression has; conf/trust.yml says what doubts about its labels mean."""
        clause = self.meant.parse(text, where="EXPR")
        _heed(weigh(clause, self.doubts, self.meant.trust.audiences), "EXPR")
        found = self.columns.count(clause)
        rows = [[found.true, found.false, found.unknown, found.customers]]
        emit(["true", "false", "unknown", "customers"], rows, output)


def _heed(weighed: Weighed, where: str) -> None:
    """Raise where doubts are refused; else say them on stderr."""
    weighed.check(where=where)
    for doubt in weighed.doubts:
        errors.print(f"warning: {doubt}", markup=False, soft_wrap=True)


@contextmanager
def _asking(settings: Settings, target: str | None, audiences: AudienceSet, as_of: AsOf | None) -> Iterator[_Asked]:
    with reading(settings, target) as opened:
        day, portrait = portrait_at(opened, as_of)
        labels = audiences.words.labels
        yield _Asked(
            audiences_at(opened, audiences=audiences, as_of=day if as_of else None),
            PortraitColumns(portrait, labels),
            label_doubts(opened, labels=labels, as_of=as_of),
        )


@audience.command("build")
def build_command(
    as_of: AsOf, lake: LakeRoot = None, conf: Conf = CONF, target: Target = None, output: Output = Format.table
) -> None:
    """Write gold.audience_members and gold.audiences for a day, as a run does; skipped when up to date."""
    settings = settings_of(conf, target, lake=lake)
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


@audience.command("members")
def members_command(
    name: Name,
    as_of: PastDay = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    limit: Limit = 1000,
    output: Output = Format.table,
) -> None:
    """Customers in an audience, as published; with --as-of as it was, by what the audience meant that day."""
    settings = settings_of(conf, target, lake=lake)
    with reading(settings, target) as opened:
        day, members = published_slice(opened, MEMBERS, as_of)
        found = members.where(F.col("audience") == F.lit(name)).select("customer_id")
        rows = found.orderBy("customer_id").limit(limit).collect()
        built = published_slice(opened, AUDIENCES, as_of)[1].where(F.col("audience") == F.lit(name)).head()
    if built is None:
        raise ConfigurationError(
            f"there was no audience '{name}' on {day}", where=AUDIENCES, remedy="check the id, or --as-of"
        )
    if "trust" in built:
        _heed(Weighed(built.trust, tuple(built.doubts or ())), f"{AUDIENCES} of {day}, {name}")
    emit(["customer_id"], [[row.customer_id] for row in rows], output, title=f"{name} on {day}")


@audience.command("overlap")
def overlap_command(
    one: Name,
    other: Annotated[str, typer.Argument(parser=identifier, metavar="ID", help="Another audience.")],
    as_of: PastDay = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """How many customers two audiences share, by each audience's own policy for unknown."""
    settings = settings_of(conf, target, lake=lake)
    audiences = declared(settings)[1]
    with _asking(settings, target, audiences, as_of) as asked:
        a, b = (asked.member(name) for name in (one, other))
        both, customers = pc.and_(a, b).true_count, asked.columns.customers
    either = a.true_count + b.true_count - both
    rows = [
        [one, a.true_count], [other, b.true_count], ["both", both], [f"only {one}", a.true_count - both],
        [f"only {other}", b.true_count - both], ["either", either], ["neither", customers - either],
    ]  # fmt: skip
    emit(["customers in", "customers"], rows, output)


@audience.command("export")
def export_command(
    name: Name,
    purpose: Annotated[str, typer.Option(help="What the list is for: the audience's own purpose.")],
    to: Annotated[Path, typer.Option("--to", help="Folder below which the list is written.")],
    kind: Annotated[str, typer.Option("--as", metavar="csv|delta", help="How the list is written.")] = "csv",
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
) -> None:
    """Write the customers of an audience, without whom conf/exports.yml suppresses; ops.audience_exports says so."""
    if kind not in ("csv", "delta"):
        raise ConfigurationError(f"'{kind}' is no format", where="--as", remedy="csv or delta")
    settings = settings_of(conf, target, lake=lake)
    audiences = declared(settings)[1]
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


@audience.command("explain")
def explain_command(
    name: Name,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    as_of: PastDay = None,
    lake: LakeRoot = None,
    conf: Conf = CONF,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Why a customer is in an audience or not: every clause, each label's value, since when and from which facts."""
    settings = settings_of(conf, target, lake=lake)
    labels, audiences = declared(settings)
    known = {checked.label.id: checked for checked in labels.checked}
    with reading(settings, target) as opened:
        day, portrait = portrait_at(opened, as_of)
        meant = audiences_at(opened, audiences=audiences, as_of=day if as_of else None)
        item = meant.audience(name)
        weighed = meant.weigh(item, label_doubts(opened, labels=audiences.words.labels, as_of=as_of))
        columns = one_customer(portrait, customer=customer, clause=item.clause, labels=known)
        lines = list(tree(item.clause, columns))
        reasons = behind(opened, customer=customer, as_of=day, columns=columns, labels=known)
    rows = []
    for line in lines:
        reason = reasons[line.label] if line.label else None
        facts = ", ".join(f"{key} = {_said(value)}" for key, value in reason.facts.items()) if reason else ""
        since = str(reason.since or "") if reason else ""
        rows.append(
            ["  " * line.depth + line.text, _said(line.verdict), _said(reason.value) if reason else "", since, facts]
        )
    emit(["clause", "verdict", "value", "since", "facts"], rows, output, title=f"{item.audience.title}, {day}")
    for doubt in weighed.doubts:
        errors.print(f"warning: {doubt}", markup=False, soft_wrap=True)
    if output is Format.table:
        console.print(_sentence(item, lines[0], customer))


def _sentence(item: CheckedAudience, top: Line, customer: str) -> str:
    inside = top.verdict if top.verdict is not None else item.audience.unknown == "include"
    because = f"; of whom it cannot be told the audience {item.audience.unknown}s" if top.verdict is None else ""
    return f"Customer {customer} is {'' if inside else 'not '}in {item.audience.id}{because}."


def _said(value: object) -> str:
    return "unknown" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
