"""gold.customer_portrait: one row per customer and as_of, one column per label; NULL where it is unknown.

Also gold.label_history (a row where a label changed since the slice before) and gold.label_statistics (a row per
label). A label that cannot be computed is unknown for all, and label_statistics says why; the others are written. It
also says which labels are suspect or stale by conf/trust.yml. Reads the slices of gold.customer_features,
customer_value, customer_tier and customer_group, and its own earlier slices. A rerun replaces the slices of as_of, and
the change points of the slice that follows, where there is one.
"""

from __future__ import annotations

from portrait.features import load_features
from portrait.labels import (
    label_sources_of,
    load_labels,
    load_trust_policy,
    write_label_history,
    write_label_statistics,
    write_portrait,
)
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, labels, policy = args.as_of, load_labels(args.conf, lake.catalogue), load_trust_policy(args.conf)
        slices = label_sources_of(lake, day)
        written = write_portrait(lake, labels=labels, as_of=day, sources=slices)
        write_label_history(lake, labels=labels, as_of=day)
        features = load_features(args.conf)
        write_label_statistics(lake, labels=labels, features=features, policy=policy, as_of=day, written=written)


if __name__ == "__main__":
    submit(main)
