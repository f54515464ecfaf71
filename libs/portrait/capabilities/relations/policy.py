"""`conf/relations.yml`: ties that make groups, ownership, limits. The models' defaults are the shipped values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from portrait.settings import Strict, load_yaml

Tie = Literal["spouse", "parent", "shared_account", "guarantor", "employer", "control", "parent_company", "subsidiary"]
Kind = Literal["family", "company", "connected"]
Share = Annotated[float, Field(gt=0, le=1)]


class Edges(Strict):
    """Which edges there are."""

    most_sharing: Annotated[int, Field(ge=2)] = 6
    """Persons on an account up to whom they are taken to share it."""


class Ownership(Strict):
    """Ownership and control are computed on the driver: who owns how much of which company, never customers."""

    control_above: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the votes that must be exceeded."""
    beneficial_share: Share = 0.25
    """Share of the capital or of the votes from which a person is a beneficial owner."""
    keep_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share from which a pair of owner and company without control is kept in gold.ownership."""
    most_edges: Annotated[int, Field(ge=1)] = 5_000_000
    """Most holdings, about 200 bytes each; more are refused."""
    most_pairs: Annotated[int, Field(ge=1)] = 50_000_000
    """Most pairs of owner and owned in a result, about 50 bytes each; more are refused."""


class Groups(Strict):
    """Connected components: few ties on the driver, at once; more of them in Spark, in rounds."""

    rounds: Annotated[int, Field(ge=1, le=1000)] = 60
    """Most rounds; they are few even for chains of a million members."""
    most_on_driver: Annotated[int, Field(ge=0)] = 200_000
    """Most ties that the driver connects itself, about 300 bytes each: rounds cost seconds however few there are."""
    ties: Mapping[Kind, tuple[Tie, ...]] = {
        "family": ("spouse", "parent"),
        "company": ("control", "parent_company", "subsidiary"),
        "connected": ("control", "parent_company", "subsidiary", "guarantor"),
    }
    """Which ties make a group of each kind; `control` is who controls whom in gold.ownership."""


class Limits(Strict):
    """Large exposures: what the bank may lend to one customer or group, by its capital."""

    net_capital: Annotated[float, Field(gt=0)] | None = None
    """Net capital of the bank, reporting currency; None: limits by it are not judged."""
    tier1_capital: Annotated[float, Field(gt=0)] | None = None
    """Tier 1 capital of the bank, reporting currency; None: limits by it are not judged."""
    customer_loans: Share = 0.10
    """Loans to one customer, of the net capital."""
    customer_exposure: Share = 0.15
    """Exposure to one customer, of the tier 1 capital."""
    group_exposure: Share = 0.20
    """Exposure to one group, of the tier 1 capital."""
    interbank_exposure: Share = 0.25
    """Exposure to another bank, of the tier 1 capital; in place of the limits of one customer."""
    banks: tuple[str, ...] = ()
    """Customers that are banks."""
    limited: tuple[Kind, ...] = ("company", "connected")
    """Kinds of groups that the limit of a group is for; of a family it is shown what it owes."""
    warn_at: Share = 0.8
    """Used share of a limit from which it is near."""


class RelationsPolicy(Strict):
    """Everything in `conf/relations.yml`."""

    edges: Edges = Edges()
    ownership: Ownership = Ownership()
    groups: Groups = Groups()
    limits: Limits = Limits()


def load_relations_policy(conf: Path) -> RelationsPolicy:
    """`conf/relations.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "relations.yml", RelationsPolicy)


POLICIES: Mapping[str, Callable[[Path], object]] = {"relations.yml": load_relations_policy}
