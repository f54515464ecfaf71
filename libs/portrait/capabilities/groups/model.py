"""A fitted model on disk: a versioned folder, written whole before any row of ops.models points at it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.groups.grouping import FittedModel
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.faults import fault_point
from portrait.lake import Lake
from portrait.spark.frames import frame_of

NAME = "customer_group"
_ROW = (
    "name string, version string, as_of date, path string, is_current boolean, "
    "metrics map<string,double>, parameters map<string,string>, run bigint"
)


def version_of(run: int, as_of: date) -> str:
    """The version that run number `run` writes for a slice: monotone in the run, and without a clock."""
    return f"{run:06d}-{as_of:%Y%m%d}"


def keep_model(lake: Lake, model: FittedModel, *, policy: GroupPolicy, as_of: date) -> None:
    """Save the model of this run, then point ops.models at it; a killed run leaves the pointer where it was.

    A version that is pointed at is complete and never written again.
    """
    version = version_of(lake.run_number, as_of)
    known = lake.read("ops.models") if lake.has("ops.models") else frame_of(lake.spark, [], _ROW)
    if not known.where((F.col("name") == NAME) & (F.col("version") == version)).isEmpty():
        return
    path = save_model(lake.spark, model, root=lake.root, version=version)
    rows = model_rows(known, model, policy=policy, as_of=as_of, version=version, path=path, run=lake.run_number)
    lake.merge("ops.models", rows)


def save_model(spark: SparkSession, model: FittedModel, *, root: Path, version: str) -> str:
    """Write `<root>/models/customer_group/<version>` and return its path relative to `root`.

    The folder holds MLlib's k-means (`kmeans`) and the scale of every feature (`scale`, JSON lines). What a broken run
    left under the same version is overwritten: nothing points at it yet.
    """
    relative = f"models/{NAME}/{version}"
    folder = root / relative
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
    fault_point("model.written", NAME)
    return relative


def model_rows(
    known: DataFrame, model: FittedModel, *, policy: GroupPolicy, as_of: date, version: str, path: str, run: int
) -> DataFrame:
    """Rows to merge into ops.models: the new version, and the earlier ones with what has become of is_current.

    `known` are the rows so far. Current is the version fitted on the newest slice; of one slice, the latest version.
    """
    row = (NAME, version, as_of, path, True, model.metrics, _parameters(model, policy=policy), run)
    new = frame_of(known.sparkSession, [row], _ROW)
    earlier = known.where((F.col("name") == NAME) & (F.col("version") != version)).select(*new.columns)
    every = earlier.unionByName(new)
    newest = every.agg(F.max(F.struct("as_of", "version")).alias("newest"))
    return (
        every.join(F.broadcast(newest), how="cross")
        .withColumn("is_current", F.struct("as_of", "version") == F.col("newest"))
        .select(*new.columns)
    )


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
