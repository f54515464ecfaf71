"""A model of purchases, and how good it is: fitted on what was known before the days held out, measured on these.

The model that was measured is the one that is used. Customers are sampled, so that the driver holds their items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import SparkSession

from portrait.capabilities.offers.als import fit_als
from portrait.capabilities.offers.measures import (
    ALS,
    NEW,
    POPULARITY,
    Difference,
    Measure,
    Pairs,
    difference,
    measure_of,
    measures,
)
from portrait.capabilities.offers.policy import AlsPolicy, ShoppingPolicy
from portrait.capabilities.offers.shopping_model import ShoppingModel


@dataclass(frozen=True)
class Learnt:
    """`model` is None, and `measures` is empty, where there was nothing to learn from; `reason`: why it is not used."""

    model: ShoppingModel | None
    measures: tuple[Measure, ...]
    differences: tuple[Difference | None, ...]
    """NDCG minus that of popularity, for each measure; None for popularity itself, and where nobody was measured."""
    reason: str | None


def learn(spark: SparkSession, pairs: pa.Table, *, policy: ShoppingPolicy, als: AlsPolicy) -> Learnt:
    """Fit and measure. `pairs`: rows of `split_interactions` of the customers to learn from, in any order."""
    refit = policy.refit
    rows = pairs.to_pandas().sort_values(["customer_id", "item"], kind="stable")
    had = rows[rows["strength"] > 0]
    items = telling_items(had, policy=policy)
    if len(had) == 0:
        return _nothing("no booking has a category or a merchant, and no product is held")
    if len(items) < policy.least_items:
        return _nothing(
            f"{_items(len(items))} that at least {policy.least_customers} customers and at most "
            f"{policy.most_share:.0%} of them have; {policy.least_items} are needed"
        )
    known = rows[rows["item"].isin(items)]
    if not bool(known["after"].any()):
        return _nothing(f"nothing was taken in the {refit.held_out_days} days held out")
    model = fitted(spark, known[known["strength"] > 0], als=als)
    found = measures(model, measured_pairs(known, model, most=refit.measured_customers), k=refit.k)
    against = [_against(item, found, policy=policy) for item in found]
    return Learnt(model, tuple(found), tuple(against), _refusal(found, against, policy=policy))


def telling_items(had: pd.DataFrame, *, policy: ShoppingPolicy) -> list[str]:
    """Items that enough customers have and not nearly all; of distinct rows customer_id, item."""
    counts = had.groupby("item").size()
    most = policy.most_share * had["customer_id"].nunique()
    return sorted(counts[(counts >= policy.least_customers) & (counts <= most)].index)


def fitted(spark: SparkSession, known: pd.DataFrame, *, als: AlsPolicy) -> ShoppingModel:
    """The model of customer_id, item, strength: implicit ALS, of which only the vectors of items are kept."""
    columns = known[["customer_id", "item", "strength"]]
    frame = spark.createDataFrame(pa.Table.from_pandas(columns, preserve_index=False))
    policy = als.model_copy(update={"strength": "weight"})
    found = fit_als(frame, user="customer_id", item="item", weight="strength", policy=policy)
    names = {row["place"]: row["item"] for row in found.items.collect()}  # a row per item
    ordered = tuple(names[place] for place in range(len(names)))
    return ShoppingModel(ordered, found.factors, found.popularity, als.alpha, als.regularisation)


def measured_pairs(known: pd.DataFrame, model: ShoppingModel, *, most: int) -> Pairs:
    """Of customers who took something in the days held out at most `most`, drawn with a fixed seed."""
    took = np.sort(known.loc[known["after"], "customer_id"].unique().astype(str))
    chosen = np.sort(np.random.default_rng(1).permutation(took)[:most])
    rows = known[known["customer_id"].isin(chosen)]
    place = {name: place for place, name in enumerate(model.items)}
    rows = rows[rows["item"].isin(place)]
    return Pairs(
        customer=np.searchsorted(chosen, rows["customer_id"].to_numpy().astype(str)).astype(np.int64),
        place=rows["item"].map(place).to_numpy(dtype=np.int64),
        strength=rows["strength"].to_numpy(dtype=float),
        last_month=rows["last_month"].to_numpy(dtype=float),
        after=rows["after"].to_numpy(dtype=bool),
    )


def _against(item: Measure, found: Sequence[Measure], *, policy: ShoppingPolicy) -> Difference | None:
    if item.method == POPULARITY or not len(item.ndcg):
        return None
    popular = measure_of(found, basis=item.basis, kind=item.kind, method=POPULARITY)
    return difference(item, popular, resamples=policy.refit.resamples, confidence=policy.refit.confidence)


def _refusal(found: Sequence[Measure], against: Sequence[Difference | None], *, policy: ShoppingPolicy) -> str | None:
    """Why the model is not used; None: it is."""
    refit = policy.refit
    chief = measure_of(found, basis=NEW, kind="all", method=ALS)
    better = against[list(found).index(chief)]
    if len(chief.ndcg) < refit.least_measured or better is None:
        return (
            f"{len(chief.ndcg)} customers took something new in the {refit.held_out_days} days held out; "
            f"{refit.least_measured} are needed"
        )
    if better.low > 0:
        return None
    popular = measure_of(found, basis=NEW, kind="all", method=POPULARITY)
    return (
        f"it does not beat popularity: NDCG@{refit.k} of new items {chief.ndcg.mean():.4f} against "
        f"{popular.ndcg.mean():.4f}, difference {better.mean:+.4f} ({refit.confidence:.0%} interval "
        f"{better.low:+.4f} to {better.high:+.4f})"
    )


def _nothing(reason: str) -> Learnt:
    return Learnt(None, (), (), f"there is nothing to learn from: {reason}")


def _items(number: int) -> str:
    return "there is 1 item" if number == 1 else f"there are {number} items"
