"""Which files of a feed Spark cannot read: found by halving, so that one bad file costs few queries."""

from __future__ import annotations

from collections.abc import Mapping

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from portrait.contracts import Contract
from portrait.errors import PortraitError
from portrait.ingest.files import Manifest
from portrait.ingest.read import judged_files
from portrait.ingest.verdicts import UNREADABLE
from portrait.lake import Lake
from portrait.mappings.source import NO_MAPPINGS, Mappings

_NOT_THE_FILE = ("No space left", "OutOfMemoryError", "ExecutorLost", "was shut down", "Connection refused", "stopped")
"""What Spark says when the machine, the disk or the cluster fails, and no file is to blame."""


def unreadable_files(
    lake: Lake, contract: Contract, files: Mapping[str, Manifest], error: Exception, mappings: Mappings = NO_MAPPINGS
) -> dict[str, str]:
    """By staged name, why a file cannot be read, after `error` came when all were read together.

    Raises PortraitError when no file is to blame: each can be read by itself, or none can for a reason outside of them.
    """
    _raise_unless_a_file(error, contract)
    found = _search(lake, contract, dict(files), mappings)
    if not found:
        raise _failure(error, contract) from error
    return found


def _search(lake: Lake, contract: Contract, files: dict[str, Manifest], mappings: Mappings) -> dict[str, str]:
    try:
        # Every value is made and judged, as in the query that failed; no row comes back.
        judged = judged_files(lake.spark, lake.root, contract, files, mappings)
        judged.agg(*[F.max(F.hash(name)) for name in judged.columns]).collect()
    except (PySparkException, Py4JError) as error:
        _raise_unless_a_file(error, contract)
        if len(files) == 1:
            return {name: f"{UNREADABLE}: Spark cannot read the file ({_kind(error)})" for name in files}
        names = list(files)
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        return {
            name: reason
            for half in halves
            for name, reason in _search(lake, contract, {name: files[name] for name in half}, mappings).items()
        }
    return {}


def _raise_unless_a_file(error: Exception, contract: Contract) -> None:
    if any(text in str(error) for text in _NOT_THE_FILE):
        raise _failure(error, contract) from error


def _failure(error: Exception, contract: Contract) -> PortraitError:
    return PortraitError(
        f"Spark failed while it read the feed: {_kind(error)}",
        where=contract.id,
        remedy="check disk, memory and the cluster, then run again; with --debug for the cause",
    )


def _kind(error: Exception) -> str:
    """The class of an error in a word; never its text, which may quote a value."""
    return (error.getCondition() if isinstance(error, PySparkException) else None) or "no further reason given"
