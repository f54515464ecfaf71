"""Labels: one YAML file each, checked before Spark starts, one SELECT a source, kept wide and as history."""

from portrait.labels.declaration import SOURCES, Label, LabelSet, load_labels
from portrait.labels.failing import computable, failing_labels, write_portrait
from portrait.labels.history import label_changes, label_intervals, write_label_history
from portrait.labels.portrait import customer_portrait
from portrait.labels.statistics import label_spreads, write_label_statistics
from portrait.labels.trust_policy import load_trust_policy

__all__ = [
    "SOURCES",
    "Label",
    "LabelSet",
    "computable",
    "customer_portrait",
    "failing_labels",
    "label_changes",
    "label_intervals",
    "label_spreads",
    "load_labels",
    "load_trust_policy",
    "write_label_history",
    "write_label_statistics",
    "write_portrait",
]
