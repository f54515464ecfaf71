"""gold.customer_portrait: one row a customer and as_of, one column a label of conf/labels, NULL where it is unknown.

Also gold.label_history (a row where a label changed since the slice before) and gold.label_statistics (a row a label).
A label that cannot be computed is unknown for all, and label_statistics says why; the others are written.
Reads the slices of gold.customer_features, customer_value, customer_tier and customer_group, and its own earlier slice.
A rerun replaces the slices of as_of, and the change points of the slice that follows, where there is one.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from portrait.job import job_arguments, open_lake, submit
from portrait.labels import SOURCES, label_statistics, load_labels, write_label_history, write_portrait


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        labels = load_labels(args.conf, lake.catalogue)
        slices = {name: lake.slice(f"gold.{name}", args.as_of) for name in SOURCES}
        failed = write_portrait(lake, labels=labels, as_of=args.as_of, sources=slices)
        write_label_history(lake, labels=labels, as_of=args.as_of)
        portrait = lake.read("gold.customer_portrait").where(F.col("as_of") == F.lit(args.as_of))
        statistics = label_statistics(portrait=portrait, labels=labels, as_of=args.as_of, failed=failed)
        lake.replace("gold.label_statistics", statistics, args.as_of)


if __name__ == "__main__":
    submit(main)
