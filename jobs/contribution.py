"""gold.contribution: one row a customer, account, kind of product and as_of: balances, and what the bank earned.

Reads the customers of the slice of gold.customer_features, silver.balances, transactions, accounts and account_parties,
and where the bank delivers them loans, transfer_prices and unit_costs; conf/value.yml. A rerun replaces the slice.
"""

from __future__ import annotations

from portrait.entities.money import unless_it_overflows
from portrait.job import job_arguments, open_lake, submit
from portrait.value.contribution import contribution
from portrait.value.policy import load_value_policy

NEEDED = ("balances", "accounts", "account_parties", "transactions")
OPTIONAL = ("loans", "transfer_prices", "unit_costs")


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_value_policy(args.conf)
    with open_lake(args) as lake:
        present = [name for name in OPTIONAL if lake.has(f"silver.{name}")]
        sources = {name: lake.read(f"silver.{name}") for name in (*NEEDED, *present)}
        customers = lake.slice("gold.customer_features", args.as_of).select("customer_id")

        def write(exact: bool) -> None:
            rows = contribution(customers, policy=policy, as_of=args.as_of, exact=exact, **sources)
            lake.replace("gold.contribution", rows, args.as_of)

        unless_it_overflows(write)


if __name__ == "__main__":
    submit(main)
