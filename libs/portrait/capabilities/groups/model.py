"""A fitted grouping on disk: MLlib's k-means, the scale of every feature, the numbers and names of groups."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from portrait.capabilities.groups.grouping import FittedModel
from portrait.capabilities.groups.lasting import KeptGroup, KeptModel, KeptScale
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.errors import PortraitError
from portrait.faults import fault_point
from portrait.lake import Lake, ModelStore
from portrait.spark.frames import frame_of

NAME = "customer_group"
MODEL = "gold.group_model"
_KEPT = "groups.json"


def keep_model(store: ModelStore, model: FittedModel, *, policy: GroupPolicy, as_of: date) -> str:
    """Save the model of this run and point at it; returns its version."""

    def write(folder: Path) -> None:
        write_model(store.lake.spark, model, folder)

    parameters = _parameters(model, policy=policy)
    return store.save(NAME, write, as_of=as_of, metrics=model.metrics, parameters=parameters)


def earlier_model(lake: Lake, as_of: date) -> KeptModel | None:
    """The model that assigned the customers of the slice before; None where there is none.

    Raises PortraitError when its files are gone.
    """
    if lake.previous_as_of(MODEL, as_of) is None:
        return None
    rows = lake.previous_slice(MODEL, as_of).select("model_version").collect()  # one row, none without groups
    if not rows:
        return None
    return read_kept(lake.root / "models" / NAME / rows[0]["model_version"])


def write_model(spark: SparkSession, model: FittedModel, folder: Path) -> None:
    """Write MLlib's k-means (`kmeans`), the scale of every feature (`scale`, JSON lines), what lasts (groups.json)."""
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
    (folder / _KEPT).write_text(json.dumps(asdict(model.kept), indent=1, ensure_ascii=False), encoding="utf-8")


def read_kept(folder: Path) -> KeptModel:
    """What lasts of a saved model; PortraitError when it is gone."""
    try:
        found = json.loads((folder / _KEPT).read_text(encoding="utf-8"))
    except OSError as error:
        raise PortraitError(
            "the model that assigned the customers of the slice before is gone",
            where=str(folder),
            remedy="run `customer_group` for the day before again, which makes a new one",
        ) from error
    scales = tuple(KeptScale(**scale) for scale in found["scales"])
    groups = tuple(KeptGroup(group["group_id"], group["name"], tuple(group["centre"])) for group in found["groups"])
    return KeptModel(found["version"], scales, found["clip"], groups, found["next_id"])


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
