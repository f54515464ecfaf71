"""The whole graph in one session: what is up to date is skipped, what a missing feed makes impossible is left out.

A run has a number. `portrait.run.journal` records how it begins and ends. A run
that died is resumed under its own number when the business date, the landed files, the code and the configuration are
the same: Delta then skips what it had committed. Otherwise the next run gets a new number and computes what is stale.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from types import ModuleType

from pyspark.sql import SparkSession

from portrait.contracts import Catalogue, Job, job_graph
from portrait.contracts.graph import downstream
from portrait.errors import ConfigurationError
from portrait.events import start_log
from portrait.faults import fault_point
from portrait.ingest.discover import landed_feeds
from portrait.lake import Lake, Lease, Publication, compact_records, publications
from portrait.lake.gate import RESULTS, gate_results
from portrait.mappings import load_mappings
from portrait.run.fingerprint import hash_text
from portrait.run.job import shared_lake
from portrait.run.journal import Journal, Progress, finish, is_sliced, measured_start
from portrait.run.plans import suitable_plans
from portrait.run.staleness import fingerprints, fixed_slices, input_stamps
from portrait.settings import Settings
from portrait.spark.workers import check_workers

_ACTIONS = ("run", "skip")


@dataclass
class Step:
    """What happens to one job in a run, and why."""

    job: str
    action: str  # run | skip | leave out
    reason: str
    absent: list[str] = field(default_factory=list)
    rows: dict[str, int | None] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class RunSummary:
    """The outcome of a run: for the closing lines of the command line, for the report and for `ops.runs`."""

    run: int
    as_of: date
    steps: list[Step]
    publication: Publication | None
    seconds: float
    changed: bool
    products: dict[str, date] = field(default_factory=dict)
    """Data product to the day of which readers see it."""

    @property
    def absent(self) -> list[str]:
        """Tables that were left out because a feed is absent."""
        return sorted({table for step in self.steps for table in step.absent})


class Every(StrEnum):
    """Which days of a range have a slice."""

    day = "day"
    week = "week"
    month_end = "month-end"


def business_dates(first: date, last: date, every: Every) -> list[date]:
    """The days of a backfill, oldest first, both ends included; weeks count from the first day.

    Raises ConfigurationError when the range holds none.
    """
    count = (last - first).days + 1
    days = [first + timedelta(days=number) for number in range(0, count, 7 if every is Every.week else 1)]
    if every is Every.month_end:
        days = [day for day in days if (day + timedelta(days=1)).day == 1]
    if not days:
        raise ConfigurationError(
            f"no {every.value} lies between {first} and {last}",
            where="--from, --to",
            remedy="give the older date with --from and the newer one with --to",
        )
    return days


Watcher = Callable[[Step, str], None]
"""Called with a step and 'start' or 'end'."""


def run(
    spark: SparkSession,
    settings: Settings,
    *,
    catalogue: Catalogue,
    as_of: date,
    select: str | None = None,
    progress: Watcher = lambda step, event: None,
) -> RunSummary:
    """Run what is stale for `as_of`, in order; raises the error of the first job that fails.

    LakeBusy when another run holds the lake, InputRefused when a feed broke its contract, GateRefused when a quality
    gate refused a data product, after the others were published. Whatever happens, what was published before of a
    product stays served until a new state of it is complete.
    """
    jobs = job_graph(catalogue)
    chosen = selected(jobs, select, catalogue)
    scripts = {
        job.name: load_job(settings.jobs, job.script) for job in chosen
    }  # a missing script is found before all else
    codes, fixed = fingerprints(jobs, catalogue, settings), fixed_slices(settings.conf, as_of)
    plan = _plan_hash(settings, codes, as_of)
    start_log(settings.log)
    with Lease(settings.lake, seconds=settings.lease_seconds) as lease:
        with measured_start(settings.metrics):
            check_workers(spark, settings.lake)
        lake = Lake(spark, settings.lake, catalogue, lease=lease)
        lake.fingerprints = codes
        steps: list[Step] = []
        journal = Journal(lake, as_of=as_of, plan=plan, metrics=settings.metrics)
        with journal.recorded(), shared_lake(lake, settings):
            delivered = delivered_feeds(lake, settings)
            for job in chosen:
                journal.progress.job = job.name
                step = _assess(lake, job, as_of, delivered=delivered, fixed=fixed)
                steps.append(step)
                _note(journal.progress, steps)
                if step.action == "run":
                    _execute(lake, job, scripts[job.name], step, settings, as_of, fixed, progress)
                    _note(journal.progress, steps)
            journal.progress.job = None
        if journal.begun:
            compact_records(lake, after=settings.compact_after)
        served = next(iter(publications(lake)), None)
        products = served.days_of(catalogue) if served else {}
        return RunSummary(lake.run_number, as_of, steps, served, journal.seconds, journal.begun, products)


def _note(progress: Progress, steps: list[Step]) -> None:
    """What the steps so far mean for the records of the run."""
    ran = [step for step in steps if step.action == "run"]
    progress.seconds = {step.job: step.seconds for step in ran}
    progress.rows = {table: count for step in ran for table, count in step.rows.items()}
    progress.facts = {action: ", ".join(step.job for step in steps if step.action == action) for action in _ACTIONS}
    progress.facts["absent"] = ", ".join(sorted({table for step in steps for table in step.absent}))


def plan(lake: Lake, settings: Settings, *, as_of: date, select: str | None = None) -> list[Step]:
    """What `run` would do, without doing it: a job is also stale when a job before it is."""
    jobs = job_graph(lake.catalogue)
    lake.fingerprints = fingerprints(jobs, lake.catalogue, settings)
    steps: list[Step] = []
    fixed = fixed_slices(settings.conf, as_of)
    delivered = delivered_feeds(lake, settings)
    coming: set[str] = set()  # tables that a job of this plan will write
    for job in selected(jobs, select, lake.catalogue):
        step = _assess(lake, job, as_of, delivered=delivered, fixed=fixed, coming=coming)
        if step.action == "run":
            coming |= {table for table in job.writes if table not in step.absent}
        steps.append(step)
    return steps


def selected(jobs: list[Job], select: str | None, catalogue: Catalogue) -> list[Job]:
    """The jobs that `--select` names: a job, table or capability, with a trailing `+` also all that depend on it."""
    if select is None:
        return jobs
    name = select.removesuffix("+")
    found = {
        job.name
        for job in jobs
        if name in (job.name, job.script.rpartition("/")[0]) or any(name in (t, t.split(".")[1]) for t in job.writes)
    }
    if not found:
        raise ConfigurationError(
            f"there is no job, table or capability '{name}'",
            where="--select",
            remedy=f"jobs: {', '.join(job.name for job in jobs)}; or a table: {', '.join(catalogue.tables)}",
        )
    chosen = downstream(jobs, found) if select.endswith("+") else found
    return [job for job in jobs if job.name in chosen]


def _assess(
    lake: Lake, job: Job, as_of: date, *, delivered: set[str], fixed: Mapping[str, date], coming: set[str] | None = None
) -> Step:
    """Whether a job is to run, is up to date, or cannot run because a feed is absent."""
    coming = coming or set()
    absent = [table for table in job.writes if not _possible(lake, table, as_of, delivered, coming)]
    if len(absent) == len(job.writes):
        missing = sorted({item for table in absent for item in _missing(lake, table, as_of, delivered, coming)})
        return Step(job.name, "leave out", f"absent: {', '.join(missing)}", absent)
    absent = [table for table in absent if lake.catalogue.is_read(table)]  # the others are missed by nobody
    if any(table.startswith("raw.") for table in job.inputs):
        return Step(job.name, "run", "looks for new files", absent)
    done = lake.records.completions.get((job.name, as_of if is_sliced(job, lake.catalogue) else None))
    if done is None:
        return Step(job.name, "run", "never ran for this day", absent)
    if done.fingerprint != lake.fingerprints[job.name]:
        return Step(job.name, "run", "its code, contract or configuration changed", absent)
    inputs = input_stamps(lake, job, as_of, fixed=fixed)
    changed = sorted(set(inputs.items()) ^ set(done.inputs.items()))
    changed += [(table, "") for table in job.inputs if table in coming]
    if changed:
        return Step(job.name, "run", f"changed: {', '.join(dict.fromkeys(table for table, _ in changed))}", absent)
    if RESULTS in job.writes and gate_results(lake.reader, as_of).failures:
        return Step(job.name, "run", "its gate refused something, which may have been mended", absent)
    return Step(job.name, "skip", "up to date", absent)


def delivered_feeds(lake: Lake, settings: Settings) -> set[str]:
    """The feeds of which something lies in the landing folder, as it is or as files of a source."""
    mappings = load_mappings(settings.conf, lake.catalogue, checked=True)
    return landed_feeds(settings.landing, known=lake.catalogue.feeds, mappings=mappings)


def _possible(lake: Lake, table: str, as_of: date, delivered: set[str], coming: set[str]) -> bool:
    return not _missing(lake, table, as_of, delivered, coming)


def _missing(lake: Lake, table: str, as_of: date, delivered: set[str], coming: set[str]) -> list[str]:
    """The needed inputs of a table that are not there: an empty landing folder, a table that nobody wrote."""
    missing = []
    for source in lake.catalogue.expand(lake.catalogue.table(table).reads):
        if source.startswith("raw."):
            there = lake.has(table) or source.removeprefix("raw.") in delivered
        elif lake.catalogue.table(source).sliced:
            there = source in coming or as_of in lake.slices(source)
        else:
            there = source in coming or lake.has(source)
        if not there:
            missing.append(source)
    return missing


def _execute(
    lake: Lake,
    job: Job,
    script: ModuleType,
    step: Step,
    settings: Settings,
    as_of: date,
    fixed: Mapping[str, date],
    progress: Watcher,
) -> None:
    progress(step, "start")
    started = time.monotonic()
    inputs = input_stamps(lake, job, as_of, fixed=fixed)
    with suitable_plans(lake, job, settings=settings, as_of=as_of):
        script.main(job_argv(settings, as_of))
    step.seconds = time.monotonic() - started
    # A look into the landing folder that found nothing leaves no trace.
    if lake.writes or not any(table.startswith("raw.") for table in job.inputs):
        step.rows = finish(lake, job, as_of=as_of, inputs=inputs, seconds=step.seconds)
    fault_point("runner.after_job", job.name)
    progress(step, "end")


def job_argv(settings: Settings, as_of: date) -> list[str]:
    """The arguments with which any job of the suite is called."""
    named = {"--as-of": as_of, "--landing": settings.landing, "--lake": settings.lake, "--conf": settings.conf}
    return [str(item) for pair in {**named, "--schemas": settings.schemas}.items() for item in pair]


def load_job(folder: Path, script: str) -> ModuleType:
    """The script `<folder>/<script>.py` as a module; raises ConfigurationError when there is none."""
    path = folder / f"{script}.py"
    spec = importlib.util.spec_from_file_location(f"portrait_job_{path.stem}", path)
    if not path.exists() or spec is None or spec.loader is None:
        raise ConfigurationError(
            f"the job '{path.stem}' has no script", where=str(path), remedy="check --conf and jobs/"
        )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _plan_hash(settings: Settings, codes: dict[str, str], as_of: date) -> str:
    landed = [
        f"{file.relative_to(settings.landing)} {file.stat().st_size} {file.stat().st_mtime_ns}"
        for file in sorted(settings.landing.rglob("*"))
        if file.is_file()
    ]
    return hash_text(as_of.isoformat(), *landed, *(f"{job} {code}" for job, code in sorted(codes.items())))
