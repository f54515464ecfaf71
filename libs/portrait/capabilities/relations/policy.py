"""`conf/relations.yml`: bounds and thresholds of ownership. The models' defaults are the shipped values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from portrait.settings import Strict, load_yaml


class Ownership(Strict):
    """Ownership and control are computed on the driver: who owns how much of which company, never customers."""

    control_above: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the votes that must be exceeded."""
    most_edges: Annotated[int, Field(ge=1)] = 5_000_000
    """Most holdings, about 200 bytes each; more are refused."""
    most_pairs: Annotated[int, Field(ge=1)] = 50_000_000
    """Most pairs of owner and owned in a result, about 50 bytes each; more are refused."""


class Groups(Strict):
    """Connected components in Spark."""

    rounds: Annotated[int, Field(ge=1, le=1000)] = 60
    """Most rounds; they are few even for chains of a million members."""


class RelationsPolicy(Strict):
    """Everything in `conf/relations.yml`."""

    ownership: Ownership = Ownership()
    groups: Groups = Groups()


def load_relations_policy(conf: Path) -> RelationsPolicy:
    """`conf/relations.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "relations.yml", RelationsPolicy)


POLICIES: Mapping[str, Callable[[Path], object]] = {"relations.yml": load_relations_policy}
