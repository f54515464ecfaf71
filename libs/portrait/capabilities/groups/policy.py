"""`conf/groups.yml`: which habits make a vector, how groups are found and what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from portrait.contracts.vocabulary import Vocabulary, load_vocabulary
from portrait.settings import Strict, load_yaml

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
# Phrases end up in names and reports; they may hold words only.
Phrase = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9 ,'-]*$", max_length=60)]


class VectorFeature(Strict):
    """One dimension of the vector, made of columns of gold.customer_features.

    `share` is the sum of `of` over a total, 0 where the total is 0; it enters as its square root, which evens out the
    noise of small counts. `level` is the sum of `of`, divided by `per` where given; it enters as log(1 + level).
    """

    id: Name
    kind: Literal["share", "level"]
    of: Annotated[list[Name], Field(min_length=1)]
    over: Name | None = None
    per: Name | None = None
    family: Name
    title: Phrase
    high: Phrase
    low: Phrase | None = None
    weight: Annotated[float, Field(gt=0, le=10)] = 1.0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "share") != (self.over is not None):
            raise ValueError("a share needs 'over', a level has none")
        if self.kind == "share" and self.per is not None:
            raise ValueError("only a level has 'per'")
        return self


class Counts(Strict):
    """The range of k, both ends included."""

    least: Annotated[int, Field(ge=3)]
    most: Annotated[int, Field(le=20)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.least > self.most:
            raise ValueError("least must not be above most")
        return self


class Search(Strict):
    """How k-means is run, and which k is taken."""

    k: Counts
    seeds: Annotated[list[int], Field(min_length=1, max_length=20)]
    iterations: Annotated[int, Field(ge=1, le=300)]
    sketch: Annotated[int, Field(ge=30, le=1000)]
    restarts: Annotated[int, Field(ge=1, le=1000)]
    least_gain: Annotated[float, Field(gt=0, lt=0.5)]
    least_elbow: Annotated[float, Field(gt=1)]
    smallest_share: Annotated[float, Field(ge=0, lt=0.5)]
    davies_bouldin_most: Annotated[float, Field(gt=0)]
    customers_per_partition: Annotated[int, Field(ge=100)]


class Naming(Strict):
    """From which deviation on a feature may name a group."""

    least_z: Annotated[float, Field(gt=0)]
    phrases: Annotated[int, Field(ge=1, le=5)]
    middle: Phrase


class StabilityPolicy(Strict):
    """When a new model may take the place of the last one."""

    sample: Annotated[int, Field(ge=100, le=20_000)]
    refits: Annotated[int, Field(ge=2, le=100)]
    ari_least: Annotated[float, Field(ge=0, le=1)]
    jaccard_stable: Annotated[float, Field(ge=0, le=1)]
    jaccard_least: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.jaccard_least > self.jaccard_stable:
            raise ValueError("jaccard_least must not be above jaccard_stable")
        return self


class Continuity(Strict):
    """Which group of a new model is which group of the model before."""

    overlap_least: Annotated[float, Field(gt=0, le=1)]
    agreement_least: Annotated[float, Field(ge=0, le=1)]
    majority: Annotated[float, Field(ge=0.5, le=1)]


class Surrogate(Strict):
    """The decision tree that says in words who is in a group."""

    sample: Annotated[int, Field(ge=100, le=100_000)]
    depth: Annotated[int, Field(ge=1, le=6)]
    least_share: Annotated[float, Field(gt=0, lt=0.5)]
    held_out: Annotated[int, Field(ge=2, le=10)]
    fidelity_least: Annotated[float, Field(ge=0, le=1)]


class PerValue(Strict):
    """A dimension of the vector for every value of a set of conf/vocabulary.yml that no other feature is about.

    `{value}` and `{title}` stand for it.
    """

    set: Name
    of: str
    total: Name
    """The total to which its column is added, and over which it is a share."""
    id: str
    family: Name
    title: str
    high: str

    @model_validator(mode="after")
    def _about_a_value(self) -> Self:
        if "{value}" not in self.of or "{value}" not in self.id:
            raise ValueError("'of' and 'id' need {value}")
        return self


class GroupPolicy(Strict):
    """Everything in `conf/groups.yml`."""

    activity: Name
    least_transactions: Annotated[int, Field(ge=1)]
    least_customers: Annotated[int, Field(ge=10)]
    order_by: Annotated[list[Name], Field(min_length=1)]
    scaling: Literal["z", "robust"]
    clip: Annotated[float, Field(gt=0)]
    smoothing: Annotated[float, Field(ge=0)]
    search: Search
    stability: StabilityPolicy
    continuity: Continuity
    surrogate: Surrogate
    naming: Naming
    totals: dict[Name, Annotated[list[Name], Field(min_length=1)]]
    features: Annotated[list[VectorFeature], Field(min_length=1)]
    per_value: list[PerValue] = []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [feature.id for feature in self.features]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"feature {twice[0]} is there twice")
        for template in self.per_value:
            if template.total not in self.totals:
                raise ValueError(f"per_value {template.id}: there is no total '{template.total}'")
        for feature in self.features:
            if feature.over is not None and feature.over not in self.totals:
                raise ValueError(f"feature {feature.id}: there is no total '{feature.over}'")
        if self.least_customers < 10 * (self.search.k.most + 1):
            raise ValueError("least_customers must be at least ten times the largest k tried (most + 1)")
        return self


def load_group_policy(conf: Path) -> GroupPolicy:
    """`conf/groups.yml`; ConfigurationError when it is absent or inconsistent."""
    return _grown(load_yaml(conf / "groups.yml", GroupPolicy), load_vocabulary(conf))


def _grown(policy: GroupPolicy, vocabulary: Vocabulary) -> GroupPolicy:
    """The policy with a feature for every value of the sets that has none."""
    named = {column for feature in policy.features for column in feature.of}
    totals, features = dict(policy.totals), list(policy.features)
    for template in policy.per_value:
        for value in vocabulary.values_of(template.set):
            column = template.of.format(value=value)
            if column not in named:
                words = {"value": value, "title": vocabulary.title(value)}
                made = VectorFeature(
                    id=template.id.format(**words),
                    kind="share",
                    of=[column],
                    over=template.total,
                    family=template.family,
                    title=template.title.format(**words),
                    high=template.high.format(**words),
                )
                features.append(made)
                totals[template.total] = [*totals[template.total], column]
    return policy.model_copy(update={"totals": totals, "features": features})


POLICIES = {"groups.yml": load_group_policy}
