"""Wide rows out of several tables of a customer."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def side_by_side(first: DataFrame, *others: DataFrame, key: str = "customer_id") -> DataFrame:
    """The rows of `first` with the columns of all others of the same key, NULL where another has no such row.

    A join beyond 100 columns has no generated code, and copies a row column by column. So the columns of each frame
    travel as one struct, which is copied as it is; they become columns again after the last join.
    """
    frames = [
        frame.select(key, F.struct(*[name for name in frame.columns if name != key]).alias(f"part_{place}"))
        for place, frame in enumerate((first, *others))
    ]
    joined = reduce(lambda left, right: left.join(right, on=key, how="left"), frames)
    return joined.select(key, *[f"part_{place}.*" for place in range(len(frames))])
