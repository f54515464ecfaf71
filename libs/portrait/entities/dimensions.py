"""The dimensions of silver, as their contracts say, and which received records a run must read again for them."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Catalogue, Contract
from portrait.entities.versions import DELIVERED, VERSION_COLUMNS, rebuild_versions, snapshots_as_changes
from portrait.settings import UTC


@dataclass(frozen=True)
class Dimension:
    """A table of entity versions: where it comes from and how the bank delivers it."""

    table: str
    feed: str
    source: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    """The key and the attributes, without the columns that make a version."""
    snapshot_day: str | None
    """The column of a whole snapshot that says from which day it holds; None: the bank delivers change records."""
    zone: str = UTC
    """The bank's time zone: it says when a day of a snapshot begins."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Columns of the feed that have another name in the table: (feed, table)."""

    def changes(self, received: DataFrame, *, new: DataFrame) -> DataFrame:
        """Every change record, ever received, of the keys that `new` touches.

        A new snapshot touches every key: one that it lacks is closed.
        """
        received, new = (frame.withColumnsRenamed(dict(self.renamed)) for frame in (received, new))
        if self.snapshot_day is not None:
            dated = received.select(*self.columns, F.col(self.snapshot_day).alias("snapshot_on"), *DELIVERED)
            return snapshots_as_changes(dated, key=self.key, zone=self.zone)
        touched = new.select(*self.key).distinct()
        records = received.select(*self.columns, "op", "changed_at", *DELIVERED)
        return records.join(touched, on=list(self.key), how="left_semi")

    def versions(self, changes: DataFrame) -> DataFrame:
        """The versions of the keys in `changes`, as the table keeps them."""
        return rebuild_versions(changes, key=self.key).select(*self.columns, *VERSION_COLUMNS)


def dimensions(catalogue: Catalogue) -> list[Dimension]:
    """Every dimension that the job `entities` writes, in catalogue order."""
    return [_dimension(contract, catalogue) for contract in catalogue.layer("silver") if contract.job == "entities"]


def _dimension(contract: Contract, catalogue: Catalogue) -> Dimension:
    key = tuple(name for name in contract.key if name not in VERSION_COLUMNS)
    feed = catalogue.table(f"raw.{contract.name}")
    return Dimension(
        table=contract.id,
        feed=contract.name,
        source=f"bronze.{contract.name}",
        key=key,
        columns=tuple(name for name in contract.column_names if name not in VERSION_COLUMNS),
        # A row of a snapshot is one of a key and a day: regions have snapshot_on, prices priced_on.
        snapshot_day=next(name for name in feed.key if name not in key)
        if feed.custom("delivery") == "snapshot"
        else None,
        zone=catalogue.time_zone,
        renamed=tuple((column.source, column.name) for column in contract.columns if column.source is not None),
    )
