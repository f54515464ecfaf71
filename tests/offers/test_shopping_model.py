"""Fold-in, explanations and measures by hand, beside dense linear algebra; planted tastes; and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from portrait.capabilities.offers.learning import Learnt, learn, telling_items
from portrait.capabilities.offers.measures import (
    ALS,
    LAST_MONTH,
    NEW,
    POPULARITY,
    REPEAT,
    Measure,
    Pairs,
    difference,
    measure_of,
    measures,
    recall_and_ndcg,
)  # fmt: skip
from portrait.capabilities.offers.policy import AlsPolicy, RefitPolicy, ShoppingPolicy
from portrait.capabilities.offers.shopping_model import ShoppingModel, load_shopping, ranking, save_shopping
from portrait.errors import PortraitError

SMALL = AlsPolicy(rank=4, iterations=5)


def model_of(factors: list[list[float]], items: tuple[str, ...], popularity: list[float]) -> ShoppingModel:
    return ShoppingModel(items, np.array(factors), np.array(popularity), alpha=1.0, regularisation=0.1)


@pytest.fixture
def tiny() -> ShoppingModel:
    items = ("category:food", "category:travel", "merchant:S1", "product:P1")
    return model_of([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [0.1, 1.0]], items, [0.5, 0.4, 0.3, 0.1])


def test_a_customer_is_the_solution_of_the_normal_equations(tiny: ShoppingModel) -> None:
    """(Y'CY + reg n I) x = Y'C p with dense matrices, over all items (Hu, Koren and Volinsky 2008, eq. 4)."""
    held, strength = np.array([0, 3]), np.array([0.5, 2.0])
    y, r = tiny.factors, np.array([0.5, 0, 0, 2.0])
    c = np.diag(1 + r)
    x = np.linalg.inv(y.T @ c @ y + 0.1 * 2 * np.eye(2)) @ y.T @ c @ (r > 0)
    assert tiny.affinities(held, strength) == pytest.approx(y @ x, abs=1e-6)
    # eq. 7: the affinity is a sum over the customer's items, and these are its explanation.
    assert (tiny.factors @ tiny.shares(held, strength)).sum(axis=1) == pytest.approx(y @ x, abs=1e-12)


def test_rows_of_a_customer(tiny: ShoppingModel) -> None:
    columns = {"customer_id": ["anna"], "places": [[0]], "strengths": [[1.0]]}
    found = pa.Table.from_batches(ranking(tiny, top=1, reasons=2)([pa.RecordBatch.from_pydict(columns)])).to_pylist()
    by_kind = {row["kind"]: row for row in found}
    assert {kind: row["item"] for kind, row in by_kind.items()} == {"merchant": "merchant:S1", "product": "product:P1"}
    # travel has an affinity of 0 or less: not recommended. Food is what she buys: it is the reason.
    assert by_kind["merchant"]["because"] == ["category:food"]
    assert by_kind["merchant"]["rank"] == 1
    empty = pa.RecordBatch.from_pydict({name: [] for name in columns})
    assert sum(batch.num_rows for batch in ranking(tiny, top=1, reasons=2)([empty])) == 0


def test_recall_and_ndcg_by_hand() -> None:
    """Three items taken; ranks 1 and 3 of four shown are among them."""
    scores = np.array([0.9, 0.5, 0.7, -np.inf, 0.1, 0.6])
    relevant = np.array([True, False, False, True, False, True])  # the item at -infinity is no candidate
    recall, ndcg, shown = recall_and_ndcg(scores, relevant, k=4)
    assert shown.tolist() == [0, 2, 5, 1]
    assert recall == pytest.approx(2 / 3)
    assert ndcg == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2))  # 1.5 / 2.1309 = .7039


def test_measures_of_new_items_and_repeats_by_hand(tiny: ShoppingModel) -> None:
    """One customer had food (twice last month) and took food again, travel and P1; popularity ranks travel, S1, P1."""
    pairs = Pairs(
        customer=np.array([0, 0, 0]), place=np.array([0, 1, 3]), strength=np.array([1.0, 0, 0]),
        last_month=np.array([2.0, 0, 0]), after=np.array([True, True, True]),
    )  # fmt: skip
    found = measures(tiny, pairs, k=2)
    popular = measure_of(found, basis=NEW, kind="all", method=POPULARITY)
    assert popular.recall.tolist() == [0.5]  # travel of travel and P1
    assert popular.ndcg == pytest.approx([1 / (1 + 1 / np.log2(3))])
    assert popular.coverage == pytest.approx(2 / 4)  # travel and S1
    assert popular.novelty == pytest.approx((-np.log2(0.4) - np.log2(0.3)) / 2)
    assert measure_of(found, basis=NEW, kind="all", method=LAST_MONTH).recall.tolist() == [0.0]  # nothing new
    repeated = measure_of(found, basis=REPEAT, kind="all", method=LAST_MONTH)
    assert (repeated.recall.tolist(), repeated.ndcg.tolist()) == ([1.0], [1.0])
    assert measure_of(found, basis=NEW, kind="product", method=ALS).recall.tolist() == [1.0]
    assert len(measure_of(found, basis=NEW, kind="merchant", method=ALS).recall) == 0  # nobody took a new one


def test_the_interval_of_the_difference() -> None:
    draws = np.random.default_rng(3)

    def of(ndcg: np.ndarray) -> Measure:
        return Measure(NEW, "all", ALS, 10, ndcg, ndcg, 1.0, None)

    worse = draws.uniform(0, 0.5, 400)
    better = worse + draws.normal(0.05, 0.2, 400)
    found = difference(of(better), of(worse), resamples=4000, confidence=0.95)
    half = 1.96 * (better - worse).std(ddof=1) / 20  # by the normal distribution
    assert found.mean == pytest.approx((better - worse).mean())
    assert (found.mean - found.low, found.high - found.mean) == (
        pytest.approx(half, rel=0.1),
        pytest.approx(half, rel=0.1),
    )


def test_a_model_is_kept_whole(tiny: ShoppingModel, tmp_path: Path) -> None:
    save_shopping(tiny, tmp_path / "m")
    again = load_shopping(tmp_path / "m")
    assert (again.items, again.alpha, again.regularisation) == (tiny.items, 1.0, 0.1)
    assert np.array_equal(again.factors, tiny.factors)
    assert np.array_equal(again.popularity, tiny.popularity)
    with pytest.raises(PortraitError, match="cannot be read"):
        load_shopping(tmp_path / "nothing")


def test_items_of_nearly_everybody_and_of_few_are_left_out() -> None:
    had = pd.DataFrame([(f"c{n}", "category:rent") for n in range(10)] + [(f"c{n}", "category:food") for n in range(8)]
        + [("c1", "merchant:S1")], columns=["customer_id", "item"])  # fmt: skip
    assert telling_items(had, policy=ShoppingPolicy(least_customers=2, most_share=0.9)) == ["category:food"]


# Two tastes of 12 merchants each; each customer has 8 of one taste and takes one more of it (planted) in the days held
# out, or anything (random).
POLICY = ShoppingPolicy(least_customers=5, refit=RefitPolicy(k=5, least_measured=30))


def shoppers(*, planted: bool) -> pa.Table:
    draws = np.random.default_rng(8)
    rows = []
    for customer in range(240):
        taste = np.arange(12) + 12 * (customer % 2) if planted else np.arange(24)
        order = draws.permutation(taste)
        rows += [(f"c{customer:03}", f"merchant:S{shop:02}", 1.0, 1.0, False) for shop in order[:8]]
        rows.append((f"c{customer:03}", f"merchant:S{order[8]:02}", 0.0, 0.0, True))
    columns = ["customer_id", "item", "strength", "last_month", "after"]
    return pa.Table.from_pandas(pd.DataFrame(rows, columns=columns).sample(frac=1, random_state=1))


@pytest.fixture(scope="module")
def planted(spark: SparkSession) -> Learnt:
    return learn(spark, shoppers(planted=True), policy=POLICY, als=SMALL)


def test_planted_tastes_are_found(planted: Learnt) -> None:
    """Four merchants of the taste are left: all five places have the one that is taken; popularity has 24 - 8 = 16."""
    assert planted.reason is None
    assert planted.model is not None
    found = measure_of(planted.measures, basis=NEW, kind="all", method=ALS)
    assert len(found.recall) == 240
    assert found.recall.mean() >= 0.95
    assert measure_of(planted.measures, basis=NEW, kind="all", method=POPULARITY).recall.mean() <= 0.5


def test_who_buys_by_taste_is_recommended_the_taste_and_told_why(planted: Learnt) -> None:
    model = planted.model
    assert model is not None
    places = [place for place, name in enumerate(model.items) if int(name[-2:]) < 6]
    given = pa.RecordBatch.from_pydict({"customer_id": ["new"], "places": [places], "strengths": [[1.0] * 6]})
    found = pa.Table.from_batches(ranking(model, top=4, reasons=2)([given])).to_pylist()
    assert {int(row["item"][-2:]) // 12 for row in found} == {0}  # never fitted, folded in
    assert all(int(reason[-2:]) < 6 for row in found for reason in row["because"])
    assert len(found) == 4


def test_random_purchases_are_refused(spark: SparkSession) -> None:
    found = learn(spark, shoppers(planted=False), policy=POLICY, als=SMALL)
    assert found.reason is not None
    assert found.reason.startswith("it does not beat popularity: NDCG@5 of new items ")
    assert len(found.measures) > 0


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "no booking has a category or a merchant, and no product is held"),
        ([(f"c{n}", "category:household", 1.0, 1.0, n == 0) for n in range(20)], "there are 0 items that at least 5"),
        ([(f"c{n}", f"merchant:S{n % 12}", 1.0, 0.0, False) for n in range(120)], "nothing was taken in the 30 days"),
    ],
)  # fmt: skip
def test_where_there_is_nothing_to_learn_from(spark: SparkSession, rows: list[tuple], reason: str) -> None:
    columns = ["customer_id", "item", "strength", "last_month", "after"]
    frame = pd.DataFrame(rows, columns=columns).astype({"strength": float, "last_month": float, "after": bool})
    found = learn(spark, pa.Table.from_pandas(frame), policy=POLICY, als=SMALL)
    assert found.model is None
    assert found.reason is not None
    assert found.reason.startswith(f"there is nothing to learn from: {reason}")
