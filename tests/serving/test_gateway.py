"""The gateway on real sockets, in front of a server that repeats what it is told: who comes in, what goes through."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyhive import exc, hive
from TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer, TTransportException

from portrait.errors import ConfigurationError
from portrait.serving import Gateway, Users, user_line
from portrait.serving.frames import COMPLETE, Disconnected, Wire
from portrait.serving.statements import bind

OK = ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS)


class Backend:
    """Answers like HiveServer2, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def OpenSession(self, request: Any) -> Any:
        self.asked.append(request)
        handle = ttypes.TSessionHandle(ttypes.THandleIdentifier(b"g" * 16, b"s" * 16))
        version = ttypes.TProtocolVersion.HIVE_CLI_SERVICE_PROTOCOL_V6
        return ttypes.TOpenSessionResp(status=OK, serverProtocolVersion=version, sessionHandle=handle)

    def ExecuteStatement(self, request: Any) -> Any:
        self.asked.append(request)
        handle = ttypes.TOperationHandle(ttypes.THandleIdentifier(b"g" * 16, b"o" * 16), 0, True)
        return ttypes.TExecuteStatementResp(status=OK, operationHandle=handle)

    def GetColumns(self, request: Any) -> Any:
        self.asked.append(request)
        return ttypes.TGetColumnsResp(status=OK)

    def CloseSession(self, request: Any) -> Any:
        return ttypes.TCloseSessionResp(status=OK)

    def CloseOperation(self, request: Any) -> Any:
        return ttypes.TCloseOperationResp(status=OK)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class _Session(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire = Wire(self.request)
        try:
            wire.read_greeting()
            wire.read_greeting()
            wire.write_greeting(COMPLETE)
            while True:
                out = TMemoryBuffer()
                call = TBinaryProtocol(TMemoryBuffer(wire.read_frame()))
                TCLIService.Processor(self.server.backend).process(call, TBinaryProtocol(out))  # type: ignore[attr-defined]
                wire.write_frame(out.getvalue())
        except Disconnected:
            return


@pytest.fixture
def backend() -> Iterator[tuple[Backend, tuple[str, int]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Session) as server:
        server.daemon_threads = True
        server.backend = Backend()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.backend, server.server_address  # type: ignore[attr-defined, misc]
        server.shutdown()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    file = tmp_path / "users"
    file.write_text(user_line("bi", "correct horse") + "\n# a comment\n\n" + user_line("ops", "battery staple") + "\n")
    return file


@pytest.fixture
def gateway(backend: tuple[Backend, tuple[str, int]], users: Path) -> Iterator[Gateway]:
    def bound(statement: str) -> Any:
        return bind(statement, tables={"segments": ("customer_id", "tier")}, schema="published_7")

    with Gateway(("127.0.0.1", 0), backend=backend[1], bind=bound, users=Users(users)) as server:
        server.start()
        yield server
        server.shutdown()


def connect(gateway: Gateway, password: str, **options: Any) -> hive.Connection:
    host, port = gateway.server_address[:2]
    return hive.connect(host, port=port, username="bi", password=password, auth="LDAP", **options)


def test_a_statement_reaches_spark_bound_to_the_publication(gateway: Gateway, backend: tuple[Backend, Any]) -> None:
    cursor = connect(gateway, "correct horse").cursor()
    cursor.execute("select tier from published.segments")
    assert backend[0].asked[-1].statement == "select tier from `published_7`.segments"


def test_a_session_brings_no_settings_and_starts_in_the_one_schema(
    gateway: Gateway, backend: tuple[Backend, Any]
) -> None:
    connect(gateway, "correct horse", configuration={"spark.sql.runSQLOnFiles": "true"}, database="default")
    opened = next(item for item in backend[0].asked if isinstance(item, ttypes.TOpenSessionReq))
    assert opened.configuration == {"use:database": "published"}


def test_a_refused_statement_never_reaches_spark_and_the_session_goes_on(
    gateway: Gateway, backend: tuple[Backend, Any]
) -> None:
    cursor = connect(gateway, "correct horse").cursor()
    with pytest.raises(exc.OperationalError, match="answers questions and changes nothing"):
        cursor.execute("drop table published.segments")
    assert not any("drop" in getattr(item, "statement", "") for item in backend[0].asked)
    cursor.execute("select 1")
    assert backend[0].asked[-1].statement == "select 1"


def test_browsing_calls_see_one_schema(gateway: Gateway, backend: tuple[Backend, Any]) -> None:
    connection = connect(gateway, "correct horse")
    request = ttypes.TGetColumnsReq(sessionHandle=connection._sessionHandle, schemaName="bronze", tableName="%")
    connection.client.GetColumns(request)
    assert backend[0].asked[-1].schemaName == "published"


@pytest.mark.parametrize("password", ["", "wrong", "correct horse ", "battery staple"])
def test_a_wrong_password_is_refused(gateway: Gateway, backend: tuple[Backend, Any], password: str) -> None:
    with pytest.raises(Exception, match="user or password is wrong"):
        connect(gateway, password or " ")
    assert backend[0].asked == []


def test_an_unknown_user_is_refused(gateway: Gateway) -> None:
    host, port = gateway.server_address[:2]
    with pytest.raises(Exception, match="user or password is wrong"):
        hive.connect(host, port=port, username="root", password="correct horse", auth="LDAP")


def test_a_call_that_nobody_needs_ends_the_connection(gateway: Gateway) -> None:
    connection = connect(gateway, "correct horse")
    request = ttypes.TGetDelegationTokenReq(sessionHandle=connection._sessionHandle, owner="bi", renewer="bi")
    with pytest.raises(TTransportException):
        connection.client.GetDelegationToken(request)


def test_bytes_that_are_no_thrift_end_the_connection(gateway: Gateway) -> None:
    with socket.create_connection(gateway.server_address[:2]) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
        peer.settimeout(5)
        assert peer.recv(1024)[:1] in (b"", b"\x03")


def test_a_new_user_may_come_in_without_a_restart(gateway: Gateway, users: Path) -> None:
    users.write_text(user_line("new", "another password") + "\n")
    os.utime(users, ns=(1, 1))
    host, port = gateway.server_address[:2]
    hive.connect(host, port=port, username="new", password="another password", auth="LDAP")
    with pytest.raises(Exception, match="user or password is wrong"):
        connect(gateway, "correct horse")


def test_a_file_of_users_with_a_bad_line_is_refused_without_quoting_it(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("bi:secret\n")
    with pytest.raises(ConfigurationError) as refusal:
        Users(tmp_path / "users")
    assert refusal.value.where.endswith("users:1")
    assert "secret" not in str(refusal.value)


def test_a_missing_file_of_users_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no file of users"):
        Users(tmp_path / "users")


@pytest.mark.parametrize(("name", "password"), [("a:b", "long enough"), ("", "long enough"), ("bi", "short")])
def test_users_that_will_not_do(name: str, password: str) -> None:
    with pytest.raises(ConfigurationError):
        user_line(name, password)
