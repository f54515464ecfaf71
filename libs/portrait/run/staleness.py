"""What a job would compute with now: its code, its contracts and its configuration, and the data that it would read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from portrait.capability import modules_of_rooms
from portrait.contracts import Catalogue
from portrait.contracts.graph import Job
from portrait.labels.trust_policy import load_trust_policy
from portrait.lake import Lake
from portrait.lake.log import newest_content
from portrait.run.fingerprint import code_of, hash_files, hash_text
from portrait.settings import Settings


def fingerprints(jobs: list[Job], catalogue: Catalogue, settings: Settings) -> dict[str, str]:
    """For each job, a hash of all but data that can change its result.

    That is its script and every module that it imports, the contracts of what it writes and reads, the files of its
    configuration, and the settings that change results.
    """
    return {
        job.name: hash_text(
            code_of(settings.jobs / f"{job.script}.py"),
            *(f"{table} {catalogue.table(table).hash}" for table in sorted({*job.writes, *job.inputs})),
            hash_files(settings.conf / item for item in job.config),
            *(f"{name} {value}" for name, value in sorted(settings.of_results().items())),
        )
        for job in jobs
    }


def fixed_slices(conf: Path, as_of: date) -> dict[str, date]:
    """Table to the earlier slice of it that the configuration names: the scale of value, the reference of stability.

    A capability says so by `fixed_slices(conf)` of its policy.py.
    """
    named = {"gold.label_statistics": load_trust_policy(conf).reference}
    for room in modules_of_rooms("policy"):
        if hasattr(room, "fixed_slices"):
            named |= room.fixed_slices(conf)
    return {table: day for table, day in named.items() if day is not None and day < as_of}


def input_stamps(lake: Lake, job: Job, as_of: date, *, fixed: Mapping[str, date]) -> dict[str, str]:
    """Which data a job would read now. For tables without slices: input to its Delta version.

    For sliced ones: input to the run that last wrote the slice, because other slices are no concern of this job, but
    for those before that it goes on from and the `fixed` one. An input that was never written is left out, so that its
    arrival makes the job stale.
    """
    stamps: dict[str, str] = {}
    for table in job.inputs:
        if table.startswith("raw."):
            continue
        if lake.catalogue.table(table).sliced:
            if (written := lake.records.written(table, as_of)) is not None:
                stamps[table] = f"run {written}"
        elif lake.has(table):
            stamps[table] = f"version {newest_content(lake.path(table))}"
    for table in job.reads_previous:
        # The slice before, and the last one of an earlier month: tiers go on from there.
        days = {lake.previous_as_of(table, day) for day in (as_of, as_of.replace(day=1))} | {fixed.get(table)}
        for previous in days - {None}:
            stamps[f"{table}@{previous}"] = f"run {lake.records.written(table, previous)}"
    return stamps
