"""Any exception as an error that a user can read: what broke, where, what to do. Never the text of Java, never data."""

from __future__ import annotations

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from portrait.errors import PortraitError

_DEBUG = "run again with --debug for the cause"


def as_fault(error: BaseException, *, where: str) -> PortraitError:
    """The error itself where it is one of ours; else one that says what kind of thing happened, and where."""
    if isinstance(error, PortraitError):
        return error
    if isinstance(error, MemoryError) or "OutOfMemoryError" in str(error):
        remedy = "give the driver more memory: spark.driver.memory in conf/spark/*.conf; then run again"
        return PortraitError("memory ran out", where=where, remedy=remedy)
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
