"""How well a ranking finds what customers took in the days held out: recall@k, NDCG@k, coverage, novelty.

What a customer took for the first time is measured apart from repeats: these dominate what is bought, and every method
finds them. Beside ALS stand popularity and "the same as last month".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portrait.capabilities.offers.shopping_model import ShoppingModel, best_places

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]
ALS, POPULARITY, LAST_MONTH = METHODS = ("als", "popularity", "last_month")
NEW, REPEAT = BASES = ("new", "repeat")
_SCORES_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Pairs:
    """What customers had before the days held out and took in them: one entry per customer and item of the model."""

    customer: NDArray[np.int64]
    """Numbers from 0, ascending."""
    place: NDArray[np.int64]
    """Of the item in the model."""
    strength: Floats
    """0: not had before."""
    last_month: Floats
    after: Flags


@dataclass(frozen=True)
class Measure:
    """A method on one basis and kind of item. `recall`, `ndcg`: one entry per customer who took such an item."""

    basis: str
    kind: str
    method: str
    items: int
    recall: Floats
    ndcg: Floats
    coverage: float
    novelty: float | None


@dataclass(frozen=True)
class Difference:
    """Mean NDCG (or `of`) of a method minus that of another, on the same customers, with a bootstrap interval."""

    mean: float
    low: float
    high: float


def recall_and_ndcg(scores: Floats, relevant: Flags, *, k: int) -> tuple[float, float, Places]:
    """Recall@k (hits / relevant items) and NDCG@k of one customer, and what was shown.

    Gain 1, discount 1 / log2(rank + 1), ideal over min(k, n) items. -infinity: not a candidate. Some item is relevant.
    """
    shown = best_places(scores, k)
    hits, count = relevant[shown], int(relevant.sum())
    discount = 1 / np.log2(np.arange(2, k + 2))
    return float(hits.sum() / count), float(discount[: len(hits)][hits].sum() / discount[:count].sum()), shown


def measures(model: ShoppingModel, pairs: Pairs, *, k: int) -> list[Measure]:
    """All methods: on new items of all kinds and of each kind, and on repeats."""
    kinds = {"all": np.ones(len(model.items), dtype=bool)}
    kinds |= {kind: np.array([name.startswith(f"{kind}:") for name in model.items]) for kind in model.kinds}
    asked = [(NEW, kind) for kind in kinds] + [(REPEAT, "all")]
    parts: dict[tuple[str, str, str], list[tuple[float, float]]] = {
        (basis, kind, method): [] for basis, kind in asked for method in METHODS
    }
    shown = {key: np.zeros(len(model.items)) for key in parts}
    for scores, had, after in _blocks(model, pairs):
        for basis, kind in asked:
            candidate = (had if basis == REPEAT else ~had) & kinds[kind]
            relevant = after & candidate
            who = relevant.any(axis=1)
            if not who.any():
                continue
            for method in METHODS:
                key = (basis, kind, method)
                for row in np.flatnonzero(who):
                    masked = np.where(candidate[row], scores[method][row], -np.inf)
                    recall, ndcg, places = recall_and_ndcg(masked, relevant[row], k=k)
                    parts[key].append((recall, ndcg))
                    shown[key][places] += 1
    return [
        Measure(
            *key,
            items=int(kinds[key[1]].sum()),
            recall=np.array([recall for recall, _ in rows]),
            ndcg=np.array([ndcg for _, ndcg in rows]),
            coverage=float((shown[key] > 0).sum() / kinds[key[1]].sum()),
            novelty=_novelty(shown[key], model),
        )
        for key, rows in parts.items()
    ]


def _ndcg(item: Measure) -> Floats:
    return item.ndcg


def difference(
    first: Measure, second: Measure, *, resamples: int, confidence: float, of: Callable[[Measure], Floats] = _ndcg
) -> Difference:
    """Mean NDCG of `first` minus that of `second`; customers are drawn with replacement (Efron 1979, percentiles)."""
    paired = of(first) - of(second)
    draws = np.random.default_rng(1)
    means = [paired[draws.integers(0, len(paired), len(paired))].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Difference(float(paired.mean()), float(low), float(high))


def _blocks(model: ShoppingModel, pairs: Pairs) -> Iterator[tuple[dict[str, Floats], Flags, Flags]]:
    """A block of customers at a time: scores by method, items had before, items taken after."""
    customers = int(pairs.customer[-1]) + 1 if len(pairs.customer) else 0
    size = max(1, _SCORES_AT_ONCE // len(model.items))
    for start in range(0, customers, size):
        low, high = np.searchsorted(pairs.customer, [start, start + size])
        row, place = pairs.customer[low:high] - start, pairs.place[low:high]
        shape = (min(size, customers - start), len(model.items))
        strength, last, after = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
        strength[row, place] = pairs.strength[low:high]
        last[row, place] = pairs.last_month[low:high]
        after[row, place] = pairs.after[low:high]
        scores = np.zeros(shape)
        popular = np.tile(model.popularity, (shape[0], 1))
        for number, taken in enumerate(strength):
            held = np.flatnonzero(taken)
            # A customer of whom nothing is known gets what is popular, as in gold.shopping_recommendations.
            scores[number] = model.affinities(held, taken[held]) if len(held) else model.popularity
        # Only what was bought last month is repeated; popularity decides between equals.
        repeated = np.where(last > 0, last + popular / 2, -np.inf)
        yield {ALS: scores, POPULARITY: popular, LAST_MONTH: repeated}, strength > 0, after


def _novelty(times: Floats, model: ShoppingModel) -> float | None:
    """Mean of -log2(share of customers who have the item) over what was recommended; None where nothing was."""
    known = (times > 0) & (model.popularity > 0)
    total = times[known].sum()
    return float((times[known] @ -np.log2(model.popularity[known])) / total) if total else None


def measure_of(found: Sequence[Measure], *, basis: str, kind: str, method: str) -> Measure:
    """The one of these."""
    return next(item for item in found if (item.basis, item.kind, item.method) == (basis, kind, method))
