"""LifetimePolicy value of a slice: purchases out of bookings, models fitted on their counts, scores joined back.

Only distinct (x, t_x, T) with their number of customers reach the driver. They are whole units of time within a window,
so their number is bounded whatever the number of customers, and scoring them there needs no Python worker.
Limit: who bought before the window began is taken as if their first purchase within it had been the first of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.lifetime import bgnbd, gamma_gamma
from portrait.capabilities.lifetime.likelihood import Fit, FitFailed, Floats
from portrait.capabilities.lifetime.policy import LifetimePolicy
from portrait.contracts import Contract
from portrait.entities.kinds import place_of, places
from portrait.entities.money import rounded, settled, to_amount, to_minor
from portrait.events import event
from portrait.features import FeatureSet
from portrait.spark.quantiles import on_grid

_INITIATED = "customer_txn_count_365d"  # the feature that says which bookings customers initiate
_DIGITS = 3  # of the mean spend by which customers are put together for Gamma-Gamma
_YEAR = 365.0
_STEPS = 24
_WIDE = "decimal(38,0)"
TRIPLE = ("x", "t_x", "T")


@dataclass(frozen=True)
class Model:
    """Parameters in use, by name; `fit` is None where they are those of an earlier slice, and `note` says why."""

    name: str
    values: Floats
    fitted_on: date
    fit: Fit | None = None
    note: str | None = None


def initiated(features: FeatureSet, transactions: Contract) -> Column:
    """Whether a row of silver.customer_daily is a booking that the customer initiated, as conf/features declares it."""
    declared = next(feature for feature in features.features if feature.name == _INITIATED)
    types = places(transactions, "type")
    wanted = [types[value] for dimension, values in declared.where for value in values if dimension == "type"]
    return F.expr(place_of("type")).isin(wanted)


def purchase_histories(
    daily: DataFrame, *, counts: Column, policy: LifetimePolicy, as_of: date, exact: bool = False
) -> DataFrame:
    """One row per customer with a purchase in the window: x, t_x, T (INT, units), mean_spend DECIMAL(18,2).

    x repeat purchases, the last t_x units after the first, which is T units before the unit that ends on `as_of`;
    mean_spend is the mean amount of the repeat purchases, NULL where there is none. Rows of `daily` that `counts` says
    no to are passed over; bookings that were taken back cancel out. mean_spend is NULL as well where DECIMAL(18,2)
    cannot hold it, or the amount of a purchase is unknown. Spark stops at a sum that passes BIGINT, unless `exact`.
    """
    age = F.date_diff(F.lit(as_of), "booked_on")
    inside = (age >= 0) & (age < policy.unit_days * policy.window_units)
    ago = F.floor(age / policy.unit_days).cast("int")
    amount = F.col("amount_minor").cast("decimal(19,0)" if exact else "bigint")
    units = (
        daily.where(inside & counts)
        .select("customer_id", ago.alias("ago"), "bookings", (amount * F.col("bookings")).alias("minor"))
        .groupBy("customer_id", "ago")
        .agg(
            F.sum("bookings").alias("bookings"),
            F.sum("minor").alias("minor"),
            F.sum(F.when(F.col("minor").isNull(), F.col("bookings"))).alias("unknown"),
        )
        .where("bookings > 0")
    )
    seen = units.groupBy("customer_id").agg(
        (F.count("*") - 1).cast("int").alias("x"),
        F.max("ago").alias("T"),
        F.min("ago").alias("last"),
        F.sum("minor").alias("minor"),
        F.max_by("minor", "ago").alias("first_minor"),
        F.bool_or(F.coalesce("unknown", F.lit(0)) != 0).alias("unknown"),
    )
    repeat = F.col("minor") - F.col("first_minor")
    mean = settled(rounded(repeat / F.col("x")))
    return seen.select(
        "customer_id",
        "x",
        (F.col("T") - F.col("last")).alias("t_x"),
        "T",
        F.when((F.col("x") > 0) & ~F.col("unknown"), to_amount(mean)).alias("mean_spend"),
    )


def _in_order(few: DataFrame, by: Sequence[str]) -> Any:
    """A few rows on the driver, in the order of columns that tell them apart; Spark would sort them in two passes."""
    rows: Any = few.toPandas()
    return rows.sort_values(list(by), ignore_index=True)


def seen_purchases(histories: DataFrame) -> bgnbd.Purchases:
    """The distinct (x, t_x, T) with their customers, on the driver."""
    rows = _in_order(histories.groupBy(*TRIPLE).agg(F.count("*").alias("customers")), TRIPLE)
    return bgnbd.Purchases(*(rows[name].to_numpy(np.float64) for name in (*TRIPLE, "customers")))


def seen_spend(histories: DataFrame) -> gamma_gamma.Spend:
    """Repeat purchases and mean spend with their customers, spend put together by its first digits, on the driver."""
    spend = F.col("mean_spend").cast("double")
    cells = (
        histories.where((F.col("x") > 0) & (spend > 0))
        .groupBy("x", on_grid(spend, digits=_DIGITS).alias("cell"))
        # Sums of whole cents do not depend on the order in which partitions are added.
        .agg(
            (F.sum(to_minor(F.col("mean_spend")).cast(_WIDE)).cast("double") / F.count("*") / F.lit(100.0)).alias("m"),
            F.count("*").alias("customers"),
        )
    )
    rows = _in_order(cells, ("x", "cell"))
    return gamma_gamma.Spend(*(rows[name].to_numpy(np.float64) for name in ("x", "m", "customers")))


def fit_models(
    histories: DataFrame, *, earlier: dict[str, Model], policy: LifetimePolicy, as_of: date
) -> dict[str, Model]:
    """BG/NBD and Gamma-Gamma of the slice by name; the model of `earlier` where the data do not determine one now.

    A model that is neither fitted nor known is absent.
    """
    purchases, spend = seen_purchases(histories), seen_spend(histories)
    repeaters = int(purchases.customers[purchases.x > 0].sum())
    wanted: dict[str, Callable[[], Fit]] = {
        "bgnbd": lambda: bgnbd.fit(purchases),
        "gamma_gamma": lambda: gamma_gamma.fit(spend),
    }
    models: dict[str, Model] = {}
    for name, fit in wanted.items():
        try:
            if repeaters < policy.least_repeaters:
                raise FitFailed(f"{repeaters} customers bought again, {policy.least_repeaters} are needed")
            fitted = fit()
            models[name] = Model(name, fitted.values, as_of, fit=fitted)
        except FitFailed as error:
            event("model_not_fitted", model=name, as_of=as_of, reason=error.message, kept=name in earlier)
            if name in earlier:
                earlier_model = earlier[name]
                models[name] = Model(name, earlier_model.values, earlier_model.fitted_on, note=error.message)
    return models


def score_histories(histories: DataFrame, models: dict[str, Model], *, policy: LifetimePolicy) -> DataFrame:
    """customer_id, purchases, p_alive, expected_purchases, expected_spend, lifetime_value; NULL without a model.

    expected_purchases are those of the horizon, expected_spend the amount of one of them, lifetime_value the amounts of
    all, discounted step by step. Who has no repeat purchase is expected to spend what all do. Spend and value are NULL
    too where the mean spend of repeat purchases is unknown, or DECIMAL(18,2) cannot hold them.
    """
    spark = histories.sparkSession
    distinct = histories.select(*TRIPLE).distinct()
    triples = _in_order(distinct, TRIPLE) if "bgnbd" in models else pd.DataFrame()
    scores = spark.createDataFrame(*_scored(triples, models, policy=policy))
    scored = histories.join(F.broadcast(scores), on=list(TRIPLE), how="left")
    spend = F.when((F.col("x") == 0) | F.col("mean_spend").isNotNull(), _spend(models))
    return scored.select(
        "customer_id",
        (F.col("x") + 1).cast("int").alias("purchases"),
        F.round("p_alive", 6).alias("p_alive"),
        F.round("expected_purchases", 4).alias("expected_purchases"),
        spend.try_cast("decimal(18,2)").alias("expected_spend"),
        (F.col("discounted") * spend).try_cast("decimal(18,2)").alias("lifetime_value"),
    )


def _spend(models: dict[str, Model]) -> Column:
    """Expected amount of a purchase, as SQL: Gamma-Gamma's conditional mean needs no special function."""
    if "gamma_gamma" not in models:
        return F.lit(None).cast("double")
    p, q, v = map(float, models["gamma_gamma"].values)
    bought = F.when(F.col("mean_spend") > 0, F.col("x")).otherwise(F.lit(0)).cast("double")
    mean = F.coalesce(F.col("mean_spend").cast("double"), F.lit(0.0))
    shape = F.lit(p) * bought + F.lit(q)
    return F.when(shape > 1, F.lit(p) * (F.lit(v) + bought * mean) / (shape - 1))


_SCORED = "x int, t_x int, T int, p_alive double, expected_purchases double, discounted double"


def _scored(
    triples: pd.DataFrame, models: dict[str, Model], *, policy: LifetimePolicy
) -> tuple[list[tuple[float, ...]], str]:
    """Rows of _SCORED: every triple with what BG/NBD says of it."""
    if triples.empty:
        return [], _SCORED
    values = models["bgnbd"].values
    x, t_x, T = (triples[name].to_numpy(np.float64) for name in TRIPLE)
    alive = bgnbd.probability_alive(values, x, t_x, T)
    expected, discounted = discounted_purchases(values, x, t_x, T, policy=policy)
    columns = (triples["x"], triples["t_x"], triples["T"], alive, expected, discounted)
    return list(zip(*(column.tolist() for column in columns), strict=True)), _SCORED


def discounted_purchases(
    values: Floats, x: Floats, t_x: Floats, T: Floats, *, policy: LifetimePolicy
) -> tuple[Floats, Floats]:
    """Purchases expected within the horizon, and the same discounted.

    The horizon is cut into at most _STEPS equal steps, and what is expected in one is discounted from its end.
    """
    unit = (1 + policy.discount_rate) ** (-policy.unit_days / _YEAR)
    before, discounted = np.zeros_like(x), np.zeros_like(x)
    steps = min(policy.horizon_units, _STEPS)
    for step in range(1, steps + 1):
        end = policy.horizon_units * step / steps
        until = bgnbd.expected_purchases(values, end, x, t_x, T)
        discounted += (until - before) * unit**end
        before = until
    return before, discounted


def models_of(spark_rows: DataFrame) -> dict[str, Model]:
    """The models that a slice of gold.value_model holds."""
    found: dict[str, Model] = {}
    names = {"bgnbd": bgnbd.NAMES, "gamma_gamma": gamma_gamma.NAMES}
    rows = [row for row in spark_rows.collect() if row.value is not None]
    for name, parameters in names.items():
        by_parameter = {row.parameter: row for row in rows if row.model == name}
        if set(by_parameter) == set(parameters):
            fitted_on = by_parameter[parameters[0]].fitted_on
            found[name] = Model(name, np.array([by_parameter[item].value for item in parameters]), fitted_on)
    return found


def model_rows(models: dict[str, Model], as_of: date) -> list[tuple[Any, ...]]:
    """Rows of gold.value_model: one a model and parameter."""
    names = {"bgnbd": bgnbd.NAMES, "gamma_gamma": gamma_gamma.NAMES}
    return [
        (
            *(as_of, model.name, parameter, float(value)),
            model.fit.standard_errors[parameter] if model.fit else None,
            model.fitted_on,
            *((model.fit.observations, model.fit.log_likelihood) if model.fit else (None, None)),
            model.note,
        )
        for model in models.values()
        for parameter, value in zip(names[model.name], model.values, strict=True)
    ]
