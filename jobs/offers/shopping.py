"""gold.shopping_recommendations: what each customer would buy next, and how near each product is, by what they buy.

Also gold.recommendation_quality: how well the model ranks what customers took for the first time, beside popularity
and "same as last month", and whether it is used; ops.models. Reads the customers of the slice of
gold.customer_features, silver.transactions, and silver.holdings where the bank delivers it, as known at as_of;
conf/offers.yml. The model is fitted when it is due; the slice before says which one is used until then. A rerun
replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.offers.policy import load_recommendation_policy
from portrait.capabilities.offers.product_affinities import QUALITY, RECOMMENDED
from portrait.capabilities.offers.shopping import Sources, judge_model, quality_frame, shopping_recommendations
from portrait.events import event
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.frames import frame_of


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, policy, catalogue = args.as_of, load_recommendation_policy(args.conf), lake.catalogue
        holdings, products = (
            lake.read(table) if lake.has(table) else None for table in ("silver.holdings", "silver.products")
        )
        customers = lake.slice("gold.customer_features", day)
        sources = Sources(customers, lake.read("silver.transactions"), holdings, products, catalogue.time_zone)
        judged = judge_model(lake, sources, policy=policy, as_of=day)
        if judged.model is not None:
            lake.replace(
                RECOMMENDED, shopping_recommendations(sources, judged.model, policy=policy.shopping, as_of=day), day
            )
        else:
            event("shopping_refused", as_of=day, reason=judged.reason)
            print(f"what customers buy is not used in recommendations of {day}: {judged.reason}")
            if day in lake.slices(RECOMMENDED):
                lake.replace(RECOMMENDED, frame_of(lake.spark, [], catalogue.table(RECOMMENDED).struct_type), day)
        lake.replace(QUALITY, quality_frame(lake, judged.rows, catalogue.table(QUALITY)), day)


if __name__ == "__main__":
    submit(main)
