"""Which labels were really read: by audiences that runs evaluated, and by lists that left the bank."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.lake import Lake
from portrait.rows import frame_of

_READS = {"audience": "gold.audiences", "export": "ops.audience_exports"}


def label_usage(lake: Lake) -> DataFrame:
    """One row a label, kind of reader and audience: label, kind, audience, times, last (business date).

    Kind is audience, for each slice in which it was evaluated, or export, for each list. What SQL clients ask of the
    published views is not known: the suite keeps no text of statements.
    """
    empty = frame_of(lake.spark, [], "label string, kind string, audience string, as_of date")
    reads = [
        lake.read(table).select(F.explode("labels").alias("label"), F.lit(kind).alias("kind"), "audience", "as_of")
        for kind, table in _READS.items()
        if lake.has(table) and "labels" in lake.read(table).columns
    ]
    counted = reduce(DataFrame.unionByName, reads, empty).groupBy("label", "kind", "audience")
    return counted.agg(F.count("*").alias("times"), F.max("as_of").alias("last"))
