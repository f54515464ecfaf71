"""The contracts and the whole configuration, read and checked before Spark starts."""

from __future__ import annotations

from pathlib import Path

from portrait.contracts import Catalogue, load_catalogue
from portrait.features import check_values, load_features
from portrait.labels import load_labels
from portrait.labels.audiences import load_audiences
from portrait.value.policy import load_value_policy
from portrait.value.tier_policy import load_tier_policy


def load_suite(conf: Path, schemas: Path) -> Catalogue:
    """All contracts, with the columns that features and labels declare in `conf/`.

    Raises ConfigurationError for anything wrong in them, in the audiences, or in the policies of value and tiers;
    nothing of Spark is needed.
    """
    catalogue = load_catalogue(schemas)
    load_value_policy(conf)
    load_tier_policy(conf / "tiers.yml")
    features = load_features(conf)
    check_values(features, catalogue)
    catalogue = catalogue.with_columns("gold.customer_features", features.columns())
    labels = load_labels(conf, catalogue)
    load_audiences(conf, labels, catalogue)
    return catalogue.with_columns("gold.customer_portrait", labels.columns())
