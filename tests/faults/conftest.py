"""A tiny bank, runs of it in processes of their own, and digests to compare."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

CHECKOUT = Path(__file__).resolve().parents[2]
PORTRAIT = Path(sys.executable).parent / "portrait"
AS_OF = date(2025, 3, 31)


@dataclass
class Bank:
    """A landing folder and a lake; every command is a process of its own, as a user starts it."""

    folder: Path

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    def start(
        self, *words: str, fault: str | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start `portrait WORDS` in a process group of its own."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PORTRAIT_", "PYSPARK"))}
        environment = {**inherited, **(environment or {})}
        if fault:
            environment["PORTRAIT_FAULT"] = fault
        return subprocess.Popen(
            [str(PORTRAIT), *words], cwd=CHECKOUT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def portrait(
        self, *words: str, fault: str | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `portrait WORDS` to its end; whatever it left running is killed with its group."""
        process = self.start(*words, fault=fault, environment=environment)
        try:
            out, err = process.communicate(timeout=900)
        finally:
            kill(process)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def run(self, *, as_of: date = AS_OF, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        """`portrait run` for a day."""
        paths = ("--landing", str(self.landing), "--lake", str(self.lake))
        return self.portrait("run", "--as-of", str(as_of), *paths, fault=fault)

    def fresh(self, folder: Path) -> Bank:
        """A bank with the same landed files and no lake yet."""
        shutil.copytree(self.landing, folder / "landing")
        return Bank(folder)


def kill(process: subprocess.Popen[str]) -> None:
    """End a process and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """A bank whose first run nothing disturbed."""
    bank = Bank(tmp_path_factory.mktemp("clean"))
    landed = bank.portrait(
        "land", "synthetic", "--customers", "300", "--months", "3", "--seed", "5", "--to", str(bank.landing)
    )
    assert landed.returncode == 0, landed.stderr
    done = bank.run()
    assert done.returncode == 0, done.stderr
    return bank


@pytest.fixture
def bank(clean: Bank, tmp_path: Path) -> Bank:
    """The same landed files, before any run."""
    return clean.fresh(tmp_path / "bank")


@pytest.fixture(scope="session")
def digests(spark: SparkSession) -> Callable[[Bank], dict[str, str]]:
    """Digests of every table that a run makes; what the bookkeeping tables hold differs between runs by design."""
    from portrait.job import load_suite
    from portrait.lake import Lake, digest

    catalogue = load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")
    bookkeeping = {
        "ops.runs",
        "ops.table_versions",
        "ops.publication",
        "ops.files",
        "ops.models",
        "ops.quality_results",
    }

    def all_digests(bank: Bank) -> dict[str, str]:
        lake = Lake(spark, bank.lake, catalogue)
        return {name: digest(lake, name) for name in catalogue.tables if name not in bookkeeping and lake.has(name)}

    return all_digests


@pytest.fixture(scope="session")
def clean_digests(clean: Bank, digests: Callable[[Bank], dict[str, str]]) -> dict[str, str]:
    return digests(clean)
