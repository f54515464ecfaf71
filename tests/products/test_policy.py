"""Templates: each mistake is refused with file and line, before anything of Spark is imported."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from portrait.capabilities.products.policy import load_templates
from portrait.errors import ConfigurationError
from portrait.run.suite import load_suite


@pytest.fixture
def conf(tmp_path: Path, conf_dir: Path) -> Path:
    (tmp_path / "products").mkdir()
    shutil.copytree(conf_dir / "products", tmp_path / "products", dirs_exist_ok=True)
    shutil.copy(conf_dir / "products.yml", tmp_path)
    return tmp_path


def test_the_shipped_templates_are_valid(conf_dir: Path) -> None:
    kinds = [template.kind for template in load_templates(conf_dir)]
    assert sorted(kinds) == ["card", "card", "card", "investment", "savings", "term_deposit"]


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "told"),
    [
        ("term_deposit", "vip: 0.0040", "vip: 0.0020", "margin", "a better tier never pays more"),
        ("travel_card", "growing: 20.00", "growing: 40.00", "yearly_fee", "a better tier never pays more"),
        ("term_deposit", "vip: 0.0040, ", "", "margin", "give all tiers"),
        ("term_deposit", "id: TD01", "id: term", "id:", "pattern"),
        ("term_deposit", "id: TD01", "id: SV01", "id:", "is in notice_savings.yml already"),
        ("balanced_fund", "[180]", "[181]", "holding_days:", "181 days are more than the 180 days"),
        ("term_deposit", "[30, 90, 180]", "[90, 30]", "holding_days", "rising order"),
        ("term_deposit", "minimum: 5000.00", "minimum: 5500.00", "start", "whole steps"),
        ("term_deposit", "step: 1000.00", "step: 0.01", "start", "catalogue must stay small"),
        ("term_deposit", "30: 0.0200, ", "", "", "transfer_prices lacks"),
        ("balanced_fund", "elderly_never_assessed: {from_age: 65, rule: refuse}", "", "", "elderly_never_assessed"),
        ("balanced_fund", "risk_level: R3", "", "", "investments, and no others, have a risk"),
        ("travel_card", "habits: [travel]", "habits: []", "", "2 card designs have no habits"),
        ("travel_card", "habits: [travel]", "habits: [jousting]", "habits", "no spending in the category 'jousting'"),
        ("travel_card", "id: lounge", "id: travel_points", "benefits", "listed twice"),
        ("travel_card", "category: travel, share", "share", "travel_points", "belong together"),
        ("travel_card", "kind: card", "kind: card\nminimum_tier: vip", "", "no minimum_tier"),
        ("notice_savings", "notice_days: 35", "notice: 35", "notice:", "notice"),
    ],
)
def test_a_mistake_is_refused_with_its_place(
    conf: Path, conf_dir: Path, schemas_dir: Path, file: str, old: str, new: str, line: str, told: str
) -> None:
    path = conf / "products" / f"{file}.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=told) as error:
        load_templates(conf, load_suite(conf_dir, schemas_dir))
    if line:
        place, number = error.value.where.split(" ")[0].rsplit(":", 1)
        assert place == str(path)
        assert line in path.read_text(encoding="utf-8").splitlines()[int(number) - 1]
