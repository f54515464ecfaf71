"""Who has to wait before the next attempt to log in: slow down password guessing.

Failures count for the user and for the address, whether or not there is such a user, so that the wait says nothing
about it. An address from which a user has logged in is not slowed down by what others do to that name.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from portrait.serving.policy import LoginPolicy


@dataclass
class _Failures:
    count: int
    latest: float


class Throttle:
    """Failures by user and by address, in bounded memory."""

    def __init__(self, policy: LoginPolicy, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._clock = policy, clock
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._trusted: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, user: str, address: str) -> float:
        """Seconds until an attempt of this user from this address is looked at; 0 for now."""
        with self._lock:
            return max(self._wait(key) for key in self._keys(user, address))

    def failed(self, user: str, address: str) -> None:
        """Count a wrong password."""
        with self._lock:
            for key in self._keys(user, address):
                failures = self._failures.pop(key, None)
                fresh = failures is None or self._clock() - failures.latest > self._policy.longest_wait_seconds
                count = 1 if failures is None or fresh else failures.count + 1
                self._failures[key] = _Failures(count, self._clock())
            while len(self._failures) > self._policy.remembered:
                self._failures.popitem(last=False)

    def succeeded(self, user: str, address: str) -> None:
        """Forget the failures of the user from this address; those of the address stay: it may guess other names."""
        with self._lock:
            for key in self._keys(user, address)[:1]:
                self._failures.pop(key, None)
            self._trusted[user[:64], address] = None
            self._trusted.move_to_end((user[:64], address))
            while len(self._trusted) > self._policy.remembered:
                self._trusted.popitem(last=False)

    def _keys(self, user: str, address: str) -> list[tuple[str, str]]:
        name = user[:64]  # no name of a user is longer
        own = f"user@{address}" if (name, address) in self._trusted else "user"
        return [(own, name), ("address", address)]

    def _wait(self, key: tuple[str, str]) -> float:
        failures, policy = self._failures.get(key), self._policy
        if failures is None or failures.count < policy.free_failures:
            return 0.0
        doublings = min(failures.count - policy.free_failures, 32)
        wait: float = min(policy.first_wait_seconds * 2**doublings, policy.longest_wait_seconds)
        return max(0.0, failures.latest + wait - self._clock())
