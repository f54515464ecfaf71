"""gold.card_offers: one row per prospect and as_of who is offered a card: line, price, binding bounds, reason, facts.

Also gold.card_refusals (a row per rule) and gold.limit_reviews (a row per holder). Reads the slices of
gold.prospect_scores and gold.customer_features; of the day, where there are such, gold.credit_scores and
gold.customer_warnings, without which nothing is offered and no limit is raised, gold.group_exposure and
gold.relation_groups; silver.transfer_prices; conf/card_terms.yml. A rerun replaces the slices.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from portrait.capabilities.card_terms.facts import card_facts, group_headroom
from portrait.capabilities.card_terms.line import with_best_line
from portrait.capabilities.card_terms.offers import card_offers, card_refusals, judged_prospects, limit_reviews
from portrait.capabilities.card_terms.policy import load_card_terms
from portrait.run.job import job_arguments, open_lake, submit

OFFERS, OPTIONAL = "gold.card_offers", ("credit_scores", "customer_warnings", "group_exposure", "relation_groups")


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_card_terms(args.conf)
    with open_lake(args) as lake:
        names = [name for name in OPTIONAL if f"gold.{name}" in lake.catalogue.contracts]
        found: dict[str, DataFrame] = {
            name: lake.slice(f"gold.{name}", day) for name in names if day in lake.slices(f"gold.{name}")
        }
        headroom = None
        if {"group_exposure", "relation_groups"} <= set(found):
            headroom = group_headroom(found["group_exposure"], found["relation_groups"])
        prices = lake.read("silver.transfer_prices") if lake.has("silver.transfer_prices") else None
        features, prospects = lake.slice("gold.customer_features", day), lake.slice("gold.prospect_scores", day)
        facts = card_facts(
            features, found.get("credit_scores"), found.get("customer_warnings"), headroom, prices,
            policy=policy, as_of=day, zone=lake.catalogue.time_zone,
        )  # fmt: skip
        priced = with_best_line(facts, policy=policy).persist()
        judged = judged_prospects(priced, prospects, policy=policy)
        lake.replace(OFFERS, card_offers(judged, as_of=day), day)
        refusals = card_refusals(judged, lake.rows(OFFERS, as_of=day), prospects, as_of=day)
        lake.replace("gold.card_refusals", refusals, day)
        lake.replace("gold.limit_reviews", limit_reviews(priced, policy=policy, as_of=day), day)


if __name__ == "__main__":
    submit(main)
