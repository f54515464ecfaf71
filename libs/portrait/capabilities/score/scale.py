"""The scale of a slice: bounds, fifths and weights as plain numbers, so that another slice can be scored with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.score.policy import PARTS, RFM, ScorePolicy
from portrait.capabilities.score.rfm import cut_columns
from portrait.capabilities.score.score import bound_columns, unit
from portrait.capabilities.score.weights import ahp_weights, combined, entropy_weights
from portrait.errors import PortraitError
from portrait.features.facts import is_owner
from portrait.spark.frames import frame_of

ROWS, WEIGHTS = "scale", "rfm_weights"
_ARRAYS = (*(f"{part}_bounds" for part in PARTS), *(f"{part}_cuts" for part in RFM))


@dataclass(frozen=True)
class Scale:
    """What the measures of a slice are judged by.

    `arrays`: `<part>_bounds`, the two values that a part is cut to, and `<part>_cuts`, lowest, four fifths and highest;
    None where nobody has a value. `weights` of recency, frequency and monetary, together 1.
    """

    arrays: dict[str, list[float] | None]
    weights: dict[str, float]
    made_on: date

    def frame(self, spark: SparkSession) -> DataFrame:
        """One row with a column per array."""
        layout = ", ".join(f"{name} array<double>" for name in _ARRAYS)
        return frame_of(spark, [tuple(self.arrays[name] for name in _ARRAYS)], layout)

    def rows(self, as_of: date) -> list[tuple[Any, ...]]:
        """Rows of gold.value_model."""
        note = None if self.made_on == as_of else f"conf/score.yml scores with the scale of {self.made_on}"
        numbers = [(ROWS, f"{name}_{place}", value) for name, values in self.arrays.items()
                   for place, value in enumerate(values or [], 1)]  # fmt: skip
        numbers += [(WEIGHTS, name, weight) for name, weight in self.weights.items()]
        return [(as_of, *number, None, self.made_on, None, None, note) for number in numbers]


def slice_scale(measures: DataFrame, *, policy: ScorePolicy, as_of: date) -> Scale:
    """The scale that the owners of accounts in a slice make; who owns none is judged by it: decision 0011."""
    measures = measures.where(is_owner(measures.columns))
    made = measures.agg(*cut_columns(digits=policy.significant_digits), *bound_columns(policy)).collect()[0]
    arrays = {name: None if made[name] is None else list(made[name]) for name in _ARRAYS}
    weights = dict.fromkeys(RFM, 0.0)
    unweighted = Scale(arrays, weights, as_of)
    return Scale(arrays, _weights(measures, unweighted, policy=policy), as_of)


def _weights(measures: DataFrame, scale: Scale, *, policy: ScorePolicy) -> dict[str, float]:
    rfm = policy.rfm
    if rfm.weights == "given":
        return {name: rfm.given[name] for name in RFM}  # type: ignore[index]
    judged = dict(zip(RFM, ahp_weights(rfm.pairwise)[0], strict=True)) if rfm.weights.startswith("ahp") else None
    if judged is not None and rfm.weights == "ahp":
        return judged
    framed = measures.join(F.broadcast(scale.frame(measures.sparkSession)), how="cross")
    told = entropy_weights(framed.select(*[unit(name, policy=policy).alias(name) for name in RFM]), RFM)
    return told if judged is None else combined(judged, told)


def stored_scale(rows: DataFrame) -> Scale:
    """The scale that a slice of gold.value_model holds; PortraitError when an earlier build wrote it, without one."""
    found = rows.where(F.col("model").isin(ROWS, WEIGHTS)).orderBy("parameter").collect()
    if not found:
        raise PortraitError(
            "the slice of rfm.scale_of holds no scale",
            where="gold.value_model, conf/score.yml",
            remedy="run that day again with --select customer_value, or name a later slice",
        )
    arrays: dict[str, list[float] | None] = {
        name: [row.value for row in found if row.model == ROWS and row.parameter.rsplit("_", 1)[0] == name] or None
        for name in _ARRAYS
    }
    weights = {row.parameter: row.value for row in found if row.model == WEIGHTS}
    return Scale(arrays, weights, found[0].fitted_on)
