"""<lake>/reports/<run>.html: the report of a slice, one self-contained file that works offline.

Reads what the slice of --as-of has in gold, and files, quarantine, checks, reconciliation and run times in ops; an
absent table leaves its section out. Writes no table, so it needs no lease and may run beside a run. A rerun writes the
same file anew.
"""

from __future__ import annotations

from portrait.lake import Lake
from portrait.report import write_report
from portrait.run.job import job_arguments, submit
from portrait.run.suite import suite_of
from portrait.settings import load_settings
from portrait.spark.session import session


def main(argv: list[str] | None = None) -> None:
    """Write the report of one slice and print where it is."""
    args = job_arguments(__doc__).parse_args(argv)
    flags = {"lake": args.lake, "landing": args.landing, "schemas": args.schemas}
    settings = load_settings(args.conf, target=args.target, flags=flags)
    catalogue = suite_of(settings)
    print(write_report(Lake(session(), settings.lake, catalogue), as_of=args.as_of))


if __name__ == "__main__":
    submit(main)
