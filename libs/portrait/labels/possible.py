"""What can be computed with some feeds, and what a further feed would add. Without Spark."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from portrait.contracts import Catalogue
from portrait.features import FeatureSet
from portrait.features.feature import Feature
from portrait.labels.declaration import PORTRAIT_ITSELF, CheckedLabel, LabelSet


@dataclass(frozen=True)
class Possible:
    """Names of the features and labels that can be computed."""

    features: frozenset[str]
    labels: frozenset[str]


def possible(catalogue: Catalogue, features: FeatureSet, labels: LabelSet, feeds: Collection[str]) -> Possible:
    """What can be computed where these feeds are there: tables know their feeds, features their tables, labels both.

    A feature needs the tables of all its parts, a label its source and every feature or label that it reads.
    """
    here = set(feeds)
    base = catalogue.feeds_needed(["gold.customer_features"]) <= here
    tables = {feature.table: catalogue.feeds_needed([feature.table]) <= here for feature in _leaves(features)}
    found = {
        feature.name for feature in features.features if base and all(tables[leaf.table] for leaf in feature.leaves())
    }
    declared = {feature.name for feature in features.features}
    sources = {
        source: catalogue.feeds_needed([f"gold.{source}"]) <= here and base for source in catalogue.label_sources
    }
    known: set[str] = set()
    waiting = [item for item in labels.checked if item.label.is_computed]
    while ready := [item for item in waiting if _is_possible(item, sources, declared, found, known)]:
        known |= {item.label.id for item in ready}
        waiting = [item for item in waiting if item.label.id not in known]
    return Possible(frozenset(found), frozenset(known))


def gains(
    catalogue: Catalogue, features: FeatureSet, labels: LabelSet, feeds: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Feed that is not there to the features and labels that it alone would add, those with most labels first."""
    now = possible(catalogue, features, labels, feeds)
    added = {}
    for feed in sorted(set(catalogue.feeds) - set(feeds)):
        then = possible(catalogue, features, labels, {*feeds, feed})
        added[feed] = len(then.features) - len(now.features), len(then.labels) - len(now.labels)
    return dict(
        sorted(((feed, more) for feed, more in added.items() if any(more)), key=lambda item: (-item[1][1], item[0]))
    )


def _leaves(features: FeatureSet) -> list[Feature]:
    return [leaf for feature in features.features for leaf in feature.leaves()]


def _is_possible(
    item: CheckedLabel,
    sources: dict[str, bool],
    declared: set[str],
    features: set[str],
    known: set[str],
) -> bool:
    if item.label.from_ == PORTRAIT_ITSELF:
        return all(name in known or name == "as_of" for name in item.reads)
    if not sources[item.label.from_]:
        return False
    return all(name in features for name in item.reads & declared)
