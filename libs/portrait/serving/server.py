"""Spark's Thrift server over the published views, behind the gateway.

The session knows the views of the publication in force and the few gold tables that they read. When the pointer has
moved, the next statement finds the views of the new publication in a schema of their own (`published_<sequence>`), made
before it is bound to them; statements that are already running keep theirs.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from portrait.errors import PortraitError
from portrait.events import event
from portrait.lake import Lake, publications, register_views
from portrait.lake.pointer import POINTER
from portrait.lake.publication import PUBLISHED
from portrait.serving.frames import Disconnected, Wire, introduce
from portrait.serving.gateway import Gateway
from portrait.serving.policy import LoginPolicy
from portrait.serving.statements import Bound, bind
from portrait.serving.users import Users

# Statements bound to an older publication have long been analysed when this many newer ones have come.
_KEPT = 3

# The version of a pointer that was never written.
_NOTHING = -1


@dataclass(frozen=True)
class _Served:
    version: int
    schema: str
    tables: Mapping[str, Collection[str]]


class PublishedViews:
    """Binds statements to the publication in force when they arrive."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._lock = threading.Lock()
        self._schemas: list[str] = []
        self._served: _Served | None = None

    def bind(self, statement: str) -> Bound:
        """What Spark gets for a statement; raises PortraitError when it is refused."""
        served = self.follow()
        return bind(statement, tables=served.tables, schema=served.schema)

    def follow(self) -> _Served:
        """The publication in force; makes its views when the pointer has moved."""
        version = self.lake.version(POINTER) if self.lake.has(POINTER) else _NOTHING
        with self._lock:
            if self._served is None or self._served.version != version:
                self._served = self._serve(version)
            return self._served

    def _serve(self, version: int) -> _Served:
        started = time.monotonic()
        current = next(iter(publications(self.lake)), None)
        if current is None:
            # A server that starts with its cluster is there before the first run is.
            register_views(self.lake, database=PUBLISHED)
            event("nothing_published_yet")
            return _Served(version, PUBLISHED, {})
        schema = f"{PUBLISHED}_{current.sequence}"
        register_views(self.lake, current, database=schema)
        known = self.lake.catalogue.contracts  # a table of a later release has no contract here, and no view
        contracts = [known[table] for table in current.versions if table in known]
        tables = {contract.name: tuple(contract.column_names) for contract in contracts}
        if self._served is None or self._served.tables.keys() != tables.keys():
            # For those who browse: names, columns, comments. No statement reads rows through these views.
            register_views(self.lake, current, database=PUBLISHED)
        self._forget(schema)
        seconds = round(time.monotonic() - started, 3)
        event("publication_served", run=current.run, as_of=current.as_of, seconds=seconds)
        return _Served(version, schema, tables)

    def _forget(self, schema: str) -> None:
        self._schemas = [*(name for name in self._schemas if name != schema), schema]
        for old in self._schemas[:-_KEPT]:
            self.lake.spark.sql(f"DROP DATABASE IF EXISTS {old} CASCADE")
        self._schemas = self._schemas[-_KEPT:]


@contextlib.contextmanager
def serving(lake: Lake, *, host: str, port: int, users: Users | None, policy: LoginPolicy) -> Iterator[Gateway]:
    """A running SQL server; it ends with the block. Its schema is empty until something is published."""
    views = PublishedViews(lake)
    views.follow()
    secret = secrets.token_hex(32)
    backend = _start_thrift(lake.spark, secret)
    gateway = Gateway((host, port), backend=backend, bind=views.bind, users=users, secret=secret, policy=policy)
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.shutdown()
        gateway.server_close()


def serve(lake: Lake, *, host: str, port: int, users: Users | None, policy: LoginPolicy) -> None:
    """Serve until the process is told to end."""
    with serving(lake, host=host, port=port, users=users, policy=policy) as gateway:
        where = "{}:{}".format(*gateway.server_address[:2])
        print(f"SQL server on {where}, schema {PUBLISHED}" + ("" if users else ", without passwords"), flush=True)
        threading.Event().wait()


# Spark's server asks a Java class about passwords. Spark's own compiler makes it when the server starts; it knows the
# hash of the secret that the gateway was given, so that no other process of the machine gets past it. It stands in the
# package of the interface that it implements, because only there the loader of that interface takes it.
_ASKED = "org.apache.hive.service.auth.PasswdAuthenticationProvider"
_GATEKEEPER = """
package org.apache.hive.service.auth;

import java.security.MessageDigest;
import javax.security.sasl.AuthenticationException;

public class {name} implements PasswdAuthenticationProvider {{
  public void Authenticate(String user, String password) throws AuthenticationException {{
    boolean known = false;
    try {{
      byte[] given = MessageDigest.getInstance("SHA-256").digest((password == null ? "" : password).getBytes("UTF-8"));
      known = MessageDigest.isEqual(given, java.util.HexFormat.of().parseHex("{expected}"));
    }} catch (Exception refused) {{
      known = false;
    }}
    if (!known) throw new AuthenticationException("this server is for the gateway in front of it");
  }}
}}
"""
_NO_SECRET = "Spark's Thrift server takes a connection without the secret of its start"


def _start_thrift(spark: SparkSession, secret: str) -> tuple[str, int]:
    """Spark's own server inside this session, for the gateway only: on loopback, and only with the secret."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address: tuple[str, int] = probe.getsockname()
    settings = {
        "hive.server2.thrift.bind.host": address[0],
        "hive.server2.thrift.port": str(address[1]),
        "hive.server2.transport.mode": "binary",
        "hive.server2.authentication": "CUSTOM",
    }
    for key, value in settings.items():
        spark.conf.set(key, value)
    jvm = spark._jvm
    assert jvm is not None, "the SQL server is the one part that needs a driver in this process"
    gatekeeper = _define_gatekeeper(jvm, hashlib.sha256(secret.encode()).hexdigest())
    jvm.java.lang.System.setProperty("hive.server2.custom.authentication.class", gatekeeper)
    jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2.startWithContext(spark._jsparkSession.sqlContext())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
            break
        time.sleep(0.1)
    if not _takes(address, secret):
        where = "{}:{}".format(*address)
        raise PortraitError("Spark's Thrift server did not start", where=where, remedy="run with --debug")
    if _takes(address, secrets.token_hex(32)) or _takes(address, ""):
        raise PortraitError(_NO_SECRET, where="hive.server2.authentication", remedy="check hive-site.xml on its path")
    return address


def _define_gatekeeper(jvm: Any, expected: str) -> str:
    """The full name of a new class that knows the hash of the secret, beside the interface that it implements.

    Spark's server looks the class up anew for each log-in, through the loader of whatever thread takes the connection;
    a thread that has served a session keeps the loader of that session. All of them see the loader of the interface.
    """
    package, _, _ = _ASKED.rpartition(".")
    name = f"Gatekeeper{expected[:16]}"
    compiler = jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(jvm.java.lang.Thread.currentThread().getContextClassLoader())
    compiler.cook(_GATEKEEPER.format(name=name, expected=expected))
    beside = jvm.java.lang.Class.forName(_ASKED)
    lookups = jvm.java.lang.invoke.MethodHandles
    lookups.privateLookupIn(beside, lookups.lookup()).defineClass(compiler.getBytecodes()[f"{package}.{name}"])
    return f"{package}.{name}"


def _takes(address: tuple[str, int], secret: str) -> bool:
    """Whether Spark's server accepts a log-in with this secret."""
    try:
        with socket.create_connection(address, timeout=30) as peer:
            introduce(Wire(peer), "gateway", secret)
    except (OSError, Disconnected):
        return False
    return True
