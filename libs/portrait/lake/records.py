"""What each job of each run saw and wrote: the rows of `ops.table_versions`, and the questions asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Write:
    """One commit: a table, its slice when it has slices, and the Delta version that the commit made."""

    table: str
    as_of: date | None
    version: int


@dataclass(frozen=True)
class Completion:
    """The last time that a job ended well for a slice (or at all, where it has none)."""

    run: int
    inputs: dict[str, str]
    fingerprint: str


class Records:
    """The latest rows of `ops.table_versions`, held on the driver: one for each job, table and slice."""

    def __init__(self, table: DataFrame | None) -> None:
        self.completions: dict[tuple[str, date | None], Completion] = {}
        self.last_write: dict[tuple[str, date | None], int] = {}
        self.versions: dict[tuple[str, date | None], int] = {}
        self.last_run = 0
        # Sorted by age, so that the newest of several rows of a slice is taken last: a job also writes slices of other
        # days (gold.label_history after a backfill), and in which order groups come, Spark does not say.
        rows = [] if table is None else _latest(table).collect()
        for row in sorted(rows, key=lambda row: (row.run, row.version or 0)):
            if row.table_name is not None:
                self.last_write[row.table_name, row.as_of] = row.run
                self.versions[row.table_name, row.as_of] = row.version
        for row in sorted(rows, key=lambda row: (row.run, row.recorded_at)):
            self.last_run = max(self.last_run, row.run)
            self.completions[row.job, row.job_as_of] = Completion(row.run, dict(row.inputs or {}), row.fingerprint)

    def add(
        self, run: int, job: str, job_as_of: date | None, writes: list[Write], inputs: dict[str, str], code: str
    ) -> None:
        """Take in what a job of this run has just done."""
        self.last_run = max(self.last_run, run)
        self.completions[job, job_as_of] = Completion(run, inputs, code)
        for write in writes:
            self.last_write[write.table, write.as_of] = run
            self.versions[write.table, write.as_of] = write.version

    def written(self, table: str, as_of: date | None) -> int | None:
        """The run that last wrote a table, or its slice; None when none did."""
        return self.last_write.get((table, as_of))

    def slices(self, table: str) -> list[date]:
        """The slices of a table, oldest first."""
        return sorted(as_of for name, as_of in self.last_write if name == table and as_of is not None)


def _latest(table: DataFrame) -> DataFrame:
    """One row per job, table and slice: the newest; within a run that was resumed, the newest version and record."""
    record, commit = F.struct("run", "recorded_at"), F.struct("run", "version")
    return table.groupBy("job", "job_as_of", "table_name", "as_of").agg(
        F.max("run").alias("run"),
        F.max_by("recorded_at", record).alias("recorded_at"),
        F.max_by("inputs", record).alias("inputs"),
        F.max_by("fingerprint", record).alias("fingerprint"),
        F.max_by("version", commit).alias("version"),
    )
