"""Who may log in to the SQL server: a file of names and salted hashes, read again when it changes.

One line per user: `name:salt:hash`, hexadecimal, scrypt with N = 2^14, r = 8, p = 1 (RFC 7914). `portrait sql-user
NAME` prints such a line. The file is a secret all the same: mount it where only the server reads it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from pathlib import Path

from portrait.errors import ConfigurationError

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_SHORTEST = 8


def check_name(name: str) -> None:
    """Raise ConfigurationError for what cannot be the name of a user."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "not a name for a user", where="NAME", remedy="letters, digits and . _ @ -, at most 64 of them"
        )


def user_line(name: str, password: str) -> str:
    """The line of a user; raises ConfigurationError for a name or a password that will not do."""
    check_name(name)
    if len(password) < _SHORTEST:
        raise ConfigurationError(
            f"the password has fewer than {_SHORTEST} characters", where="password", remedy="take a longer one"
        )
    salt = os.urandom(16)
    return f"{name}:{salt.hex()}:{_hash(password, salt).hex()}"


class Users:
    """The users of a file; raises ConfigurationError when it is absent or holds a line that is no user."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_at = -1
        self._known: dict[str, tuple[bytes, bytes]] = {}
        self._refresh()

    def accepts(self, name: str, password: str) -> bool:
        """Whether this is a user with this password. An unknown name costs as much time as a wrong password."""
        self._refresh()
        salt, expected = self._known.get(name, (b"\0" * 16, b""))
        return hmac.compare_digest(_hash(password, salt), expected)

    def _refresh(self) -> None:
        if not self._file.exists():
            raise ConfigurationError(
                "there is no file of users",
                where=str(self._file),
                remedy="make one: portrait sql-user NAME >> FILE; it asks for the password",
            )
        changed = self._file.stat().st_mtime_ns
        if changed == self._read_at:
            return
        users = {}
        for number, line in enumerate(self._file.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            try:
                name, salt, expected = line.split(":")
                users[name] = bytes.fromhex(salt), bytes.fromhex(expected)
            except ValueError as error:
                # Not the cause: its message would quote the line.
                raise ConfigurationError(
                    "not a user", where=f"{self._file}:{number}", remedy="write the line with `portrait sql-user NAME`"
                ) from error
        self._known, self._read_at = users, changed


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=64 * 1024 * 1024)
