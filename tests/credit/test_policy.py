"""What the models say without a file is what the files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from portrait.capabilities.credit.policy import CreditPolicy, Points, load_credit_policy
from portrait.capabilities.funds.policy import FundsPolicy, load_funds_policy
from portrait.capabilities.relations.policy import RelationsPolicy, load_relations_policy


def test_defaults_are_the_shipped_values(conf_dir: Path) -> None:
    assert load_credit_policy(conf_dir) == CreditPolicy()
    assert load_funds_policy(conf_dir) == FundsPolicy()
    assert load_relations_policy(conf_dir) == RelationsPolicy()


def test_the_scale_of_the_methods_page() -> None:
    """score = 387.60 + 72.13 ln(odds)."""
    assert (Points().offset, Points().factor) == (pytest.approx(387.60, abs=0.01), pytest.approx(72.13, abs=0.01))
