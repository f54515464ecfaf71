"""A tiny bank that serves readers, and its next business date: run undisturbed once, to compare with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.tiny_bank import Bank, digests_of

NEXT = date(2025, 4, 30)
"""The business date of the runs that are killed; that of the clean one before is published."""

Digests = Callable[[Bank], dict[str, str]]


def copy(bank: Bank, folder: Path) -> Bank:
    """The same bank elsewhere, with all that its runs made."""
    shutil.copytree(bank.folder, folder)
    return Bank(folder)


@pytest.fixture
def served(clean: Bank, tmp_path: Path) -> Bank:
    """A copy of the bank whose clean run is published."""
    return copy(clean, tmp_path / "served")


@pytest.fixture(scope="session")
def digests(spark: SparkSession) -> Digests:
    """Digests of every table that a run makes."""
    return lambda bank: digests_of(spark, bank)


@pytest.fixture(scope="session")
def next_digests(clean: Bank, digests: Digests, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the next business date leaves when nothing disturbs it."""
    bank = copy(clean, tmp_path_factory.mktemp("next") / "bank")
    done = bank.run(as_of=NEXT)
    assert done.returncode == 0, done.stderr
    return digests(bank)
