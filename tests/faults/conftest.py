"""A tiny bank whose first run nothing disturbed, and digests to compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.tiny_bank import Bank, digests_of


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """A bank whose first run nothing disturbed."""
    bank = Bank(tmp_path_factory.mktemp("clean"))
    bank.land()
    done = bank.run()
    assert done.returncode == 0, done.stderr
    return bank


@pytest.fixture
def bank(clean: Bank, tmp_path: Path) -> Bank:
    """The same landed files, before any run."""
    return clean.fresh(tmp_path / "bank")


@pytest.fixture(scope="session")
def digests(spark: SparkSession) -> Callable[[Bank], dict[str, str]]:
    """Digests of every table that a run makes."""
    return lambda bank: digests_of(spark, bank)


@pytest.fixture(scope="session")
def clean_digests(clean: Bank, digests: Callable[[Bank], dict[str, str]]) -> dict[str, str]:
    return digests(clean)
