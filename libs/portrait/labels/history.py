"""gold.label_history: the days on which a label of a customer changed, and to what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.contracts.contract import literal, quoted
from portrait.labels.declaration import Label, LabelSet
from portrait.labels.tables import HISTORY, PORTRAIT, STATISTICS
from portrait.lake import Lake


def label_changes(
    *,
    current: DataFrame,
    previous: DataFrame,
    as_of: date,
    labels: LabelSet,
    versions: Mapping[str, int] | None = None,
) -> DataFrame:
    """Change points between two slices of the portrait: one row per customer and label whose value differs.

    `value` is the new one as text, NULL when it is unknown now or the customer is gone; a new customer's unknown
    labels are no change. With an empty `previous` these are all known values. `version` is that of the definition;
    `versions` has it for labels whose values came from another than today's.
    """
    ids = [label.id for label in labels.labels]
    after = current.select("customer_id", F.struct(*ids).alias("after"))
    before = previous.select("customer_id", F.struct(*ids).alias("before"))
    given = versions or {}
    changed = [_change_point(label, given.get(label.id, label.version)) for label in labels.labels]
    points = F.array_compact(F.expr(f"array({', '.join(changed)})"))
    return (
        after.join(before, on="customer_id", how="full_outer")
        .select("customer_id", F.explode(points).alias("point"))
        .select(
            F.lit(as_of).alias("as_of"),
            "customer_id",
            F.col("point.label").alias("label"),
            F.lit(as_of).alias("valid_from"),
            F.col("point.value").alias("value"),
            F.col("point.version").alias("version"),
        )
    )


def _change_point(label: Label, version: int) -> str:
    # SQL as text: two hundred labels as column objects take longer to build than the query takes to run.
    now, then = (f"{side}.{quoted(label.id)}" for side in ("after", "before"))
    point = f"struct({literal(label.id)} as label, string({now}) as value, {version:d} as version)"
    return f"if({now} <=> {then}, null, {point})"


def write_label_history(lake: Lake, *, labels: LabelSet, as_of: date) -> None:
    """Write the change points of the portrait's slice `as_of`, which must have been written just before.

    A slice that is filled in, or computed again, lies before another one: that one's change points were taken against
    an older neighbour, so they are written again. History is then the same as if the slices had come in order.
    """
    portrait = lake.read(PORTRAIT).where(F.col("as_of") == F.lit(as_of))
    earlier = lake.previous_slice(PORTRAIT, as_of)
    lake.replace(HISTORY, label_changes(current=portrait, previous=earlier, as_of=as_of, labels=labels), as_of)
    following = lake.next_as_of(PORTRAIT, as_of)
    if following is not None:
        later = lake.slice(PORTRAIT, following)
        versions = _versions_of(lake, following)
        changes = label_changes(current=later, previous=portrait, as_of=following, labels=labels, versions=versions)
        lake.replace(HISTORY, changes, following)


def _versions_of(lake: Lake, day: date) -> dict[str, int]:
    """Label to the version of the definition that gave the values of a slice, where gold.label_statistics says so."""
    if day not in lake.slices(STATISTICS):
        return {}
    rows = lake.slice(STATISTICS, day).where("version is not null").select("label", "version").collect()
    return {row.label: row.version for row in rows}
