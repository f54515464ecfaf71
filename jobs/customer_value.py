"""gold.customer_value: one row a customer and as_of: recency, frequency, monetary, assets, value score and its parts.

Reads the slice of gold.customer_features; weights and scale from conf/value.yml. A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.job import job_arguments, open_lake, submit
from portrait.value.policy import load_value_policy
from portrait.value.score import customer_value


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        policy = load_value_policy(args.conf)
        features = lake.slice("gold.customer_features", args.as_of)
        lake.replace("gold.customer_value", customer_value(features, policy=policy, as_of=args.as_of), args.as_of)


if __name__ == "__main__":
    submit(main)
