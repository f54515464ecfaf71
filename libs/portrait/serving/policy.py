"""How the SQL server meets those who have not logged in: `conf/sql_server.yml`."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from pydantic import PositiveFloat, PositiveInt

from portrait.errors import ConfigurationError
from portrait.serving.users import Users
from portrait.settings import Strict, load_yaml


class LoginPolicy(Strict):
    """Bounds of connections and attempts."""

    login_seconds: PositiveFloat
    """A connection that has not logged in by then is closed."""
    request_seconds: PositiveFloat
    """A request that has begun must be whole by then; a connection may be silent between requests for any time."""
    waiting_connections: PositiveInt
    """Connections that have not logged in yet; further ones are closed at once."""
    waiting_connections_per_address: PositiveInt
    """The same, from one address."""
    free_failures: PositiveInt
    """Wrong passwords of one user, or from one address, before attempts have to wait."""
    first_wait_seconds: PositiveFloat
    """The first wait; each further failure doubles it."""
    longest_wait_seconds: PositiveFloat
    """No wait is longer. After as long without a failure the count starts again."""
    remembered: PositiveInt
    """Users and addresses with failures that are remembered; the oldest ones are forgotten first."""


def load_login_policy(conf: Path) -> LoginPolicy:
    """The policy of `conf/sql_server.yml`; raises ConfigurationError for anything wrong in it."""
    return load_yaml(conf / "sql_server.yml", LoginPolicy)


def check_access(host: str, users: Path | None) -> Users | None:
    """The users that may log in; None when everyone may, which only a loopback address allows.

    Raises ConfigurationError for another address without users, and for a file of users that will not do.
    """
    if users is not None:
        return Users(users)
    if not _is_loopback(host):
        raise ConfigurationError(
            f"without users the SQL server listens on a loopback address only, not on {host or 'every address'}",
            where="--host, --users",
            remedy="give --users FILE (`portrait sql-user NAME` writes its lines), or --host 127.0.0.1",
        )
    return None


def _is_loopback(host: str) -> bool:
    if not host:  # every address of the machine
        return False
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise ConfigurationError(
            "the host name has no address", where=f"--host {host}", remedy="give an address of this machine"
        ) from error
    return bool(found) and all(ipaddress.ip_address(str(address).split("%")[0]).is_loopback for address in found)
