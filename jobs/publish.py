"""ops.publication: the pointer to the slices that readers see.

Reads ops.quality_results and every gold table. Moves the pointer to the slices of --as-of, unless a newer day is served
already: a backfill never takes readers back. A rerun of the same run is a no-op.
"""

from __future__ import annotations

from portrait.lake import publications, publish
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    """Publish the slices of one day, all at once."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        served = publications(lake)
        if served and served[0].as_of > args.as_of:
            print(f"not published: the newer slices of {served[0].as_of} stay served")
            return
        publish(lake, as_of=args.as_of)


if __name__ == "__main__":
    submit(main)
