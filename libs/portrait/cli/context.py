"""What a command works with: contracts checked before Spark starts, then a session and a lake to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pyspark.sql import SparkSession

from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.lake import Lake, Lease
from portrait.session import start_embedded
from portrait.settings import Settings
from portrait.suite import load_suite


@cache
def suite_of(settings: Settings) -> Catalogue:
    """All contracts and declarations; every mistake in them is found here, before Spark starts. Read once a command."""
    return load_suite(settings.conf, settings.schemas, time_zone=settings.time_zone)


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
def reading(settings: Settings, target: str | None) -> Iterator[Lake]:
    """A lake to read from, and its session, which ends with the command."""
    root, catalogue = existing(settings), suite_of(settings)
    spark = embedded(settings, target)
    try:
        yield Lake(spark, root, catalogue)
    finally:
        spark.stop()


@contextmanager
def writing(settings: Settings, target: str | None) -> Iterator[Lake]:
    """A lake to write to, held by a lease while the command works."""
    root, catalogue = existing(settings), suite_of(settings)
    with Lease(root, seconds=settings.lease_seconds) as lease:
        spark = embedded(settings, target)
        try:
            yield Lake(spark, root, catalogue, lease=lease)
        finally:
            spark.stop()
