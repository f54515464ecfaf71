"""gold.recommendations: the best products that each customer may have and does not hold, with reason and facts.

Also gold.recommendation_rejections: customers by failing rule and product. Reads the slices of gold.customer_features,
gold.customer_tier and gold.customer_group, and silver.products and silver.holdings as known at as_of; and what
customers buy (gold.shopping_recommendations) where gold.recommendation_quality says that it is used. Rules and weights
from conf/offers.yml, what the bank records from conf/marketing.yml: where the data of the day contradict it, nothing is
recommended. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.offers.eligibility import (
    customer_facts,
    holders_at,
    judged_candidates,
    products_at,
    rejections,
)
from portrait.capabilities.offers.policy import load_recommendation_policy
from portrait.capabilities.offers.product_affinities import product_affinities
from portrait.capabilities.offers.recommendation import recommendations
from portrait.entities.recorded import load_recorded
from portrait.events import event
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        day, policy = args.as_of, load_recommendation_policy(args.conf)
        features, tiers, groups = (lake.slice(f"gold.customer_{name}", day) for name in ("features", "tier", "group"))
        recorded = load_recorded(args.conf)
        if contradictions := recorded.contradictions(features):
            event("recommendations_refused", as_of=day, reasons=contradictions)
            print(f"nothing is recommended for {day}: {'; '.join(contradictions)}")
        customers = customer_facts(features, tiers, groups, recorded=recorded)
        zone = lake.catalogue.time_zone
        products = products_at(lake.read("silver.products"), as_of=day, zone=zone)
        holders = holders_at(lake.read("silver.holdings"), as_of=day, zone=zone)
        refused = bool(contradictions)
        judged = judged_candidates(customers, products, holders, policy=policy, as_of=day, contradicted=refused)
        shopping, not_used = product_affinities(lake, day)
        best = recommendations(
            judged, customers, products, holders, policy=policy, as_of=day, shopping=shopping, not_used=not_used
        )
        lake.replace("gold.recommendations", best, day)
        lake.replace("gold.recommendation_rejections", rejections(judged, as_of=day), day)


if __name__ == "__main__":
    submit(main)
