"""gold.customer_portrait: all labels of a source in one SELECT, the sources joined once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.contracts import Column as ContractColumn
from portrait.labels.declaration import PHYSICAL_TYPES, PORTRAIT_ITSELF, CheckedLabel, Label, LabelSet
from portrait.spark.joins import side_by_side

POPULATION = "customer_features"


def customer_portrait(
    *, labels: LabelSet, as_of: date, sources: Mapping[str, DataFrame], failed: Collection[str] = ()
) -> DataFrame:
    """One row per customer of the features' slice, one column per label; NULL is unknown, which is not "no".

    `sources`: the slices of `as_of` by name, `customer_features` among them. The plan scans each source once, whatever
    the number of labels; labels made from labels come in further steps of the same plan. Labels in `failed`, and those
    from a source that is not there, are NULL.
    """
    present = {POPULATION, PORTRAIT_ITSELF, *sources}
    others = []
    for source in dict.fromkeys(item.label.from_ for item in labels.checked if item.label.is_computed):
        if source in (POPULATION, PORTRAIT_ITSELF):
            continue
        if source not in sources:
            continue
        others.append(_answers(sources[source], labels=labels, source=source, failed=failed))
    portrait = side_by_side(_answers(sources[POPULATION], labels=labels, source=POPULATION, failed=failed), *others)
    absent = [item.label for item in labels.checked if item.label.is_computed and item.label.from_ not in present]
    portrait = portrait.select("*", F.lit(as_of).alias("as_of"), *[_unknown(label) for label in absent])
    for step in labels.levels():
        portrait = portrait.select("*", *[_column(item, failed) for item in step])
    return portrait.select(
        "as_of",
        "customer_id",
        *[F.col(label.id) if label.is_computed else _unknown(label) for label in labels.labels],
    )


def with_all(portrait: DataFrame, columns: Iterable[ContractColumn]) -> DataFrame:
    """A slice with all columns of the contract, unknown for all where the label is younger than the slice."""
    missing = [column for column in columns if column.name not in portrait.columns]
    added = [F.lit(None).cast(column.physical_type).alias(column.name) for column in missing]
    return portrait.select("*", *added) if added else portrait


def _answers(slice_of_source: DataFrame, *, labels: LabelSet, source: str, failed: Collection[str]) -> DataFrame:
    """One row per customer: every label of the source, in one SELECT."""
    return slice_of_source.select("customer_id", *[_column(item, failed) for item in labels.computed_from(source)])


def _unknown(label: Label) -> Column:
    return F.lit(None).cast(PHYSICAL_TYPES[label.type]).alias(label.id)


def _column(item: CheckedLabel, failed: Collection[str]) -> Column:
    sql = "NULL" if item.label.id in failed else item.sql
    # An amount that its type cannot hold is unknown for its customer alone.
    return F.expr(sql).try_cast(PHYSICAL_TYPES[item.label.type]).alias(item.label.id)
