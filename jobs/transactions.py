"""silver.transactions: one row per booking, with its sign, its minor units and the owner of the account that day.

Reads bronze.transactions and, where the bank has them, the parties of accounts. New bookings are appended; those whose
id came before, and those of accounts whose parties changed, are settled again and merged. Records of one id that differ
go to ops.conflicts. A rerun with nothing new commits nothing.
"""

from __future__ import annotations

from portrait.entities.transactions import bring_up_to_date
from portrait.run.job import job_arguments, open_lake, submit


def main(argv: list[str] | None = None) -> None:
    """Bring the transactions up to what bronze holds."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        bring_up_to_date(lake)


if __name__ == "__main__":
    submit(main)
