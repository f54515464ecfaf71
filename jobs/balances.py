"""silver.balances: closing balances as runs of days; ops.reconciliation: account-days that do not meet.

Reads silver.transactions of the accounts with new bookings, and builds both tables anew for these accounts.
A rerun with nothing new commits nothing.
"""

from __future__ import annotations

from portrait.entities.balances import affected_accounts, balance_runs, close_days, measure_days
from portrait.entities.reconciliation import differences, load_policy
from portrait.job import job_arguments, open_lake, submit

BOOKINGS = "bronze.transactions"


def main(argv: list[str] | None = None) -> None:
    """Bring balances and reconciliation up to the transactions."""
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_policy(args.conf)
    with open_lake(args) as lake:
        new = lake.new_rows(BOOKINGS, consumer="silver.balances")
        if new.isEmpty():
            return
        transactions, accounts = lake.read("silver.transactions"), None
        if lake.has("silver.balances"):
            accounts = affected_accounts(lake.read(BOOKINGS), new=new)
            transactions = transactions.join(accounts, on="account_id", how="left_semi")
        days = measure_days(transactions).persist()
        closings = close_days(days).persist()
        lake.merge("silver.balances", balance_runs(closings), replacing=accounts)
        lake.merge("ops.reconciliation", differences(closings, policy=policy), replacing=accounts)
        closings.unpersist()
        days.unpersist()


if __name__ == "__main__":
    submit(main)
