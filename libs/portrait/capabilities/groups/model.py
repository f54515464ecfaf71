"""A fitted grouping on disk: MLlib's k-means and the scale of every feature."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from portrait.capabilities.groups.grouping import FittedModel
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.faults import fault_point
from portrait.lake import ModelStore
from portrait.spark.frames import frame_of

NAME = "customer_group"


def keep_model(store: ModelStore, model: FittedModel, *, policy: GroupPolicy, as_of: date) -> str:
    """Save the model of this run and point at it; returns its version."""

    def write(folder: Path) -> None:
        write_model(store.lake.spark, model, folder)

    parameters = _parameters(model, policy=policy)
    return store.save(NAME, write, as_of=as_of, metrics=model.metrics, parameters=parameters)


def write_model(spark: SparkSession, model: FittedModel, folder: Path) -> None:
    """Write MLlib's k-means (`kmeans`) and the scale of every feature (`scale`, JSON lines) into a folder."""
    rows = [
        (
            position,
            scale.feature.id,
            "sqrt" if scale.feature.kind == "share" else "log1p",
            scale.centre,
            scale.spread,
            scale.feature.weight,
        )
        for position, scale in enumerate(model.measured.scales)
    ]
    layout = "position int, feature string, transform string, centre double, spread double, weight double"
    frame_of(spark, rows, layout).write.mode("overwrite").json(str(folder / "scale"))
    fault_point("model.half_written", NAME)
    model.groups.model.write().overwrite().save(str(folder / "kmeans"))


def _parameters(model: FittedModel, *, policy: GroupPolicy) -> dict[str, str]:
    """Settings and choices of the fit in words."""
    dropped = "; ".join(f"{name}: {why}" for name, why in model.measured.dropped.items())
    return {
        "features": ", ".join(scale.feature.id for scale in model.measured.scales),
        "dropped_features": dropped or "none",
        "scaling": policy.scaling,
        "rule": model.groups.choice.rule,
        "k_range": f"{policy.search.k.least}..{policy.search.k.most}",
        "start": model.groups.start,
    }
