"""gold.core_group: one row per population, customer and as_of, the group, the plan.

Also gold.core_group_summary (a row per population and group), gold.core_group_steps (a row per population and step) and
ops.models. Reads the slices of gold.customer_features, gold.customer_portrait, gold.contribution and
gold.audience_members, and the slice before of its own tables: a model assigns until it is too old, and the effect
of the plan is measured. conf/core_group.yml, the features of conf/groups.yml, conf/core_group/plans. A rerun
replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.core_group.keeping import earlier_models, keep_models
from portrait.capabilities.core_group.mining import mine
from portrait.capabilities.core_group.people import people_of, populations_of
from portrait.capabilities.core_group.plans import load_service_plans
from portrait.capabilities.core_group.policy import load_core_group_policy
from portrait.capabilities.core_group.serving import arms_since, effect_of
from portrait.capabilities.core_group.tables import member_rows, step_rows, summary_rows
from portrait.capabilities.groups.policy import load_group_policy
from portrait.labels import load_labels
from portrait.lake import ModelStore
from portrait.run.job import job_arguments, open_lake, submit

TABLE, STEPS = "gold.core_group", "gold.core_group_steps"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, policy, plans = args.as_of, load_core_group_policy(args.conf), load_service_plans(args.conf)
        features = policy.features_of(load_group_policy(args.conf))
        labels = [item.label for item in load_labels(args.conf, lake.catalogue).checked]
        slices = ("customer_features", "contribution", "customer_portrait", "audience_members")
        measured, contribution, portrait, members = (lake.slice(f"gold.{name}", day) for name in slices)
        everybody = people_of(measured, contribution, portrait, features=features).persist()
        version, earlier = ModelStore(lake).version(day), earlier_models(lake, day)
        mined = [
            mine(
                people,
                population=population,
                labels=labels,
                policy=policy,
                features=features,
                as_of=day,
                version=version,
                earlier=earlier.get(population.id),
            )
            for population, people in populations_of(everybody, members, policy=policy, plans=plans)
        ]
        keep_models(ModelStore(lake), mined, as_of=day)
        before = lake.previous_as_of(TABLE, day)
        arms = {} if before is None else arms_since(lake.slice(TABLE, before), everybody)
        effects = {population.id: effect_of(arms.get(population.id, {})) for population in policy.populations}
        lake.replace(TABLE, member_rows(mined, plans, as_of=day), day)
        lake.replace("gold.core_group_summary", summary_rows(lake.spark, mined, effects, as_of=day), day)
        lake.replace(STEPS, step_rows(lake.spark, mined, as_of=day), day)


if __name__ == "__main__":
    submit(main)
