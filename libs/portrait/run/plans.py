"""How Spark executes the queries of a job: compiled to Java, or interpreted.

Spark writes a program for each query, and Java compiles that. With few rows to run through it this is most of the work.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from portrait.contracts.graph import Job
from portrait.ingest.discover import feed_files
from portrait.lake import Lake
from portrait.lake.files import bytes_of
from portrait.mappings.load import load_mappings
from portrait.mappings.source import NO_MAPPINGS, Mappings
from portrait.settings import Settings

INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
_PACKED = {".parquet", ".gz"}
_UNPACKED = 5  # so many bytes of text does a byte of these become


@contextmanager
def suitable_plans(lake: Lake, job: Job, *, settings: Settings, as_of: date) -> Iterator[None]:
    """A block in which the queries of a job with small inputs are interpreted; those of others are compiled."""
    mappings = load_mappings(settings.conf, lake.catalogue, checked=True)
    if input_bytes(lake, job, landing=settings.landing, as_of=as_of, mappings=mappings) > settings.interpreted_below:
        yield
        return
    conf = lake.spark.conf
    before = {name: str(conf.get(name)) for name in INTERPRETED}
    try:
        for name, value in INTERPRETED.items():
            conf.set(name, value)
        yield
    finally:
        for name, value in before.items():
            conf.set(name, value)


def input_bytes(lake: Lake, job: Job, *, landing: Path, as_of: date, mappings: Mappings = NO_MAPPINGS) -> int:
    """About how many bytes of text the inputs of a job are: landed files, whole tables, slices of `as_of`.

    `sys.maxsize` where that of a table is not known.
    """
    total = 0
    for table in job.inputs:
        if table.startswith("raw."):
            files = list(feed_files(landing, table.removeprefix("raw."), mappings))
            total += sum(file.stat().st_size * (_UNPACKED if file.suffix in _PACKED else 1) for file in files)
        elif lake.has(table):
            size = bytes_of(lake.path(table), as_of=as_of if lake.catalogue.table(table).sliced else None)
            if size is None:
                return sys.maxsize
            total += _UNPACKED * size
    return total
