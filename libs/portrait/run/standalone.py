"""A job on its own, as spark-submit or a scheduler starts it: the lake, the lease, and what it records of itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait.contracts import job_graph
from portrait.errors import PortraitError
from portrait.events import start_log
from portrait.lake import Lake, Lease
from portrait.run.journal import Journal, finish, measured_start
from portrait.run.plans import suitable_plans
from portrait.run.staleness import fingerprints, fixed_slices, input_stamps
from portrait.run.suite import suite_of
from portrait.settings import load_settings
from portrait.spark.session import session
from portrait.spark.workers import check_workers


@contextmanager
def lake_of_one_job(args: argparse.Namespace, script: Path) -> Iterator[Lake]:
    """The lake of the job whose script this is, held by a lease; a run of one job, recorded like any other.

    Fills in `args.settings`, and from them `args.landing` and `args.lake`.
    """
    flags = {"lake": args.lake, "landing": args.landing, "schemas": args.schemas}
    settings = load_settings(args.conf, target=args.target, flags=flags)
    catalogue = suite_of(settings)
    jobs = job_graph(catalogue)
    job = next((item for item in jobs if item.name == script.stem), None)
    start_log(settings.log)
    if job is None:
        raise PortraitError(
            f"'{script.stem}' is not a job that a contract names", where="jobs/", remedy="start a script of jobs/"
        )
    folder = script.parents[job.script.count("/")]  # a capability has a folder in jobs/
    settings = settings.model_copy(update={"jobs": folder})
    args.settings, args.landing, args.lake = settings, settings.landing, settings.lake
    with Lease(settings.lake, seconds=settings.lease_seconds) as lease:
        with measured_start(settings.metrics):
            spark = session()
            check_workers(spark, settings.lake)
        lake = Lake(spark, settings.lake, catalogue, lease=lease)
        lake.fingerprints = fingerprints(jobs, catalogue, settings)
        with Journal(lake, as_of=args.as_of, metrics=settings.metrics).recorded() as journal:
            journal.progress.job = job.name
            with suitable_plans(lake, job, settings=settings, as_of=args.as_of):
                yield lake
            seconds = journal.seconds
            stamps = input_stamps(lake, job, args.as_of, fixed=fixed_slices(args.conf, args.as_of))
            journal.progress.rows = finish(lake, job, as_of=args.as_of, inputs=stamps, seconds=seconds)
            journal.progress.seconds = {job.name: seconds}
            journal.progress.facts = {"run": job.name, "skip": "", "absent": ""}
