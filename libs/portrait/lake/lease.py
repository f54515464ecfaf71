"""One writer at a time: a lease on the lake, with a fencing token.

Two processes that write to the same Delta table on a local disk can lose commits, because Delta excludes writers only
inside one JVM. So a run first takes the lease: it creates `<lake>/_lease/<token>.json`, where the token is one more
than the newest; the file system lets only one process create it. A thread renews it. A holder that was silent for
longer than the lease, or whose process is gone, may be taken over. `check()` is called before every commit: a holder
that slept through its lease finds a newer token there and must not write (and Delta would skip it if it did: the token
is the run number, and with it the transaction version of every write). Nor may a holder write that could not renew.

No expiry depends on a clock that somebody may set: on one machine it is the time since the machine started, between
machines the age of the lease file by the clock of the file system, which also dates the file of who looks at it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from portrait.errors import LakeBusy, PortraitError
from portrait.events import event


class Lease:
    """The right to write to a lake. Use as a context manager; raises LakeBusy when another run has it."""

    def __init__(self, root: Path, *, seconds: float = 120) -> None:
        self.folder = Path(root) / "_lease"
        self.seconds = seconds
        self.token = 0
        self._renewed = 0.0
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None

    def __enter__(self) -> Lease:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> int:
        """Take the lease; returns the token. Raises LakeBusy when a living run holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        newest = self._newest()
        draft = self.folder / f".draft-{os.getpid()}-{threading.get_ident()}"
        try:
            _write(draft, self._content())
            if newest and self._is_held(newest, now=draft.stat().st_mtime):
                holder = self._read(newest)
                who = f"process {holder['pid']} on {holder['host']}" if holder else "its lease file cannot be read"
                raise LakeBusy(
                    f"run {newest} holds the lake ({who})",
                    where=str(self._file(newest)),
                    remedy=f"wait for it to end; if it died, its lease ends by itself within {self.seconds:g} s",
                )
            self.token = newest + 1
            # A link is made whole or not at all, and only by one of two racing processes.
            os.link(draft, self._file(self.token))
        except FileExistsError as error:
            raise LakeBusy(
                f"another run took the lake a moment ago as run {self.token}",
                where=str(self.folder.parent),
                remedy="wait for it to end",
            ) from error
        except OSError as error:
            raise PortraitError(
                f"the lake cannot be taken for writing: {error.strerror or type(error).__name__}",
                where=str(self.folder),
                remedy="check the space of its disk and the rights of this user, then run again",
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        self._renewed = _uptime()
        for stale in self.folder.iterdir():
            if _token(stale) and _token(stale) < newest:
                stale.unlink(missing_ok=True)
        self._stop.clear()
        self._renewer = threading.Thread(target=self._renew, name="portrait-lease", daemon=True)
        self._renewer.start()
        return self.token

    def check(self) -> None:
        """Raise LakeBusy when the lease was lost: to a newer token, or because it could not be renewed."""
        silent = _uptime() - self._renewed
        remedy = "start the run again; what it had committed is kept and skipped"
        try:
            newest = self._newest()
        except OSError as error:
            raise LakeBusy(
                f"the lease of run {self.token} cannot be read ({error.strerror}); nothing more was written",
                where=str(self.folder), remedy=remedy,
            ) from error  # fmt: skip
        if newest > self.token:
            raise LakeBusy(
                f"run {self.token} lost its lease to run {newest} (no renewal for {silent:.0f} s); "
                "it wrote nothing more",
                where=str(self._file(newest)), remedy=remedy,
            )  # fmt: skip
        if newest < self.token:
            raise LakeBusy(
                f"the lease file of run {self.token} was removed; it wrote nothing more",
                where=str(self._file(self.token)), remedy=remedy,
            )  # fmt: skip
        if silent > self.seconds or self._renewer is None or not self._renewer.is_alive():
            raise LakeBusy(
                f"run {self.token} could not renew its lease for {silent:.0f} s; it wrote nothing more",
                where=str(self._file(self.token)),
                remedy=f"check space and permissions of {self.folder}, then {remedy}",
            )

    def release(self) -> None:
        """Give the lease back; harmless when it was lost."""
        self._stop.set()
        if self._renewer is not None:
            self._renewer.join()
            self._renewer = None
        try:
            if self.token and self._newest() == self.token:
                self._replace({**self._content(), "expires_at": 0.0})
        except OSError as error:  # it ends by itself; the run's own outcome matters more
            event("lease_not_released", run=self.token, error=type(error).__name__)

    def _renew(self) -> None:
        """Renew until told to stop or taken over; an error of the disk is tried again, sooner, until it is over."""
        failed = False
        while not self._stop.wait(self.seconds / (20 if failed else 4)):
            try:
                if self._newest() > self.token:
                    return
                self._replace(self._content())
            except OSError as error:
                if not failed:
                    event("lease_not_renewed", run=self.token, error=type(error).__name__)
                failed = True
                continue
            self._renewed, failed = _uptime(), False

    def _content(self) -> dict[str, Any]:
        pid = os.getpid()
        return {
            "host": socket.gethostname(),
            "pid": pid,
            "process_started": _process_started(pid),
            "boot": _boot(),
            "expires_at_uptime": _uptime() + self.seconds,
            "expires_at": time.time() + self.seconds,
        }

    def _is_held(self, token: int, *, now: float) -> bool:
        """Whether the holder of this token lives; `now`: the time by the clock of the file system."""
        file, holder = self._file(token), self._read(token)
        if holder and not holder["expires_at"]:  # it was given back
            return False
        if holder and holder.get("boot") == _boot() is not None:
            if holder["host"] == socket.gethostname() and holder["process_started"] != _process_started(holder["pid"]):
                return False
            return bool(holder["expires_at_uptime"] > _uptime())
        try:
            silent = now - file.stat().st_mtime
        except FileNotFoundError:
            return False
        return silent < self.seconds

    def _replace(self, content: dict[str, Any]) -> None:
        draft = self.folder / f".renew-{self.token}"
        _write(draft, content)
        draft.replace(self._file(self.token))

    def _file(self, token: int) -> Path:
        return self.folder / f"{token:08d}.json"

    def _newest(self) -> int:
        return max((_token(file) for file in self.folder.iterdir()), default=0)

    def _read(self, token: int) -> dict[str, Any] | None:
        """Who holds a token; None where the file is gone, empty or half written."""
        try:
            content = json.loads(self._file(token).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        wanted_keys = {"host", "pid", "process_started", "expires_at"}
        return content if isinstance(content, dict) and content.keys() >= wanted_keys else None


def is_held(root: Path) -> bool:
    """Whether a living run holds the lake."""
    lease = Lease(root)
    newest = lease._newest() if lease.folder.is_dir() else 0
    return newest > 0 and lease._is_held(newest, now=time.time())


def _token(file: Path) -> int:
    """The token that a file of the folder stands for; 0 for a file of another kind."""
    return int(file.stem) if file.suffix == ".json" and file.stem.isdecimal() and file.stem.isascii() else 0


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write a file that is whole after a power cut too."""
    with file.open("w", encoding="utf-8") as out:
        out.write(json.dumps(content))
        out.flush()
        os.fsync(out.fileno())


def _uptime() -> float:
    """Seconds since this machine started, sleep included; nobody can set this clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _boot() -> str | None:
    """This start of this machine; None where the system has no name for it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _process_started(pid: int) -> str | None:
    """When the process began, in the kernel's clock ticks; None when it is gone. Tells a reused process id apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()[19]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return None
    try:  # no /proc (macOS): the id alone must do
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "alive"
