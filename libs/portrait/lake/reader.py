"""A lake to look into, without Spark: its tables, slices and publications as Arrow.

Commands that look and every run ask their records here. A reader holds nothing open, and what it keeps (the records of
earlier runs) it keeps for itself, so that a service may have one a request.
"""

from __future__ import annotations

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError, GateRefused, PortraitError
from portrait.lake.pointer import POINTER, Publication
from portrait.lake.records import TABLE, Records
from portrait.lake.selection import Selection, SparkRows, ordered, python_rows

_PUBLICATIONS = 1000  # the newest that are looked at
_COLUMNS = ["sequence", "run", "as_of", "action", "versions", "published_at", "days", "products"]


class Reader:
    """The tables below one root, to read. `spark` reads what delta-rs cannot read; see `Selection`."""

    def __init__(self, root: Path | str, catalogue: Catalogue, *, spark: SparkRows | None = None) -> None:
        self.root = Path(root).resolve()
        self.catalogue = catalogue
        self.spark = spark

    def path(self, table: str) -> Path:
        """Where a table is; raises ConfigurationError for a name that no contract has."""
        contract = self.catalogue.table(table)
        if contract.layer == "raw":
            raise ConfigurationError(
                f"{table} is a feed, not a table", where=table, remedy=f"ask for bronze.{contract.name}"
            )
        return self.root / contract.layer / contract.name

    def has(self, table: str) -> bool:
        """Whether the table was ever written."""
        log = self.path(table) / "_delta_log"
        return any(log.glob("*.json")) or any(log.glob("*.checkpoint*.parquet"))

    @cached_property
    def records(self) -> Records:
        """What earlier runs wrote."""
        return Records(self.read(TABLE).read if self.has(TABLE) else None)

    def slices(self, table: str) -> list[date]:
        """The slices that were written, oldest first."""
        return self.records.slices(table)

    def newest_slice(self, table: str, *, until: date | None = None) -> date:
        """The newest slice, of `until` or before where it is given; PortraitError when there is none."""
        found = max((day for day in self.slices(table) if until is None or day <= until), default=None)
        if found is None:
            raise PortraitError(
                f"{table} has no slice of {until} or before" if until else f"{table} has no slice yet",
                where=str(self.path(table)),
                remedy=f"`portrait run --as-of DATE` first{', or ask for a later day' if until else ''}",
            )
        return found

    def read(self, table: str) -> Selection:
        """A whole table; raises PortraitError when it was never written."""
        if not self.has(table):
            raise PortraitError(
                f"{table} does not exist yet",
                where=str(self.path(table)),
                remedy=f"run the job '{self.catalogue.table(table).job}' first",
            )
        return Selection(self.path(table), spark=self.spark)

    def slice(self, table: str, as_of: date) -> Selection:
        """The rows of one `as_of`; raises PortraitError when that slice was never written."""
        self.check_slice(table, as_of)
        return self.read(table).where("as_of", "=", as_of)

    def check_slice(self, table: str, as_of: date) -> None:
        """Raise PortraitError, naming the newest slices, when a slice was never written."""
        known = self.slices(table)
        if as_of not in known:
            raise PortraitError(
                f"{table} has no slice of {as_of}",
                where=str(self.path(table)),
                remedy=f"run the job '{self.catalogue.table(table).job}' with --as-of {as_of}; "
                f"newest slices: {', '.join(str(day) for day in known[-5:]) or 'none'}",
            )

    def publications(self) -> list[Publication]:
        """All publications and rollbacks, newest first; the first is in force."""
        if not self.has(POINTER):
            return []
        pointer = self.read(POINTER)
        columns = [name for name in _COLUMNS if name in pointer.columns]  # a lake of an earlier build has fewer
        newest = ordered(pointer.read(columns), ["sequence"], descending=True).slice(0, _PUBLICATIONS)
        return [_publication(row) for row in python_rows(newest)]

    def served(self, table: str, as_of: date | None) -> Publication:
        """The publication by which readers see a table; with `as_of` the last one of the newest day up to then.

        Raises GateRefused when there is none: a slice that was never published may be one that the gate has refused.
        """
        publications = [item for item in self.publications() if as_of is None or item.day(table) <= as_of]
        served = max(
            publications, key=lambda item: (item.day(table) if as_of else date.min, item.sequence), default=None
        )
        if served is not None and table in served.versions:
            return served
        of = f" of {served.as_of}" if served else f" of {as_of} or before" if as_of else ""
        newest = max((day for day in self.slices(table) if as_of is None or day <= as_of), default=None)
        other = newest and (served is None or newest != served.as_of)
        raise GateRefused(
            f"{table} has no published slice{of}" + (f"; its slice of {newest} was not published" if other else ""),
            where=POINTER,
            remedy="only published slices are listed or exported: see `portrait status`, then `portrait run` or "
            "`portrait publish RUN`",
        )

    def rows_of(self, table: str, served: Publication) -> Selection:
        """The rows of a table that a publication serves."""
        pinned = Selection(self.path(table), version=served.versions[table], spark=self.spark)
        return pinned.where("as_of", "=", served.day(table)) if self.catalogue.table(table).sliced else pinned

    def published_slice(self, table: str, as_of: date | None) -> tuple[date, Selection]:
        """The slice that readers see, as it was published, and its day; see `served`. For whatever leaves the lake."""
        served = self.served(table, as_of)
        return served.day(table), self.rows_of(table, served)

    def slice_at(self, table: str, as_of: date | None) -> tuple[date, Selection]:
        """To look into the lake: the slice that readers see, and its day; with `as_of` the newest of then or before.

        The newest slice while nothing is published. Raises PortraitError when there is none, GateRefused for a table
        that the publication in force does not have.
        """
        if as_of is None and self.publications():
            return self.published_slice(table, None)
        day = self.newest_slice(table, until=as_of)
        return day, self.slice(table, day)


def _publication(row: dict[str, Any]) -> Publication:
    """A row of the pointer; one of an earlier build has no days and no products."""
    products = row.pop("products", None)
    days = row.pop("days", None) or {}
    return Publication(**row, days=days, products=None if products is None else tuple(products))
