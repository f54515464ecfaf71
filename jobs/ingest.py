"""bronze.* from the landing folder: one row a delivered record that met the contract of its feed.

Every other row goes to ops.quarantine with the rules that it broke, every file to ops.files with its hash. Reads
<landing>/<feed>/*.csv|jsonl|parquet[.gz]. A rerun takes in new files only; with nothing new it touches no table. A feed
that breaks its contract is refused (exit 3), the others are taken in.
"""

from __future__ import annotations

from portrait.ingest import ingest
from portrait.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    """Take in what is new in the landing folder."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        ingest(lake, landing=args.landing, catalogue=lake.catalogue)


if __name__ == "__main__":
    submit(main)
