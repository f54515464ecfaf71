"""gold.product_offers: one row per customer, template and as_of that no rule refuses: terms, number, reason, facts.

Also gold.product_refusals (a row per template and rule) and silver.configured_products (a row per number ever issued).
Reads the slices of gold.customer_features, gold.customer_tier and gold.customer_group, silver.balances, silver.accounts
and silver.account_parties, where there are such silver.transfer_prices and silver.exchange_rates, and of the day
gold.group_behaviour and gold.customer_warnings, without which no card is offered; templates of conf/products.
A rerun replaces the slices; a number that was issued stays.
"""

from __future__ import annotations

from portrait.capabilities.products.candidates import judged_templates
from portrait.capabilities.products.configuring import card_habits, configured, product_offers, product_refusals
from portrait.capabilities.products.liquidity import customer_money
from portrait.capabilities.products.policy import categories_of, load_product_policy, load_templates
from portrait.capabilities.products.register import issue
from portrait.capabilities.products.templates import product_rows, template_rows, term_options
from portrait.entities.currencies import conversion_of, load_currency_policy
from portrait.entities.ownership import people_of
from portrait.run.job import job_arguments, open_lake, submit

OFFERS, BEHAVIOUR, WARNINGS = "gold.product_offers", "gold.group_behaviour", "gold.customer_warnings"


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy, templates = args.as_of, load_product_policy(args.conf), load_templates(args.conf)
    with open_lake(args) as lake:
        spark, zone, categories = lake.spark, lake.catalogue.time_zone, categories_of(templates)
        features, tiers, groups = (lake.slice(f"gold.customer_{name}", day) for name in ("features", "tier", "group"))
        behaviour, warnings = (
            lake.slice(table, day) if table in lake.catalogue.contracts and day in lake.slices(table) else None
            for table in (BEHAVIOUR, WARNINGS)
        )
        prices = lake.read("silver.transfer_prices") if lake.has("silver.transfer_prices") else None
        accounts = lake.read("silver.accounts")
        owned = people_of(lake.read("silver.account_parties"), accounts, as_of=day, zone=zone)
        conversion = conversion_of(lake, policy=load_currency_policy(args.conf))
        money = customer_money(
            owned, accounts, lake.read("silver.balances"), templates,
            liquidity=policy.liquidity, conversion=conversion, as_of=day, zone=zone,
        )  # fmt: skip
        judged = judged_templates(features, tiers, groups, templates, conf=args.conf, as_of=day)
        habits = card_habits(features, behaviour, categories=categories, policy=policy, groups=groups)
        options = term_options(spark, templates, prices, as_of=day, zone=zone)
        rows = configured(
            judged, template_rows(spark, templates), options, money, habits, warnings,
            categories=categories, policy=policy,
        ).persist()  # fmt: skip
        offers = product_offers(rows, policy=policy, as_of=day)
        issue(lake, offers, as_of=day)
        lake.replace(OFFERS, offers, day)
        written = lake.rows(OFFERS, as_of=day)
        refusals = product_refusals(rows, written, features, product_rows(spark, templates), as_of=day)
        lake.replace("gold.product_refusals", refusals, day)


if __name__ == "__main__":
    submit(main)
