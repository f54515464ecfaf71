"""One small synthetic bank, landed once for all tests of the sources."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from tests.sources.landed import SIZE, Landed

from portrait.sources import land_synthetic
from portrait.sources.synthetic import ALL_FEEDS
from portrait.sources.synthetic.feed import feeds_of_rooms


@pytest.fixture(scope="session")
def bank(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Landed:
    landing = tmp_path_factory.mktemp("bank") / "landing"
    return Landed(
        landing, land_synthetic(spark, landing=landing, feeds=(*ALL_FEEDS, *feeds_of_rooms()), tier_path=True, **SIZE)
    )
