"""gold.customer_group: one row per customer and as_of, with the behaviour group or the reason why there is none.

Also gold.group_summary, gold.group_rule (a row per group), gold.group_profile (a row per group and feature),
gold.group_transition (a row per pair of groups), gold.group_model (a row) and ops.models, which points at the saved
model. Reads the slice of gold.customer_features, and the slice before of its own tables: groups keep their numbers and
names, and a model that is not stable leaves the work to the one before. Everything else from conf/groups.yml. A rerun
replaces the slices; the same slice after the same slice before gives the same groups.
"""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame

from portrait.capabilities.groups.grouping import group_customers
from portrait.capabilities.groups.model import MODEL, earlier_model, keep_model
from portrait.capabilities.groups.policy import load_group_policy
from portrait.capabilities.groups.transitions import TRANSITION, group_flows, transition_rows
from portrait.lake import Lake, ModelStore
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

TABLE = "gold.customer_group"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        policy = load_group_policy(args.conf)
        features = lake.slice("gold.customer_features", args.as_of)
        store, earlier = ModelStore(lake), earlier_model(lake, args.as_of)
        version = store.version(args.as_of)
        with group_customers(
            features, policy=policy, as_of=args.as_of, model_version=version, earlier=earlier
        ) as groups:
            if groups.model is not None:
                keep_model(store, groups.model, policy=policy, as_of=args.as_of)
            lake.replace(TABLE, groups.customers, args.as_of)
            lake.replace("gold.group_summary", groups.summary, args.as_of)
            lake.replace("gold.group_profile", groups.profile, args.as_of)
            lake.replace("gold.group_rule", groups.rules, args.as_of)
            lake.replace(MODEL, groups.judged, args.as_of)
        lake.replace(
            "gold.group_transition", transitions(lake, args.as_of, majority=policy.continuity.majority), args.as_of
        )


def transitions(lake: Lake, as_of: date, *, majority: float) -> DataFrame:
    """gold.group_transition of a slice that was written just now."""
    previous, rows = lake.previous_as_of(TABLE, as_of), []
    if previous is not None:
        # `rows`, not `slice`: the records name this slice only when the job has succeeded.
        flows = group_flows(lake.rows(TABLE, as_of=as_of), lake.slice(TABLE, previous))
        rows = transition_rows(flows, as_of=as_of, previous_as_of=previous, majority=majority)
    return frame_of(lake.spark, rows, TRANSITION)


if __name__ == "__main__":
    submit(main)
