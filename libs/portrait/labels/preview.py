"""What a change of definitions would do to customers, on real data, before it is applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F
from sqlglot import exp

from portrait.expressions.expression import parse_expression
from portrait.labels.declaration import CheckedLabel, Label


def label_preview(*, before: DataFrame, after: DataFrame, labels: Sequence[Label], placed: DataFrame) -> DataFrame:
    """Customers whose labels change: label, effect, tier, group_name, customers.

    `before` and `after`: the portrait's slice as it is, and as the new definitions make it, both with all labels.
    `placed`: customer_id, tier, group_name. Effect: gained is yes now or known now, lost was yes or
    was known, changed is any other change of value.
    """
    points = F.array(*[_point(label) for label in labels])
    return (
        _side_by_side(before, after, labels)
        .select("customer_id", F.explode(F.filter(points, lambda point: point.isNotNull())).alias("point"))
        .join(placed, on="customer_id", how="left")
        .groupBy(F.col("point.label"), F.col("point.effect"), "tier", "group_name")
        .agg(F.count(F.lit(1)).alias("customers"))
    )


def changed_customers(*, before: DataFrame, after: DataFrame, labels: Sequence[Label], limit: int) -> DataFrame:
    """The first customers, by id, for whom each label changes, in one pass: label, customer_id, before, after."""
    samples = F.array(*[_sample(label) for label in labels])
    changed = _side_by_side(before, after, labels).select(
        "customer_id", F.explode(F.filter(samples, lambda sample: sample.isNotNull())).alias("sample")
    )
    first = F.row_number().over(Window.partitionBy("label").orderBy("customer_id"))
    named = changed.select("sample.label", "customer_id", "sample.before", "sample.after")
    return named.withColumn("place", first).where(F.col("place") <= limit).drop("place")


def facts_behind(
    sample: Sequence[Row],
    *,
    labels: Mapping[str, CheckedLabel],
    applied: Mapping[str, Mapping[str, object]],
    sources: Mapping[str, DataFrame],
) -> list[dict[str, object]]:
    """For each row of `changed_customers`, what the new and the `applied` definition of its label read, by column.

    `sources`: the slice of each source, `portrait` as the new definitions make it. Columns that the source of the new
    definition lacks, and customers who are not in it, are left out. One query per source.
    """
    read = {name: labels[name].reads | _columns(applied.get(name, {})) for name in {row.label for row in sample}}
    found: dict[tuple[str, str], dict[str, object]] = {}
    for source in {labels[name].label.from_ for name in read}:
        frame = sources[source]
        of_source = [name for name in read if labels[name].label.from_ == source]
        columns = sorted(frozenset(frame.columns) & frozenset[str]().union(*(read[name] for name in of_source)))
        ids = sorted({row.customer_id for row in sample if row.label in of_source})
        rows = frame.where(F.col("customer_id").isin(ids)).select("customer_id", *columns).collect()
        found |= {(source, row.customer_id): row.asDict() for row in rows}
    return [
        {name: value for name, value in found.get((labels[row.label].label.from_, row.customer_id), {}).items()
         if name in read[row.label]}
        for row in sample
    ]  # fmt: skip


def _columns(definition: Mapping[str, object]) -> frozenset[str]:
    """What the expressions of a label's file name; it was checked when it was applied."""
    texts = [str(definition[key]) for key in ("value", "unknown_when") if definition.get(key) is not None]
    trees = [parse_expression(text, where="ops.label_events") for text in texts]
    return frozenset(column.name for tree in trees for column in tree.find_all(exp.Column))


def _side_by_side(before: DataFrame, after: DataFrame, labels: Sequence[Label]) -> DataFrame:
    ids = [label.id for label in labels]
    old = before.select("customer_id", F.struct(*ids).alias("before"))
    return old.join(after.select("customer_id", F.struct(*ids).alias("after")), on="customer_id", how="full_outer")


def _point(label: Label) -> Column:
    was, now = F.col(f"before.{label.id}"), F.col(f"after.{label.id}")
    if label.type == "boolean":
        held, holds = F.coalesce(was, F.lit(False)), F.coalesce(now, F.lit(False))
    else:
        held, holds = was.isNotNull(), now.isNotNull()
    effect = F.when(~held & holds, "gained").when(held & ~holds, "lost").otherwise("changed")
    return F.when(~was.eqNullSafe(now), F.struct(F.lit(label.id).alias("label"), effect.alias("effect")))


def _sample(label: Label) -> Column:
    was, now = F.col(f"before.{label.id}"), F.col(f"after.{label.id}")
    shown = [F.lit(label.id).alias("label"), was.cast("string").alias("before"), now.cast("string").alias("after")]
    return F.when(~was.eqNullSafe(now), F.struct(*shown))
