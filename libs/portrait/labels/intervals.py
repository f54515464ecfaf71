"""The labels of one customer over time, from the change points of gold.label_history."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from portrait.lake import Selection

COLUMNS = ("label", "value", "valid_from", "valid_to", "version")


def label_intervals(
    history: Selection, *, customer: str, label: str | None, as_of: date | None
) -> list[dict[str, Any]]:
    """Label by label, oldest first: label, value, valid_from, valid_to (None: in force), version.

    With `as_of` the one interval of each label that holds it.
    """
    mine = history.where("customer_id", "=", customer)
    if label is not None:
        mine = mine.where("label", "=", label)
    points = mine.rows(["label", "valid_from", "value", "version"])
    points.sort(key=lambda point: (point["label"], point["valid_from"]))
    spans = []
    for point, following in zip(points, [*points[1:], None], strict=False):
        same = following is not None and following["label"] == point["label"]
        point["valid_to"] = following["valid_from"] - timedelta(days=1) if following is not None and same else None
        spans.append({name: point[name] for name in COLUMNS})
    if as_of is None:
        return spans
    return [
        span
        for span in spans
        if span["valid_from"] <= as_of and (span["valid_to"] is None or span["valid_to"] >= as_of)
    ]
