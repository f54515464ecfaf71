"""What every script in `jobs/` starts with: its arguments, and the lake it works on.

A job runs in three ways through the same `main(argv)`: by spark-submit, by the runner in one shared session, by tests.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from portrait.dates import business_date
from portrait.failures import as_fault
from portrait.lake import Lake
from portrait.settings import Settings


def job_arguments(doc: str | None) -> argparse.ArgumentParser:
    """The arguments that all jobs share; the job's docstring is its help."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", type=business_date, required=True, help="business date of the slice, YYYY-MM-DD")
    parser.add_argument("--landing", type=Path, default=None, help="folder into which the bank drops files")
    return lake_arguments(parser)


def lake_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Adds the arguments of every script that reads a lake, whatever day it works for."""
    parser.add_argument("--lake", type=Path, default=None, help="root of the lake")
    parser.add_argument("--conf", type=Path, default=Path("conf"), help="folder of the configuration")
    parser.add_argument("--schemas", type=Path, default=None, help="folder of the contracts")
    parser.add_argument("--target", default=None, help="settings of conf/<target>.toml")
    return parser


# The lake of a run that has several jobs in one process, and its settings; `open_lake` hands them to each job.
_shared: Lake | None = None
_shared_settings: Settings | None = None


@contextmanager
def shared_lake(lake: Lake, settings: Settings | None = None) -> Iterator[Lake]:
    """Within this block every job works on `lake`, with its lease, its run number and its session."""
    global _shared, _shared_settings
    _shared, _shared_settings = lake, settings
    try:
        yield lake
    finally:
        _shared = _shared_settings = None


@contextmanager
def open_lake(args: argparse.Namespace) -> Iterator[Lake]:
    """The lake of a job, held by a lease while the job works; what the job wrote is recorded when it succeeds.

    `args.settings` are the settings of the run.
    Frames that the job kept in memory are let go however it ends: a backfill runs many jobs in one session.
    """
    if _shared is not None:
        args.settings = _shared_settings or Settings()
        try:
            yield _shared
        finally:
            _shared.spark.catalog.clearCache()
        return
    # Not at the top: what prepares a lake for one job imports the whole suite, which is no part of any job's code.
    from portrait.run.standalone import lake_of_one_job

    with lake_of_one_job(args, Path(sys.modules["__main__"].__file__ or "")) as lake:
        yield lake


def submit(main: Callable[[list[str] | None], None]) -> None:
    """Run a job script: an error goes to stderr as what, where and remedy, and sets the exit code.

    With --debug the stack trace too.
    """
    debug = "--debug" in sys.argv
    sys.argv[1:] = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        main(None)
    except Exception as error:
        if debug:
            traceback.print_exc()
        fault = as_fault(error, where=Path(sys.argv[0]).name)
        print(f"error: {fault}", file=sys.stderr)
        sys.exit(fault.exit_code)
