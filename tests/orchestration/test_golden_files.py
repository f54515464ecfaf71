"""The submit plan, the DAG and every job's help are, in full, what the golden files say."""

from __future__ import annotations

import functools

import pytest
from tests.orchestration.golden_files import GOLDEN, rendered

made = functools.cache(rendered)
KEPT = sorted(str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*") if path.suffix in (".txt", ".py"))


@pytest.mark.parametrize("name", KEPT)
def test_the_text_is_that_of_the_golden_file(name: str) -> None:
    assert made().get(name) == (GOLDEN / name).read_text(encoding="utf-8"), "meant so? then `make golden` and read it"


def test_every_text_has_a_golden_file() -> None:
    assert sorted(made()) == KEPT
