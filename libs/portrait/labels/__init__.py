"""Labels: one YAML file each, checked before Spark starts, one SELECT a source, kept wide and as history."""

from portrait.labels.declaration import Label, LabelSet, load_labels
from portrait.labels.history import label_changes, write_label_history
from portrait.labels.portrait import customer_portrait
from portrait.labels.statistics import label_statistics

__all__ = [
    "Label",
    "LabelSet",
    "customer_portrait",
    "label_changes",
    "label_statistics",
    "load_labels",
    "write_label_history",
]
