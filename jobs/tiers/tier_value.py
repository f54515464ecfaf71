"""gold.tier_value: one row per tier and as_of, and one of all: what a customer of the tier is worth, with an interval.

Reads the slices of gold.customer_tier and gold.customer_value, and the last slice of an earlier month of the former;
conf/tier_value.yml, conf/lifetime.yml (discount_rate). No row without such a slice. A rerun replaces the slice.
"""

from __future__ import annotations

from typing import Any

from portrait.capabilities.lifetime.policy import load_lifetime_policy
from portrait.capabilities.tiers.chain import tier_value
from portrait.capabilities.tiers.value_policy import load_tier_value_policy
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

TIERS, TABLE = "gold.customer_tier", "gold.tier_value"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_tier_value_policy(args.conf)
    discount_rate = load_lifetime_policy(args.conf).discount_rate
    with open_lake(args) as lake:
        tiers, value = lake.slice(TIERS, day), lake.slice("gold.customer_value", day)
        since = lake.previous_as_of(TIERS, day.replace(day=1))
        rows: list[tuple[Any, ...]] = []
        if since is not None:
            before = lake.slice(TIERS, since)
            rows = tier_value(tiers, before, value, since=since, policy=policy, discount_rate=discount_rate, as_of=day)
        lake.replace(TABLE, frame_of(lake.spark, rows, lake.catalogue.table(TABLE).struct_type), day)


if __name__ == "__main__":
    submit(main)
