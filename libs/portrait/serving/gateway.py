"""The gateway in front of Spark's Thrift server: who may log in, what may be asked, and of which publication.

Spark's server has no authentication by password file, lets every session change settings and read files, and cannot
bind a query to one publication. Its own hooks for that are Java classes. This gateway speaks the same protocol in
front of it: it checks the password (SASL PLAIN), looks into the calls that open a session, browse or execute, and
passes every other frame, and so every result, through untouched.
"""

from __future__ import annotations

import contextlib
import math
import socket
import socketserver
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from TCLIService import TCLIService as calls
from TCLIService import ttypes

from portrait.errors import PortraitError
from portrait.events import event
from portrait.lake.publication import PUBLISHED
from portrait.serving.frames import (
    COMPLETE,
    ERROR,
    LARGEST_REQUEST,
    Disconnected,
    Wire,
    call_name,
    introduce,
    read_call,
    read_credentials,
    write_call,
)
from portrait.serving.policy import LoginPolicy
from portrait.serving.statements import Bound
from portrait.serving.throttle import Throttle
from portrait.serving.users import Users

_METADATA_CALLS = ("GetTables", "GetColumns", "GetSchemas", "GetFunctions", "GetPrimaryKeys", "GetCrossReference")
_OTHER_CALLS = (
    "CancelOperation", "CloseOperation", "CloseSession", "FetchResults", "GetCatalogs", "GetInfo", "GetOperationStatus",
    "GetResultSetMetadata", "GetTableTypes", "GetTypeInfo",
)  # fmt: skip
_CALLS = frozenset({"OpenSession", "ExecuteStatement", *_METADATA_CALLS, *_OTHER_CALLS})
_REFUSED_LOGIN = b"user or password is wrong, or there were too many attempts"
# Passwords that are hashed at the same time: each takes 16 MB and 50 ms.
_HASHES_AT_ONCE = 4


class Gateway(socketserver.ThreadingTCPServer):
    """Listens for clients; `bind` turns a statement into what Spark gets, or raises PortraitError.

    `users` None means that everyone may come in: for a server that listens on loopback of one person's machine.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        *,
        backend: tuple[str, int],
        bind: Callable[[str], Bound],
        users: Users | None,
        secret: str,
        policy: LoginPolicy,
    ) -> None:
        self.backend, self.bind_statement, self.users = backend, bind, users
        self.secret, self.policy, self.throttle = secret, policy, Throttle(policy)
        self.hashing = threading.Semaphore(_HASHES_AT_ONCE)
        self._waiting: Counter[str] = Counter()
        self._told = -math.inf
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Connection)

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, name="sql-gateway", daemon=True).start()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether one more connection may begin to log in; called before a thread is made for it."""
        with self._lock:
            here = self._waiting[client_address[0]]
            full = self._waiting.total() >= self.policy.waiting_connections
            if full or here >= self.policy.waiting_connections_per_address:
                if time.monotonic() - self._told > 1:  # who knocks a thousand times a second does not fill the log
                    self._told = time.monotonic()
                    event("too_many_log_ins", address=client_address[0], waiting=here)
                return False
            self._waiting[client_address[0]] += 1
        return True

    def logged_in(self, address: str) -> None:
        """A connection of this address is over, or has logged in: it counts no more."""
        with self._lock:
            self._waiting[address] -= 1
            self._waiting += Counter()  # forgets addresses without connections

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection ends alone; what went wrong is logged without what was said on it."""
        event("connection_failed", error=type(sys.exc_info()[1]).__name__)


class _Connection(socketserver.BaseRequestHandler):
    server: Gateway

    def handle(self) -> None:
        client = Wire(self.request, largest=LARGEST_REQUEST, seconds=self.server.policy.request_seconds)
        user = None
        try:
            client.end_by(time.monotonic() + self.server.policy.login_seconds)
            try:
                user = self._log_in(client)
            finally:
                self.server.logged_in(self.client_address[0])
            client.end_by(None)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            with contextlib.ExitStack() as stack:
                with _of_spark("log-in"):
                    spark = Wire(stack.enter_context(socket.create_connection(self.server.backend)))
                    introduce(spark, user, self.server.secret)
                while True:
                    self._one_call(client, spark, user)
        except ConnectionError:
            return
        except Disconnected as end:
            if end.args:  # a client that was hung up on, and has not gone by itself
                event("connection_ended", user=user, address=self.client_address[0], reason=end.args[0])

    def _log_in(self, client: Wire) -> str:
        user, password = read_credentials(client)
        if self.server.users is not None and not self._accepts(self.server.users, user, password):
            client.write_greeting(ERROR, _REFUSED_LOGIN)
            raise Disconnected  # the event of the log-in says why
        client.write_greeting(COMPLETE)
        return user

    def _accepts(self, users: Users, user: str, password: str) -> bool:
        """Whether the password is right; while user or address have to wait it is not even looked at."""
        address = self.client_address[0]
        if (seconds := self.server.throttle.wait(user, address)) > 0:
            event("login_delayed", user=user, address=address, seconds=round(seconds, 1))
            return False
        with self.server.hashing:
            accepted = users.accepts(user, password)
        if accepted:
            self.server.throttle.succeeded(user, address)
        else:
            self.server.throttle.failed(user, address)
            event("login_refused", user=user, address=address)
        return accepted

    def _one_call(self, client: Wire, spark: Wire, user: str) -> None:
        frame = client.read_frame()
        name = call_name(frame)
        if name not in _CALLS:
            raise Disconnected("a call that is not served")
        request, number = read_call(frame, getattr(calls, f"{name}_args"))
        if name == "ExecuteStatement":
            self._execute(request, number, client, spark, user)
            return
        if name == "OpenSession":
            # A session starts in the one schema there is, under the name that logged in, without settings of its own.
            request.configuration, request.username, request.password = {"use:database": PUBLISHED}, user, None
        elif name in _METADATA_CALLS:
            for attribute in ("schemaName", "parentSchemaName", "foreignSchemaName"):
                if hasattr(request, attribute):
                    setattr(request, attribute, PUBLISHED)
        if name not in _OTHER_CALLS:
            frame = write_call(name, getattr(calls, f"{name}_args")(req=request), number)
        client.write_frame(_answer(spark, name, frame))

    def _execute(self, request: Any, number: int, client: Wire, spark: Wire, user: str) -> None:
        started = time.monotonic()
        try:
            bound = self.server.bind_statement(request.statement)
        except PortraitError as error:
            event("statement_refused", user=user, reason=type(error).__name__)
            client.write_frame(_refusal(error, number))
            return
        request.statement = bound.sql
        request.confOverlay = None
        frame = write_call("ExecuteStatement", calls.ExecuteStatement_args(req=request), number)
        client.write_frame(_answer(spark, "ExecuteStatement", frame))
        seconds = round(time.monotonic() - started, 3)
        # Never the text of the statement: it may hold what a customer is found by.
        event("statement", user=user, tables=bound.tables, columns=bound.columns, seconds=seconds)


@contextlib.contextmanager
def _of_spark(call: str) -> Iterator[None]:
    """Say of a connection that Spark's server ended, or never took, that it was not the client's doing."""
    try:
        yield
    except Disconnected as end:
        raise Disconnected(f"Spark's server, {call}: {end.args[0] if end.args else 'hung up'}") from end
    except OSError as error:
        raise Disconnected(f"Spark's server, {call}: {type(error).__name__}") from error


def _answer(spark: Wire, call: str, frame: bytes) -> bytes:
    with _of_spark(call):
        spark.write_frame(frame)
        return spark.read_frame()


def _refusal(error: PortraitError, number: int) -> bytes:
    status = ttypes.TStatus(
        statusCode=ttypes.TStatusCode.ERROR_STATUS, errorMessage=str(error), sqlState="42000", errorCode=0
    )
    reply = calls.ExecuteStatement_result(success=ttypes.TExecuteStatementResp(status=status))
    return write_call("ExecuteStatement", reply, number, reply=True)
