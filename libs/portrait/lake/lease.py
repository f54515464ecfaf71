"""One writer at a time: a lease on the lake, with a fencing token.

Two processes that write to the same Delta table on a local disk can lose commits, because Delta excludes writers only
inside one JVM. So a run first takes the lease: it creates `<lake>/_lease/<token>.json`, where the token is one more
than the newest; the file system lets only one process create it. A thread renews the expiry. A holder that was silent
for longer than the lease, or whose process is gone, may be taken over. `check()` is called before every commit: a
holder that slept through its lease finds a newer token there and must not write (and Delta would skip it if it did:
the token is the run number, and with it the transaction version of every write).
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

from portrait.errors import LakeBusy


class Lease:
    """The right to write to a lake. Use as a context manager; raises LakeBusy when another run has it."""

    def __init__(self, root: Path, *, seconds: int = 120) -> None:
        self.folder = Path(root) / "_lease"
        self.seconds = seconds
        self.token = 0
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
        if newest and (holder := self._read(newest)) and _alive(holder):
            raise LakeBusy(
                f"run {newest} holds the lake (process {holder['pid']} on {holder['host']})",
                where=str(self.folder.parent),
                remedy=f"wait for it to end; if it died, its lease ends by itself within {self.seconds} s",
            )
        self.token = newest + 1
        draft = self.folder / f".draft-{os.getpid()}-{threading.get_ident()}"
        draft.write_text(json.dumps(self._content()))
        try:
            # A link is made whole or not at all, and only by one of two racing processes.
            os.link(draft, self._file(self.token))
        except FileExistsError as error:
            raise LakeBusy(
                f"another run took the lake a moment ago as run {self.token}",
                where=str(self.folder.parent),
                remedy="wait for it to end",
            ) from error
        finally:
            draft.unlink()
        for stale in self.folder.glob("[0-9]*.json"):
            if int(stale.stem) < newest:
                stale.unlink(missing_ok=True)
        self._stop.clear()
        self._renewer = threading.Thread(target=self._renew, name="portrait-lease", daemon=True)
        self._renewer.start()
        return self.token

    def check(self) -> None:
        """Raise LakeBusy when the lease was lost: a newer token exists."""
        newest = self._newest()
        if newest != self.token:
            raise LakeBusy(
                f"run {newest} took the lake over while run {self.token} was silent; nothing more was written",
                where=str(self.folder.parent),
                remedy="start the run again; what it had committed is kept and skipped",
            )

    def release(self) -> None:
        """Give the lease back; harmless when it was lost."""
        self._stop.set()
        if self._renewer is not None:
            self._renewer.join()
            self._renewer = None
        if self.token and self._newest() == self.token:
            self._replace({**self._content(), "expires_at": 0.0})

    def _renew(self) -> None:
        while not self._stop.wait(self.seconds / 4):
            if self._newest() != self.token:
                return
            self._replace(self._content())

    def _content(self) -> dict[str, Any]:
        pid = os.getpid()
        return {
            "host": socket.gethostname(),
            "pid": pid,
            "process_started": _process_started(pid),
            "expires_at": time.time() + self.seconds,
        }

    def _replace(self, content: dict[str, Any]) -> None:
        draft = self.folder / f".renew-{self.token}"
        draft.write_text(json.dumps(content))
        draft.replace(self._file(self.token))

    def _file(self, token: int) -> Path:
        return self.folder / f"{token:08d}.json"

    def _newest(self) -> int:
        return max((int(file.stem) for file in self.folder.glob("[0-9]*.json")), default=0)

    def _read(self, token: int) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads(self._file(token).read_text())
        except FileNotFoundError:
            return None
        return content


def is_held(root: Path) -> bool:
    """Whether a living run holds the lake."""
    lease = Lease(root)
    holder = lease._read(lease._newest())
    return holder is not None and _alive(holder)


def _alive(holder: dict[str, Any]) -> bool:
    if holder["expires_at"] <= time.time():
        return False
    if holder["host"] != socket.gethostname():
        return True
    return bool(holder["process_started"] == _process_started(holder["pid"]))


def _process_started(pid: int) -> str | None:
    """When the process began, in the kernel's clock ticks; None when it is gone. Tells a reused process id apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
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
