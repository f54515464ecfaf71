"""Fitted models of a lake: saved whole under a new version, then pointed at; a slice names the versions behind it.

A model is a folder `<lake>/models/<name>/<version>` and a row of ops.models. A run that dies while it saves leaves the
pointer where it was. A version that is pointed at is complete and never written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.faults import fault_point
from portrait.lake.lake import Lake
from portrait.spark.frames import frame_of

MODELS = "ops.models"
_ROW = (
    "name string, version string, as_of date, path string, is_current boolean, "
    "metrics map<string,double>, parameters map<string,string>, run bigint"
)


@dataclass(frozen=True)
class Model:
    """A saved version of a model."""

    name: str
    version: str
    as_of: date
    """The slice that it was fitted on."""
    folder: Path
    metrics: Mapping[str, float]
    parameters: Mapping[str, str]


class ModelStore:
    """The models of one lake."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def version(self, as_of: date) -> str:
        """The version that this run writes for a slice: it grows with the run, and no clock is read."""
        return f"{self.lake.run_number:06d}-{as_of:%Y%m%d}"

    def save(
        self,
        name: str,
        write: Callable[[Path], None],
        *,
        as_of: date,
        metrics: Mapping[str, float],
        parameters: Mapping[str, str],
    ) -> str:
        """Save a model and point at it; returns its version.

        `write` gets an empty folder, or one that a run that died has left, and must overwrite what is there. A version
        that was saved already is not written again. Current is the version of the newest slice; of one slice, the
        latest version.
        """
        version = self.version(as_of)
        known = self._rows()
        if not known.where((F.col("name") == name) & (F.col("version") == version)).isEmpty():
            return version
        relative = f"models/{name}/{version}"
        write(self.lake.root / relative)
        fault_point("model.written", name)
        row = (name, version, as_of, relative, True, dict(metrics), dict(parameters), self.lake.run_number)
        self.lake.merge(MODELS, _pointing(known, frame_of(self.lake.spark, [row], _ROW), name=name, version=version))
        return version

    def current(self, name: str, *, until: date | None = None) -> Model | None:
        """The version of the newest slice, of `until` or before where it is given; None where there is none."""
        versions = self.versions(name)
        fitted = [model for model in versions if until is None or model.as_of <= until]
        return max(fitted, key=lambda model: (model.as_of, model.version), default=None)

    def versions(self, name: str) -> list[Model]:
        """All versions of a model, oldest first."""
        rows = self._rows().where(F.col("name") == name).orderBy("version").collect()
        return [
            Model(row.name, row.version, row.as_of, self.lake.root / row.path, row.metrics, row.parameters)
            for row in rows
        ]

    def _rows(self) -> DataFrame:
        return self.lake.read(MODELS) if self.lake.has(MODELS) else frame_of(self.lake.spark, [], _ROW)


def _pointing(known: DataFrame, new: DataFrame, *, name: str, version: str) -> DataFrame:
    """Rows to merge: the new version, and the earlier ones of the model with what has become of is_current."""
    earlier = known.where((F.col("name") == name) & (F.col("version") != version)).select(*new.columns)
    every = earlier.unionByName(new)
    newest = every.agg(F.max(F.struct("as_of", "version")).alias("newest"))
    return (
        every.join(F.broadcast(newest), how="cross")
        .withColumn("is_current", F.struct("as_of", "version") == F.col("newest"))
        .select(*new.columns)
    )
