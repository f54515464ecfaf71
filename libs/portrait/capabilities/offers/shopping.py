"""What customers buy as a part of recommendations: the model of a day, and what it recommends to whom."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from portrait.capabilities.offers.eligibility import holders_at, products_at
from portrait.capabilities.offers.learning import Learnt, learn
from portrait.capabilities.offers.measures import ALS, NEW
from portrait.capabilities.offers.policy import RecommendationPolicy, ShoppingPolicy
from portrait.capabilities.offers.product_affinities import QUALITY
from portrait.capabilities.offers.purchases import (
    MERCHANT,
    PRODUCT,
    first_day,
    interactions,
    purchases,
    sampled,
    split_day,
    split_interactions,
)
from portrait.capabilities.offers.shopping_model import RANKED, ShoppingModel, load_shopping, ranking, save_shopping
from portrait.contracts import Contract
from portrait.lake import Lake, ModelStore
from portrait.spark.frames import frame_of
from portrait.spark.workers import use_own_python

NAME = "shopping"
_HOLDINGS = "customer_id string, product_id string"


@dataclass(frozen=True)
class Judged:
    """The model that is used on a day, or None; rows of gold.recommendation_quality; why it is not used."""

    model: ShoppingModel | None
    rows: Sequence[Mapping[str, Any]]
    reason: str | None


@dataclass(frozen=True)
class Sources:
    """What purchases are made of. `holdings` and `products`: None where the bank does not deliver them."""

    customers: DataFrame
    transactions: DataFrame
    holdings: DataFrame | None
    products: DataFrame | None
    zone: str

    def held(self, day: date) -> DataFrame:
        """customer_id, product_id of what is held on a day."""
        if self.holdings is None:
            return frame_of(self.customers.sparkSession, [], _HOLDINGS)
        return holders_at(self.holdings, as_of=day, zone=self.zone)


def judge_model(lake: Lake, sources: Sources, *, policy: RecommendationPolicy, as_of: date) -> Judged:
    """The model of `as_of`: the one of the slice before, or one that is fitted now, when that is due.

    Due: the last fit is `refit.days` old, its settings were others, or there was nothing to measure. A model that does
    not beat popularity is not used, and the next one is fitted when it is due.
    """
    settings = settings_of(policy)
    earlier = _earlier(lake, as_of)
    if earlier and not is_due(earlier, settings=settings, as_of=as_of, days=policy.shopping.refit.days):
        chief = chief_row(earlier)
        model = load_shopping(lake.root / "models" / NAME / chief["model_version"]) if chief["used"] else None
        return Judged(model, [row | {"as_of": as_of} for row in earlier], chief["reason"])
    learnt = learn(
        lake.spark, pairs(sources, policy=policy.shopping, as_of=as_of), policy=policy.shopping, als=policy.als
    )
    version = _saved(lake, learnt, settings=settings, as_of=as_of) if learnt.reason is None else None
    rows = quality_rows(learnt, policy=policy.shopping, settings=settings, version=version, as_of=as_of)
    return Judged(learnt.model if version else None, rows, learnt.reason)


def settings_of(policy: RecommendationPolicy) -> str:
    """What a fit depends on, as text."""
    chosen = policy.shopping.model_dump(exclude={"top", "reasons", "smoothing"})
    return json.dumps({"als": policy.als.model_dump(), "shopping": chosen}, sort_keys=True)


def is_due(earlier: Sequence[Mapping[str, Any]], *, settings: str, as_of: date, days: int) -> bool:
    """Whether a model is fitted anew after these rows of gold.recommendation_quality."""
    chief = chief_row(earlier)
    too_old = as_of - chief["fitted_on"] >= timedelta(days=days)
    return too_old or bool(chief["settings"] != settings) or chief["ndcg"] is None


def chief_row(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row by which a model is judged."""
    return next(row for row in rows if (row["basis"], row["kind"], row["method"]) == (NEW, "all", ALS))


def pairs(sources: Sources, *, policy: ShoppingPolicy, as_of: date) -> Any:
    """An Arrow table of `split_interactions` of the customers from whom is learnt; bounded by `refit.customers`."""
    since = first_day(as_of, policy, refit=True)
    bought = purchases(sources.transactions, as_of=as_of, since=since)
    earlier = sources.held(split_day(as_of, policy))
    found = split_interactions(bought, sources.held(as_of), earlier, as_of=as_of, policy=policy)
    chosen = sampled(sources.customers, most=policy.refit.customers)
    return found.join(F.broadcast(chosen), on="customer_id", how="left_semi").toArrow()


def quality_rows(
    learnt: Learnt, *, policy: ShoppingPolicy, settings: str, version: str | None, as_of: date
) -> list[dict[str, Any]]:
    """Rows of gold.recommendation_quality; one without figures where nothing was measured."""
    split = split_day(as_of, policy)
    same = {
        "as_of": as_of,
        "k": policy.refit.k,
        "used": learnt.reason is None,
        "reason": learnt.reason,
        "fitted_on": as_of,
        "held_out_from": split + timedelta(days=1),
        "model_version": version,
        "settings": settings,
    }
    if not learnt.measures:
        return [same | {"basis": NEW, "kind": "all", "method": ALS, "customers": 0, "items": 0}]
    return [
        same
        | {
            "basis": item.basis,
            "kind": item.kind,
            "method": item.method,
            "customers": len(item.ndcg),
            "items": item.items,
            "recall": round(float(item.recall.mean()), 6) if len(item.recall) else None,
            "ndcg": round(float(item.ndcg.mean()), 6) if len(item.ndcg) else None,
            "coverage": round(item.coverage, 6),
            "novelty": None if item.novelty is None else round(item.novelty, 6),
            "difference": None if against is None else round(against.mean, 6),
            "difference_low": None if against is None else round(against.low, 6),
            "difference_high": None if against is None else round(against.high, 6),
        }
        for item, against in zip(learnt.measures, learnt.differences, strict=True)
    ]


def quality_frame(lake: Lake, rows: Sequence[Mapping[str, Any]], contract: Contract) -> DataFrame:
    """The rows as a frame."""
    values = [tuple(row.get(column.name) for column in contract.columns) for row in rows]
    return frame_of(lake.spark, values, contract.struct_type)


def shopping_recommendations(
    sources: Sources, model: ShoppingModel, *, policy: ShoppingPolicy, as_of: date
) -> DataFrame:
    """gold.shopping_recommendations: per customer new categories and merchants, the best first, and products not held.

    A customer who has none of the model's items has no row.
    """
    spark = sources.customers.sparkSession
    use_own_python(spark)
    bought = purchases(sources.transactions, as_of=as_of, since=first_day(as_of, policy, refit=False))
    taken = interactions(bought, sources.held(as_of), as_of=as_of, policy=policy)
    places = frame_of(spark, list(zip(model.items, range(len(model.items)), strict=True)), "item string, place int")
    of_customer = (
        taken.join(F.broadcast(places), on="item", how="inner")
        .join(sources.customers.select("customer_id"), on="customer_id", how="left_semi")
        .groupBy("customer_id")
        .agg(F.array_sort(F.collect_list(F.struct("place", "strength"))).alias("had"))
        .select("customer_id", F.col("had.place").alias("places"), F.col("had.strength").alias("strengths"))
    )
    ranked = of_customer.mapInArrow(ranking(model, top=policy.top, reasons=policy.reasons), RANKED)
    named = ranked.join(F.broadcast(_product_names(sources, as_of=as_of)), how="cross")
    return named.select(
        F.lit(as_of).alias("as_of"),
        "customer_id",
        "kind",
        "rank",
        _value(F.col("item")).alias("item"),
        _title(F.col("item")).alias("title"),
        "affinity",
        F.transform("because", _title).alias("because"),
    )


def _title(item: Column) -> Column:
    """How people read an item: travel, merchant S000123, the name of a product."""
    kind, value = F.substring_index(item, ":", 1), _value(item)
    named = F.coalesce(F.element_at("names", value), F.concat(F.lit("product "), value))
    return (
        F.when(kind == PRODUCT, named)
        .when(kind == MERCHANT, F.concat(F.lit("merchant "), value))
        .otherwise(F.replace(value, F.lit("_"), F.lit(" ")))
    )


def _value(item: Column) -> Column:
    return F.regexp_replace(item, "^[a-z]+:", "")


def _product_names(sources: Sources, *, as_of: date) -> DataFrame:
    """One row: `names`, product to its name."""
    if sources.products is None:
        nothing = F.create_map().cast("map<string,string>")
        return sources.customers.sparkSession.range(1).select(nothing.alias("names"))
    known = products_at(sources.products, as_of=as_of, zone=sources.zone)
    return known.agg(F.map_from_entries(F.collect_list(F.struct("product_id", "product_name"))).alias("names"))


def _earlier(lake: Lake, as_of: date) -> list[dict[str, Any]]:
    """The rows of the slice before."""
    if lake.previous_as_of(QUALITY, as_of) is None:
        return []
    return [row.asDict() for row in lake.previous_slice(QUALITY, as_of).collect()]


def _saved(lake: Lake, learnt: Learnt, *, settings: str, as_of: date) -> str:
    model = learnt.model
    assert model is not None, "a model that is used was fitted"
    metrics = {
        f"{item.basis}_{item.kind}_{item.method}_ndcg": float(item.ndcg.mean())
        for item in learnt.measures
        if len(item.ndcg)
    }
    return ModelStore(lake).save(
        NAME,
        lambda folder: save_shopping(model, folder),
        as_of=as_of,
        metrics=metrics,
        parameters={"settings": settings, "items": str(len(model.items))},
    )
