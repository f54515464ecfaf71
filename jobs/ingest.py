"""bronze.* from the landing folder: one row per delivered record that met the contract of its feed.

Every other row goes to ops.quarantine with the rules that it broke, every file to ops.files with its hash. Reads
<landing>/<feed>/**/*.csv|jsonl|parquet[.gz], and by the mappings of conf/sources the files in <landing>/<source>/. A
rerun takes in new files only; with nothing new it touches no table. A feed that breaks its contract is refused (exit
3), the others are ingested. A file that cannot be read is quarantined whole and named; a feed that brings nothing else
ends the job with exit 3 (setting quarantined_file).
"""

from __future__ import annotations

import sys

from portrait.ingest import ingest, remedy_of
from portrait.mappings import load_mappings
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    """Take in what is new in the landing folder."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        held = args.settings.quarantined_file
        mappings = load_mappings(args.conf, lake.catalogue, checked=True)
        summary = ingest(lake, landing=args.landing, catalogue=lake.catalogue, quarantined_file=held, mappings=mappings)
    if __name__ == "__main__":  # within a run the closing lines tell of them
        for item in summary.kept_out:
            print(f"quarantined: {item.path}: {item.reason}; {remedy_of(item.reason)}", file=sys.stderr)


if __name__ == "__main__":
    submit(main)
