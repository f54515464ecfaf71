"""One writer at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from portrait.errors import LakeBusy
from portrait.lake.lease import Lease

HOLD = """
import sys, time
from pathlib import Path
from portrait.lake.lease import Lease
lease = Lease(Path(sys.argv[1]))
lease.acquire()
print(lease.token, flush=True)
time.sleep(60)
"""


def holder(root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "1"
    return process


def test_tokens_grow(tmp_path: Path) -> None:
    tokens = []
    for _ in range(3):
        with Lease(tmp_path) as lease:
            tokens.append(lease.token)
    assert tokens == [1, 2, 3]


def test_a_second_process_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(LakeBusy, match="run 1 holds the lake") as caught:
            Lease(tmp_path).acquire()
        assert caught.value.exit_code == 5
    finally:
        process.kill()
        process.wait()


def test_a_killed_holder_is_taken_over_at_once(tmp_path: Path) -> None:
    process = holder(tmp_path)
    process.kill()
    process.wait()
    with Lease(tmp_path, seconds=3600) as lease:
        assert lease.token == 2


def test_of_two_that_race_one_wins(tmp_path: Path) -> None:
    first, second = Lease(tmp_path), Lease(tmp_path)
    second._newest = lambda: 0  # type: ignore[method-assign]  # it looked before the first one acquired
    first.acquire()
    with pytest.raises(LakeBusy, match="took the lake a moment ago"):
        second.acquire()
    first.release()


def test_releasing_a_lost_lease_leaves_the_new_holder_alone(tmp_path: Path) -> None:
    lost = Lease(tmp_path)
    lost.acquire()
    lost._replace({**lost._content(), "expires_at": 0.0})
    with Lease(tmp_path) as lease:
        lost.release()
        lease.check()
