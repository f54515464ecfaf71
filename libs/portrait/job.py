"""What every script in `jobs/` starts with: its arguments, and the lake it works on.

A job runs in three ways through the same `main(argv)`: by spark-submit, by the runner in one shared session, by tests.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from portrait.contracts import Catalogue, job_graph, load_catalogue
from portrait.contracts.graph import Job
from portrait.errors import ConfigurationError, PortraitError
from portrait.events import event, start_log
from portrait.features import check_values, load_features
from portrait.fingerprint import code_hash, hash_files, hash_text
from portrait.labels import load_labels
from portrait.labels.audiences import load_audiences
from portrait.labels.trust_policy import load_trust_policy
from portrait.lake import Lake, Lease
from portrait.lake.log import newest_content
from portrait.lake.records import Write
from portrait.lineage import record_job
from portrait.session import session
from portrait.settings import load_settings
from portrait.value.policy import load_value_policy
from portrait.value.tier_policy import load_tier_policy
from portrait.workers import check_workers


def business_date(text: str) -> date:
    """A date as `YYYY-MM-DD`; raises ConfigurationError for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"'{text}' is not a date", where="--as-of", remedy="write it as 2025-12-31") from error
    if text != day.isoformat():
        raise ConfigurationError(f"'{text}' is not a date as YYYY-MM-DD", where="--as-of", remedy=f"write {day}")
    return day


def job_arguments(doc: str | None) -> argparse.ArgumentParser:
    """The arguments that all jobs share; the job's docstring is its help."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=business_date, required=True, help="business date of the slice, YYYY-MM-DD")
    parser.add_argument("--landing", type=Path, default=None, help="folder into which the bank drops files")
    parser.add_argument("--lake", type=Path, default=None, help="root of the lake")
    parser.add_argument("--conf", type=Path, default=Path("conf"), help="folder of the configuration")
    parser.add_argument("--schemas", type=Path, default=None, help="folder of the contracts")
    parser.add_argument("--target", default=None, help="settings of conf/<target>.toml")
    return parser


def load_suite(conf: Path, schemas: Path) -> Catalogue:
    """All contracts, with the columns that features and labels declare in `conf/`.

    Raises ConfigurationError for anything wrong in them, in the audiences, or in the policies of value and tiers;
    nothing of Spark is needed.
    """
    catalogue = load_catalogue(schemas)
    load_value_policy(conf)
    load_tier_policy(conf / "tiers.yml")
    features = load_features(conf)
    check_values(features, catalogue)
    catalogue = catalogue.with_columns("gold.customer_features", features.columns())
    labels = load_labels(conf, catalogue)
    load_audiences(conf, labels, catalogue)
    return catalogue.with_columns("gold.customer_portrait", labels.columns())


def fingerprints(jobs: list[Job], catalogue: Catalogue, conf: Path) -> dict[str, str]:
    """For each job, a hash of the code, of the contracts of what it writes, and of the configuration it reads."""
    code = code_hash()
    return {
        job.name: hash_text(
            code,
            *(catalogue.table(table).hash for table in job.writes),
            hash_files(conf / item for item in job.config),
        )
        for job in jobs
    }


def fixed_slices(conf: Path, as_of: date) -> dict[str, date]:
    """Table to the earlier slice of it that the configuration names: the scale of value, the reference of stability."""
    named = {
        "gold.value_model": load_value_policy(conf).rfm.scale_of,
        "gold.label_statistics": load_trust_policy(conf).reference,
    }
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


def is_sliced(job: Job, catalogue: Catalogue) -> bool:
    """Whether a job's work belongs to an `as_of`: it writes slices, or it is about them (gates, publication)."""
    return any(catalogue.table(table).sliced for table in job.writes) or any(
        not table.startswith("raw.") and catalogue.table(table).sliced for table in job.inputs
    )


# The lake of a run that has several jobs in one process; `open_lake` hands it to each of them.
_shared: Lake | None = None


@contextmanager
def shared_lake(lake: Lake) -> Iterator[Lake]:
    """Within this block every job works on `lake`, with its lease, its run number and its session."""
    global _shared
    _shared = lake
    try:
        yield lake
    finally:
        _shared = None


@contextmanager
def open_lake(args: argparse.Namespace) -> Iterator[Lake]:
    """The lake of a job, held by a lease while the job works; what the job wrote is recorded when it ends well.

    Frames that the job kept in memory are let go however it ends: a backfill runs many jobs in one session.
    """
    name = Path(sys.modules["__main__"].__file__ or "").stem if _shared is None else ""
    if _shared is not None:
        try:
            yield _shared
        finally:
            _shared.spark.catalog.clearCache()
        return
    flags = {"lake": args.lake, "landing": args.landing, "schemas": args.schemas}
    settings = load_settings(args.conf, target=args.target, flags=flags)
    args.landing, args.lake = settings.landing, settings.lake
    catalogue = load_suite(args.conf, settings.schemas)
    jobs = job_graph(catalogue)
    job = next((item for item in jobs if item.name == name), None)
    start_log(settings.log)
    if job is None:
        raise PortraitError(
            f"'{name}' is not a job that a contract names", where="jobs/", remedy="start a script of jobs/"
        )
    with Lease(settings.lake, seconds=settings.lease_seconds) as lease:
        spark = session()
        check_workers(spark, settings.lake)
        lake = Lake(spark, settings.lake, catalogue, lease=lease)
        lake.fingerprints = fingerprints(jobs, catalogue, args.conf)
        started = time.monotonic()
        yield lake
        stamps = input_stamps(lake, job, args.as_of, fixed=fixed_slices(args.conf, args.as_of))
        finish(lake, job, as_of=args.as_of, inputs=stamps, seconds=time.monotonic() - started)


def finish(lake: Lake, job: Job, *, as_of: date, inputs: dict[str, str], seconds: float) -> dict[str, int | None]:
    """Record that a job ended well: its lineage, then its completion, then the event. Rows written, by table."""
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


def _rows(lake: Lake, latest: Write) -> int | None:
    """Rows written to a table or slice since the last completion, by all its commits; None where none says it."""
    commits = [write for write in lake.writes if (write.table, write.as_of) == (latest.table, latest.as_of)]
    counts = [count for write in commits if (count := lake.rows_written(write)) is not None]
    return sum(counts) if counts else None


def submit(main: Callable[[list[str] | None], None]) -> None:
    """Run a job script: an error that a user can mend goes to stderr in three lines, and sets the exit code."""
    try:
        main(None)
    except PortraitError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
