"""Slices of the portrait and of what labels are computed from."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame

from portrait.labels.portrait import with_all
from portrait.labels.tables import PORTRAIT
from portrait.lake import Lake, published_slice, slice_at


def portrait_at(lake: Lake, as_of: date | None, *, published: bool = False) -> tuple[date, DataFrame]:
    """The slice that readers see, with all labels; with `as_of` the newest of that day or before. And its day.

    Labels that are younger than the slice are unknown for all. Raises PortraitError when there is no slice. With
    `published`, for what leaves the lake, only what was published: GateRefused when nothing was.
    """
    day, found = (published_slice if published else slice_at)(lake, PORTRAIT, as_of)
    return day, with_all(found, lake.catalogue.table(PORTRAIT).columns)


def label_sources_of(lake: Lake, as_of: date) -> dict[str, DataFrame]:
    """Label source to its slice, for those that have one: the others are optional, and their labels unknown."""
    needed = lake.catalogue.table(PORTRAIT).reads
    tables = {name: f"gold.{name}" for name in lake.catalogue.label_sources}
    return {
        name: lake.slice(table, as_of)
        for name, table in tables.items()
        if table in needed or as_of in lake.slices(table)
    }
