"""Vectors of items, and what follows from them for any customer: affinities, and the purchases behind them.

A customer has no vector of their own in the model: it is the solution of the customer's normal equations for the items
that the customer has (Hu, Koren and Volinsky 2008, section 5), by which each affinity is a sum over these items.
So an older model serves new customers and new purchases, and every number can be explained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from portrait.capabilities.offers.purchases import KINDS, PRODUCT
from portrait.errors import PortraitError

FORMAT = 1
DIGITS = 6
RANKED = "customer_id string, kind string, rank int, item string, affinity double, because array<string>"
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class ShoppingModel:
    """`items` in the order of the rows of `factors`; `popularity`: share of customers who have the item."""

    items: tuple[str, ...]
    factors: Floats
    popularity: Floats
    alpha: float
    regularisation: float

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of items that the model has."""
        present = {name.split(":", 1)[0] for name in self.items}
        return tuple(kind for kind in KINDS if kind in present)

    def shares(self, held: Places, strength: Floats) -> Floats:
        """rank x items held: the customer's vector as a sum, a column for each item; `strength` above 0."""
        own, confidence = self.factors[held], self.alpha * strength
        penalty = self.regularisation * len(held) * np.eye(self.factors.shape[1])
        left = self._gram + (own.T * confidence) @ own + penalty
        found: Floats = np.asarray(np.linalg.solve(left, own.T * (1 + confidence)), dtype=np.float64)
        return found

    def affinities(self, held: Places, strength: Floats) -> Floats:
        """Of one customer to each item, about 0..1: 1 is taken, 0 is not."""
        found: Floats = np.round(self.factors @ self.shares(held, strength).sum(axis=1), DIGITS) + 0.0
        return found

    @cached_property
    def _gram(self) -> Floats:
        gram: Floats = self.factors.T @ self.factors
        return gram


def save_shopping(model: ShoppingModel, folder: Path) -> None:
    """Write the model into a folder, over what a run that died has left there. No pickle: arrays, and names as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "items.npz", factors=model.factors, popularity=model.popularity)
    facts = {"format": FORMAT, "items": model.items, "alpha": model.alpha, "regularisation": model.regularisation}
    (folder / "items.json").write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def load_shopping(folder: Path) -> ShoppingModel:
    """The model of a folder; PortraitError where there is none that this release can read."""
    try:
        facts = json.loads((folder / "items.json").read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise ValueError(facts["format"])
        with np.load(folder / "items.npz", allow_pickle=False) as arrays:
            return ShoppingModel(
                tuple(facts["items"]),
                arrays["factors"],
                arrays["popularity"],
                facts["alpha"],
                facts["regularisation"],
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise PortraitError(
            "the model of purchases cannot be read",
            where=str(folder),
            remedy="restore the files, or run the job `shopping` again for the day that fitted it",
        ) from error


def best_places(scores: Floats, k: int) -> Places:
    """Places of the k highest scores above -infinity, the highest first, the first of equals first."""
    if not len(scores):
        return np.zeros(0, dtype=np.int64)
    k = min(k, len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    candidates = np.flatnonzero((scores >= least) & (scores > -np.inf)).astype(np.int64)
    found: Places = candidates[np.argsort(-scores[candidates], kind="stable")][:k]
    return found


def ranking(
    model: ShoppingModel, *, top: int, reasons: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """For mapInArrow: customers (customer_id, places, strengths) to rows of RANKED, a batch at a time.

    Of categories and merchants that the customer does not have the best `top` with an affinity above 0, of products all
    that the customer does not hold. `because`: the customer's items that speak most for it, the strongest first.
    """
    of_kind = {
        kind: np.flatnonzero([name.startswith(f"{kind}:") for name in model.items]).astype(np.int64)
        for kind in model.kinds
    }

    def rank(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows: list[tuple[str, str, int, str, float, list[str]]] = []
            for customer, places, strengths in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                rows += _of_customer(customer, np.array(places, dtype=np.int64), np.array(strengths))
            columns = list(zip(*rows, strict=True)) or [()] * 6
            types = (pa.string(), pa.string(), pa.int32(), pa.string(), pa.float64(), pa.list_(pa.string()))
            arrays = [pa.array(list(column), kind) for column, kind in zip(columns, types, strict=True)]
            yield pa.RecordBatch.from_arrays(
                arrays, names=["customer_id", "kind", "rank", "item", "affinity", "because"]
            )

    def _of_customer(
        customer: str, held: Places, strength: Floats
    ) -> Iterator[tuple[str, str, int, str, float, list[str]]]:
        shares = model.shares(held, strength)
        affinity = np.round(model.factors @ shares.sum(axis=1), DIGITS) + 0.0
        affinity[held] = -np.inf
        for kind, places in of_kind.items():
            chosen = places[best_places(affinity[places], len(places) if kind == PRODUCT else top)]
            least = -np.inf if kind == PRODUCT else 0.0
            for number, place in enumerate(chosen[affinity[chosen] > least]):
                parts = np.round(model.factors[place] @ shares, DIGITS)
                because = _strongest(parts, held, model.items, most=reasons)
                yield customer, kind, number + 1, model.items[place], float(affinity[place]), because

    return rank


def _strongest(parts: Floats, held: Places, items: Sequence[str], *, most: int) -> list[str]:
    """The items with the largest parts above 0."""
    order = np.argsort(-parts, kind="stable")[:most]
    return [items[held[place]] for place in order if parts[place] > 0]
