"""gold.label_statistics: how many customers each label knows, and how its values are spread."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.labels.declaration import Label, LabelSet

LISTED_VALUES = 50  # the most frequent ones; the rest is added up as "other values"
_MAGNITUDES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


def label_statistics(
    *, portrait: DataFrame, labels: LabelSet, as_of: date, failed: Mapping[str, str] | None = None
) -> DataFrame:
    """One row a label: customers, those known, coverage = known / customers, and customers by value.

    Texts and yes/no are counted by value, numbers by magnitude, dates by year; unknown is not among them. `failed`:
    label to the reason why it could not be computed.
    """
    reasons = [F.lit(text) for pair in (failed or {}).items() for text in pair]
    failure = F.create_map(*reasons)[F.col("label")] if reasons else F.lit(None)
    observed = F.array(*[_observation(label) for label in labels.labels])
    counts = (
        portrait.select(F.explode(observed).alias("o"))
        .groupBy("o.label", "o.theme", "o.kind", "o.value")
        .agg(F.count(F.lit(1)).alias("n"))
    )
    known = F.col("value").isNotNull()
    entry = F.when(known, F.struct((-F.col("n")).alias("order"), "value", "n"))
    return (
        counts.groupBy("label", "theme", "kind")
        .agg(
            F.sum("n").alias("customers"),
            F.sum(F.when(known, F.col("n")).otherwise(0)).alias("known"),
            F.sort_array(F.collect_list(entry)).alias("entries"),
        )
        .select(
            F.lit(as_of).alias("as_of"),
            "label",
            "theme",
            "kind",
            "customers",
            "known",
            (F.col("known") / F.col("customers")).alias("coverage"),
            F.expr(_DISTRIBUTION).alias("distribution"),
            failure.cast("string").alias("failure"),
        )
    )


_THE_REST = f"""aggregate(
    slice(entries, {LISTED_VALUES + 1}, size(entries)), 0L, (sum, entry) -> sum + entry.n
)"""
_DISTRIBUTION = f"""map_from_entries(concat(
    transform(slice(entries, 1, {LISTED_VALUES}), entry -> struct(entry.value, entry.n)),
    if(size(entries) > {LISTED_VALUES}, array(struct('other values' as value, {_THE_REST} as n)), array())
))"""


def _observation(label: Label) -> Column:
    return F.struct(
        F.lit(label.id).alias("label"),
        F.lit(label.theme).alias("theme"),
        F.lit(label.kind).alias("kind"),
        _bucket(label).alias("value"),
    )


def _bucket(label: Label) -> Column:
    value = F.col(label.id)
    if label.type in {"integer", "decimal"}:
        bucket = F.when(value < 0, "below 0").when(value == 0, "0")
        for limit in _MAGNITUDES:
            bucket = bucket.when(value < limit, f"under {limit}")
        return bucket.when(value.isNotNull(), f"{_MAGNITUDES[-1]} and more")
    if label.type == "date":
        return F.year(value).cast("string")
    return value.cast("string")
