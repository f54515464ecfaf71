"""silver dimensions (customers, accounts, cards, ...): one row per key and stretch of time without a change.

Reads the bronze table of each dimension; a dimension whose feed never came is left out. The versions of every key that
new records touch are rebuilt from all its records, so a late or repeated delivery ends in the same table. Records of a
key and instant that differ go to ops.conflicts. A rerun with nothing new commits nothing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame

from portrait.entities.conflicts import record_change_conflicts
from portrait.entities.dimensions import Dimension, dimensions
from portrait.run.job import job_arguments, open_lake, submit
from portrait.spark.at_once import at_once


def main(argv: list[str] | None = None) -> None:
    """Bring every dimension up to what bronze holds."""
    args = job_arguments(__doc__).parse_args(argv)
    with open_lake(args) as lake:

        def bring_up_to_date(dimension: Dimension) -> DataFrame:
            new = lake.new_rows(dimension.source, consumer=dimension.table)
            changes = dimension.changes(lake.read(dimension.source), new=new)
            keys = changes.select(*dimension.key).distinct() if lake.has(dimension.table) else None
            lake.merge(dimension.table, dimension.versions(changes), replacing=keys)
            return changes

        stale = [
            dimension
            for dimension in dimensions(lake.catalogue)
            if lake.has(dimension.source) and lake.has_new_rows(dimension.source, consumer=dimension.table)
        ]
        record_change_conflicts(lake, dict(zip(stale, at_once(bring_up_to_date, stale), strict=True)))


if __name__ == "__main__":
    submit(main)
