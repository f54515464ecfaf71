"""Which expressions of audiences and suppression lists read labels: a label that is read cannot retire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from portrait.capabilities.audiences.clauses import labels_read
from portrait.capabilities.audiences.declaration import load_audiences
from portrait.contracts import Catalogue
from portrait.labels import LabelSet
from portrait.settings import line_of, load_yaml_tree

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def label_readers(conf: Path) -> Iterator[tuple[str, str, str]]:
    """Reader (`audience leaving`), place of its expression, expression; as the files have them, unchecked."""
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


def effects_of_labels(
    conf: Path, catalogue: Catalogue, labels: LabelSet, *, before: DataFrame, after: DataFrame, changed: Sequence[str]
) -> DataFrame | None:
    """One row per audience that reads a label of `changed`: members before and after; None where none does."""
    # Label files are checked by commands that only look: they do without Spark.
    from portrait.capabilities.audiences.preview import audience_preview

    audiences = load_audiences(conf, labels, catalogue)
    names = [name for name, item in audiences.checked.items() if labels_read(item.clause) & set(changed)]
    return audience_preview(before=before, after=after, audiences=audiences, names=names) if names else None
