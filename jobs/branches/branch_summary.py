"""gold.branch_summary: one row per branch, manager, tier and as_of: customers, assets, contribution, who came and went.

Reads the slices of gold.customer_tier and gold.customer_value, the slice before of the former, and silver.customers.
A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.capabilities.branches.branch_summary import branch_summary
from portrait.run.job import job_arguments, open_lake, submit

TIERS = "gold.customer_tier"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day = args.as_of
        tiers, previous = lake.slice(TIERS, day), lake.previous_slice(TIERS, day)
        value, customers = lake.slice("gold.customer_value", day), lake.read("silver.customers")
        zone = lake.catalogue.time_zone
        rows = branch_summary(tiers, previous, value, customers, as_of=day, zone=zone)
        lake.replace("gold.branch_summary", rows, day)


if __name__ == "__main__":
    submit(main)
