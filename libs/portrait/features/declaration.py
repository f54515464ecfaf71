"""`conf/features/*.yml` as objects: what is measured, of which source, by which value, over which window.

A file belongs to one source. A measure has one feature a window and, with `by`, one a value and window; the names are
`<measure>_<window>` and `<measure>_<dimension>_<value>_<window>`, as the interface fixes them.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from portrait.contracts import Catalogue
from portrait.contracts.vocabulary import load_vocabulary
from portrait.errors import ConfigurationError
from portrait.features.feature import Feature, FeatureSet
from portrait.features.measures import FeatureFile, Measure, check_known, check_measure
from portrait.features.sources import QUOTIENTS
from portrait.features.windows import IN_WORDS
from portrait.settings import line_of, load_yaml

Split = tuple[tuple[str, str], ...]
"""The dimension and value that one feature of a measure is about, or nothing."""


@dataclass(frozen=True)
class _Declared:
    """A measure with its place."""

    file: FeatureFile
    measure: Measure
    where: str
    sets: Mapping[str, Sequence[str]]
    """Those of conf/vocabulary.yml; the file's own go first."""

    def resolved(self, values: Sequence[str]) -> tuple[str, ...]:
        """Values with named sets replaced by what they stand for."""
        sets = {**self.sets, **self.file.value_sets}
        return tuple(dict.fromkeys(item for value in values for item in sets.get(value, [value])))

    def each(self) -> Iterator[tuple[Split, str | None]]:
        """Every value and window that the measure has a feature for."""
        splits: list[Split] = [
            ((dimension, value),) for dimension, values in self.measure.by.items() for value in self.resolved(values)
        ]
        windows: list[str | None] = [*self.measure.windows]
        for split in splits or [()]:
            for window in windows or [None]:
                yield split, window


def load_features(conf: Path) -> FeatureSet:
    """The declarations below `conf/features`.

    Raises ConfigurationError naming file, line and key for an unknown key, column, window or aggregate, for a name
    that is there twice, for a quotient of what is not declared, and when there is nothing to compute.
    """
    declarations = list(_declarations(conf))
    aggregated = _in_order(
        (item, feature)
        for item in declarations
        if item.measure.aggregate not in QUOTIENTS
        for feature in _features(item)
    )
    by_identity: dict[Hashable, Feature] = {feature.identity: feature for feature in aggregated.values()}
    shared = {name: _with_shared_parts(feature, by_identity) for name, feature in aggregated.items()}
    found = _in_order(
        (item, feature)
        for item in declarations
        for feature in (
            _quotients(item, shared)
            if item.measure.aggregate in QUOTIENTS
            else (shared[_name(item.measure, split, window)] for split, window in item.each())
        )
    )
    return FeatureSet(tuple(found.values()))


def _declarations(conf: Path) -> Iterator[_Declared]:
    paths = sorted((conf / "features").glob("*.yml"))
    if not paths:
        raise ConfigurationError(
            "no features are declared",
            where=str(conf / "features"),
            remedy="add a .yml file, or check --conf",
        )
    sets = load_vocabulary(conf).sets
    for path in paths:
        file = load_yaml(path, FeatureFile)
        for position, measure in enumerate(file.measures):
            where = f"{path}:{line_of(path, ('measures', position))} {measure.measure}"
            check_measure(file.source, measure, where)
            yield _Declared(file, measure, where, sets)


def _in_order(declared: Iterator[tuple[_Declared, Feature]]) -> dict[str, Feature]:
    features: dict[str, Feature] = {}
    for item, feature in declared:
        if feature.name in features:
            raise ConfigurationError(
                f"the feature '{feature.name}' is declared twice",
                where=f"{features[feature.name].declared} and {item.where}",
                remedy="rename one measure, or remove one",
            )
        features[feature.name] = feature
    return features


def check_values(features: FeatureSet, catalogue: Catalogue) -> None:
    """Raise ConfigurationError, with file and line, for what the contracts do not allow.

    That is a value that the source's column can never hold, and the name of a column that is there already.
    """
    taken = set(catalogue.table("gold.customer_features").column_names)
    for feature in features.features:
        if feature.name in taken:
            raise ConfigurationError(
                f"gold.customer_features has a column '{feature.name}' already",
                where=feature.declared,
                remedy="rename the measure",
            )
        for leaf in feature.leaves():
            # Bronze keeps what came: which values may come says the feed.
            told = catalogue.table(leaf.table.replace("bronze.", "raw."))
            columns = {column.name: column for column in told.columns}
            for dimension, values in leaf.where:
                enum_values = columns[dimension].enum if dimension in columns else ()
                for value in values if enum_values else ():
                    what = f"value of '{dimension}' called"
                    check_known(value, frozenset(enum_values), what, leaf.source, leaf.declared)


def _features(item: _Declared) -> Iterator[Feature]:
    """The features of a measure that is aggregated from its source."""
    measure = item.measure
    conditions = {key: item.resolved(values) for key, values in measure.where.items()}
    for split, window in item.each():
        feature = Feature(
            name=_name(measure, split, window),
            source=item.file.source,
            aggregate=measure.aggregate,
            of=measure.of,
            where=tuple((conditions | {key: (value,) for key, value in split}).items()),
            window=window,
            classification=measure.classification,
            declared=item.where,
        )
        across = [(key, value) for key, values in measure.across.items() for value in item.resolved(values)]
        yield _described(replace(feature, parts=_parts(feature, across)), measure, split)


def _parts(feature: Feature, across: Sequence[tuple[str, str]]) -> tuple[Feature, ...]:
    """What a derived feature is made of, each as a feature that nobody declared."""
    total = replace(feature, name=f"_sum_of_{feature.name}", aggregate="sum")
    count = replace(feature, name=f"_count_of_{feature.name}", aggregate="count", of=None)
    level = count if feature.of is None else total
    match feature.aggregate:
        case "average":
            return total, count
        case "trend":
            return level, replace(feature, name=f"_moment_of_{feature.name}", aggregate="moment")
        case "entropy":
            return tuple(
                replace(level, name=f"_{value.lower()}_of_{feature.name}", where=(*feature.where, (key, (value,))))
                for key, value in across
            )
    return ()


def _with_shared_parts(feature: Feature, by_identity: dict[Hashable, Feature]) -> Feature:
    """The feature with parts that are declared, or part of another, taken from there: computed once, sliding.

    Raises ConfigurationError where a part without a beginning is not declared: a daily run could not know its value of
    the day before.
    """
    parts = tuple(by_identity.setdefault(part.identity, part) for part in feature.parts)
    for part in parts:
        if part.name.startswith("_") and part.is_endless and part.source == "transactions":
            raise ConfigurationError(
                f"'{feature.name}' has no beginning, and its {part.aggregate} is not declared",
                where=feature.declared,
                remedy=f"declare the {part.aggregate} with the same conditions and windows, or give windows in days",
            )
    return replace(feature, parts=parts)


def _quotients(item: _Declared, features: Mapping[str, Feature]) -> Iterator[Feature]:
    """The features of a ratio or share."""
    measure = item.measure
    for split, window in item.each():
        whole = measure.over or measure.of
        part = _found([measure.of, *_words(split), window], features, item)
        parts = (part, _found([whole, window], features, item))
        if measure.aggregate == "share":
            _check_share(*parts, where=item.where)
        feature = Feature(
            name=_name(measure, split, window),
            source=item.file.source,
            aggregate=measure.aggregate,
            of=None,
            where=(),
            window=window,
            classification=measure.classification,
            declared=item.where,
            parts=parts,
        )
        yield _described(feature, measure, split)


def _found(words: Sequence[str | None], features: Mapping[str, Feature], item: _Declared) -> Feature:
    name = "_".join(word for word in words if word)
    if name not in features or not features[name].is_whole:
        near = difflib.get_close_matches(name, features, n=3)
        raise ConfigurationError(
            f"'{item.measure.measure}' divides '{name}', which is no declared feature, or is itself a quotient",
            where=item.where,
            remedy=f"did you mean {', '.join(near)}?" if near else "declare it, or see `portrait features list`",
        )
    return features[name]


def _check_share(part: Feature, whole: Feature, *, where: str) -> None:
    """Raise ConfigurationError unless one is a part of the other, so that the quotient lies between 0 and 1."""
    narrower = dict(part.where)
    within = all(set(narrower.get(dimension, ["?"])) <= set(values) for dimension, values in whole.where)
    alike = (part.source, part.aggregate, part.of, part.window) == (
        whole.source, whole.aggregate, whole.of, whole.window,
    )  # fmt: skip
    if not (within and alike and part.is_additive and part.of != "signed_amount"):
        raise ConfigurationError(
            f"'{part.name}' is not a part of '{whole.name}'",
            where=where,
            remedy="a share is of counts or sums without sign, over the same with fewer conditions; else write a ratio",
        )


def _words(split: Split) -> list[str]:
    return [f"{key}_{value.lower()}" for key, value in split]


def _name(measure: Measure, split: Split, window: str | None) -> str:
    return "_".join([measure.measure, *_words(split), *([window] if window else [])])


def _described(feature: Feature, measure: Measure, split: Split) -> Feature:
    text = [measure.description.rstrip("."), *(f"{key} {value}" for key, value in split)]
    text += [IN_WORDS[feature.window]] if feature.window else []
    return replace(feature, description=f"{', '.join(text)}. {feature.meaning}")
