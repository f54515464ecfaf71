"""gold.segments: one row per customer and as_of: tier, group, key labels, next best product. Start here.

Reads the slices of gold.customer_features, customer_tier, customer_group, customer_portrait and, where the bank
delivers products, gold.recommendations. Which labels are key labels says the contract. A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.capabilities.segments.segments import segments
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, recommended = args.as_of, "gold.recommendations"
        offered = recommended in lake.catalogue.contracts and day in lake.slices(recommended)
        rows = segments(
            features=lake.slice("gold.customer_features", day),
            tiers=lake.slice("gold.customer_tier", day),
            groups=lake.slice("gold.customer_group", day),
            portrait=lake.slice("gold.customer_portrait", day),
            recommended=lake.slice(recommended, day) if offered else None,
            labels=[name for name, label in lake.catalogue.label_columns()["gold.segments"].items() if name == label],
            as_of=day,
        )
        lake.replace("gold.segments", rows, day)


if __name__ == "__main__":
    submit(main)
