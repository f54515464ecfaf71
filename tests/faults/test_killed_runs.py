"""Runs that are killed, repeated, or started twice (F1, F2, F3, F6): the rerun leaves what a quiet run leaves."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from tests.faults.conftest import NEXT, Digests
from tests.tiny_bank import FULL, Bank, kill

pytestmark = pytest.mark.fault


def all_commits(bank: Bank) -> dict[str, list[str]]:
    tables = [".".join(log.parent.parts[-2:]) for log in bank.lake.glob("*/*/_delta_log")]
    return {table: bank.commits(table) for table in tables}


@FULL
def test_f1_killed_while_files_are_written(served: Bank, digests: Digests, next_digests: dict[str, str]) -> None:
    table = served.lake / "gold" / "customer_features"
    committed, files = served.commits("gold.customer_features"), set(table.glob("**/*.parquet"))
    process = served.start("run", "--as-of", str(NEXT), "--landing", str(served.landing), "--lake", str(served.lake))
    deadline = time.monotonic() + 600
    while set(table.glob("**/*.parquet")) == files and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    kill(process)
    assert process.returncode == -signal.SIGKILL
    # The table holds files that no commit names.
    assert set(table.glob("**/*.parquet")) > files
    assert served.commits("gold.customer_features") == committed
    again = served.run(as_of=NEXT)
    assert again.returncode == 0, again.stderr
    assert digests(served) == next_digests


@pytest.mark.parametrize(
    "fault", ["lake.after_commit:gold.customer_tier", pytest.param("lake.before_publish", marks=FULL)]
)
def test_f2_killed_between_two_commits(
    served: Bank, digests: Digests, next_digests: dict[str, str], fault: str
) -> None:
    shown = served.commits("ops.publication")
    killed = served.run(as_of=NEXT, fault=fault)
    assert killed.returncode == -signal.SIGKILL
    assert served.commits("ops.publication") == shown, "readers never see the run as published"
    told = served.portrait("status", "--lake", str(served.lake), "--format", "json")
    assert json.loads(told.stdout)[0]["status"] == "died"
    before = served.commits("gold.customer_tier")
    again = served.run(as_of=NEXT)
    assert again.returncode == 0, again.stderr
    assert served.commits("gold.customer_tier") == before, "a committed table is skipped by its transaction id"
    assert len(served.commits("ops.publication")) == len(shown) + 1
    assert digests(served) == next_digests


@FULL
@pytest.mark.parametrize("fault", ["ingest.before_checkpoint:transactions", "ingest.after_bronze_commit:transactions"])
def test_f3_killed_between_the_commits_of_ingest(
    clean: Bank, digests: Digests, clean_digests: dict[str, str], tmp_path: Path, fault: str
) -> None:
    bank = clean.fresh(tmp_path / "bank")
    words = ("run", "--as-of", str(NEXT), "--select", "ingest")
    paths = ("--landing", str(bank.landing), "--lake", str(bank.lake))
    killed = bank.portrait(*words, *paths, fault=fault)
    assert killed.returncode == -signal.SIGKILL
    again = bank.portrait(*words, *paths)
    assert again.returncode == 0, again.stderr
    found = digests(bank)
    assert found == {table: value for table, value in clean_digests.items() if table in found}
    assert sum(table.startswith("bronze.") for table in found) == 10


def test_f6_the_same_run_twice_is_a_no_op(clean: Bank) -> None:
    before = all_commits(clean)
    again = clean.run()
    assert again.returncode == 0, again.stderr
    assert "Nothing to do" in again.stdout
    assert all_commits(clean) == before


@FULL
def test_f6_two_runs_at_once(served: Bank, digests: Digests, next_digests: dict[str, str]) -> None:
    before = {file.name for file in (served.lake / "_lease").glob("0*.json")}
    first = served.start("run", "--as-of", str(NEXT), "--landing", str(served.landing), "--lake", str(served.lake))
    try:
        while {file.name for file in (served.lake / "_lease").glob("0*.json")} <= before and first.poll() is None:
            time.sleep(0.01)
        second = served.run(as_of=NEXT)
        assert second.returncode == 5, second.stderr
        assert "holds the lake" in second.stderr
        _, errors = first.communicate(timeout=900)
        assert first.returncode == 0, errors
    finally:
        kill(first)
    assert digests(served) == next_digests


def test_the_lease_says_who_holds_the_lake(clean: Bank) -> None:
    newest = max((clean.lake / "_lease").glob("0*.json"))
    assert json.loads(newest.read_text())["expires_at"] == 0.0
