"""silver.balances: closing balances as runs of days; ops.reconciliation: account-days that do not meet.

Reads silver.transactions: all of it the first time, or when the code changed; then what its commits changed since, and
the bookings of these accounts from their first changed day on. A rerun with nothing new commits nothing.
"""

from __future__ import annotations

from portrait.entities.balances import bring_up_to_date
from portrait.entities.reconciliation import load_policy
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    """Bring balances and reconciliation up to the transactions."""
    args = job_arguments(__doc__).parse_args(argv)
    policy = load_policy(args.conf)
    with open_lake(args) as lake:
        bring_up_to_date(lake, policy=policy)


if __name__ == "__main__":
    submit(main)
