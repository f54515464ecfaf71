"""gold.fund_flows: one row per credit and debit of an account that it paid for, within a window of days, and as_of.

Also gold.account_flows (a row per account, with the sums by which the gate checks the parts to the cent). Reads
silver.transactions of the window and silver.balances of the day before it; conf/funds.yml. A rerun replaces the slices.
"""

from __future__ import annotations

from portrait.capabilities.funds.flows import account_flows, bookings_to_trace, fund_flows
from portrait.capabilities.funds.policy import load_funds_policy
from portrait.entities.money import unless_it_overflows
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    args = job_arguments(__doc__).parse_args(argv)
    day, policy = args.as_of, load_funds_policy(args.conf).tracing
    with open_lake(args) as lake:
        transactions, balances = lake.read("silver.transactions"), lake.read("silver.balances")

        def write(exact: bool) -> None:
            bookings = bookings_to_trace(transactions, balances, policy=policy, as_of=day, exact=exact)
            lake.replace("gold.fund_flows", fund_flows(bookings, policy=policy, as_of=day), day)
            flows = lake.rows("gold.fund_flows", as_of=day)
            lake.replace("gold.account_flows", account_flows(bookings, flows, as_of=day), day)

        unless_it_overflows(write)


if __name__ == "__main__":
    submit(main)
