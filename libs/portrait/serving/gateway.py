"""The door in front of Spark's Thrift server: who comes in, what may be asked, and of which publication.

Spark's server has no authentication by password file, lets every session change settings and read files, and cannot
bind a query to one publication. Its own hooks for that are Java classes. This gateway speaks the same protocol in
front of it: it checks the password (SASL PLAIN), looks into the calls that open a session, browse or execute, and
passes every other frame, and so every result, through untouched.
"""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from TCLIService import TCLIService as calls
from TCLIService import ttypes

from portrait.errors import PortraitError
from portrait.events import event
from portrait.lake.publication import PUBLISHED
from portrait.serving.frames import (
    COMPLETE,
    ERROR,
    Disconnected,
    Wire,
    call_name,
    introduce,
    read_call,
    read_credentials,
    write_call,
)
from portrait.serving.statements import Bound
from portrait.serving.users import Users

_METADATA_CALLS = ("GetTables", "GetColumns", "GetSchemas", "GetFunctions", "GetPrimaryKeys", "GetCrossReference")
_REFUSED_CALLS = {"GetDelegationToken", "CancelDelegationToken", "RenewDelegationToken", "UploadData", "DownloadData"}


class Gateway(socketserver.ThreadingTCPServer):
    """Listens for clients; `bind` turns a statement into what Spark gets, or raises PortraitError.

    `users` None means that everyone may come in: for a server that listens on loopback of one person's machine.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        *,
        backend: tuple[str, int],
        bind: Callable[[str], Bound],
        users: Users | None,
    ) -> None:
        self.backend, self.bind_statement, self.users = backend, bind, users
        super().__init__(address, _Connection)

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, name="sql-gateway", daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection ends alone; what went wrong is logged without what was said on it."""
        event("connection_failed", error=type(sys.exc_info()[1]).__name__)


class _Connection(socketserver.BaseRequestHandler):
    server: Gateway

    def handle(self) -> None:
        client = Wire(self.request)
        try:
            user = self._log_in(client)
            with socket.create_connection(self.server.backend) as peer:
                spark = Wire(peer)
                introduce(spark, user)
                while True:
                    self._one_call(client, spark, user)
        except (Disconnected, ConnectionError):
            return

    def _log_in(self, client: Wire) -> str:
        user, password = read_credentials(client)
        if self.server.users is not None and not self.server.users.accepts(user, password):
            event("login_refused", user=user, address=self.client_address[0])
            time.sleep(1)  # a guesser is to have a hard time
            client.write_greeting(ERROR, b"user or password is wrong")
            raise Disconnected
        client.write_greeting(COMPLETE)
        return user

    def _one_call(self, client: Wire, spark: Wire, user: str) -> None:
        frame = client.read_frame()
        name = call_name(frame)
        if name == "ExecuteStatement":
            self._execute(frame, client, spark, user)
            return
        if name in _REFUSED_CALLS:
            raise Disconnected
        if name == "OpenSession":
            frame = _open_published(frame)
        elif name in _METADATA_CALLS:
            frame = _only_published(name, frame)
        spark.write_frame(frame)
        client.write_frame(spark.read_frame())

    def _execute(self, frame: bytes, client: Wire, spark: Wire, user: str) -> None:
        request, number = read_call(frame, calls.ExecuteStatement_args)
        started = time.monotonic()
        try:
            bound = self.server.bind_statement(request.statement)
        except PortraitError as error:
            event("statement_refused", user=user, reason=type(error).__name__)
            client.write_frame(_refusal(error, number))
            return
        request.statement = bound.sql
        request.confOverlay = None
        spark.write_frame(write_call("ExecuteStatement", calls.ExecuteStatement_args(req=request), number))
        client.write_frame(spark.read_frame())
        seconds = round(time.monotonic() - started, 3)
        # Never the text of the statement: it may hold what a customer is found by.
        event("statement", user=user, tables=bound.tables, columns=bound.columns, seconds=seconds)


def _open_published(frame: bytes) -> bytes:
    """A session starts in the one schema there is, and brings no settings of its own."""
    request, number = read_call(frame, calls.OpenSession_args)
    request.configuration = {"use:database": PUBLISHED}
    return write_call("OpenSession", calls.OpenSession_args(req=request), number)


def _only_published(name: str, frame: bytes) -> bytes:
    """A call that browses sees the one schema there is."""
    arguments = getattr(calls, f"{name}_args")
    request, number = read_call(frame, arguments)
    for attribute in ("schemaName", "parentSchemaName", "foreignSchemaName"):
        if hasattr(request, attribute):
            setattr(request, attribute, PUBLISHED)
    return write_call(name, arguments(req=request), number)


def _refusal(error: PortraitError, number: int) -> bytes:
    status = ttypes.TStatus(
        statusCode=ttypes.TStatusCode.ERROR_STATUS, errorMessage=str(error), sqlState="42000", errorCode=0
    )
    reply = calls.ExecuteStatement_result(success=ttypes.TExecuteStatementResp(status=status))
    return write_call("ExecuteStatement", reply, number, reply=True)
