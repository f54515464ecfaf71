"""One Spark session for the whole test process, and where the real data is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.tiny_bank import Bank, digests_of

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED_DATA = Path(os.environ.get("PORTRAIT_TEST_DATA", CHECKOUT.parent / "shared" / "data"))

# Python reads a timestamp without zone as local time; expected values in tests are UTC.
os.environ["TZ"] = "UTC"
time.tzset()

# Two shuffle partitions keep small frames quick and still show what depends on partitioning.
TEST_SETTINGS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.driver.memory": "3g",
    "spark.sql.adaptive.enabled": "false",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first, so that both workers end together (each file stays on one: --dist loadfile).

    Of the suites that start processes the run of the real bank comes last: CI runs what fits into its time.
    """
    longest = [
        "entities/test_jobs",
        "features/test_sliding_jobs",
        "lake/test_lake",
        "marketing/test_recommendation",
    ]
    longest += ["sources/test_synthetic_landing", "features/test_sliding", "pipeline/test_berka"]
    places = {name: place for place, name in enumerate([*longest[:-1], "", longest[-1]])}
    items.sort(key=lambda item: places.get(f"{item.path.parent.name}/{item.path.stem}", places[""]))


_LEFT: dict[str, None] = {}
"""Tests that were collected and have not ended yet."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Remember what is to run."""
    _LEFT.update(dict.fromkeys(item.nodeid for item in session.items))


def pytest_runtest_logfinish(nodeid: str) -> None:
    """Forget what has ended."""
    _LEFT.pop(nodeid, None)


def pytest_keyboard_interrupt() -> None:
    """Name the tests that an interrupt leaves out: CI interrupts when its time is up."""
    print(f"\n{len(_LEFT)} tests were left out:", *_LEFT, sep="\n  ")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The embedded session, with Delta."""
    from portrait.spark.session import start_embedded

    warehouse = tmp_path_factory.mktemp("warehouse")
    started = start_embedded(CHECKOUT / "conf", overrides={**TEST_SETTINGS, "spark.sql.warehouse.dir": str(warehouse)})
    yield started
    started.stop()


@pytest.fixture(scope="session")
def conf_dir() -> Path:
    """The configuration that the project ships."""
    return CHECKOUT / "conf"


@pytest.fixture(scope="session")
def schemas_dir() -> Path:
    """The contracts that the project ships."""
    return CHECKOUT / "schemas"


def _real_data(folder: str) -> Path:
    path = SHARED_DATA / folder
    if not path.is_dir():
        pytest.skip(f"real data is absent: {folder} (set PORTRAIT_TEST_DATA to the folder that holds it)")
    return path


@pytest.fixture(scope="session")
def berka_dir() -> Path:
    """The PKDD'99 files."""
    return _real_data("berka")


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """A tiny bank whose first run nothing disturbed, embedded, in a process of its own."""
    bank = Bank(tmp_path_factory.mktemp("clean"))
    bank.land()
    done = bank.run()
    assert done.returncode == 0, done.stderr
    return bank


@pytest.fixture(scope="session")
def clean_digests(spark: SparkSession, clean: Bank) -> dict[str, str]:
    """Digests of every table that this run made."""
    return digests_of(spark, clean)
