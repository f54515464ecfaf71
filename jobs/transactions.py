"""silver.transactions: one row a booking, with its sign, its minor units and the owner of the account that day.

Reads bronze.transactions and, where the bank has them, the parties of accounts. New bookings, and all bookings of
accounts whose parties changed, are resolved again and merged. A rerun with nothing new commits nothing.
"""

from __future__ import annotations

from pyspark.sql import functions as F

from portrait.entities.kinds import kind_code
from portrait.entities.transactions import affected_bookings, resolve_transactions
from portrait.job import job_arguments, open_lake, submit

TABLE, BOOKINGS, PARTIES = "silver.transactions", "bronze.transactions", "bronze.account_parties"


def main(argv: list[str] | None = None) -> None:
    """Bring the transactions up to what bronze holds."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:
        parties = lake.read("silver.account_parties") if lake.has("silver.account_parties") else None
        new = lake.new_rows(BOOKINGS, consumer=TABLE)
        moved = None if parties is None else lake.new_rows(PARTIES, consumer=TABLE)
        if new.isEmpty() and (moved is None or moved.isEmpty()):
            return
        bookings = lake.read(BOOKINGS)
        if lake.has(TABLE):
            bookings = affected_bookings(bookings, new=new, moved=moved)
        resolved = resolve_transactions(bookings, parties=parties)
        resolved = resolved.withColumn("kind_code", F.expr(kind_code(lake.catalogue.table(TABLE))))
        if lake.has(TABLE):
            lake.merge(TABLE, resolved)
        else:
            # Days together in files: what enters and leaves a window is read by day.
            lake.overwrite(TABLE, resolved.repartitionByRange("booked_on").sortWithinPartitions("booked_on"))


if __name__ == "__main__":
    submit(main)
