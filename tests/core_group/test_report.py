"""What the report says of core groups, from figures made by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.report.figures import figures

from portrait.capabilities.core_group.report import core_group_section, core_group_tiles
from portrait.contracts import load_catalogue

EFFECT = {
    "served_before": 90, "control_before": 10, "retention_effect": 0.01, "retention_low": -0.02, "retention_high": 0.04,
    "contribution_effect": 12.0, "contribution_low": -3.0, "contribution_high": 27.0,
}  # fmt: skip
CORE = {
    "population": "bank", "group_id": 4, "group_name": "Pensioners", "customers": 100, "size_share": 0.1, "lift": 3.0,
    "value_share": 0.3, "jaccard": 0.9, "core_score": 1.5, "core_rank": 1, "failed_gates": None, "rule": "senior",
    "rule_recall": 0.95, "rule_precision": 0.9, "plan": "core_customers",
}  # fmt: skip
OTHER = CORE | {
    "group_id": 2,
    "group_name": "Students",
    "core_rank": None,
    "core_score": None,
    "failed_gates": "lift 0.40",
}
REFUSED = "the deep view was refused: jax is not installed"


def said(**rows: list[dict[str, Any]]) -> str:
    catalogue = load_catalogue(Path(__file__).resolve().parents[2] / "schemas")
    html = str(core_group_section(figures(**rows), catalogue))
    return " ".join(re.sub(r"<[^>]*>", " ", html).replace("\u00a0", " ").split())


def step(number: int, name: str, passed: bool = True, reason: str | None = None) -> dict[str, Any]:
    return {"population": "bank", "step": number, "name": name, "passed": passed, "reason": reason}


def test_a_reader_sees_the_core_group_its_rule_the_steps_and_the_effect() -> None:
    text = said(core_groups=[OTHER | EFFECT, CORE | EFFECT], core_steps=[step(3, "reduce", reason=REFUSED)])
    for sentence in (
        "1 core group in 1 population. Bank: Pensioners, 10.0 % of the customers with 30.0 % of the contribution.",
        "Rule: senior. It selects 95.0 % of the group; 90.0 % of those it selects are in it.",
        "Plan core_customers, 90 served against 10 of the control group since the slice before",
        "4 Pensioners 100 3.00 0.90 1.50 core group 2 Students 100 3.00 0.90",
        "lift 0.40",
        REFUSED,
    ):
        assert sentence in text


def test_no_core_group_and_nobody_served_are_said() -> None:
    failed = step(1, "collect", passed=False, reason="12 customers can be grouped, needed 300")
    text = said(core_groups=[], core_steps=[failed])
    assert "No group passed the gates." in text
    assert "12 customers can be grouped" in text
    empty = dict.fromkeys(EFFECT)
    assert "nobody was served before" in said(core_groups=[CORE | empty], core_steps=[step(5, "excavate")])
    assert "were not looked for" in said()


def test_the_tile_is_of_the_bank() -> None:
    assert [tile.figure for tile in core_group_tiles(figures(core_groups=[CORE], core_steps=[]))] == ["30.0 %"]
    assert core_group_tiles(figures(core_groups=[CORE | {"population": "elderly"}], core_steps=[])) == []
