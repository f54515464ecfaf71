"""What each job of each run saw and wrote: the rows of `ops.table_versions`, and the questions asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import pyarrow as pa

from portrait.lake.selection import ordered, values_of

TABLE = "ops.table_versions"
_Slice = tuple[str, date | None]


@dataclass(frozen=True)
class Write:
    """One commit: a table, its slice when it has slices, and the Delta version that the commit made."""

    table: str
    as_of: date | None
    version: int


@dataclass(frozen=True)
class Completion:
    """The last time that a job succeeded for a slice (or at all, where it has none)."""

    run: int
    inputs: dict[str, str]
    fingerprint: str


class Completions(Mapping[_Slice, Completion]):
    """Job and slice to its completion; each is taken out of the rows when it is asked for."""

    def __init__(self, rows: pa.Table | None) -> None:
        self._rows = rows
        self._new: dict[_Slice, Completion] = {}
        self._places: dict[_Slice, int] = {}
        if rows is not None:  # sorted by age: the newest of several is the last
            jobs, days = values_of(rows.column("job")), values_of(rows.column("job_as_of"))
            self._places = {key: place for place, key in enumerate(zip(jobs, days, strict=True))}

    def __getitem__(self, key: _Slice) -> Completion:
        if key not in self._new:
            place = self._places[key]
            assert self._rows is not None, "it has the place"
            (row,) = self._rows.slice(place, 1).to_pylist()
            self._new[key] = Completion(row["run"], dict(row["inputs"] or ()), row["fingerprint"])
        return self._new[key]

    def __setitem__(self, key: _Slice, done: Completion) -> None:
        self._new[key] = done

    def __iter__(self) -> Iterator[_Slice]:
        return iter({**self._places, **self._new})

    def __len__(self) -> int:
        return len(self._places.keys() | self._new.keys())

    def __contains__(self, key: object) -> bool:
        return key in self._new or key in self._places


class Records:
    """The latest rows of `ops.table_versions`: one for each job, table and slice.

    `read` gives columns of all rows, in any order; None where there are none. What earlier runs wrote, and how their
    jobs ended, is read when it is first asked for, each by itself.
    """

    def __init__(self, read: Callable[[Sequence[str]], pa.Table] | None) -> None:
        self._read = read

    @cached_property
    def _writes(self) -> tuple[dict[_Slice, int], dict[_Slice, int], int]:
        """The run that last wrote each slice, the version that it made, and the last run."""
        if self._read is None:
            return {}, {}, 0
        # Sorted by age, so that the newest of several rows of a slice is taken last: a job also writes slices of other
        # days (gold.label_history after a backfill). Null, for a job that wrote nothing, is least.
        rows = ordered(self._read(["run", "version", "table_name", "as_of"]), ["run", "version"])
        names = ("run", "version", "table_name", "as_of")
        runs, versions, tables, days = (values_of(rows.column(name)) for name in names)
        written = [(table, day) for table, day in zip(tables, days, strict=True)]
        last = {key: run for key, run in zip(written, runs, strict=True) if key[0] is not None}
        made = {key: version for key, version in zip(written, versions, strict=True) if key[0] is not None}
        return last, made, max(runs, default=0)

    @cached_property
    def completions(self) -> Completions:
        """How each job last succeeded, for each slice."""
        if self._read is None:
            return Completions(None)
        names = ["run", "recorded_at", "job", "job_as_of", "fingerprint", "inputs"]
        return Completions(ordered(self._read(names), ["run", "recorded_at"]))

    @property
    def last_write(self) -> dict[_Slice, int]:
        """The run that last wrote each table or slice."""
        return self._writes[0]

    @property
    def versions(self) -> dict[_Slice, int]:
        """The Delta version that the last write of each table or slice made."""
        return self._writes[1]

    @cached_property
    def last_run(self) -> int:
        """The newest run that recorded anything; 0 when none did."""
        return self._writes[2]

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
