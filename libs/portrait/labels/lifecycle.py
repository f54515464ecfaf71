"""The life of a label: draft, active, deprecated, retired; what a change of the files would do, and its record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import functions as F

from portrait.errors import ConfigurationError
from portrait.labels.declaration import Label, LabelSet
from portrait.lake import Lake
from portrait.settings import actor_of
from portrait.spark.frames import frame_of

EVENTS = "ops.label_events"
_ORDER = ("draft", "active", "deprecated", "retired")
# What a label means; a change of these is another definition and needs another version.
_MEANING = ("type", "values", "from", "value", "unknown_when")


@dataclass(frozen=True)
class Applied:
    """What the newest event says of a label."""

    status: str
    version: int
    definition: Mapping[str, object]


@dataclass(frozen=True)
class Change:
    """What would happen to a label: the event's name, and the keys of its file that differ."""

    label: str
    action: str  # declared, activated, changed, described, deprecated, retired, removed
    status: str
    version: int
    keys: tuple[str, ...]
    definition: str | None
    """The file as JSON; None where the file is gone."""

    @property
    def changes_values(self) -> bool:
        """Whether customers may get another value."""
        return self.action in ("activated", "changed", "retired")


def plan(labels: LabelSet, applied: Mapping[str, Applied]) -> list[Change]:
    """Everything in which the files differ from what was applied last, by label.

    Raises ConfigurationError for a definition that changed without a higher version, a life that goes backwards, and a
    file that was removed before the label was retired.
    """
    declared = {item.label.id: item.label for item in labels.checked}
    changes = [_change(label, applied.get(name)) for name, label in sorted(declared.items())]
    for name in sorted(applied.keys() - declared.keys()):
        before = applied[name]
        if before.status not in ("draft", "retired"):
            raise ConfigurationError(
                f"the file of the label '{name}' is gone, but the label is {before.status}",
                where="conf/labels",
                remedy="bring the file back, and set the label to deprecated, then to retired",
            )
        if before.definition:
            changes.append(Change(name, "removed", "retired", before.version, (), None))
    return [change for change in changes if change is not None]


def _change(label: Label, before: Applied | None) -> Change | None:
    definition = label.model_dump(mode="json", by_alias=True)
    text = json.dumps(definition, sort_keys=True, ensure_ascii=False)
    if before is None:
        action = "activated" if label.is_computed else "declared" if label.status == "draft" else "retired"
        return Change(label.id, action, label.status, label.version, (), text)
    keys = tuple(sorted(key for key, value in definition.items() if before.definition.get(key) != value))
    if not keys:
        return None
    _check(label, before, keys)
    if label.status != before.status:
        action = {"active": "activated"}.get(label.status, label.status)
    else:
        action = "changed" if set(keys) & set(_MEANING) else "described"
    return Change(label.id, action, label.status, label.version, keys, text)


def _check(label: Label, before: Applied, keys: Sequence[str]) -> None:
    where = f"conf/labels/{label.theme}/{label.id}.yml"
    if _ORDER.index(label.status) < _ORDER.index(before.status):
        raise ConfigurationError(
            f"a {before.status} label cannot become {label.status}",
            where=where,
            remedy="declare a label with another id: history would tell two stories under one name",
        )
    changed = sorted(set(keys) & set(_MEANING))
    if before.status != "draft" and changed and label.version <= before.version:
        raise ConfigurationError(
            f"{', '.join(changed)} changed, and the version is still {label.version}",
            where=where,
            remedy=f"write 'version: {before.version + 1}': history tells by it which definition gave a value",
        )


def applied_labels(lake: Lake) -> dict[str, Applied]:
    """Label to what was applied last; empty where nothing ever was."""
    if not lake.has(EVENTS):
        return {}
    newest = (
        lake.read(EVENTS).groupBy("label").agg(F.max(F.struct("event", "status", "version", "definition")).alias("e"))
    )
    return {
        row.label: Applied(row.e.status, row.e.version, json.loads(row.e.definition) if row.e.definition else {})
        for row in newest.collect()
    }


def apply(lake: Lake, changes: Sequence[Change], *, actor: str | None = None) -> int:
    """Record the changes as one event; the lake must be open to write. Returns the number of the event."""
    now = datetime.now(UTC)
    rows = [
        (lake.run_number, c.label, c.action, c.status, c.version, list(c.keys), c.definition, actor or actor_of(), now)
        for c in changes
    ]
    lake.append(EVENTS, frame_of(lake.spark, rows, lake.catalogue.table(EVENTS).struct_type))
    return lake.run_number
