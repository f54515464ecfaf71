"""`conf/core_group.yml`: how the deep view is trained.

The defaults of these models are the shipped file: `policy=None` needs no file, and a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from portrait.settings import Strict, load_yaml

Count = Annotated[int, Field(ge=1)]


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


class CoreGroupPolicy(Strict):
    """Everything in `conf/core_group.yml`."""

    deep: DeepPolicy = DeepPolicy()


def load_core_group_policy(conf: Path) -> CoreGroupPolicy:
    """`conf/core_group.yml`; ConfigurationError when it is absent or inconsistent."""
    return load_yaml(conf / "core_group.yml", CoreGroupPolicy)


POLICIES = {"core_group.yml": load_core_group_policy}
