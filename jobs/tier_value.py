"""gold.tier_value: one row a tier and as_of, and one of all: what a customer of the tier is worth, with an interval.

Reads the slices of gold.customer_tier and gold.customer_value, and the last slice of an earlier month of the former;
conf/value.yml. No row without such a slice. A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.job import job_arguments, open_lake, submit
from portrait.rows import frame_of
from portrait.value.chain import tier_value
from portrait.value.policy import load_value_policy

TIERS, TABLE = "gold.customer_tier", "gold.tier_value"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_value_policy(args.conf)
    with open_lake(args) as lake:
        tiers, value = lake.slice(TIERS, day), lake.slice("gold.customer_value", day)
        since = lake.previous_as_of(TIERS, day.replace(day=1))
        known = [] if since is None else tier_value(
            tiers, lake.slice(TIERS, since), value, since=since, policy=policy, as_of=day
        )  # fmt: skip
        lake.replace(TABLE, frame_of(lake.spark, known, lake.catalogue.table(TABLE).struct_type), day)


if __name__ == "__main__":
    submit(main)
