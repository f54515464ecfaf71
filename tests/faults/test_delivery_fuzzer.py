"""Three hundred damaged deliveries: nothing is lost, nobody is let in, and a clean delivery afterwards succeeds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.faults import damage
from tests.faults.fuzzer import delivery_of, fuzz

DELIVERIES = int(os.environ.get("DELIVERIES", "300"))
_PART = 50


def test_the_fuzzer_knows_at_least_thirty_operations_and_uses_each() -> None:
    operations = {operation.__name__ for stage in damage.STAGES.values() for operation in stage}
    assert len(operations) >= 30
    assert operations == {name for number in range(300) for name in delivery_of(number).operations}


def test_a_delivery_is_made_of_its_number_alone() -> None:
    once, again = delivery_of(7), delivery_of(7)
    assert [file.data for file in once.damaged] == [file.data for file in again.damaged]


@pytest.mark.fault
@pytest.mark.parametrize("first", range(0, DELIVERIES, _PART))
def test_damaged_deliveries(first: int, tmp_path: Path) -> None:
    found = fuzz(range(first, min(first + _PART, DELIVERIES)), folder=tmp_path)
    assert not found, "\n".join(f"{delivery}\n    " + "\n    ".join(wrong) for delivery, wrong in found.values())
