"""One cluster for the whole module, and the tiny bank after the graph was submitted to it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.cluster import Cluster
from tests.tiny_bank import CHECKOUT, Bank


@pytest.fixture(scope="session")
def package() -> None:
    """`make dist`, as a user makes it."""
    done = subprocess.run(["sh", "scripts/dist.sh"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def cluster(package: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A master and two workers on loopback."""
    with Cluster(tmp_path_factory.mktemp("cluster") / "logs") as started:
        yield started


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that holds nothing but conf/ and schemas/."""
    folder = tmp_path_factory.mktemp("workplace")
    for name in ("conf", "schemas"):
        shutil.copytree(CHECKOUT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def submitted(clean: Bank, cluster: Cluster, workplace: Path, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """The same bank after the whole graph was submitted to the cluster as one application."""
    bank = clean.fresh(tmp_path_factory.mktemp("submitted"))
    done = cluster.submitted("suite", *words(bank), cwd=workplace)
    assert done.returncode == 0, done.stderr
    return bank


def words(bank: Bank) -> tuple[str, ...]:
    """The arguments of any job."""
    from tests.tiny_bank import AS_OF

    return ("--as-of", str(AS_OF), "--landing", str(bank.landing), "--lake", str(bank.lake))
