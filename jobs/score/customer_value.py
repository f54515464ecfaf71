"""gold.customer_value: one row per customer and as_of: recency, frequency, monetary, assets, score, lifetime value.

Also gold.value_model, one row per number of the scale and the lifetime models behind it. Reads gold.customer_features,
gold.contribution and silver.customer_daily; conf/score.yml, conf/lifetime.yml. Models that a
slice does not determine are those of the slice before. A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.capabilities.contribution.contribution import by_customer
from portrait.capabilities.lifetime.lifetime import (
    fit_models,
    initiated,
    model_rows,
    models_of,
    purchase_histories,
    score_histories,
)
from portrait.capabilities.lifetime.policy import load_lifetime_policy
from portrait.capabilities.score.customer_value import customer_value
from portrait.capabilities.score.policy import load_score_policy
from portrait.capabilities.score.rfm import customer_measures
from portrait.capabilities.score.scale import slice_scale, stored_scale
from portrait.entities.money import unless_it_overflows
from portrait.features import load_features
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of

MODEL, FEATURES, KEPT = "gold.value_model", "gold.customer_features", "gold.contribution"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, policy, model = args.as_of, load_score_policy(args.conf), lake.catalogue.table(MODEL)
        counts = initiated(load_features(args.conf), lake.catalogue.table("silver.transactions"))
        daily, spans, fixed = lake.read("silver.customer_daily"), load_lifetime_policy(args.conf), policy.scale_for(day)
        measures = customer_measures(lake.slice(FEATURES, day), by_customer(lake.slice(KEPT, day)), policy=policy)
        scale = stored_scale(lake.slice(MODEL, fixed)) if fixed else slice_scale(measures, policy=policy, as_of=day)
        earlier = models_of(lake.previous_slice(MODEL, day))

        def write(exact: bool) -> None:
            histories = purchase_histories(daily, counts=counts, policy=spans, as_of=day, exact=exact).persist()
            models = fit_models(histories, earlier=earlier, policy=spans, as_of=day)
            scored = score_histories(histories, models, policy=spans)
            value = customer_value(measures, scored, scale=scale, policy=policy, as_of=day)
            lake.replace("gold.customer_value", value, day)
            lake.replace(MODEL, frame_of(lake.spark, scale.rows(day) + model_rows(models, day), model.struct_type), day)
            histories.unpersist()

        unless_it_overflows(write)


if __name__ == "__main__":
    submit(main)
