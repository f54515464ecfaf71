"""Which data products may move to the slices of a day, and which stay as they are served.

The rule: a product moves only if every product that its tables are made from moves too, or is already served in
exactly the versions that they read. So readers never see an audience of a day whose portrait was refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from portrait.contracts import Contract
from portrait.contracts.products import check_names, dependents, products, sources_of
from portrait.errors import ConfigurationError
from portrait.lake.gate import gate_results, refusals
from portrait.lake.lake import Lake
from portrait.lake.pointer import Publication


@dataclass(frozen=True)
class Move:
    """What publication would do with the products that have something of a day."""

    as_of: date
    moving: dict[str, dict[str, int]]
    """Product to its tables and the versions of them that will be served."""
    refused: dict[str, list[str]]
    """Product to what the gate says against it."""
    waiting: dict[str, str]
    """Product that passed the gate to the reason why it cannot move without another one."""
    unjudged: bool
    """Whether a product is refused because its versions are not those that the gate judged."""
    newer: dict[str, date]
    """Product to the later day of which it is served, where readers are not to be taken back."""
    dropped: set[str]
    """Products of which there is nothing that day, and which would be ahead of what moves back: no longer served."""


def version_to_serve(lake: Lake, contract: Contract, as_of: date) -> int | None:
    """The version of a gold table as its job left it: with the slice of a day, or the whole table where it has none."""
    return lake.records.versions.get((contract.id, as_of if contract.sliced else None))


def next_move(
    lake: Lake,
    served: Publication | None,
    *,
    as_of: date,
    only: Collection[str] | None = None,
    backwards: bool,
) -> Move:
    """The move of a day: of all products, or `only` some; `backwards`: also of those that are served of a later day.

    Raises ConfigurationError when there is nothing of that day.
    """
    every = _candidates(lake, as_of, only)
    candidates = {name: tables for name, tables in every.items() if only is None or name in only}
    found = gate_results(lake.reader, as_of)
    refused = refusals(lake.reader, found, candidates)
    unjudged = any(found.versions.get(table) != v for name in refused for table, v in candidates[name].items())
    days = served.days_of(lake.catalogue) if served else {}
    newer = {name: days[name] for name in candidates if not backwards and name in days and days[name] > as_of}
    move = Move(
        as_of,
        {name: tables for name, tables in candidates.items() if name not in refused and name not in newer},
        refused,
        {},
        unjudged,
        newer,
        {name for name, day in days.items() if backwards and name not in every and day > as_of},
    )
    while (reason := _first_that_waits(lake, served, move, days)) is not None:
        move.waiting[reason[0]] = reason[1]
        del move.moving[reason[0]]
    move.dropped.intersection_update(dependents(lake.catalogue, move.moving))
    return move


def _candidates(lake: Lake, as_of: date, only: Collection[str] | None) -> dict[str, dict[str, int]]:
    tables_of = products(lake.catalogue)
    check_names(lake.catalogue, only or ())
    found: dict[str, dict[str, int]] = {}
    for name, tables in tables_of.items():
        contracts = [lake.catalogue.table(table) for table in tables]
        versions = {contract.id: version_to_serve(lake, contract, as_of) for contract in contracts}
        written = {table: version for table, version in versions.items() if version is not None}
        # A product with slices has something of a day only if one of them is of that day.
        sliced = {contract.id for contract in contracts if contract.sliced}
        if written and (not sliced or sliced & written.keys()):
            found[name] = written
    if not found.keys() & set(tables_of if only is None else only):
        raise ConfigurationError(
            f"no gold table{' of ' + ', '.join(sorted(only)) if only else ''} has a slice of {as_of}",
            where=str(lake.root),
            remedy="run the jobs for that day first",
        )
    return found


def _first_that_waits(
    lake: Lake, served: Publication | None, move: Move, days: dict[str, date]
) -> tuple[str, str] | None:
    """A product that would be ahead of what it is made from, or of which a later day was made; and why."""
    for name, tables in move.moving.items():
        for source in sorted({source for table in tables for source in sources_of(lake.catalogue, table)}):
            if not source.startswith("gold."):
                continue
            contract = lake.catalogue.table(source)
            version = version_to_serve(lake, contract, move.as_of)
            if version is None or contract.product == name or contract.product in move.moving:
                continue
            day = move.as_of if contract.sliced else None
            if served is None or not served.serves(source, version=version, as_of=day):
                return name, f"{source} of {contract.product}, from which it is made, does not move"
        for other, day in sorted(days.items()):
            if (
                other not in move.moving
                and other not in move.dropped
                and day > move.as_of
                and other in dependents(lake.catalogue, [name])
            ):
                return name, f"{other}, which is made from it, would be left at {day}"
    return None
