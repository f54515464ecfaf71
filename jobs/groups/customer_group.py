"""gold.customer_group: one row per customer and as_of, with the behaviour group or the reason why there is none.

Also gold.group_summary (a row per group), gold.group_profile (a row per group and feature) and ops.models, which points
at the saved model. Reads the slice of gold.customer_features; everything else from conf/groups.yml. A rerun replaces
the slices; the same slice gives the same groups.
"""

from __future__ import annotations

from portrait.capabilities.groups.grouping import group_customers
from portrait.capabilities.groups.model import keep_model
from portrait.capabilities.groups.policy import load_group_policy
from portrait.lake import ModelStore
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        policy = load_group_policy(args.conf)
        features = lake.slice("gold.customer_features", args.as_of)
        store = ModelStore(lake)
        version = store.version(args.as_of)
        with group_customers(features, policy=policy, as_of=args.as_of, model_version=version) as groups:
            if groups.model is not None:
                keep_model(store, groups.model, policy=policy, as_of=args.as_of)
            lake.replace("gold.customer_group", groups.customers, args.as_of)
            lake.replace("gold.group_summary", groups.summary, args.as_of)
            lake.replace("gold.group_profile", groups.profile, args.as_of)


if __name__ == "__main__":
    submit(main)
