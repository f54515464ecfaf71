"""silver.customer_daily: bookings of customers by day, kind and amount, from which features of bookings are computed.

Reads silver.transactions: all of it the first time, or when the code changed; then only what its commits changed since,
which is appended. A rerun with nothing new commits nothing. After some appends the newest years are put in order again.
Of a bank with accounts of several currencies it reads silver.accounts and exchange_rates too (conf/currencies.yml).
"""

from __future__ import annotations

from portrait.entities.currencies import conversion_of, load_currency_policy
from portrait.entities.daily import bring_up_to_date
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    """Bring the daily bookings up to the transactions."""
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_currency_policy(args.conf)
    with open_lake(args) as lake:
        bring_up_to_date(lake, conversion=conversion_of(lake, policy=policy))


if __name__ == "__main__":
    submit(main)
