"""The five steps by which the core group of a population is found: collect, clean, reduce, cluster, excavate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from scipy.optimize import linear_sum_assignment

from portrait.capabilities.core_group.audience import Audience, find_audience, label_matrix, usable_labels
from portrait.capabilities.core_group.cleaning import Cleaner, fit_cleaner, with_columns
from portrait.capabilities.core_group.idec import LAYERS, Matrix
from portrait.capabilities.core_group.model import CoreModel, settings_digest
from portrait.capabilities.core_group.policy import CoreGroupPolicy, Population
from portrait.capabilities.core_group.ranking import Worth, cohesion, rank_groups
from portrait.capabilities.core_group.views import Clustered, View, cluster
from portrait.capabilities.groups.lasting import jaccard_table
from portrait.capabilities.groups.lloyd import Labels
from portrait.capabilities.groups.naming import group_names
from portrait.capabilities.groups.policy import GroupPolicy
from portrait.capabilities.groups.profiles import FeatureProfile, GroupProfile
from portrait.capabilities.groups.surrogate import row_order
from portrait.labels.declaration import Label

STEPS = ("collect", "clean", "reduce", "cluster", "excavate")
TOO_FEW, NO_FEATURES = "too_few_customers", "no_distinguishing_feature"
_PARTS = 1_000_000


@dataclass(frozen=True)
class Step:
    """A step that was taken: whether it passed its gate, why not (or what was refused), and its figures."""

    number: int
    passed: bool
    reason: str | None
    figures: dict[str, float]


@dataclass(frozen=True)
class Mined:
    """What was found in a population. `model`, `worths` are empty where a step before failed; `fresh`: a new model.

    `reason`: why customers who could be grouped are not. `core`: place (in the model) of the core group; None: no group
    passed the gates. `audience`: the rule of the core group.
    """

    population: Population
    people: DataFrame
    steps: list[Step]
    reason: str | None = None
    model: CoreModel | None = None
    fresh: bool = False
    scored: DataFrame | None = None
    worths: list[Worth] = field(default_factory=list)
    audience: Audience | None = None

    @property
    def core(self) -> int | None:
        """Place of the core group in the model."""
        return next((worth.group for worth in self.worths if worth.rank == 1), None)


@dataclass(frozen=True)
class _Sample:
    table: pa.Table
    raw: dict[str, Matrix]
    value: Matrix


def mine(
    people: DataFrame,
    *,
    population: Population,
    labels: list[Label],
    policy: CoreGroupPolicy,
    features: GroupPolicy,
    as_of: date,
    version: str,
    earlier: CoreModel | None,
) -> Mined:
    """The core group of `people`: customer_id, not_grouped_reason, contribution (DOUBLE), features and labels.

    `earlier`: the model of the slice before; it assigns again unless it is too old or was fitted by other settings. The
    frame should be persisted: it is read three times.
    """
    groupable = people.where("not_grouped_reason is null")
    count = groupable.count()
    steps = [_collected(count, policy)]
    if not steps[-1].passed:
        return Mined(population, people, steps, reason=TOO_FEW)
    usable = usable_labels(labels, policy=policy.rule)
    sample = _draw(groupable, count=count, size=policy.sample, features=features, labels=usable)
    settings = settings_digest(policy, features)
    known = earlier if earlier is not None and _holds(earlier, settings, as_of, policy) else None
    cleaner = known.cleaner if known else fit_cleaner(sample.raw, features.features, policy=policy.cleaning)
    steps.append(_cleaned(cleaner, policy))
    if not steps[-1].passed:
        return Mined(population, people, steps, reason=NO_FEATURES)
    x = cleaner.apply(with_columns(cleaner, sample.raw))
    if known is None:
        found = cluster(x, sample.value, policy=policy)
        model = _new_model(found, cleaner, x, sample, earlier, features, policy, settings, as_of, version)
    else:
        model = known
    steps += _reduced_and_clustered(model, fresh=known is None, policy=policy)
    scored = scored_by(people, model).persist()
    sums = (
        scored.where("place is not null")
        .groupBy("place")
        .agg(F.count(F.lit(1)).alias("n"), F.sum("contribution").alias("v"))
    )
    rows = {row["place"]: row for row in sums.collect()}  # one row per group
    placed = model.view.assign(x)
    worths = rank_groups(
        {place: row["n"] for place, row in rows.items()},
        {place: row["v"] or 0.0 for place, row in rows.items()},
        cohesions=cohesion(x, placed, k=len(model.ids)),
        jaccards=model.stable.jaccard,
        gates=policy.gates,
    )
    mined = Mined(population, people, steps, None, model, known is None, scored, worths)
    if mined.core is None:
        steps.append(_excavated(worths, None, policy))
        return mined
    matrix, columns = label_matrix(sample.table, usable)
    members = (placed == mined.core).astype(np.int64)
    audience = find_audience(matrix, columns, members, policy=policy.rule)
    steps.append(_excavated(worths, audience, policy))
    return Mined(population, people, steps, None, model, known is None, scored, worths, audience)


def _draw(groupable: DataFrame, *, count: int, size: int, features: GroupPolicy, labels: list[Label]) -> _Sample:
    """About `size` customers by a hash of their id, in an order of their own."""
    share = max(1, -(-size * _PARTS // count))
    picked = groupable.withColumn("hash", F.xxhash64(F.lit("core_group"), "customer_id"))
    names = [feature.id for feature in features.features]
    wanted = ["hash", "customer_id", "contribution", *names, *[label.id for label in labels]]
    found = picked.where(F.expr(f"pmod(hash, {_PARTS}) < {share}")).select(*wanted).toArrow()  # bounded by `size`
    order = row_order(found.column("hash").to_numpy(), found.column("customer_id").to_pylist())
    table = found.take(pa.array(order))
    raw = {name: table.column(name).to_numpy().astype(np.float64) for name in names}
    return _Sample(table, raw, np.nan_to_num(table.column("contribution").to_numpy().astype(np.float64)))


def _holds(earlier: CoreModel, settings: str, as_of: date, policy: CoreGroupPolicy) -> bool:
    return earlier.settings == settings and (as_of - earlier.fitted_on).days < policy.refit_days


def _new_model(
    found: Clustered,
    cleaner: Cleaner,
    x: Matrix,
    sample: _Sample,
    earlier: CoreModel | None,
    features: GroupPolicy,
    policy: CoreGroupPolicy,
    settings: str,
    as_of: date,
    version: str,
) -> CoreModel:
    placed, k = found.view.assign(x), len(found.view.centres)
    ids, next_id = lasting_places(placed, k, earlier, sample.raw, least=policy.overlap_least)
    kept = {} if earlier is None else dict(zip(earlier.ids, earlier.names, strict=True))
    profiles = _profiles(x, placed, ids, cleaner)
    names = group_names(profiles, policy=features, kept=kept)
    return CoreModel(
        version,
        as_of,
        settings,
        cleaner,
        found.view,
        found.stable,
        tuple(ids),
        tuple(names.get(group, f"Group {group}") for group in ids),
        next_id,
        found.refused,
        found.figures,
    )


def lasting_places(
    placed: Labels, k: int, earlier: CoreModel | None, raw: dict[str, Matrix], *, least: float
) -> tuple[list[int], int]:
    """The number of each new group, and the next that is free: matched to the groups before by shared customers."""
    if earlier is None:
        return list(range(1, k + 1)), k + 1
    before = earlier.view.assign(earlier.cleaner.apply(with_columns(earlier.cleaner, raw)))
    overlap = jaccard_table(before, placed, rows=len(earlier.ids), columns=k)
    pairs = zip(*linear_sum_assignment(-overlap), strict=True)
    known = {int(new): earlier.ids[old] for old, new in pairs if overlap[old, new] >= least}
    ids, free = [], earlier.next_id
    for place in range(k):
        ids.append(known.get(place, free))
        free += place not in known
    return ids, free


def _profiles(x: Matrix, placed: Labels, ids: list[int], cleaner: Cleaner) -> list[GroupProfile]:
    """What sets groups apart, in standard deviations of the sample."""
    mean, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    found = []
    for place in np.unique(placed):
        inside = x[placed == place]
        z = (inside.mean(axis=0) - mean) / spread
        entries = tuple(FeatureProfile(name, 0.0, 0.0, float(z[i]), None) for i, name in enumerate(cleaner.features))
        found.append(GroupProfile(int(place), ids[place], len(inside), len(inside) / len(x), entries))
    return found


def scored_by(people: DataFrame, model: CoreModel) -> DataFrame:
    """`people` with place (of the group in the model), distance and margin; NULL for who cannot be grouped."""
    raw: list[Column] = [
        F.col(name).cast("double") if name in people.columns else F.lit(None).cast("double")
        for name in model.cleaner.features
    ]
    given = people.select("customer_id", "not_grouped_reason", "contribution", "signals", F.array(*raw).alias("raw"))
    layout = (
        "customer_id string, not_grouped_reason string, contribution double, signals array<string>, "
        "place int, distance double, margin double"
    )
    return given.mapInArrow(scoring(model.cleaner, model.view), layout)


def scoring(cleaner: Cleaner, view: View) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Groups of batches of customers, by arrays alone: the function travels whole, workers need only numpy."""
    width, share = len(cleaner.features), np.array([kind == "share" for kind in cleaner.kinds])
    low, high, centre, spread, clip = cleaner.low, cleaner.high, cleaner.centre, cleaner.spread, cleaner.clip
    shift, divisor, mean, directions = view.scale.shift, view.scale.divisor, view.mean, view.directions
    weights, centres, layers = dict(view.weights), view.centres, LAYERS

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import numpy
        import pyarrow

        for batch in batches:
            flat = batch.column("raw").flatten().to_numpy(zero_copy_only=False).astype("float64")
            cut = numpy.clip(flat.reshape(-1, width), low, high)
            moved = numpy.where(share, numpy.sqrt(numpy.maximum(cut, 0.0)), numpy.log1p(numpy.maximum(cut, 0.0)))
            x = numpy.nan_to_num(numpy.clip((moved - centre) / spread, -clip, clip), nan=0.0)
            x = (x - shift) / divisor
            z = (x - mean) @ directions
            if weights:
                h = x
                for layer in range(layers):
                    h = h @ weights[f"e{layer}_w"] + weights[f"e{layer}_b"]
                    if layer < layers - 1:
                        h = numpy.maximum(h, 0.0)
                z = z + h
            gaps = numpy.sqrt(((z[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2))
            place = gaps.argmin(axis=1)
            nearest = gaps[numpy.arange(len(z)), place]
            second = numpy.partition(gaps, 1, axis=1)[:, 1]
            margin = numpy.where(second > 0, 1 - nearest / numpy.where(second > 0, second, 1.0), 0.0)
            reasons = batch.column("not_grouped_reason")
            out = numpy.asarray(reasons.is_valid())
            arrays = [
                pyarrow.array(place.astype("int32"), mask=out),
                pyarrow.array(numpy.round(nearest, 6), mask=out),
                pyarrow.array(numpy.round(margin, 6), mask=out),
            ]
            kept = [batch.column(name) for name in ("customer_id", "not_grouped_reason", "contribution", "signals")]
            names = ["customer_id", "not_grouped_reason", "contribution", "signals", "place", "distance", "margin"]
            yield pyarrow.RecordBatch.from_arrays([*kept, *arrays], names=names)

    return score


def _collected(count: int, policy: CoreGroupPolicy) -> Step:
    passed = count >= policy.least_customers
    reason = None if passed else f"{count} customers can be grouped, needed {policy.least_customers}"
    return Step(1, passed, reason, {"customers": float(count)})


def _cleaned(cleaner: Cleaner, policy: CoreGroupPolicy) -> Step:
    used = len(cleaner.features)
    dropped = "; ".join(f"{name} left out: {why}" for name, why in cleaner.dropped.items())
    passed = used >= policy.cleaning.least_features
    reason = dropped if passed else f"{used} features, needed {policy.cleaning.least_features}; {dropped}"
    return Step(2, passed, reason or None, {"features": float(used), "coverage": cleaner.coverage})


def _reduced_and_clustered(model: CoreModel, *, fresh: bool, policy: CoreGroupPolicy) -> list[Step]:
    figures = model.figures | {"fitted_now": float(fresh)}
    refused = None if model.deep_refused is None else f"the deep view was refused: {model.deep_refused}"
    third = {name: value for name, value in figures.items() if name != "k"} | {"deep": float(refused is None)}
    stable = {"k": figures["k"], "ari_refits": model.stable.ari}
    least = float(np.nanmin(model.stable.jaccard)) if np.isfinite(model.stable.jaccard).any() else 0.0
    passed = bool((model.stable.jaccard >= policy.gates.jaccard_least).any())
    said = None if passed else f"no group is stable, needed a Jaccard coefficient of {policy.gates.jaccard_least:.2f}"
    return [Step(3, True, refused, third), Step(4, passed, said, stable | {"jaccard_least": least})]


def _excavated(worths: list[Worth], audience: Audience | None, policy: CoreGroupPolicy) -> Step:
    ranked = sum(worth.rank is not None for worth in worths)
    figures = {"groups": float(len(worths)), "ranked": float(ranked)}
    if audience is None:
        failed = "; ".join(f"group at place {worth.group + 1}: {worth.failed}" for worth in worths)
        return Step(5, False, f"no group passed the gates: {failed}", figures)
    figures |= {"rule_fidelity": audience.fidelity}
    if audience.expression is None:
        return Step(5, True, "no rule over labels finds the group", figures)
    rough = audience.fidelity < policy.rule.fidelity_least
    said = f"the rule is rough: fidelity {audience.fidelity:.2f}, needed {policy.rule.fidelity_least:.2f}"
    return Step(5, True, said if rough else None, figures)
