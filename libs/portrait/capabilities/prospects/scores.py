"""gold.prospect_scores and gold.prospect_models: the scores of a day, and the models behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.prospects.declaration import CheckedTarget
from portrait.capabilities.prospects.model import PROBABILITY, Propensity
from portrait.capabilities.prospects.reasons import reasons
from portrait.contracts import Contract
from portrait.spark.joins import side_by_side
from portrait.spark.quantiles import quantiles

_DECILES = [place / 10 for place in range(1, 10)]
_DIGITS = 6


@dataclass(frozen=True)
class Judged:
    """A target and its model of the day; without one, `facts["reason"]` says why nothing is scored."""

    target: CheckedTarget
    model: Propensity | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Columns of gold.prospect_models that the fit knows."""


def scores_of(
    could: DataFrame, judged: Judged, *, model: Propensity, meanings: Mapping[str, str], most: int
) -> DataFrame:
    """One row per customer of `could`: customer_id and the three columns of the target."""
    name = judged.target.target.id
    why = reasons(model.evidence, meanings=meanings, most=most) if model.evidence else F.array().cast("array<string>")
    scored = model.score(could.withColumn("_why", why)).select("customer_id", PROBABILITY, "_why")
    edges = scored.agg(quantiles(F.col(PROBABILITY), _DECILES, digits=_DIGITS).alias("edges"))
    above = F.size(F.filter("edges", lambda edge: F.col(PROBABILITY) > edge))
    return scored.join(F.broadcast(edges), how="cross").select(
        "customer_id",
        F.col(PROBABILITY).alias(f"{name}_propensity"),
        (above + 1).cast("int").alias(f"{name}_decile"),
        F.col("_why").alias(f"{name}_reasons"),
    )


def prospect_scores(customers: DataFrame, scored: Sequence[DataFrame], *, contract: Contract, as_of: date) -> DataFrame:
    """One row per customer whom any model scores; columns of the others are null."""
    wide = side_by_side(customers.select("customer_id", F.lit(as_of).alias("as_of")), *scored)
    columns = {column.name: column.physical_type for column in contract.columns}
    found = [name for name in columns if name.endswith("_propensity") and name in wide.columns]
    known = wide.where(F.coalesce(*[F.col(name) for name in found]).isNotNull()) if found else wide.where("false")
    return known.select(
        F.lit(as_of).alias("as_of"),
        *[
            F.col(name) if name in known.columns else F.lit(None).cast(kind).alias(name)
            for name, kind in columns.items()
            if name != "as_of"
        ],
    )


def model_rows(
    judged: Sequence[Judged], scores: DataFrame | None, *, contract: Contract, as_of: date
) -> list[tuple[Any, ...]]:
    """Rows of gold.prospect_models: one per target. `scores`: the slice as written; asked once, for all targets."""
    counted = _counted([item for item in judged if item.model is not None], scores)
    rows = []
    for item in judged:
        target = item.target.target
        facts: dict[str, Any] = {
            "as_of": as_of,
            "target": target.id,
            "title": target.title,
            "state": "refused" if item.model is None else "scored",
            "customers": 0,
            "left_out": {},
            "notes": [],
        }
        facts |= {**item.facts, **counted.get(target.id, {})}
        rows.append(tuple(facts.get(column.name) for column in contract.columns))
    return rows


def _counted(judged: Sequence[Judged], scores: DataFrame | None) -> dict[str, dict[str, Any]]:
    """Target to customers, mean probability, and how far the scores moved since the fit."""
    if not judged or scores is None:
        return {}
    asked = []
    for item in judged:
        assert item.model is not None
        name = f"{item.target.target.id}_propensity"
        parts = [F.count_if(item.model.part_of(name) == place) for place in range(item.model.parts)]
        asked += [F.count(name), F.avg(name), F.array(*parts)]
    row = scores.agg(*[column.alias(f"a{place}") for place, column in enumerate(asked)]).first()
    assert row is not None, "an aggregate without keys has one row"
    found = {}
    for place, item in enumerate(judged):
        assert item.model is not None
        customers, mean, counts = row[3 * place : 3 * place + 3]
        moved = item.model.moved(counts) if customers else None
        found[item.target.target.id] = {"customers": customers, "mean_propensity": mean, "psi": moved}
    return found
