"""gold.customer_tier: one row a customer and as_of, with the reason and the gap to the next tier.

Also gold.tier_migration, one row a pair of tiers. Reads the slice of gold.customer_value and the slice before of its
own table; levels from conf/tiers.yml. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.job import job_arguments, open_lake, submit
from portrait.value.migration import tier_migration
from portrait.value.tier_policy import load_tier_policy
from portrait.value.tiers import assign_tiers, tier_levels


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        policy = load_tier_policy(args.conf)
        value = lake.slice("gold.customer_value", args.as_of)
        previous = lake.previous_slice("gold.customer_tier", args.as_of)
        levels = tier_levels(value, policy=policy)
        tiers = assign_tiers(value, previous, levels=levels, policy=policy, as_of=args.as_of)
        lake.replace("gold.customer_tier", tiers, args.as_of)
        migration = tier_migration(tiers, previous, as_of=args.as_of)
        lake.replace("gold.tier_migration", migration, args.as_of)


if __name__ == "__main__":
    submit(main)
