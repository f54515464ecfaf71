"""gold.contribution: one row per customer, account, kind of product and as_of: balances, and what the bank earned.

Reads the customers of the slice of gold.customer_features, silver.balances, transactions, accounts and account_parties,
and where the bank delivers them loans, transfer_prices, unit_costs and, for accounts of several currencies,
exchange_rates; conf/contribution.yml, conf/currencies.yml. A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.capabilities.contribution.contribution import contribution
from portrait.capabilities.contribution.policy import load_contribution_policy
from portrait.entities.currencies import conversion_of, load_currency_policy
from portrait.entities.money import unless_it_overflows
from portrait.features.facts import in_one_currency
from portrait.run.job import job_arguments, open_lake, submit

NEEDED = ("balances", "accounts", "account_parties", "transactions")
OPTIONAL = ("loans", "transfer_prices", "unit_costs")


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_contribution_policy(args.conf)
    with open_lake(args) as lake:
        present = [name for name in OPTIONAL if lake.has(f"silver.{name}")]
        sources = {name: lake.read(f"silver.{name}") for name in (*NEEDED, *present)}
        conversion = conversion_of(lake, policy=load_currency_policy(args.conf))
        if conversion:
            sources = in_one_currency(sources, conversion=conversion, as_of=args.as_of)
            sources["transactions"] = conversion.of_bookings(sources["transactions"], "signed_minor")
        customers = lake.slice("gold.customer_features", args.as_of).select("customer_id")

        def write(exact: bool) -> None:
            rows = contribution(
                customers, policy=policy, as_of=args.as_of, exact=exact, zone=lake.catalogue.time_zone, **sources
            )
            lake.replace("gold.contribution", rows, args.as_of)

        unless_it_overflows(write)


if __name__ == "__main__":
    submit(main)
