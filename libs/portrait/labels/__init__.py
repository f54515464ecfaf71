"""Labels: one YAML file each, checked before Spark starts, one SELECT per source, kept wide and as history."""

from typing import TYPE_CHECKING

from portrait.lazy import exports

if TYPE_CHECKING:
    from portrait.labels.declaration import Label, LabelSet, load_labels
    from portrait.labels.failing import computable, failing_labels, write_portrait
    from portrait.labels.history import label_changes, write_label_history
    from portrait.labels.intervals import label_intervals
    from portrait.labels.portrait import customer_portrait
    from portrait.labels.slices import label_sources_of
    from portrait.labels.statistics import label_spreads, write_label_statistics
    from portrait.labels.trust_policy import load_trust_policy

_PLACES = {
    "Label": "portrait.labels.declaration",
    "LabelSet": "portrait.labels.declaration",
    "computable": "portrait.labels.failing",
    "customer_portrait": "portrait.labels.portrait",
    "failing_labels": "portrait.labels.failing",
    "label_changes": "portrait.labels.history",
    "label_intervals": "portrait.labels.intervals",
    "label_sources_of": "portrait.labels.slices",
    "label_spreads": "portrait.labels.statistics",
    "load_labels": "portrait.labels.declaration",
    "load_trust_policy": "portrait.labels.trust_policy",
    "write_label_history": "portrait.labels.history",
    "write_label_statistics": "portrait.labels.statistics",
    "write_portrait": "portrait.labels.failing",
}
__all__ = [
    "Label",
    "LabelSet",
    "computable",
    "customer_portrait",
    "failing_labels",
    "label_changes",
    "label_intervals",
    "label_sources_of",
    "label_spreads",
    "load_labels",
    "load_trust_policy",
    "write_label_history",
    "write_label_statistics",
    "write_portrait",
]
if not TYPE_CHECKING:  # or type checkers would take any name for one of the package
    __getattr__ = exports(__name__, _PLACES)
