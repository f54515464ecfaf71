"""One writer at a time."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from portrait.errors import LakeBusy
from portrait.lake import lease as lease_module
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


@pytest.fixture
def broken_disk(monkeypatch: pytest.MonkeyPatch) -> dict[str, OSError | None]:
    """Set 'error' and every renewal fails with it."""
    state: dict[str, OSError | None] = {"error": None}
    write = lease_module._write

    def failing(file: Path, content: dict[str, object]) -> None:
        if state["error"] is not None and file.name.startswith(".renew"):
            raise state["error"]
        write(file, content)

    monkeypatch.setattr(lease_module, "_write", failing)
    return state


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_disk_error_is_tried_again_until_it_is_over(
    tmp_path: Path, broken_disk: dict[str, OSError | None], number: int
) -> None:
    with Lease(tmp_path, seconds=5) as lease:
        broken_disk["error"] = OSError(number, os.strerror(number))
        time.sleep(1.6)  # at least one renewal fails
        lease.check()
        before = lease._renewed
        broken_disk["error"] = None
        until(lambda: lease._renewed > before)
        lease.check()


def test_a_holder_that_cannot_renew_must_not_write(tmp_path: Path, broken_disk: dict[str, OSError | None]) -> None:
    with Lease(tmp_path, seconds=0.5) as lease:
        broken_disk["error"] = OSError(errno.ENOSPC, "No space left on device")
        renewed = lease._renewed
        until(lambda: lease_module._uptime() - renewed > 0.6)
        with pytest.raises(LakeBusy, match="run 1 could not renew its lease for 1 s"):
            lease.check()
        broken_disk["error"] = None


def test_a_holder_whose_renewer_is_dead_must_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(self: Lease) -> None:
        """As if an error had ended the thread."""

    monkeypatch.setattr(Lease, "_renew", dies)
    lease = Lease(tmp_path)
    lease.acquire()
    assert lease._renewer is not None
    lease._renewer.join()
    with pytest.raises(LakeBusy, match="could not renew"):
        lease.check()
    lease.release()


def test_a_lease_folder_that_is_gone_ends_the_writing(tmp_path: Path) -> None:
    with Lease(tmp_path) as lease:
        shutil.rmtree(tmp_path / "_lease")
        with pytest.raises(LakeBusy, match="cannot be read"):
            lease.check()
        (tmp_path / "_lease").mkdir()
        with pytest.raises(LakeBusy, match="was removed"):
            lease.check()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": 1', "\0" * 100, '{"expires_at": 9e99}'])
def test_a_half_written_lease_is_held_until_it_is_old(tmp_path: Path, content: str) -> None:
    file = tmp_path / "_lease" / "00000007.json"
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(LakeBusy, match=r"run 7 holds the lake .its lease file cannot be read"):
        Lease(tmp_path).acquire()
    os.utime(file, (time.time() - 121, time.time() - 121))
    with Lease(tmp_path) as lease:
        assert lease.token == 8


def test_other_files_in_the_folder_are_no_leases(tmp_path: Path) -> None:
    (tmp_path / "_lease").mkdir()
    for name in ("1 (copy).json", "00000009.json.bak", "notes.txt", "٣.json"):
        (tmp_path / "_lease" / name).write_text("{}")
    with Lease(tmp_path) as lease:
        assert lease.token == 1
        lease.check()


@pytest.mark.parametrize("jump", [-10 * 365 * 86_400, -3600, 3600, 10 * 365 * 86_400])
def test_a_clock_that_is_set_moves_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    """F16: neither is a living holder taken over, nor does a dead one stay."""
    process = holder(tmp_path)
    try:
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + jump)
        with pytest.raises(LakeBusy, match="run 1 holds the lake"):
            Lease(tmp_path).acquire()
    finally:
        process.kill()
        process.wait()
    with Lease(tmp_path) as lease:
        lease.check()
        assert lease.token == 2


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_between_machines_the_clock_of_the_file_system_counts(tmp_path: Path, jump: float) -> None:
    lease = Lease(tmp_path)
    lease.acquire()
    lease._stop.set()
    elsewhere = {**lease._content(), "host": "elsewhere", "boot": "another", "expires_at": time.time() + jump}
    lease._replace(elsewhere)
    with pytest.raises(LakeBusy, match="on elsewhere"):
        Lease(tmp_path).acquire()
    file = tmp_path / "_lease" / "00000001.json"
    assert json.loads(file.read_text())["host"] == "elsewhere"
    os.utime(file, (time.time() - 121, time.time() - 121))
    with Lease(tmp_path) as taken:
        assert taken.token == 2
