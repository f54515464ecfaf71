"""Merge the small files of the tables of layer ops: every job of every run adds a row or two to them.

Readers, pinned versions, transaction ids and notes are not touched: compaction is a commit that changes no row, the
files before it stay until a VACUUM.
"""

from __future__ import annotations

from delta.tables import DeltaTable
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from portrait.events import event
from portrait.lake.lake import Lake
from portrait.lake.log import most_small_files


def compact_records(lake: Lake, *, after: int) -> list[str]:
    """Compact each table of layer ops in which a partition got `after` files or more since the last time.

    Asks the logs alone where there is nothing to do. Returns the tables that were compacted.
    """
    assert lake.lease is not None, "only a run that holds the lake writes"
    compacted = []
    for contract in lake.catalogue.layer("ops"):
        if lake.has(contract.id) and most_small_files(lake.path(contract.id), enough=after) >= after:
            lake.lease.check()
            try:
                DeltaTable.forPath(lake.spark, str(lake.path(contract.id))).optimize().executeCompaction()
            except (PySparkException, Py4JError) as error:  # the run itself is done; the next one tries again
                event("records_not_compacted", table=contract.id, error=type(error).__name__)
                continue
            compacted.append(contract.id)
    return compacted
