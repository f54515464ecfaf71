"""The beginning and the end of every run in `ops.runs`, in the event log and in the file of metrics, however it ends.

A run begins with its first commit and ends with one of `done`, `refused`, `failed`. What ends a process at once, a
power cut or SIGKILL, leaves a beginning without an end: the next run records it as failed, and `portrait status` says
so before.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from portrait.contracts import Catalogue
from portrait.contracts.graph import Job
from portrait.contracts.products import CORE
from portrait.errors import GateRefused, InputRefused
from portrait.events import event
from portrait.failures import as_fault
from portrait.lake import Lake, Write, publications
from portrait.lake.runs import DIED, OPEN, RUNS, RunRecord, RunStatus, run_records
from portrait.run.lineage import record_job, record_run
from portrait.run.metrics import write_metrics

_LOOKED_BACK = 100  # runs among which one that died is looked for


@dataclass
class Progress:
    """How far a run has come: what its end says of it."""

    job: str | None = None
    """The job that works now; None between jobs."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each job that succeeded."""
    rows: dict[str, int | None] = field(default_factory=dict)
    """Rows written by table; None: Delta did not say."""
    facts: dict[str, str] = field(default_factory=dict)
    """For ops.runs: the jobs that ran and those that were up to date, tables that were left out."""


class Journal:
    """One run. `plan` is a hash of all that it works on: a run that broke off is resumed only with the same one."""

    def __init__(self, lake: Lake, *, as_of: date, plan: str | None = None, metrics: Path | None = None) -> None:
        self.lake, self.as_of, self.plan, self.metrics = lake, as_of, plan, metrics
        self.started = time.monotonic()
        self.progress = Progress()
        self.begun = False

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.monotonic() - self.started

    @contextlib.contextmanager
    def recorded(self) -> Iterator[Journal]:
        """A block that is the run: its end is recorded, whatever ends it.

        Raises what ended it as a PortraitError; KeyboardInterrupt and SystemExit as they are. SIGTERM is a SystemExit.
        """
        try:
            with _ended_by_sigterm():
                self._open()
                yield self
        except BaseException as error:
            fault = as_fault(error, where=self._where(), folder=self.lake.root)
            if not isinstance(error, Exception):
                with contextlib.suppress(Exception):  # what was interrupted may still compute
                    self.lake.spark.sparkContext.cancelAllJobs()
            self._end(
                RunStatus.REFUSED if isinstance(error, InputRefused | GateRefused) else RunStatus.FAILED, fault.message
            )
            if fault is error or not isinstance(error, Exception):
                raise
            raise fault from error
        if self.begun or self.lake.resumed:
            self._end(RunStatus.DONE)

    def _where(self) -> str:
        return f"run of {self.as_of}" + (f", job '{self.progress.job}'" if self.progress.job else "")

    def _open(self) -> None:
        """Go on with a run that broke off where its plan is this one; record the end of others that died."""
        latest = self._latest()
        newest = latest[0] if latest else None
        if newest is not None and self.plan is not None and newest.plan == self.plan:
            self.lake.resume(newest.run if newest.status not in (RunStatus.DONE, RunStatus.REFUSED) else None)
        died = [row for row in latest if row.status in OPEN and not (self.lake.resumed and row is newest)]
        for row in died:
            event("run_failed", run=row.run, as_of=row.as_of, reason=DIED)
        if died:
            self._append([self._row(row.run, row.as_of, RunStatus.FAILED, row.plan, DIED, 0.0, {}) for row in died])
        self.lake.before_first_write = self._begin

    def _latest(self) -> list[RunRecord]:
        """The last record of each run, newest run first."""
        if not self.lake.has(RUNS):
            return []
        last: dict[int, RunRecord] = {}
        for record in run_records(self.lake.reader):
            if record.run not in last and len(last) == _LOOKED_BACK:
                break
            last.setdefault(record.run, record)
        return list(last.values())

    def _begin(self) -> None:
        """Called before the first commit of the run."""
        self.begun = True
        status = RunStatus.RESUMED if self.lake.resumed else RunStatus.STARTED
        event(f"run_{status}", run=self.lake.run_number, as_of=self.as_of)
        self.lake.record(RUNS, [self._row(self.lake.run_number, self.as_of, status, self.plan, None, self.seconds, {})])

    def _end(self, status: RunStatus, message: str | None = None) -> None:
        """The outcome of the run; what was left uncommitted is not recorded.

        Of a run that failed, each record is tried: Spark, the disk or the lease may be what failed.
        """
        run, seconds, failing = self._number(), self.seconds, status != RunStatus.DONE
        with _tried(failing, "run", run):
            self._append([self._row(run, self.as_of, status, self.plan, message, seconds, self.progress.facts)])
        event(f"run_{status}", run=run, as_of=self.as_of, seconds=round(seconds, 3), reason=message)
        with _tried(failing, "lineage", run):
            record_run(self.lake, status, message)
        with _tried(failing, "metrics", run):
            self._measure(run, status, seconds)

    def _number(self) -> int:
        try:
            return self.lake.run_number
        except Exception:  # Spark is gone before the first look into the records
            return self.lake.lease.token if self.lake.lease else 0

    def _append(self, rows: list[tuple[Any, ...]]) -> None:
        self.lake.before_first_write = None
        self.lake.writes = []
        self.lake.record(RUNS, rows)
        self.lake.writes = []

    @staticmethod
    def _row(
        run: int,
        as_of: date,
        status: RunStatus,
        plan: str | None,
        message: str | None,
        seconds: float,
        facts: dict[str, str],
    ) -> tuple[Any, ...]:
        return (run, as_of, status, plan, message, facts, seconds, datetime.now(UTC))

    def _measure(self, run: int, status: RunStatus, seconds: float) -> None:
        if self.metrics is None:
            return
        served = None
        with _tried(status != RunStatus.DONE, "served", run):
            served = next(iter(publications(self.lake)), None)
        days = served.days_of(self.lake.catalogue) if served else {}
        write_metrics(
            self.metrics,
            run=run,
            status=status,
            seconds=seconds,
            jobs=self.progress.seconds,
            rows=self.progress.rows,
            served=days.get(CORE, served.as_of) if served else None,
            products=days,
        )


@contextlib.contextmanager
def _tried(failing: bool, record: str, run: int) -> Iterator[None]:
    """Of a failing run a record that cannot be made must not hide why the run failed."""
    try:
        yield
    except Exception as error:
        if not failing:
            raise
        event("run_not_recorded", run=run, record=record, reason=type(error).__name__)


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Within this block SIGTERM is a SystemExit, with the exit code that a shell gives it: its end can be recorded."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextlib.contextmanager
def measured_start(metrics: Path | None) -> Iterator[None]:
    """A block before the run has a lake: when Spark does not start, the file of metrics says that the run failed."""
    started = time.monotonic()
    try:
        yield
    except BaseException:
        if metrics is not None:
            with contextlib.suppress(Exception):
                seconds = time.monotonic() - started
                write_metrics(
                    metrics, run=None, status=RunStatus.FAILED, seconds=seconds, jobs={}, rows={}, served=None
                )
        raise


def finish(lake: Lake, job: Job, *, as_of: date, inputs: dict[str, str], seconds: float) -> dict[str, int | None]:
    """Record that a job succeeded: its lineage, then its completion, then the event. Rows written, by table."""
    rows = {write: _rows(lake, write) for write in lake.latest_writes()}
    # Before the completion: a job that dies in between runs again and writes this file again.
    record_job(lake, job.name, inputs=inputs, rows=rows)
    sliced = is_sliced(job, lake.catalogue)
    lake.complete(job.name, as_of=as_of if sliced else None, inputs=inputs, seconds=seconds)
    for write, count in rows.items():
        facts = {"table": write.table, "version": write.version, "rows": count}
        event("table_written", run=lake.run_number, job=job.name, as_of=as_of, **facts)
    event("job_ended", run=lake.run_number, job=job.name, as_of=as_of, seconds=round(seconds, 3))
    return {write.table: count for write, count in rows.items()}


def is_sliced(job: Job, catalogue: Catalogue) -> bool:
    """Whether a job's work belongs to an `as_of`: it writes slices, or it is about them (gates, publication)."""
    return any(catalogue.table(table).sliced for table in job.writes) or any(
        not table.startswith("raw.") and catalogue.table(table).sliced for table in job.inputs
    )


def _rows(lake: Lake, latest: Write) -> int | None:
    """Rows written to a table or slice since the last completion, by all its commits; None where none says it."""
    commits = [write for write in lake.writes if (write.table, write.as_of) == (latest.table, latest.as_of)]
    counts = [count for write in commits if (count := lake.rows_written(write)) is not None]
    return sum(counts) if counts else None
