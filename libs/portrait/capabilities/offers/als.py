"""What a customer would take next, from what all customers took: implicit ALS on any frame of interactions.

Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets (2008), by MLlib. Users stay in Spark;
the vectors of items are on the driver and on each worker (items x rank x 8 bytes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, MapType, NumericType, VariantType

from portrait.capabilities.offers.policy import AlsPolicy
from portrait.errors import ConfigurationError, InputRefused
from portrait.spark.columns import by_place, place_name, place_of
from portrait.spark.workers import use_own_python

_SCORES_AT_ONCE = 2_000_000  # scores of a block of users that a worker holds, 16 MB
_DIGITS = 6  # of a score: what lies behind them depends on the order of sums

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AlsModel:
    """A fitted model. `report`: how many rows, users and items it was fitted on, and what was left out; see `fit_als`.

    `vectors`: one row per user of the interactions: user, features (NULL without any positive strength), seen.
    `items`: one row per item with a positive strength: item, place. The matrices have one row per place.
    """

    report: dict[str, int]
    user: str
    vectors: DataFrame = field(repr=False)
    items: DataFrame = field(repr=False)
    factors: Floats = field(repr=False)
    popularity: Floats = field(repr=False)

    def recommend(self, users: DataFrame, *, k: int, exclude_seen: bool = True) -> DataFrame:
        """At most k items per user, the best first: user, item, rank (1..k), score.

        `users`: a frame with the user column of the interactions (or with one column only); each distinct value is
        answered once, with its own type. With `exclude_seen`, items of any interaction of the user are left out, so
        that a user who saw nearly all gets fewer than k, or none.
        A user without a vector (not in the interactions, without any positive strength, or NULL) gets the most popular
        items: the score is then the share of users who have the item, not comparable with other scores; `cold` says
        who they are. Equal scores are ranked by the order of items.
        Raises ConfigurationError for an absent column or a k below 1.
        """
        if isinstance(k, bool) or k < 1:
            raise ConfigurationError("k is less than 1", where="k", remedy="ask for at least one item per user")
        use_own_python(users.sparkSession)
        asked = self._asked(users)
        seen = F.col("seen") if exclude_seen else F.lit(None).cast("array<int>")
        known = self.vectors.join(asked.select("key"), F.col("user").eqNullSafe(F.col("key")), how="left_semi")
        ranked = known.select("uid", "features", seen.alias("seen")).mapInArrow(
            _ranking(self.factors, self.popularity, k=k), "uid int, place int, rank int, score double"
        )
        of_model = asked.join(self.vectors.select(F.col("user").alias("key"), "uid"), on="key", how="inner")
        warm = of_model.select("asked", "uid").join(ranked, on="uid", how="inner").select("asked", *_RANKED)
        popular = [
            (int(place), rank + 1, float(self.popularity[place])) for rank, place in enumerate(_top(self.popularity, k))
        ]
        top = users.sparkSession.createDataFrame(popular, "place int, rank int, score double")
        strangers = asked.join(self.vectors.select(F.col("user").alias("key")), on="key", how="left_anti")
        found = warm.unionByName(strangers.select("asked").join(F.broadcast(top), how="cross"))
        return found.join(F.broadcast(self.items), on="place", how="inner").select(
            F.col("asked").alias("user"), "item", "rank", "score"
        )

    def cold(self, users: DataFrame) -> DataFrame:
        """The distinct users without a vector, who get popular items: user."""
        with_vector = self.vectors.where("features is not null").select(F.col("user").alias("key"))
        return self._asked(users).join(with_vector, on="key", how="left_anti").select(F.col("asked").alias("user"))

    def _asked(self, users: DataFrame) -> DataFrame:
        """One row per user who is asked for: the value, and as key the same as the type that the model knows."""
        place = 0 if len(users.columns) == 1 else place_of(users, self.user, parameter="users")
        column = F.col(place_name(place))
        kind = self.vectors.schema["user"].dataType
        key = column if users.schema[place].dataType == kind else column.try_cast(kind)
        return by_place(users).select(column.alias("asked"), key.alias("key")).distinct()


_RANKED = ("place", "rank", "score")


def fit_als(interactions: DataFrame, *, user: str, item: str, weight: str, policy: AlsPolicy | None = None) -> AlsModel:
    """Vectors of users and items from who took what, and how strongly.

    `weight`: a count, an amount or a rating; weights of the same user and item are added. Strength r = log1p(weight)
    (`policy.strength`), preference 1 for r > 0, confidence 1 + alpha r. A sum of 0 or less is an item that the user saw
    and did not take to. For a decay, multiply the weight before. Ids are of any type that can be ordered; they are
    numbered in their order.
    Rows without user, item or weight (NULL, NaN, infinite) cannot be used; `report` counts them: rows,
    rows_without_user, rows_without_item, rows_without_weight, pairs, pairs_without_strength, users, items.
    The result does not depend on the partitions of the frame: MLlib gets the pairs in order, in one partition, and
    `policy.pairs_per_block` decides how many blocks it works with. Up to two blocks all digits are the same on one
    machine; beyond, its sums depend on which task ends first, in digits behind those of the score.
    Raises ConfigurationError for column names, InputRefused for types, or when no row has a positive weight.

        model = fit_als(purchases, user="customer_id", item="merchant_category", weight="purchases")
        model.recommend(customers, k=5)
    """
    policy = policy or AlsPolicy()
    rows = _rows(interactions, user=user, item=item, weight=weight)
    report = _counted(rows)
    strength = F.log1p("weight") if policy.strength == "log" else F.col("weight")
    usable = rows.where("user is not null and item is not null and weight is not null")
    # Sorted before they are added: sums of doubles depend on the order.
    weights = F.aggregate(F.array_sort(F.collect_list("weight")), F.lit(0.0), lambda total, one: total + one)
    pairs = (
        usable.groupBy("user", "item")
        .agg(weights.alias("weight"))
        .select("user", "item", F.when(F.col("weight") > 0, strength).otherwise(F.lit(0.0)).alias("strength"))
        .localCheckpoint()
    )
    taken = pairs.where("strength > 0")
    items = _numbered(taken.select("item"), "item", "place").localCheckpoint()
    users = _numbered(pairs.select("user"), "user", "uid").localCheckpoint()
    coded = (
        pairs.join(users, on="user", how="inner").join(items, on="item", how="left").select("uid", "place", "strength")
    )
    coded = coded.localCheckpoint()
    totals = coded.agg(
        F.count(F.lit(1)).alias("pairs"),
        F.count_if(F.col("strength") > 0).alias("taken"),
        (F.coalesce(F.max("uid"), F.lit(-1)) + 1).alias("users"),
        (F.coalesce(F.max("place"), F.lit(-1)) + 1).alias("items"),
    ).collect()[0]  # numbers begin at 0: the greatest one says how many there are
    count = totals["taken"]
    report |= {"pairs": totals["pairs"], "pairs_without_strength": totals["pairs"] - count}
    report |= {"users": totals["users"], "items": totals["items"]}
    if not count:
        raise InputRefused(
            "no interaction has a positive weight",
            where=f"weight={weight!r}",
            remedy="give a column of counts, amounts or ratings; 1 for each interaction will do",
        )
    blocks = -(-count // policy.pairs_per_block)
    als = ALS(
        rank=policy.rank,
        maxIter=policy.iterations,
        regParam=policy.regularisation,
        alpha=policy.alpha,
        implicitPrefs=True,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        userCol="uid",
        itemCol="place",
        ratingCol="strength",
        seed=policy.seed,
    )
    fitted = als.fit(coded.where("strength > 0").repartition(1).sortWithinPartitions("uid", "place"))
    factors, popularity = np.zeros((report["items"], policy.rank)), np.zeros(report["items"])
    for row in fitted.itemFactors.collect():  # one row per item
        factors[row["id"]] = row["features"]
    for row in coded.where("strength > 0").groupBy("place").count().collect():  # one row per item
        popularity[row["place"]] = round(row["count"] / report["users"], _DIGITS)
    seen = coded.groupBy("uid").agg(F.array_sort(F.collect_list("place")).alias("seen"))
    vectors = (
        users.join(fitted.userFactors.select(F.col("id").alias("uid"), "features"), on="uid", how="left")
        .join(seen, on="uid", how="left")
        .select("user", "uid", "features", "seen")
        .localCheckpoint()
    )
    return AlsModel(
        report,
        interactions.columns[place_of(interactions, user, parameter="user")],
        vectors,
        items,
        factors,
        popularity,
    )


def _rows(interactions: DataFrame, *, user: str, item: str, weight: str) -> DataFrame:
    """user, item, weight (DOUBLE; NULL where it is no finite number)."""
    names = {"user": user, "item": item, "weight": weight}
    places = {role: place_of(interactions, name, parameter=role) for role, name in names.items()}
    if len(set(places.values())) < len(places):
        raise ConfigurationError(
            "user, item and weight are not three columns", where="user, item, weight", remedy="name each column once"
        )
    kinds = {role: interactions.schema[place].dataType for role, place in places.items()}
    for role in ("user", "item"):
        if isinstance(kinds[role], (MapType, VariantType)):
            raise InputRefused(
                f"{role} is {kinds[role].simpleString()}, which has no order",
                where=f"column {names[role]!r}",
                remedy="give ids as numbers or texts",
            )
    if not isinstance(kinds["weight"], (NumericType, BooleanType)):
        raise InputRefused(
            f"weight is {kinds['weight'].simpleString()}",
            where=f"column {weight!r}",
            remedy="give a number; 1 for each interaction will do",
        )
    number = F.col(place_name(places["weight"])).cast("double")
    finite = ~F.isnan(number) & (F.abs(number) < float("inf"))
    return by_place(interactions).select(
        F.col(place_name(places["user"])).alias("user"),
        F.col(place_name(places["item"])).alias("item"),
        F.when(finite, number).alias("weight"),
    )


def _counted(rows: DataFrame) -> dict[str, int]:
    missing = {f"rows_without_{role}": F.count_if(F.col(role).isNull()) for role in ("user", "item", "weight")}
    found = rows.agg(F.count(F.lit(1)).alias("rows"), *[column.alias(name) for name, column in missing.items()])
    return {name: int(value) for name, value in found.collect()[0].asDict().items()}


def _numbered(values: DataFrame, name: str, number: str) -> DataFrame:
    """The distinct values with 0, 1, ... in their order."""
    order: Column = F.row_number().over(Window.orderBy(name))
    return values.distinct().select(name, (order - 1).alias(number))


def _top(scores: Floats, k: int) -> NDArray[np.int64]:
    """Places of the k highest scores above -infinity, the highest first, the first of equals first."""
    k = min(k, len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero((scores >= least) & (scores > -np.inf))
    found: NDArray[np.int64] = candidates[np.argsort(-scores[candidates], kind="stable")][:k]
    return found


def _ranking(
    factors: Floats, popularity: Floats, *, k: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Per user (uid, features, seen) the k best places: a block of users against all items at a time."""
    size = max(1, _SCORES_AT_ONCE // len(popularity))

    def rank(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, size):
                yield ranked_block(batch.slice(start, size))

    def ranked_block(block: pa.RecordBatch) -> pa.RecordBatch:
        features, seen = block.column("features"), block.column("seen").to_pylist()
        has_vector = np.asarray(features.is_valid())
        scores = np.tile(popularity, (block.num_rows, 1))
        if has_vector.any():
            vectors = np.asarray(features.drop_null().flatten()).reshape(-1, factors.shape[1])
            scores[has_vector] = np.round(vectors @ factors.T, _DIGITS) + 0.0
        places = []
        for row, held in zip(scores, seen, strict=True):
            if held:
                row[held] = -np.inf
            places.append(_top(row, k))
        lengths = [len(found) for found in places]
        values = [row[found] for row, found in zip(scores, places, strict=True)]
        return pa.RecordBatch.from_pydict(
            {
                "uid": pa.array(np.repeat(np.asarray(block.column("uid")), lengths), pa.int32()),
                "place": pa.array(np.concatenate(places), pa.int32()),
                "rank": pa.array(np.concatenate([np.arange(1, n + 1) for n in lengths]), pa.int32()),
                "score": pa.array(np.concatenate(values), pa.float64()),
            }
        )

    return rank
