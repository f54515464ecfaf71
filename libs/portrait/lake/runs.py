"""The records of runs in `ops.runs`: how each began and ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from portrait.lake.reader import Reader
from portrait.lake.selection import ordered, python_rows

RUNS = "ops.runs"


class RunStatus(StrEnum):
    """What a record of `ops.runs` says: how a run began, or how it ended."""

    STARTED = "started"
    RESUMED = "resumed"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


OPEN = (RunStatus.STARTED, RunStatus.RESUMED)
"""What says that a run began: it has not ended where this is the last record of it."""
DIED = "no end was recorded: the process was killed, or the machine stopped"


@dataclass(frozen=True)
class RunRecord:
    """One row of `ops.runs`: a beginning or an end."""

    run: int
    as_of: date
    status: str
    plan: str | None
    message: str | None
    facts: dict[str, str] | None
    seconds: float
    recorded_at: datetime


_COLUMNS = list(RunRecord.__dataclass_fields__)


def run_records(reader: Reader, *, newest: int | None = None) -> list[RunRecord]:
    """The records, or the newest of them: the last run first, and of a run the last record first."""
    rows = ordered(reader.read(RUNS).read(_COLUMNS), ["run", "recorded_at"], descending=True)
    return [RunRecord(**row) for row in python_rows(rows.slice(0, newest or rows.num_rows))]


def died_runs(records: Iterable[RunRecord], *, held: bool) -> set[int]:
    """Runs among records, newest first, that began and never ended; `held`: a run holds the lake now.

    Of the runs without an end the newest is the one that holds it.
    """
    last: dict[int, str] = {}
    for record in records:
        last.setdefault(record.run, record.status)
    unended = sorted((run for run, status in last.items() if status in OPEN), reverse=True)
    return set(unended[1:] if held else unended)
