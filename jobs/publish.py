"""ops.publication: the pointer to the slices that readers see.

Reads ops.quality_results and every gold table. Moves the pointer to the slices of --as-of of each data product that
passed its gate: its tables move together. A product that its gate refuses stays as it was served, and so does what is
made from it; the exit code is 4 then, after the others have moved. A product of which a newer day is served stays
there: a backfill never takes readers back. A rerun of the same run is a no-op.
"""

from __future__ import annotations

from portrait.lake import publish
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    """Publish what passed its gate, all at once."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        served = publish(lake, as_of=args.as_of, backwards=False)
        days = served.days_of(lake.catalogue).items()
        newer = ", ".join(f"{product} of {day}" for product, day in days if day > args.as_of)
        if newer:
            print(f"not published, because the newer slices stay served: {newer}")


if __name__ == "__main__":
    submit(main)
