"""Who reads a label: nothing that is read may be retired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlglot import exp

from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.labels.expression import SYNONYMS, parse_expression
from portrait.settings import line_of, load_yaml_tree


def readers_of(conf: Path, catalogue: Catalogue) -> dict[str, list[str]]:
    """Name to everything in `conf` and in the contracts that reads it, as `kind name`; names are not checked here.

    Labels made from labels, audiences, suppression lists, and gold.segments, whose columns are labels too. Raises
    ConfigurationError for a file or an expression that cannot be read.
    """
    found: dict[str, list[str]] = {}
    for reader, where, text in _expressions(conf):
        columns = {column.name for column in parse_expression(text, where=where).find_all(exp.Column)}
        for name in sorted({SYNONYMS.get(column, column) for column in columns}):
            found[name] = [*found.get(name, []), *([reader] if reader not in found.get(name, []) else [])]
    for name in catalogue.contracts["gold.segments"].column_names if "gold.segments" in catalogue.contracts else []:
        found.setdefault(name, []).append("table gold.segments")
    return found


def _expressions(conf: Path) -> Iterator[tuple[str, str, str]]:
    """Who says what where."""
    for path in sorted((conf / "labels").glob("*/*.yml")):
        tree = load_yaml_tree(path)
        if tree.get("from") == "portrait" and tree.get("status") in ("active", "deprecated"):
            for key in ("value", "unknown_when"):
                if isinstance(tree.get(key), str):
                    yield f"label {path.stem}", f"{path}:{line_of(path, (key,))} {key}", tree[key]
    for path in sorted((conf / "audiences").glob("*.yml")):
        yield (
            f"audience {path.stem}",
            f"{path}:{line_of(path, ('where',))} where",
            str(load_yaml_tree(path).get("where")),
        )
    exports = conf / "exports.yml"
    for name, entry in (load_yaml_tree(exports).get("lists", {}) if exports.exists() else {}).items():
        if not entry.get("feed"):
            where = f"{exports}:{line_of(exports, ('lists', name, 'where'))} where"
            yield f"suppression list {name}", where, str(entry.get("where"))


def check_retirement(conf: Path, catalogue: Catalogue, retired: Mapping[str, Path]) -> None:
    """Raise ConfigurationError, naming all readers, for a label of `retired` (id to file) that is still read."""
    readers = readers_of(conf, catalogue) if retired else {}
    for name, path in retired.items():
        if name in readers:
            raise ConfigurationError(
                f"the label '{name}' cannot retire: it is read by {', '.join(readers[name])}",
                where=f"{path}:{line_of(path, ('status',))} status",
                remedy="let them read its replacement first, or make the label deprecated",
            )
