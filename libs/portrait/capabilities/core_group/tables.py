"""gold.core_group, gold.core_group_summary and gold.core_group_steps from what was found in each population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.core_group.mining import STEPS, Mined
from portrait.capabilities.core_group.plans import ServicePlan
from portrait.capabilities.core_group.serving import Effect, arm_of
from portrait.spark.frames import frame_of

SUMMARY = (
    "as_of date, population string, group_id int, group_name string, customers bigint, size_share double, "
    "lift double, value_share double, cohesion double, jaccard double, jaccard_low double, jaccard_high double, "
    "failed_gates string, core_score double, core_rank int, rule string, audience string, rule_fidelity double, "
    "rule_precision double, rule_recall double, plan string, served_before bigint, control_before bigint, "
    "retention_effect double, retention_low double, retention_high double, contribution_effect double, "
    "contribution_low double, contribution_high double"
)
STEP = (
    "as_of date, population string, step int, name string, passed boolean, reason string, figures map<string,double>, "
    "view string, fitted_on date, model_version string"
)


def member_rows(mined: Sequence[Mined], plans: Mapping[str, ServicePlan], *, as_of: date) -> DataFrame:
    """gold.core_group: one row per population and customer of it."""
    return reduce(
        DataFrame.unionByName, [_members(found, plans[found.population.plan], as_of=as_of) for found in mined]
    )


def summary_rows(
    spark: SparkSession, mined: Sequence[Mined], effects: Mapping[str, Effect | None], *, as_of: date
) -> DataFrame:
    """gold.core_group_summary: one row per population and group, the effect of the plan at the core group."""
    rows: list[tuple[Any, ...]] = []
    for found in mined:
        model = found.model
        for worth in found.worths:
            assert model is not None, "groups are of a model"
            core, place = worth.rank == 1, worth.group
            rule = found.audience if core else None
            effect = effects.get(found.population.id) if core else None
            retention, contribution = (
                (None, None, None) if effect is None or measured is None else measured
                for measured in ((effect.retention, effect.contribution) if effect else (None, None))
            )
            rows.append(
                (
                    as_of,
                    found.population.id,
                    model.ids[place],
                    model.names[place],
                    worth.customers,
                    worth.size_share,
                    _six(worth.lift),
                    _six(worth.value_share),
                    _six(worth.cohesion),
                    *(_six(array[place]) for array in (model.stable.jaccard, model.stable.low, model.stable.high)),
                    worth.failed,
                    _six(worth.core_score),
                    worth.rank,
                    rule.words if rule else None,
                    rule.expression if rule else None,
                    *((_six(rule.fidelity), _six(rule.precision), _six(rule.recall)) if rule else (None, None, None)),
                    found.population.plan if core else None,
                    effect.served if effect else None,
                    effect.control if effect else None,
                    *(_six(number) for number in (*retention, *contribution)),
                )
            )
    return frame_of(spark, rows, SUMMARY)


def step_rows(spark: SparkSession, mined: Sequence[Mined], *, as_of: date) -> DataFrame:
    """gold.core_group_steps: one row per population and step that was taken."""
    rows = []
    for found in mined:
        model = found.model
        told = (None, None, None) if model is None else (model.view.name, model.fitted_on, model.version)
        for step in found.steps:
            figures = {name: round(value, 6) for name, value in step.figures.items()}
            named = STEPS[step.number - 1]
            rows.append((as_of, found.population.id, step.number, named, step.passed, step.reason, figures, *told))
    return frame_of(spark, rows, STEP)


def _members(found: Mined, plan: ServicePlan, *, as_of: date) -> DataFrame:
    model, population = found.model, found.population.id
    if found.scored is None or model is None:
        rows = found.people.select(
            "customer_id",
            F.coalesce("not_grouped_reason", F.lit(found.reason)).alias("not_grouped_reason"),
            "contribution",
            "signals",
            *[
                F.lit(None).cast(kind).alias(name)
                for name, kind in (("place", "int"), ("distance", "double"), ("margin", "double"))
            ],
        )
        ids = names = F.lit(None)
    else:
        rows = found.scored
        ids, names = (
            F.element_at(F.array(*[F.lit(value) for value in values]), F.col("place") + 1)
            for values in (model.ids, model.names)
        )
    grouped = F.col("place").isNotNull()
    core = F.coalesce(F.col("place") == F.lit(found.core), F.lit(False))
    return rows.select(
        F.lit(as_of).alias("as_of"),
        F.lit(population).alias("population"),
        "customer_id",
        F.when(grouped, ids).cast("int").alias("group_id"),
        F.when(grouped, names).cast("string").alias("group_name"),
        core.alias("is_core"),
        F.when(core, arm_of(population, control_share=plan.control_share)).alias("arm"),
        F.when(core, F.lit(plan.id)).alias("plan"),
        "distance",
        "margin",
        F.col("contribution").cast("decimal(18,2)").alias("contribution"),
        "signals",
        "not_grouped_reason",
        F.when(grouped, F.lit(model.version if model else None)).cast("string").alias("model_version"),
    )


def _six(number: float | None) -> float | None:
    """Six decimals; None for what is not known."""
    return None if number is None or number != number else round(float(number), 6)
