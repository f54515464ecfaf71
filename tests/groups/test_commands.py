"""What `portrait groups` prints, from rows made by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from portrait.capabilities.groups.commands import group_lines, history_lines

MAY, JUNE = date(2025, 5, 31), date(2025, 6, 30)


def move(before: int, now: int, event: str, customers: int, share: float | None) -> dict[str, Any]:
    names = {"from_name": f"G{before}" if before else None, "to_name": f"G{now}" if now else None}
    row = {"as_of": JUNE, "from_group": before, "to_group": now, "event": event, "customers": customers}
    return row | names | {"share_of_from": share}


MOVES = [
    move(1, 1, "kept", 90, 0.9), move(2, 1, "merged", 60, 0.75), move(2, 0, "ended", 20, 0.25),
    move(1, 3, "split", 10, 0.1), move(0, 3, "born", 0, None), move(0, 1, "entered", 4, None),
]  # fmt: skip


def summary(day: date, group: int, customers: int) -> dict[str, Any]:
    row = {"as_of": day, "group_id": group, "group_name": f"G{group}", "customers": customers}
    return row | {"share": customers / 200, "description": "They save."}


RULES = [
    {"as_of": JUNE, "group_id": 1, "rule": "deposits above 100", "rule_precision": 0.9, "rule_recall": 0.8}
    | {"stability": "stable", "jaccard": 0.88}
]


def test_history_tells_what_became_of_every_group() -> None:
    slices = [summary(MAY, 1, 100), summary(MAY, 2, 80), summary(JUNE, 1, 154), summary(JUNE, 3, 10)]
    judged = [{"as_of": MAY, "reason": None}, {"as_of": JUNE, "reason": "not published: unstable"}]
    assert history_lines(slices, RULES, MOVES, judged) == [
        [MAY, 1, "G1", 100, 0.5, "not measured", None, "new"],
        [MAY, 2, "G2", 80, 0.4, "not measured", None, "new"],
        [JUNE, 1, "G1", 154, 0.77, "stable", "kept 90.0%; took in 2", "not published: unstable"],
        [JUNE, 2, "G2", 0, 0.0, None, "ended; merged into 1", None],
        [JUNE, 3, "G3", 10, 0.05, "not measured", "split from 1; born", "not published: unstable"],
    ]


def test_a_group_with_its_rule_and_where_its_customers_came_from() -> None:
    profile = [{"group_id": 1, "feature": "deposits", "z": 1.5}, {"group_id": 2, "feature": "deposits", "z": -1.0}]
    lines = group_lines(summary(JUNE, 1, 154), RULES, profile, MOVES)
    assert lines == [
        ["size", "They save.", 0.77, "share of the grouped customers"],
        ["rule", "deposits above 100", 0.9, "in the group"],
        ["rule", "share of the group that it selects", 0.8, "of the group"],
        ["stability", "stable", 0.88, "Jaccard coefficient of refits"],
        ["feature", "deposits", 1.5, "standard deviations from the mean"],
        ["came from", "G1", 90, "kept"],
        ["came from", "G2", 60, "merged"],
        ["went to", "G3", 10, "split"],
        ["came from", "outside", 4, "entered"],
    ]
