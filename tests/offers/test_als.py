"""fit_als beside an independent implicit ALS and popularity, on planted tastes; and on frames of every shape."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from portrait.capabilities.offers.als import AlsModel, fit_als
from portrait.capabilities.offers.policy import AlsPolicy, ShoppingPolicy, load_recommendation_policy
from portrait.errors import ConfigurationError, InputRefused

USERS, ITEMS, TASTES, K = 500, 400, 6, 10
SMALL = AlsPolicy(rank=4, iterations=3)


@cache
def planted() -> tuple[np.ndarray, np.ndarray]:
    """Training and test pairs (users x items, boolean), 75/25 per user: planted tastes and popularity."""
    draws = np.random.default_rng(22)
    appeal = 0.7 * np.log1p(np.arange(ITEMS)[draws.permutation(ITEMS)] + 4.0)
    taste = draws.dirichlet(np.full(TASTES, 0.25), USERS) @ draws.gamma(0.3, 1.0, (TASTES, ITEMS))
    score = np.log(taste + 1e-3) * 1.6 - appeal + draws.gumbel(size=(USERS, ITEMS))
    taken = np.zeros((USERS, ITEMS), dtype=bool)
    test = np.zeros_like(taken)
    for user, count in enumerate(draws.integers(16, 90, USERS)):
        items = draws.permutation(np.argsort(-score[user])[:count])
        taken[user, items] = True
        test[user, items[: count // 4]] = True
    return taken & ~test, test


def ndcg(ranked: np.ndarray, test: np.ndarray) -> float:
    """Mean NDCG@10: gain 1, discount 1/log2(rank + 1), ideal over min(10, n) items (methods/groups.md, B4)."""
    discount = 1 / np.log2(np.arange(2, K + 2))
    gains = np.take_along_axis(test, ranked, axis=1) @ discount
    ideal = np.array([discount[: min(K, n)].sum() for n in test.sum(axis=1)])
    return float((gains / ideal).mean())


def numpy_als(train: np.ndarray, policy: AlsPolicy) -> np.ndarray:
    """Scores by implicit ALS with dense normal equations, penalty times the number of interactions as in MLlib."""
    draws = np.random.default_rng(0)
    strength = np.log1p(train.astype(float))
    x, y = (np.abs(draws.normal(size=(n, policy.rank))) / np.sqrt(policy.rank) for n in train.shape)

    def solved(rows: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        gram, found = fixed.T @ fixed, np.zeros((len(rows), policy.rank))
        for place, row in enumerate(rows):
            held = np.flatnonzero(row)
            if len(held):
                part, c = fixed[held], policy.alpha * row[held]
                left = gram + (part.T * c) @ part + policy.regularisation * len(held) * np.eye(policy.rank)
                found[place] = np.linalg.solve(left, part.T @ (1 + c))
        return found

    for _ in range(policy.iterations):
        y = solved(strength.T, x)
        x = solved(strength, y)
    return x @ y.T


def ranked_by(scores: np.ndarray, train: np.ndarray) -> np.ndarray:
    return np.argsort(-np.where(train, -np.inf, scores), axis=1, kind="stable")[:, :K]


@pytest.fixture(scope="module")
def interactions(spark: SparkSession) -> DataFrame:
    users, items = np.nonzero(planted()[0])
    pairs = {"the.user": [f"u{user:04}" for user in users], "an `item`": items.astype("int64"), "客 户": 1.0}
    return spark.createDataFrame(pd.DataFrame(pairs)).repartition(3)


@pytest.fixture(scope="module")
def model(interactions: DataFrame) -> AlsModel:
    return fit_als(interactions, user="the.user", item="an `item`", weight="客 户")


def test_it_ranks_as_well_as_an_independent_als_and_better_than_popularity(
    model: AlsModel, interactions: DataFrame
) -> None:
    train, test = planted()
    found = model.recommend(interactions.select("`the.user`"), k=K).toPandas()
    assert list(found.columns) == ["user", "item", "rank", "score"]
    assert len(found) == USERS * K
    found = found.sort_values(["user", "rank"])
    ranked = found["item"].to_numpy().reshape(USERS, K)
    assert not np.take_along_axis(train, ranked, axis=1).any()  # nothing that the user has
    assert (found["rank"].to_numpy().reshape(USERS, K) == np.arange(1, K + 1)).all()
    assert (np.diff(found["score"].to_numpy().reshape(USERS, K)) <= 0).all()

    ours = ndcg(ranked, test)
    independent = ndcg(ranked_by(numpy_als(train, AlsPolicy()), train), test)
    popular = ndcg(ranked_by(np.tile(train.sum(axis=0), (USERS, 1)).astype(float), train), test)
    print(f"NDCG@10: {ours:.3f}, independent ALS {independent:.3f}, popularity {popular:.3f}")
    assert ours >= independent - 0.01
    assert ours >= 1.4 * popular


def test_the_partitions_and_the_order_of_rows_do_not_matter(model: AlsModel, interactions: DataFrame) -> None:
    other = interactions.orderBy(F.rand(3)).repartition(7)
    again = fit_als(other, user="the.user", item="an `item`", weight="客 户")
    some = interactions.where("`the.user` < 'u0100'").select("`the.user`")
    first, second = (
        fitted.recommend(some.repartition(parts), k=5).orderBy("user", "rank").toPandas()
        for fitted, parts in ((model, 1), (again, 5))
    )
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_who_is_unknown_gets_what_is_popular(spark: SparkSession, model: AlsModel) -> None:
    train, _ = planted()
    asked = spark.createDataFrame([("u0003",), ("nobody",), (None,), ("nobody",)], "id string")
    found = model.recommend(asked, k=3).toPandas()
    counts = train.sum(axis=0)
    popular = np.argsort(-counts, kind="stable")[:3]
    for rows in (found[found["user"] == "nobody"], found[found["user"].isna()]):
        assert rows.sort_values("rank")["item"].tolist() == popular.tolist()
        assert rows.sort_values("rank")["score"].tolist() == pytest.approx(counts[popular] / USERS, abs=1e-6)
    assert len(found) == 9
    assert {row["user"] for row in model.cold(asked).collect()} == {"nobody", None}


ROWS = [
    (1, "a", 2),
    (1, "b", 1),
    (2, "a", 1),
    (2, "c", 4),
    (3, "b", 1),
    (3, "c", 0),
    (4, "a", -1),
    (None, "a", 1),
    (5, None, 1),
    (5, "b", None),
    (1, "a", -1),
]


@pytest.fixture(scope="module")
def tiny(spark: SparkSession) -> AlsModel:
    frame = spark.createDataFrame(ROWS, "user int, ITEM string, weight bigint")
    return fit_als(frame, user="user", item="item", weight="weight", policy=SMALL)


def test_what_is_left_out_is_counted(tiny: AlsModel) -> None:
    assert tiny.report == {
        "rows": 11, "rows_without_user": 1, "rows_without_item": 1, "rows_without_weight": 1, "pairs": 7,
        "pairs_without_strength": 2, "users": 4, "items": 3,
    }  # fmt: skip


def test_seen_items_are_left_out_or_not(spark: SparkSession, tiny: AlsModel) -> None:
    # A BIGINT column of other values than the model's INT: the answer has the values that were asked for.
    asked = spark.createDataFrame([(1,), (3,), (4,), (2**40,)], "user bigint")
    unseen = tiny.recommend(asked, k=5).toPandas()
    pairs = {(row.user, row.item) for row in unseen.itertuples()}
    # 3 saw c with weight 0, and 4 saw a with -1: seen all the same. 4 has no vector: the popular items without a.
    assert pairs == {(1, "c"), (3, "a"), (4, "b"), (4, "c"), (2**40, "a"), (2**40, "b"), (2**40, "c")}
    assert unseen.loc[unseen["user"] == 4, "score"].tolist() == [0.5, 0.25]  # of 4 users: 2 have b, 1 has c
    everything = tiny.recommend(asked, k=5, exclude_seen=False)
    assert everything.groupBy("user").count().select(F.min("count"), F.max("count")).collect() == [(3, 3)]
    assert {row["user"] for row in tiny.cold(asked).collect()} == {4, 2**40}


def test_text_that_is_no_number_is_an_unknown_user_of_its_own(spark: SparkSession, tiny: AlsModel) -> None:
    found = tiny.recommend(spark.createDataFrame([("1",), ("x",)], "u string"), k=1).toPandas()
    assert sorted(found["user"]) == ["1", "x"]
    assert dict(zip(found["user"], found["item"], strict=True)) == {"1": "c", "x": "a"}


@pytest.mark.parametrize(
    ("schema", "rows", "message"),
    [
        ("user int, item int, weight string", [(1, 1, "1")], "weight is string"),
        ("user map<int,int>, item int, weight int", [({1: 1}, 1, 1)], "no order"),
        ("user int, item int, weight int", [(1, 1, 0)], "no interaction has a positive weight"),
        ("user int, item int, weight int", [], "no interaction has a positive weight"),
    ],
)
def test_what_cannot_be_fitted_is_refused(spark: SparkSession, schema: str, rows: list[tuple], message: str) -> None:
    with pytest.raises(InputRefused, match=message):
        fit_als(spark.createDataFrame(rows, schema), user="user", item="item", weight="weight")


def test_wrong_names_are_refused(spark: SparkSession, tiny: AlsModel) -> None:
    frame = spark.createDataFrame([(1, 1)], "user int, item int")
    with pytest.raises(ConfigurationError, match="no column 'weight'"):
        fit_als(frame, user="user", item="item", weight="weight")
    with pytest.raises(ConfigurationError, match="not three columns"):
        fit_als(frame, user="user", item="item", weight="item")
    with pytest.raises(ConfigurationError, match="no column 'user'"):
        tiny.recommend(frame.toDF("a", "b"), k=1)


def test_the_shipped_file_has_the_defaults(conf_dir: Path) -> None:
    assert load_recommendation_policy(conf_dir).als == AlsPolicy()
    assert load_recommendation_policy(conf_dir).shopping == ShoppingPolicy()
