"""Commands about audiences: count, build, members, overlap, export, explain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import pyarrow.compute as pc
import typer
from pyarrow import Array

from portrait.capabilities.audiences.columns import PortraitColumns
from portrait.capabilities.audiences.declaration import AudienceSet, CheckedAudience, load_audiences
from portrait.capabilities.audiences.doubts import AudienceStatus, AudienceTrust, label_doubts, react_to_doubts
from portrait.capabilities.audiences.explanation import Line, behind, one_customer, tree
from portrait.capabilities.audiences.recorded import audiences_at
from portrait.cli.commands import group_of
from portrait.cli.context import declarations_of, looking
from portrait.cli.options import (
    CONF,
    AsOf,
    Conf,
    Format,
    Limit,
    OptionalAsOf,
    Output,
    Target,
    identifier,
    settings_of,
    with_settings,
)
from portrait.cli.output import console, emit, errors
from portrait.errors import ConfigurationError, PortraitError
from portrait.labels.tables import AUDIENCES, MEMBERS, PORTRAIT
from portrait.labels.trust import LabelTrust
from portrait.lake.selection import values_of
from portrait.settings import Settings

COMMANDS = {
    "list": "portrait.capabilities.audiences.commands:list_command",
    "count": "portrait.capabilities.audiences.commands:count_command",
    "build": "portrait.capabilities.audiences.lists:build_command",
    "members": "portrait.capabilities.audiences.commands:members_command",
    "overlap": "portrait.capabilities.audiences.commands:overlap_command",
    "export": "portrait.capabilities.audiences.lists:export_command",
    "explain": "portrait.capabilities.audiences.commands:explain_command",
}
audience = typer.Typer(
    help="Audiences: expressions over labels, and who is in them.", cls=group_of(COMMANDS), no_args_is_help=True
)


@audience.callback()
def _group() -> None:
    """Audiences: expressions over labels, and who is in them."""


Name = Annotated[str, typer.Argument(parser=identifier, metavar="ID", help="An audience, a file of conf/audiences.")]
PastDay = OptionalAsOf


def _audiences(settings: Settings) -> AudienceSet:
    declared = declarations_of(settings)
    return load_audiences(settings.conf, declared.labels, declared.catalogue)


def list_command(conf: Conf = CONF, output: Output = Format.table) -> None:
    """Every audience of conf/audiences and what it means."""
    audiences = _audiences(settings_of(conf, None))
    rows = [
        [name, item.audience.title, item.audience.purpose, audiences.sensitivity(item.clause), item.audience.where]
        for name, item in audiences.checked.items()
    ]
    emit(["audience", "title", "purpose", "sensitivity", "where"], rows, output, title="Audiences")


@with_settings
def count_command(
    expression: Annotated[
        str | None,
        typer.Argument(metavar="[EXPR]", help="Labels and audiences with and, or, not; default: one a line of input."),
    ] = None,
    as_of: PastDay = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """How many customers an expression has, and of how many it cannot be told; without one, as many as you type."""
    if expression is not None and as_of is None:
        _audiences(settings).parse(expression, where="EXPR")  # before Spark starts
    with _asking(settings, target, as_of) as asked:
        if expression is not None:
            asked.print_count(expression, output)
            return
        for text in _lines():
            try:
                asked.print_count(text, output)
            except PortraitError as error:  # a typo must not end the session
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
    doubts: dict[str, LabelTrust]

    def member(self, name: str) -> Array:
        """For every customer whether they are in an audience; warns of labels in doubt, or refuses by its policy."""
        item = self.meant.audience(name)
        _warn_or_refuse(self.meant.trust_in(item, self.doubts), name)
        return self.columns.member(item)

    def print_count(self, text: str, output: Format) -> None:
        """How many customers an expression has; conf/trust.yml says what doubts about its labels mean."""
        clause = self.meant.parse(text, where="EXPR")
        _warn_or_refuse(react_to_doubts(clause, self.doubts, self.meant.trust.audiences), "EXPR")
        found = self.columns.count(clause)
        rows = [[found.true, found.false, found.unknown, found.customers]]
        emit(["true", "false", "unknown", "customers"], rows, output)


def _warn_or_refuse(trust: AudienceTrust, where: str) -> None:
    """Raise where doubts are refused; else say them on stderr."""
    trust.check(where=where)
    for doubt in trust.doubts:
        errors.print(f"warning: {doubt}", markup=False, soft_wrap=True)


@contextmanager
def _asking(settings: Settings, target: str | None, as_of: AsOf | None) -> Iterator[_Asked]:
    declared = declarations_of(settings)
    audiences = load_audiences(settings.conf, declared.labels, declared.catalogue)
    with looking(settings, target, declared.catalogue) as opened:
        day, portrait = opened.slice_at(PORTRAIT, as_of)
        labels = audiences.words.labels
        yield _Asked(
            audiences_at(opened, audiences=audiences, as_of=day if as_of else None),
            PortraitColumns(portrait, labels),
            label_doubts(opened, labels=labels, as_of=as_of),
        )


@with_settings
def members_command(
    name: Name,
    as_of: PastDay = None,
    *,
    settings: Settings,
    target: Target = None,
    limit: Limit = 1000,
    output: Output = Format.table,
) -> None:
    """Customers in an audience, as published; with --as-of as it was, by what the audience meant that day."""
    with looking(settings, target) as opened:
        day, members = opened.published_slice(MEMBERS, as_of)
        found = members.where("audience", "=", name).first(limit, order=["customer_id"])
        built = opened.published_slice(AUDIENCES, as_of)[1].where("audience", "=", name).rows()
    if not built:
        raise ConfigurationError(
            f"there was no audience '{name}' on {day}", where=AUDIENCES, remedy="check the id, or --as-of"
        )
    if "trust" in built[0]:
        _warn_or_refuse(
            AudienceTrust(AudienceStatus(built[0]["trust"]), tuple(built[0]["doubts"] or ())),
            f"{AUDIENCES} of {day}, {name}",
        )
    customers = values_of(found.column("customer_id"))
    emit(["customer_id"], [[customer] for customer in customers], output, title=f"{name} on {day}")


@with_settings
def overlap_command(
    one: Name,
    other: Annotated[str, typer.Argument(parser=identifier, metavar="ID", help="Another audience.")],
    as_of: PastDay = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """How many customers two audiences share, by each audience's own policy for unknown."""
    with _asking(settings, target, as_of) as asked:
        a, b = (asked.member(name) for name in (one, other))
        both, customers = pc.and_(a, b).true_count, asked.columns.customers
    either = a.true_count + b.true_count - both
    rows = [
        [one, a.true_count], [other, b.true_count], ["both", both], [f"only {one}", a.true_count - both],
        [f"only {other}", b.true_count - both], ["either", either], ["neither", customers - either],
    ]  # fmt: skip
    emit(["customers in", "customers"], rows, output)


@with_settings
def explain_command(
    name: Name,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer id.")],
    as_of: PastDay = None,
    *,
    settings: Settings,
    target: Target = None,
    output: Output = Format.table,
) -> None:
    """Why a customer is in an audience or not: every clause, each label's value, since when and from which facts."""
    declared = declarations_of(settings)
    audiences, by_id = (
        load_audiences(settings.conf, declared.labels, declared.catalogue),
        {checked.label.id: checked for checked in declared.labels.checked},
    )
    with looking(settings, target, declared.catalogue) as opened:
        day, portrait = opened.slice_at(PORTRAIT, as_of)
        meant = audiences_at(opened, audiences=audiences, as_of=day if as_of else None)
        item = meant.audience(name)
        trust = meant.trust_in(item, label_doubts(opened, labels=audiences.words.labels, as_of=as_of))
        columns = one_customer(portrait, customer=customer, clause=item.clause, labels=by_id)
        lines = list(tree(item.clause, columns))
        reasons = behind(opened, customer=customer, as_of=day, columns=columns, labels=by_id)
    rows = []
    for line in lines:
        reason = reasons[line.label] if line.label else None
        facts = ", ".join(f"{key} = {_said(value)}" for key, value in reason.facts.items()) if reason else ""
        since = str(reason.since or "") if reason else ""
        rows.append(
            ["  " * line.depth + line.text, _said(line.verdict), _said(reason.value) if reason else "", since, facts]
        )
    emit(["clause", "verdict", "value", "since", "facts"], rows, output, title=f"{item.audience.title}, {day}")
    for doubt in trust.doubts:
        errors.print(f"warning: {doubt}", markup=False, soft_wrap=True)
    if output is Format.table:
        console.print(_sentence(item, lines[0], customer))


def _sentence(item: CheckedAudience, top: Line, customer: str) -> str:
    inside = top.verdict if top.verdict is not None else item.audience.unknown == "include"
    because = f"; of whom it cannot be told the audience {item.audience.unknown}s" if top.verdict is None else ""
    return f"Customer {customer} is {'' if inside else 'not '}in {item.audience.id}{because}."


def _said(value: object) -> str:
    return "unknown" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
