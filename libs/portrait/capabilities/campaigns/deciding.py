"""Which customers choose the same at all prices of a range: what Spark asks of every part of the options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

TIES = 2**40


def tie_of(hashed: str) -> Column:
    """0 to 1 by the hash of an option, so that options of equal value have an order."""
    return F.col(hashed).bitwiseAND(F.lit(TIES - 1)) / F.lit(float(TIES))


def decided_options(
    *, low: NDArray[np.float64], high: NDArray[np.float64], tie: float
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Of a part with all options (g, h, v, usage ...) of its customers: which stay, and `decided`.

    A customer is decided who takes the same option, or none, at all prices from `low` to `high`: of the decided the
    option taken stays, of the others all do. Equal options of a customer are one. The function travels whole, workers
    need only numpy.
    """
    ties = TIES

    def decide(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import numpy
        import pyarrow

        given = list(batches)
        if not given:
            return
        table = pyarrow.Table.from_batches(given)
        columns = [column.to_numpy() for column in table.columns]
        order = numpy.lexsort((columns[1], columns[0]))
        who, hashed = columns[0][order], columns[1][order]
        again = numpy.append(False, (who[1:] == who[:-1]) & (hashed[1:] == hashed[:-1]))
        order, who = order[~again], who[~again]
        columns = [column[order] for column in columns]
        value = columns[2] + tie * ((columns[1] & (ties - 1)) / ties)
        most, worst = value.copy(), value.copy()
        for place, used in enumerate(columns[3:]):
            most -= low[place] * used
            worst -= high[place] * used
        starts = numpy.flatnonzero(numpy.append(True, who[1:] != who[:-1]))
        sizes = numpy.diff(numpy.append(starts, len(who)))
        top = numpy.maximum.reduceat(most, starts)
        rows = numpy.arange(len(who))
        best = numpy.minimum.reduceat(numpy.where(most == numpy.repeat(top, sizes), rows, len(who)), starts)
        most[best] = -numpy.inf
        second = numpy.maximum(numpy.maximum.reduceat(most, starts), 0.0)
        taken = worst[best] > second
        is_open = ~taken & (top > 0)
        stay = numpy.repeat(is_open, sizes)
        stay[best[taken]] = True
        kept = numpy.flatnonzero(stay)
        decided = ~numpy.repeat(is_open, sizes)[kept]
        arrays = [pyarrow.array(column[kept]) for column in columns]
        names = [*table.column_names, "decided"]
        yield pyarrow.RecordBatch.from_arrays([*arrays, pyarrow.array(decided)], names=names)

    return decide
