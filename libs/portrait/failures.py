"""Any exception as an error that a user can read: what broke, where, what to do. Never the text of Java, never data."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from portrait.errors import PortraitError

_DEBUG = "run again with --debug for the cause"
_AGAIN = "then run again: what was committed is kept and skipped"
_FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
# What Delta says of a table that a later version of it has written.
_NEWER = re.compile(
    r"DELTA_UNSUPPORTED_FEATURES_FOR_(?:READ|WRITE)|DELTA_UNSUPPORTED_FEATURES_IN_CONFIG|DELTA_INVALID_PROTOCOL_VERSION"
    r"|InvalidProtocolVersionException"
)
_STORE = re.compile(r"java\.io\.(?:IOException|InterruptedIOException|SyncFailedException)\b|java\.net\.\w+Exception\b")


def as_fault(error: BaseException, *, where: str, folder: Path | None = None) -> PortraitError:
    """The error itself where it is one of ours; else one that says what kind of thing happened, and where.

    `folder` is where was written, if known: of a full disk the free space is told.
    """
    if isinstance(error, PortraitError):
        return error
    if isinstance(error, MemoryError) or "OutOfMemoryError" in str(error):
        remedy = "give the driver more memory: spark.driver.memory in conf/spark/*.conf; then run again"
        return PortraitError("memory ran out", where=where, remedy=remedy)
    if (cause := cause_of(error, where=where, folder=folder)) is not None:
        return cause
    if isinstance(error, PySparkException) and (condition := error.getCondition()):
        return PortraitError(f"Spark could not finish its work: {condition}", where=where, remedy=_DEBUG)
    if isinstance(error, Py4JError | ConnectionError | PySparkException):
        remedy = f"look for its end in the log of the machine (out of memory, killed); {_DEBUG}"
        return PortraitError(f"Spark failed or stopped ({type(error).__name__})", where=where, remedy=remedy)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        remedy = f"check the disk and the rights of this user; {_DEBUG}"
        return PortraitError(f"a file or the network failed: {reason}", where=where, remedy=remedy)
    if isinstance(error, KeyboardInterrupt):
        return PortraitError("interrupted", where=where, remedy="run again: what was committed is kept and skipped")
    if isinstance(error, SystemExit):
        return PortraitError("stopped from outside", where=where, remedy="run again: what was committed is kept")
    return PortraitError(
        f"{type(error).__name__}; this is a fault of the suite, not of your input",
        where=where,
        remedy=f"{_DEBUG}, and report what it prints",
    )


def cause_of(error: BaseException, *, where: str, folder: Path | None = None) -> PortraitError | None:
    """A full disk, storage that fails, or a table of a later release, also where Spark reports it; None for others."""
    if (full := _full_disk(error)) is not None:
        return PortraitError(
            f"a file or the network failed: {full}",
            where=where + _free_space(folder),
            remedy=f"make space in the folder that has none (the lake, or spark.local.dir of conf/spark), {_AGAIN}",
        )
    if not isinstance(error, PySparkException | Py4JError):
        return None
    if _NEWER.search(_text(error)):
        return PortraitError(
            "the table was written by a later release: it uses features of Delta that this one does not know",
            where=where + (f" in {folder}" if folder else ""),
            remedy="use the release that wrote it, or a later one; nothing was changed",
        )
    if store_failed(error):
        return PortraitError(
            "a file or the network failed below Spark",
            where=where + (f" in {folder}" if folder else ""),
            remedy=f"check the disk, share or store of the lake and the rights of this user, {_AGAIN}; {_DEBUG}",
        )
    return None


def store_failed(error: BaseException) -> bool:
    """Whether Java met an error of files or network that may pass; a full disk will not."""
    return (
        isinstance(error, Py4JError | PySparkException) and bool(_STORE.search(_text(error))) and not _full_disk(error)
    )


def _text(error: BaseException | None) -> str:
    """What Spark says of an error and of its causes: to look into, never to show."""
    texts: list[str] = []
    while error is not None and len(texts) < 20:
        texts.append(str(error))
        error = error.__cause__
    return "\n".join(texts)


def _full_disk(error: BaseException) -> str | None:
    """What the system calls the reason, where it is that nothing more can be written; else None."""
    if isinstance(error, OSError):
        return error.strerror if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else None
    if isinstance(error, PySparkException | Py4JError):
        text = _text(error)
        return next((reason for reason in _FULL if reason in text), None)
    return None


def _free_space(folder: Path | None) -> str:
    if folder is None:
        return ""
    free = []
    for place in dict.fromkeys([str(folder), *_local_folders()]):
        with contextlib.suppress(OSError):
            free.append(f"{shutil.disk_usage(place).free // 2**20:,} MB in {place}")
    return f"; free: {', '.join(free)}"


def _local_folders() -> Iterable[str]:
    """Where Spark on this machine puts what does not fit into memory."""
    named = os.environ.get("SPARK_LOCAL_DIRS")
    with contextlib.suppress(Exception):  # Spark may be what failed
        session = SparkSession.getActiveSession()
        named = named or (session.conf.get("spark.local.dir", "") if session else "")
    return named.split(",") if named else [tempfile.gettempdir()]
