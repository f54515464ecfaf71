"""Two views of a cleaned matrix, PCA and the deep one, groups in each, and which of them is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from portrait.capabilities.core_group.deep import DeepView, deep_view
from portrait.capabilities.core_group.idec import Matrix, Scale, Weights, embedded, principal_directions
from portrait.capabilities.core_group.policy import CoreGroupPolicy
from portrait.capabilities.groups.kmeans import Choice, Quality, choose
from portrait.capabilities.groups.lloyd import Labels, k_means, nearest
from portrait.capabilities.groups.policy import Search
from portrait.capabilities.groups.sketch import Sketch, Solution, digits, solutions, total_scatter
from portrait.capabilities.groups.stability import adjusted_rand, best_jaccard, refit_stability
from portrait.errors import PortraitError

PCA, DEEP = "pca", "deep"


@dataclass(frozen=True)
class View:
    """What makes an embedding of a cleaned matrix: z = (x' - mean) directions, + MLP(x') of the deep view.

    x' is x, or for the deep view `scale` applied to x. Groups are those of the nearest of `centres`.
    """

    name: str
    scale: Scale
    mean: Matrix
    directions: Matrix
    weights: Weights
    centres: Matrix

    def embed(self, x: Matrix) -> Matrix:
        """The embedding, one row per customer."""
        scaled = self.scale.apply(x)
        if self.weights:
            return embedded(scaled, self.mean, self.directions, self.weights)
        z: Matrix = (scaled - self.mean) @ self.directions
        return z

    def assign(self, x: Matrix) -> Labels:
        """The group of each row."""
        return nearest(self.embed(x), self.centres)


@dataclass(frozen=True)
class Stable:
    """Jaccard coefficient of each group over refits, with 5 % and 95 % quantiles; `ari`: mean agreement of refits."""

    ari: float
    jaccard: Matrix
    low: Matrix
    high: Matrix


@dataclass(frozen=True)
class Clustered:
    """The view that was taken, its stability, why the deep view was not (None: it was), and the figures."""

    view: View
    stable: Stable
    refused: str | None
    choice: Choice
    figures: dict[str, float]


def pca_view(x: Matrix, *, variance: float) -> View:
    """Principal components up to a share of the variance; no groups yet."""
    values = np.sort(np.linalg.eigvalsh(np.cov(x, rowvar=False)))[::-1]
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), variance - 1e-12)) + 1
    mean, directions = principal_directions(x, p=min(kept, x.shape[1]))
    one = Scale(np.zeros(x.shape[1]), np.ones(x.shape[1]))
    return View(PCA, one, mean, directions, {}, np.empty((0, directions.shape[1])))


def cluster(x: Matrix, value: Matrix, *, policy: CoreGroupPolicy) -> Clustered:
    """Groups of the rows of x, in the deep view if it passes, else in PCA; `value` only judges, it makes no group."""
    plain = pca_view(x, variance=policy.variance)
    z = plain.embed(x)
    choice = choose_k(z, search=policy.search)
    found = k_means(z, k=choice.k, starts=10, seed=policy.search.seeds[0])
    pca = View(PCA, plain.scale, plain.mean, plain.directions, {}, found.centres)
    rule = policy.stability
    measured = refit_stability(z[: rule.sample], found.centres, refits=rule.refits, seed=policy.search.seeds[0])
    stable = Stable(measured.ari_mean, measured.jaccard, measured.jaccard_low, measured.jaccard_high)
    figures = {"components": float(z.shape[1]), "k": float(choice.k), "pca_ari_refits": measured.ari_mean}
    deep, deep_stable, refused = _deep(x, value, pca, k=choice.k, policy=policy, figures=figures)
    if deep is None or deep_stable is None:
        return Clustered(pca, stable, refused, choice, figures)
    return Clustered(deep, deep_stable, None, choice, figures)


def choose_k(z: Matrix, *, search: Search) -> Choice:
    """k by the rule of groups, on a sketch of the rows."""
    size = min(max(search.sketch, search.k.most + 2), max(len(z) // 5, search.k.most + 2))
    small = k_means(z, k=size, starts=1, seed=search.seeds[0])
    sketched = Sketch(small.centres, np.bincount(small.labels, minlength=size).astype(np.float64))
    found = solutions(sketched, search=search)
    return choose(found, search=search, total=total_scatter(sketched), quality=lambda item: _quality(z, item))


def eta_squared(value: Matrix, labels: Labels) -> float:
    """Share of the variance of `value` that lies between groups; 0 where it does not vary."""
    total = float(((value - value.mean()) ** 2).sum())
    if total <= 0:
        return 0.0
    between = sum(
        float((labels == group).sum() * (value[labels == group].mean() - value.mean()) ** 2)
        for group in np.unique(labels)
    )
    return between / total


def _quality(z: Matrix, solution: Solution) -> Quality:
    centres = solution.centres
    labels = nearest(z, centres)
    distance = np.sqrt(((z - centres[labels]) ** 2).sum(axis=1))
    sizes = np.bincount(labels, minlength=len(centres))
    inside = np.flatnonzero(sizes)
    spread = np.bincount(labels, weights=distance, minlength=len(centres)) / np.maximum(sizes, 1)
    gaps = np.sqrt(((centres[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2))
    worst = [max((spread[i] + spread[j]) / max(gaps[i, j], 1e-12) for j in inside if j != i) for i in inside]
    return Quality(digits(float((distance**2).sum())), tuple(map(int, sizes)), digits(float(np.mean(worst))))


def _deep(
    x: Matrix, value: Matrix, pca: View, *, k: int, policy: CoreGroupPolicy, figures: dict[str, float]
) -> tuple[View | None, Stable | None, str]:
    """The deep view and its stability; or the reason why it is refused."""
    gate, held_out = policy.deep_gate, np.arange(len(x)) % policy.held_out == policy.held_out - 1
    rows = x[~held_out][: gate.sample]
    if gate.sample == 0:
        return None, None, "deep_gate.sample of conf/core_group.yml is 0"
    if len(rows) < gate.least:
        return None, None, f"{len(rows)} customers to train on, needed {gate.least}"
    try:
        views = [deep_view(rows, k=k, seed=seed, policy=policy.deep) for seed in range(1, gate.seeds + 1)]
    except PortraitError as error:
        return None, None, error.message
    view = views[0]
    agreed = [adjusted_rand(views[i].labels, views[j].labels) for i in range(len(views)) for j in range(i)]
    refits = [_refit(rows, k=k, seed=refit, policy=policy) for refit in range(gate.refits)]
    aris = [adjusted_rand(view.labels, again.assign(rows)) for again, _ in refits]
    jaccards = np.array(
        [best_jaccard(view.labels[drawn], again.assign(rows)[drawn], k=k) for again, drawn in refits], dtype=np.float64
    )
    own, base = (eta_squared(value[held_out], found.assign(x[held_out])) for found in (view, pca))
    figures |= {
        "deep_ari_seeds": float(np.mean(agreed)),
        "deep_ari_refits": float(np.mean(aris)),
        "deep_eta_squared": own,
        "pca_eta_squared": base,
    }
    doubts = [
        f"{name} {figures[key]:.2f}, needed {least:.2f}"
        for name, key, least in (
            ("agreement over seeds", "deep_ari_seeds", gate.ari_seeds_least),
            ("agreement over refits", "deep_ari_refits", gate.ari_refits_least),
        )
        if figures[key] < least
    ]
    if view.collapsed:
        doubts.append("the groups collapsed")
    if own < base + gate.gain_least:  # the same groups in both views differ in the last digits
        doubts.append(f"explains {own:.1%} of the value of customers held out, PCA {base:.1%}")
    if doubts:
        return None, None, "; ".join(doubts)
    weights: Mapping[str, Matrix] = view.weights  # type: ignore[assignment]
    made = View(DEEP, view.scale, view.mean, view.directions, weights, view.weights["mu"].astype(np.float64))  # type: ignore[arg-type]
    low, high = np.nanquantile(jaccards, (0.05, 0.95), axis=0)
    return made, Stable(float(np.mean(aris)), np.nanmean(jaccards, axis=0), low, high), ""


def _refit(rows: Matrix, *, k: int, seed: int, policy: CoreGroupPolicy) -> tuple[DeepView, Labels]:
    """The view of a bootstrap sample, and the rows that were drawn."""
    drawn = np.random.default_rng([policy.search.seeds[0], seed]).integers(0, len(rows), len(rows))
    return deep_view(rows[drawn], k=k, seed=1, policy=policy.deep), np.unique(drawn)
