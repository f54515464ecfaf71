"""What `conf/` declares: features and labels, which are columns of tables. Without Spark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from portrait.capability import modules_of_rooms
from portrait.contracts import Catalogue, load_catalogue
from portrait.contracts.vocabulary import with_vocabulary
from portrait.features import load_features
from portrait.labels import LabelSet, load_labels
from portrait.settings import UTC


@dataclass(frozen=True)
class Declared:
    """All contracts with their declared columns, and the labels."""

    catalogue: Catalogue
    labels: LabelSet


def load_declared(conf: Path, schemas: Path, *, time_zone: str = UTC) -> Declared:
    """The declarations for who only looks at a lake: files that nothing of this needs are not read.

    Raises ConfigurationError for a mistake in what is read; `load_suite` finds every other one before a run.
    """
    return declared_of(conf, with_vocabulary(load_catalogue(schemas, time_zone=time_zone, standard=False), conf))


def declared_of(conf: Path, catalogue: Catalogue) -> Declared:
    """The declarations of a configuration over contracts that do not know them yet."""
    catalogue = with_sources_declared(conf, catalogue)
    labels = load_labels(conf, catalogue)
    return Declared(catalogue.with_columns("gold.customer_portrait", labels.columns()), labels)


def with_sources_declared(conf: Path, catalogue: Catalogue) -> Catalogue:
    """The contracts with the columns from which labels are made: features, and what files of capabilities add.

    A capability says by `COLUMNS` of its policy.py which table gets which columns.
    """
    catalogue = catalogue.with_columns("gold.customer_features", load_features(conf).columns())
    for room in modules_of_rooms("policy"):
        for table, columns in getattr(room, "COLUMNS", {}).items():
            if table in catalogue.contracts:  # the bank may not use the capability
                catalogue = catalogue.with_columns(table, columns(conf))
    return catalogue
