"""`conf/core_group.yml`: whose core group is looked for, how, and from which figures on it counts.

The defaults of `DeepPolicy` are the shipped file: `policy=None` needs no file, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from portrait.capabilities.core_group.plans import ServicePlan, load_service_plans
from portrait.capabilities.groups.policy import GroupPolicy, Name, Search, VectorFeature, load_group_policy
from portrait.errors import ConfigurationError
from portrait.labels.declared import Declared
from portrait.settings import Strict, line_of, load_yaml

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
BANK = "bank"
"""The population of all customers."""
_VALUE = ("balance_", "investment_amount", "contribution", "value_", "lifetime", "tier", "score", "age_")
"""Beginnings of columns that are value or nearly so, or age: none may be a level of the clustering."""


class DeepPolicy(Strict):
    """An autoencoder that starts as PCA, trained as IDEC."""

    spread: Annotated[float, Field(gt=0)] = 0.3
    """Standard deviation of the features that the network sees, as root mean square over the columns."""
    common_scale: Annotated[float, Field(ge=1)] = 4.0
    """Largest / smallest standard deviation up to which columns count as being on one scale and keep their ratios."""
    latent: Count = 10
    """Dimensions of the embedding; fewer when the matrix has fewer columns."""
    hidden: Count = 64
    """Units of each of the two hidden layers of encoder and decoder."""
    batch: Count = 256
    """Rows per step; all rows when there are fewer."""
    rate: Annotated[float, Field(gt=0, lt=1)] = 1e-3
    """Learning rate of Adam."""
    reconstruction_epochs: Annotated[int, Field(ge=0)] = 30
    """Epochs with the reconstruction loss alone."""
    clustering_epochs: Annotated[int, Field(ge=0)] = 40
    """Epochs at most with both losses; the longer, the further seeds drift apart (docs/core_group.md)."""
    gamma: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the clustering loss; the reconstruction loss has weight 1."""
    still: Annotated[float, Field(ge=0, lt=1)] = 0.001
    """Share of rows that change label below which training stops, from the third epoch with both losses on."""
    starts: Count = 10
    """Starts of k-means on the embedding, where the centres begin."""


class DeepGate(Strict):
    """When the deep view takes the place of PCA and k-means."""

    sample: Annotated[int, Field(ge=0, le=200_000)]
    """Customers at most that it is trained on; 0: no deep view."""
    least: Annotated[int, Field(ge=100)]
    """Customers below which none is trained."""
    seeds: Annotated[int, Field(ge=2, le=10)]
    refits: Annotated[int, Field(ge=1, le=50)]
    ari_seeds_least: Share
    ari_refits_least: Share
    gain_least: Annotated[float, Field(gt=0, lt=1)]
    """Variance of value between groups, as a share of all, by which it must be above that of PCA."""


class Cleaning(Strict):
    """How features become the matrix that is clustered."""

    coverage_least: Share
    winsorise: Annotated[float, Field(ge=0, lt=0.5)]
    clip: Annotated[float, Field(gt=0)]
    least_features: Annotated[int, Field(ge=2)]


class Gates(Strict):
    """What a group must reach to be ranked."""

    share_least: Share
    customers_least: Count
    lift_least: Annotated[float, Field(gt=0)]
    jaccard_least: Share


class Rule(Strict):
    """The decision tree over labels that becomes an audience."""

    depth: Annotated[int, Field(ge=1, le=6)]
    least_share: Annotated[float, Field(gt=0, lt=0.5)]
    held_out: Annotated[int, Field(ge=2, le=10)]
    fidelity_least: Share
    themes: Annotated[list[Name], Field(min_length=1)]
    without: list[Name] = []


class Population(Strict):
    """Whose core group is looked for: the members of an audience, or everybody (`audience` absent)."""

    id: Name
    title: Annotated[str, Field(min_length=3)]
    audience: Name | None = None
    plan: Name


class Refits(Strict):
    """How stability is measured."""

    sample: Annotated[int, Field(ge=100, le=20_000)]
    refits: Annotated[int, Field(ge=2, le=100)]


class CoreGroupPolicy(Strict):
    """Everything in `conf/core_group.yml`."""

    populations: Annotated[list[Population], Field(min_length=1)]
    refit_days: Annotated[int, Field(ge=1)]
    sample: Annotated[int, Field(ge=200, le=200_000)]
    least_customers: Annotated[int, Field(ge=100)]
    without: list[Name] = []
    totals: dict[Name, Annotated[list[Name], Field(min_length=1)]] = {}
    more: list[VectorFeature] = []
    cleaning: Cleaning
    variance: Annotated[float, Field(gt=0, le=1)]
    search: Search
    overlap_least: Annotated[float, Field(gt=0, le=1)]
    stability: Refits
    gates: Gates
    rule: Rule
    held_out: Annotated[int, Field(ge=2, le=20)]
    deep: DeepPolicy = DeepPolicy()
    deep_gate: DeepGate

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [population.id for population in self.populations]
        if twice := sorted({name for name in ids if ids.count(name) > 1}):
            raise ValueError(f"population {twice[0]} is there twice")
        return self

    def features_of(self, groups: GroupPolicy) -> GroupPolicy:
        """The features of the clustering: those of conf/groups.yml but `without`, and `more`.

        Raises ConfigurationError for one that is value or age: it would make the core group by construction.
        """
        kept = [
            feature.model_copy(update={"weight": 1.0}) for feature in groups.features if feature.id not in self.without
        ]
        features = [*kept, *self.more]
        for feature in features:
            if feature.kind == "level" and (worth := [name for name in feature.of if name.startswith(_VALUE)]):
                raise ConfigurationError(
                    f"the feature '{feature.id}' is made of {worth[0]}: value and age do not make groups",
                    where="conf/core_group.yml without, more",
                    remedy="name it in `without`, or declare a share of it",
                )
        return groups.model_copy(update={"features": features, "totals": groups.totals | self.totals})


def load_core_group_policy(conf: Path) -> CoreGroupPolicy:
    """`conf/core_group.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "core_group.yml", CoreGroupPolicy)


def _check(conf: Path) -> CoreGroupPolicy:
    policy = load_core_group_policy(conf)
    policy.features_of(load_group_policy(conf))
    plans = load_service_plans(conf)
    for place, population in enumerate(policy.populations):
        if population.plan not in plans:
            where = f"{conf / 'core_group.yml'}:{line_of(conf / 'core_group.yml', ('populations', place, 'plan'))} plan"
            remedy = f"plans: {', '.join(plans) or 'none'}"
            raise ConfigurationError(f"there is no plan '{population.plan}'", where=where, remedy=remedy)
    return policy


def check_plans(conf: Path, declared: Declared) -> dict[str, ServicePlan]:
    """All plans, their signals checked against labels, audiences of populations against the files of audiences."""
    labels = {item.label.id: item.label for item in declared.labels.checked}
    plans = load_service_plans(conf)
    policy = load_core_group_policy(conf)
    for feature in policy.features_of(load_group_policy(conf)).features:
        if feature.id in labels:
            raise ConfigurationError(
                f"the feature '{feature.id}' has the name of a label",
                where=f"{conf / 'groups.yml'}, {conf / 'core_group.yml'}",
                remedy="rename the feature",
            )
    for name, plan in plans.items():
        for signal in plan.signals:
            if signal not in labels or labels[signal].type != "boolean":
                raise ConfigurationError(
                    f"the signal '{signal}' is no yes-or-no label",
                    where=str(conf / "core_group" / "plans" / f"{name}.yml"),
                    remedy="name a label of conf/labels of type boolean",
                )
    for population in policy.populations:
        if population.audience and not (conf / "audiences" / f"{population.audience}.yml").exists():
            raise ConfigurationError(
                f"there is no audience '{population.audience}'",
                where=f"{conf / 'core_group.yml'} populations",
                remedy="name a file of conf/audiences",
            )
    return plans


POLICIES = {"core_group.yml": _check}
DECLARATIONS = {"core_group/plans/*.yml": check_plans}
