"""Who reads a label: nothing that is read may be retired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from portrait.capability import modules_of_rooms
from portrait.contracts import Catalogue
from portrait.errors import ConfigurationError
from portrait.expressions.expression import parse_expression
from portrait.settings import line_of, load_yaml_tree

PORTRAIT = "gold.customer_portrait"


def shown_tables(catalogue: Catalogue) -> list[str]:
    """Published tables whose columns are labels."""
    return [*catalogue.label_columns(), PORTRAIT]


def readers_of(conf: Path, catalogue: Catalogue) -> dict[str, list[str]]:
    """Name to everything in `conf` and in the contracts that reads it, as `kind name`; names are not checked here.

    Labels made from labels, what capabilities read (audiences, suppression lists), gold tables with columns that are
    labels (gold.segments), and what the dashboard of conf/superset.yml asks of these or of the portrait. Raises
    ConfigurationError for a file or an expression that cannot be read.
    """
    found: dict[str, dict[str, None]] = {}  # readers in order, each once
    synonyms = catalogue.label_synonyms()
    of_rooms = (reader for room in modules_of_rooms("readers") for reader in room.label_readers(conf))
    for reader, where, text in (*_labels(conf), *of_rooms):
        for column in parse_expression(text, where=where).find_all(exp.Column):
            found.setdefault(synonyms.get(column.name, column.name), {})[reader] = None
    for table, columns in catalogue.label_columns().items():
        for name in columns.values():
            found.setdefault(name, {})[f"table {table}"] = None
    for reader, name in _dashboard(conf, shown_tables(catalogue)):
        found.setdefault(name, {})[reader] = None
    return {name: list(readers) for name, readers in found.items()}


def _labels(conf: Path) -> Iterator[tuple[str, str, str]]:
    """Labels that are made from labels: who says what where."""
    for path in sorted((conf / "labels").glob("*/*.yml")):
        tree = load_yaml_tree(path)
        if tree.get("from") == "portrait" and tree.get("status") in ("active", "deprecated"):
            for key in ("value", "unknown_when"):
                if isinstance(tree.get(key), str):
                    yield f"label {path.stem}", f"{path}:{line_of(path, (key,))} {key}", tree[key]


def _dashboard(conf: Path, shown: list[str]) -> Iterator[tuple[str, str]]:
    """Which metric or chart reads which column of a table that has labels."""
    for path in (conf / "superset.yml", *sorted((conf / "superset").glob("*.yml"))):
        yield from _charts(path, shown)


def _charts(path: Path, shown: list[str]) -> Iterator[tuple[str, str]]:
    tree = load_yaml_tree(path) if path.exists() else {}
    for table in shown:
        for name, metric in tree.get("datasets", {}).get(table, {}).get("metrics", {}).items():
            for column in _columns(path, ("datasets", table, "metrics", name, "sql"), metric.get("sql")):
                yield f"dashboard metric {name}", column
    for name, chart in tree.get("charts", {}).items():
        if chart.get("dataset") in shown:
            for column in [*chart.get("by", []), *_columns(path, ("charts", name, "where"), chart.get("where"))]:
                yield f"dashboard chart {name}", column


def _columns(path: Path, place: tuple[str, ...], sql: str | None) -> list[str]:
    """Names in an expression of the dashboard, which may hold aggregates; portrait.superset checks it."""
    if sql is None:
        return []
    try:
        return [column.name for column in parse_one(str(sql), dialect="spark").find_all(exp.Column)]
    except SqlglotError as error:
        raise ConfigurationError(
            "this is not one Spark SQL expression", where=f"{path}:{line_of(path, place)}", remedy="correct it"
        ) from error


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
