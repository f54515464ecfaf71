"""What a command works with: contracts checked before Spark starts, then a lake to look into, to read or to write.

Spark is imported where it is started: a command that only looks does without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from portrait.contracts import Catalogue, load_catalogue
from portrait.contracts.vocabulary import with_vocabulary
from portrait.errors import ConfigurationError
from portrait.lake import Reader
from portrait.lake.selection import Filter, SparkRows
from portrait.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from portrait.labels.declared import Declared
    from portrait.lake import Lake


@cache
def suite_of(settings: Settings) -> Catalogue:
    """All contracts and declarations; every mistake in them is found here, before Spark starts. Read once a command."""
    from portrait.run import suite

    return suite.suite_of(settings)


def contracts_of(settings: Settings) -> Catalogue:
    """The contracts with the values that the bank adds, without features and labels, for who only looks."""
    known = load_catalogue(settings.schemas, time_zone=settings.time_zone, standard=False)
    return with_vocabulary(known, settings.conf)


def declarations_of(settings: Settings) -> Declared:
    """Labels, audiences and the contracts, for who only looks: what else is configured is not checked."""
    from portrait.labels.declared import load_declared

    return load_declared(settings.conf, settings.schemas, time_zone=settings.time_zone)


def start_embedded(conf: Path, *, target: str) -> SparkSession:
    """As `portrait.spark.session` has it."""
    from portrait.spark.session import start_embedded as start

    return start(conf, target=target)


def embedded(settings: Settings, target: str | None) -> SparkSession:
    """A Spark session in this process."""
    return start_embedded(settings.conf, target=target or "local")


def existing(settings: Settings) -> Path:
    """The lake's root; raises ConfigurationError when there is no lake."""
    if not (settings.lake / "ops").is_dir():
        raise ConfigurationError(
            "there is no lake here",
            where=str(settings.lake),
            remedy="name it with --lake, or make one with `portrait run`",
        )
    return settings.lake


@contextmanager
def looking(settings: Settings, target: str | None, catalogue: Catalogue | None = None) -> Iterator[Reader]:
    """A lake to look into; `catalogue` where the command has one that knows more than the files of schemas/.

    Spark starts only for a table that needs more of its readers than delta-rs gives, and ends with the command.
    """
    root = existing(settings)
    contracts = catalogue or contracts_of(settings)
    rows = _LateSpark(settings, target)
    try:
        yield Reader(root, contracts, spark=rows)
    finally:
        rows.stop()


@contextmanager
def reading(settings: Settings, target: str | None) -> Iterator[Lake]:
    """A lake to read from, and its session, which ends with the command."""
    from portrait.lake import Lake

    root, catalogue = existing(settings), suite_of(settings)
    spark = embedded(settings, target)
    try:
        yield Lake(spark, root, catalogue)
    finally:
        spark.stop()


@contextmanager
def writing(settings: Settings, target: str | None) -> Iterator[Lake]:
    """A lake to write to, held by a lease while the command works."""
    from portrait.lake import Lake, Lease

    root, catalogue = existing(settings), suite_of(settings)
    with Lease(root, seconds=settings.lease_seconds) as lease:
        spark = embedded(settings, target)
        try:
            yield Lake(spark, root, catalogue, lease=lease)
        finally:
            spark.stop()


class _LateSpark:
    """Rows by Spark (`SparkRows`), which starts with the first table that needs it."""

    def __init__(self, settings: Settings, target: str | None) -> None:
        self._settings, self._target = settings, target
        self._session: SparkSession | None = None

    def columns(self, path: Path, version: int | None) -> list[str]:
        return self._rows().columns(path, version)

    def read(self, path: Path, version: int | None, filters: Sequence[Filter], columns: Sequence[str]) -> pa.Table:
        return self._rows().read(path, version, filters, columns)

    def _rows(self) -> SparkRows:
        from portrait.lake.by_spark import BySpark

        return BySpark(self._started)

    def _started(self) -> SparkSession:
        if self._session is None:
            self._session = embedded(self._settings, self._target)
        return self._session

    def stop(self) -> None:
        if self._session is not None:
            self._session.stop()
