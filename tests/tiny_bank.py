"""A tiny bank of which every command is a process of its own, and digests to compare what runs of it made."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

CHECKOUT = Path(__file__).resolve().parents[1]
PORTRAIT = Path(sys.executable).parent / "portrait"
# What CI leaves out, because it would not end in time: each of these takes minutes on two cores.
FULL = pytest.mark.skipif(os.environ.get("FULL") != "1", reason="takes minutes: FULL=1 make test-faults test-cluster")
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

    def commits(self, table: str) -> list[str]:
        """The commits of a table of its lake, by file name: equal lists, nothing was written."""
        return sorted(file.name for file in (self.lake / table.replace(".", "/") / "_delta_log").glob("*.json"))

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

    def land(self) -> None:
        """Its landed files: 300 customers, three months."""
        words = ("--customers", "300", "--months", "3", "--seed", "5", "--to", str(self.landing), "--feeds", "core")
        landed = self.portrait("land", "synthetic", *words)
        assert landed.returncode == 0, landed.stderr

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


# What these tables hold differs between runs by design.
BOOKKEEPING = {
    "ops.runs",
    "ops.table_versions",
    "ops.publication",
    "ops.files",
    "ops.models",
    "ops.quality_results",
}


def digests_of(spark: SparkSession, bank: Bank) -> dict[str, str]:
    """Digests of every table that a run makes."""
    from portrait.lake import Lake, digest
    from portrait.run.suite import load_suite

    catalogue = load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")
    lake = Lake(spark, bank.lake, catalogue)
    return {name: digest(lake, name) for name in catalogue.tables if name not in BOOKKEEPING and lake.has(name)}
