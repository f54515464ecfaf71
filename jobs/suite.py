"""The whole graph as one application: every job of --as-of in order, what is up to date skipped.

Reads and writes what the contracts say of the other scripts in this folder, under one lease, one run number and one
session. A rerun of a run that died goes on where it stopped; a rerun of one that succeeded does nothing.
"""

from __future__ import annotations

from pathlib import Path

from portrait.run.job import job_arguments, submit
from portrait.run.journal import measured_start
from portrait.run.runner import run
from portrait.run.suite import suite_of
from portrait.settings import load_settings
from portrait.spark.session import session


def main(argv: list[str] | None = None) -> None:
    """Run the graph and print a line per job."""
    parser = job_arguments(__doc__)
    parser.add_argument("--select", default=None, help="a job or table; with + also what depends on it")
    args = parser.parse_args(argv)
    flags = {"lake": args.lake, "landing": args.landing, "schemas": args.schemas, "jobs": Path(__file__).parent}
    settings = load_settings(args.conf, target=args.target, flags=flags)
    catalogue = suite_of(settings)
    with measured_start(settings.metrics):
        spark = session()
    summary = run(spark, settings, catalogue=catalogue, as_of=args.as_of, select=args.select)
    for step in summary.steps:
        print(f"{step.job:<20} {step.action:<10} {step.seconds:7.1f} s  {step.reason}")
    print(f"run {summary.run} (as_of {summary.as_of}) succeeded")


if __name__ == "__main__":
    submit(main)
