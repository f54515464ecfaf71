"""One commit of a table: recomputed where that can help, and what a user is told when it cannot be made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from deltalake.exceptions import DeltaError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from portrait.errors import PortraitError
from portrait.events import event
from portrait.failures import cause_of, store_failed

_SETTINGS = (
    "spark.databricks.delta.write.txnAppId",
    "spark.databricks.delta.write.txnVersion",
    "spark.databricks.delta.commitInfo.userMetadata",
)
_STATEMENT = Lock()
OTHER_SLICE = "a row is not of the slice of"
"""What a write says that finds a row of another slice than its own; Delta has another word for it."""
_PAUSES = (1.0, 2.0)
"""Seconds before the second attempt, and before the third and last."""


def commit(
    write: Callable[[], None], *, table: str, folder: Path, check: Callable[[], None], repeatable: bool = True
) -> None:
    """Make one commit; again, a bounded number of times, when another commit or the storage was in its way.

    A commit is made whole or not at all, and one that was made although the storage says otherwise is known by its
    transaction id: Delta skips it the second time. What has no id is not `repeatable`. `check` is asked before each
    attempt whether this run may write. Raises PortraitError when the commit cannot be made.
    """
    for pause in (*_PAUSES, None):
        check()
        try:
            write()
        except (PySparkException, Py4JError, DeltaError) as error:
            if pause is None or not repeatable or not (_overtaken(error) or store_failed(error)):
                raise _refused(error, table, folder) from error
            event("write_repeated", table=table, error=type(error).__name__)
            time.sleep(pause)
        else:
            return


@contextmanager
def session_ids(spark: SparkSession, transaction: tuple[str, int], metadata: str) -> Iterator[None]:
    """Transaction ids for a statement that takes no options; unset whatever happens: they would leak otherwise."""
    with _STATEMENT:  # the settings are the session's: two statements at once would take each other's
        try:
            for name, value in zip(_SETTINGS, (*map(str, transaction), metadata), strict=True):
                spark.conf.set(name, value)
            yield
        finally:
            for name in _SETTINGS:
                spark.conf.unset(name)


def _overtaken(error: Exception) -> bool:
    """Whether a commit of somebody else (OPTIMIZE or DELETE by hand) changed files that this one had read."""
    return "DELTA_CONCURRENT" in str(error)


def _refused(error: Exception, table: str, folder: Path) -> PortraitError:
    """What Delta said of a write, without row values: its messages about constraints quote them."""
    condition = error.getCondition() if isinstance(error, PySparkException) else None
    text = str(error)
    for known in ("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "DELTA_CONCURRENT"):
        if known in text:
            condition = known
            break
    if OTHER_SLICE in text or "DELTA_REPLACE_WHERE_MISMATCH" in text:
        return PortraitError(
            "the job computed a row of another slice than the one that it writes",
            where=table,
            remedy="as_of of every row must be the --as-of of the run: correct the job",
        )
    if isinstance(error, DeltaError) and "failed validation check" in text:  # delta-rs does not say which rule
        condition, text = "CONSTRAINT", f"CONSTRAINT of {table}"
    if condition and "CONSTRAINT" in condition:
        line = next((part for part in text.splitlines() if condition in part), condition)
        reason = line.split("violated by row")[0].split("] ")[-1].strip()
        return PortraitError(
            f"a row breaks a constraint: {reason}",
            where=table,
            remedy="the job computes something its contract forbids: correct the job, or the contract in schemas/",
        )
    if (cause := cause_of(error, where=table, folder=folder)) is not None:
        return cause
    if condition == "DELTA_CONCURRENT":
        return PortraitError(
            f"the write failed: somebody else changed the table {len(_PAUSES) + 1} times meanwhile",
            where=f"{table} in {folder}",
            remedy="wait until the OPTIMIZE, DELETE or UPDATE that was started by hand has ended, then run again",
        )
    return PortraitError(
        f"the write failed: {condition or type(error).__name__}",
        where=table,
        remedy="run again with --debug for the cause",
    )
