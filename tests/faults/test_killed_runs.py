"""Runs that are killed, repeated, or started twice (F1, F2, F3, F6)."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tiny_bank import AS_OF, Bank, kill

pytestmark = pytest.mark.fault

Digests = Callable[[Bank], dict[str, str]]


def commits(table: Path) -> list[str]:
    return sorted(file.name for file in (table / "_delta_log").glob("*.json"))


def published(bank: Bank) -> int:
    return len(commits(bank.lake / "ops" / "publication"))


def test_f1_killed_while_files_are_written(bank: Bank, digests: Digests, clean_digests: dict[str, str]) -> None:
    table = bank.lake / "gold" / "customer_features"
    process = bank.start("run", "--as-of", str(AS_OF), "--landing", str(bank.landing), "--lake", str(bank.lake))
    deadline = time.monotonic() + 600
    while not list(table.glob("**/*.parquet")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    kill(process)
    # The table was created (version 0) and holds files that no commit names.
    assert commits(table) == ["00000000000000000000.json"]
    assert list(table.glob("**/*.parquet"))
    again = bank.run()
    assert again.returncode == 0, again.stderr
    assert digests(bank) == clean_digests


def test_f2_killed_between_the_commits_of_two_tables(
    bank: Bank, digests: Digests, clean_digests: dict[str, str]
) -> None:
    killed = bank.run(fault="lake.after_commit:gold.customer_tier")
    assert killed.returncode == -signal.SIGKILL
    assert published(bank) == 0
    before = commits(bank.lake / "gold" / "customer_tier")
    again = bank.run()
    assert again.returncode == 0, again.stderr
    # The committed table was skipped by its transaction id; its neighbour was written.
    assert commits(bank.lake / "gold" / "customer_tier") == before
    assert digests(bank) == clean_digests


def test_f3_killed_after_the_commit_and_before_the_checkpoint(
    bank: Bank, digests: Digests, clean_digests: dict[str, str]
) -> None:
    killed = bank.run(fault="ingest.before_checkpoint:transactions")
    assert killed.returncode == -signal.SIGKILL
    again = bank.run()
    assert again.returncode == 0, again.stderr
    assert digests(bank) == clean_digests


def test_killed_between_bronze_and_the_books_of_ingest(
    bank: Bank, digests: Digests, clean_digests: dict[str, str]
) -> None:
    killed = bank.run(fault="ingest.after_bronze_commit:transactions")
    assert killed.returncode == -signal.SIGKILL
    again = bank.run()
    assert again.returncode == 0, again.stderr
    assert digests(bank) == clean_digests


def test_killed_before_the_pointer_moves(bank: Bank, digests: Digests, clean_digests: dict[str, str]) -> None:
    killed = bank.run(fault="lake.before_publish")
    assert killed.returncode == -signal.SIGKILL
    assert published(bank) == 0
    again = bank.run()
    assert again.returncode == 0, again.stderr
    assert published(bank) > 0
    assert digests(bank) == clean_digests


def test_f6_the_same_run_twice_is_a_no_op(clean: Bank) -> None:
    before = {log: commits(log.parent) for log in clean.lake.glob("*/*/_delta_log")}
    again = clean.run()
    assert again.returncode == 0, again.stderr
    assert "Nothing to do" in again.stdout
    assert {log: commits(log.parent) for log in clean.lake.glob("*/*/_delta_log")} == before


def test_f6_two_runs_at_once(bank: Bank, digests: Digests, clean_digests: dict[str, str]) -> None:
    words = ("run", "--as-of", str(AS_OF), "--landing", str(bank.landing), "--lake", str(bank.lake))
    first = bank.start(*words)
    try:
        while not list((bank.lake / "_lease").glob("0*.json")) and first.poll() is None:
            time.sleep(0.01)
        second = bank.run()
        assert second.returncode == 5, second.stderr
        assert "holds the lake" in second.stderr
        _, errors = first.communicate(timeout=900)
        assert first.returncode == 0, errors
    finally:
        kill(first)
    assert digests(bank) == clean_digests


def test_the_lease_says_who_holds_the_lake(clean: Bank) -> None:
    newest = max((clean.lake / "_lease").glob("0*.json"))
    assert json.loads(newest.read_text())["expires_at"] == 0.0
