"""The gateway on real sockets, in front of a server that repeats what it is told: who comes in, what goes through."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyhive import exc, hive
from TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer, TTransportException

from portrait.errors import ConfigurationError
from portrait.serving import Gateway, LoginPolicy, Users, check_access, load_login_policy, user_line
from portrait.serving.frames import COMPLETE, START, Disconnected, Wire, write_call
from portrait.serving.statements import bind
from portrait.serving.throttle import Throttle

SECRET = "of this start"
# Patient enough for a busy machine, where a test waits for a time-out it says so.
POLICY = LoginPolicy(
    login_seconds=30, request_seconds=30, waiting_connections=8, waiting_connections_per_address=8, free_failures=3,
    first_wait_seconds=100, longest_wait_seconds=300, remembered=100,
)  # fmt: skip
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
            if wire.read_greeting()[1].split(b"\0")[-1] != SECRET.encode():
                return
            wire.write_greeting(COMPLETE)
            while True:
                out = TMemoryBuffer()
                frame = TMemoryBuffer(wire.read_frame())
                call = TBinaryProtocol(frame)
                while frame._buffer.tell() < len(frame.getvalue()):  # as Thrift's server does: call after call
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


@contextlib.contextmanager
def listening(backend: tuple[str, int], *, users: Users | None, **policy: float) -> Iterator[Gateway]:
    def bound(statement: str) -> Any:
        return bind(statement, tables={"segments": ("customer_id", "tier")}, schema="published_7")

    rules = POLICY.model_copy(update=policy)
    address = ("127.0.0.1", 0)
    with Gateway(address, backend=backend, bind=bound, users=users, secret=SECRET, policy=rules) as server:
        server.start()
        yield server
        server.shutdown()


@pytest.fixture
def gateway(backend: tuple[Backend, tuple[str, int]], users: Path) -> Iterator[Gateway]:
    with listening(backend[1], users=Users(users)) as server:
        yield server


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
    with pytest.raises(exc.OperationalError, match="only read-only statements are allowed"):
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


class Told(logging.Handler):
    """Events of connections that ended."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: queue.Queue[tuple[str | None, str]] = queue.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == "connection_ended":
            facts = record.facts  # type: ignore[attr-defined]
            self.reasons.put((facts["user"], facts["reason"]))


@pytest.fixture
def told() -> Iterator[Told]:
    log, handler = logging.getLogger("portrait.events"), Told()
    before = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


def test_it_is_told_why_spark_s_server_ended_a_connection(
    backend: tuple[Backend, tuple[str, int]], users: Path, told: Told
) -> None:
    with listening(backend[1], users=Users(users)) as server:
        server.secret = "of another start"
        with pytest.raises(TTransportException):
            connect(server, "correct horse")
        assert told.reasons.get(timeout=60) == ("bi", "Spark's server, log-in: hung up")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # and does not listen
            server.backend = nobody.getsockname()
            with pytest.raises(TTransportException):
                connect(server, "correct horse")
        assert told.reasons.get(timeout=60) == ("bi", "Spark's server, log-in: ConnectionRefusedError")


def test_it_is_told_why_a_client_was_hung_up_on_and_not_that_one_went(gateway: Gateway, told: Told) -> None:
    connect(gateway, "correct horse").close()
    connection = connect(gateway, "correct horse")
    request = ttypes.TGetDelegationTokenReq(sessionHandle=connection._sessionHandle, owner="bi", renewer="bi")
    with pytest.raises(TTransportException):
        connection.client.GetDelegationToken(request)
    assert told.reasons.get(timeout=60) == ("bi", "a call that is not served")
    connect(gateway, "correct horse")._transport._trans.handle.sendall(struct.pack(">I", 200 * 1024 * 1024))
    assert told.reasons.get(timeout=60) == ("bi", "a request or an answer that is too large")
    with socket.create_connection(gateway.server_address[:2]) as peer:
        peer.sendall(b"\x01\x00\x00\x00\x05OTHER")
        assert told.reasons.get(timeout=60) == (None, "another mechanism than PLAIN")
    assert told.reasons.empty()


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


def closed_by_the_server(peer: socket.socket) -> bool:
    """Whether the server ends the connection, within a generous time."""
    peer.settimeout(60)
    try:
        while peer.recv(1024):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("first", ["GetColumns", "CloseSession", "ExecuteStatement"])
def test_a_second_call_in_one_frame_never_reaches_spark(
    gateway: Gateway, backend: tuple[Backend, Any], first: str
) -> None:
    """Thrift's server goes on reading behind the first call of a frame: a place to hide a statement."""
    handle = ttypes.TSessionHandle(ttypes.THandleIdentifier(b"g" * 16, b"s" * 16))
    requests = {
        "GetColumns": ttypes.TGetColumnsReq(sessionHandle=handle, tableName="%"),
        "CloseSession": ttypes.TCloseSessionReq(sessionHandle=handle),
        "ExecuteStatement": ttypes.TExecuteStatementReq(sessionHandle=handle, statement="select 1", confOverlay={}),
    }
    shown = write_call(first, getattr(TCLIService, f"{first}_args")(req=requests[first]), 1)
    hidden = ttypes.TExecuteStatementReq(sessionHandle=handle, statement="select reflect('a')", confOverlay={})
    second = write_call("ExecuteStatement", TCLIService.ExecuteStatement_args(req=hidden), 2)
    with socket.create_connection(gateway.server_address[:2]) as peer:
        wire = Wire(peer, seconds=60)
        wire.write_greeting(START, b"PLAIN")
        wire.write_greeting(COMPLETE, b"\0bi\0correct horse")
        assert wire.read_greeting()[0] == COMPLETE
        wire.write_frame(shown + second)
        with pytest.raises(Disconnected):
            wire.read_frame()
    assert not any("reflect" in getattr(item, "statement", "") for item in backend[0].asked)


def test_a_session_has_the_name_that_logged_in(gateway: Gateway, backend: tuple[Backend, Any]) -> None:
    connection = connect(gateway, "correct horse")
    request = ttypes.TOpenSessionReq(client_protocol=5, username="somebody else", password="x")
    connection.client.OpenSession(request)
    assert (backend[0].asked[-1].username, backend[0].asked[-1].password) == ("bi", None)


@pytest.mark.parametrize("sent", [b"", b"\x01", b"\x01\x00\x00\x00\x05PLAIN", b"\x01\x00\x00\xff\xffPL"])
def test_who_does_not_log_in_is_closed(backend: tuple[Backend, Any], users: Path, sent: bytes) -> None:
    with (
        listening(backend[1], users=Users(users), login_seconds=0.3) as server,
        socket.create_connection(server.server_address[:2]) as peer,
    ):
        peer.sendall(sent)
        assert closed_by_the_server(peer)


def test_a_byte_now_and_then_does_not_keep_a_connection(backend: tuple[Backend, Any], users: Path) -> None:
    with (
        listening(backend[1], users=Users(users), login_seconds=1) as server,
        socket.create_connection(server.server_address[:2]) as peer,
    ):
        peer.sendall(b"\x01\x00\x00\xff\xff")
        sent = -1
        with contextlib.suppress(ConnectionError):
            for sent in range(600):  # noqa: B007
                peer.sendall(b"x")
                time.sleep(0.1)
        assert sent < 599, "the server ended it"


def test_a_request_that_has_begun_must_end_and_an_idle_connection_may_stay(
    backend: tuple[Backend, Any], users: Path
) -> None:
    with listening(backend[1], users=Users(users), login_seconds=30, request_seconds=0.2) as server:
        idle = connect(server, "correct horse")
        time.sleep(0.5)
        idle.cursor().execute("select 1")
        slow = connect(server, "correct horse")
        peer = slow._transport._trans.handle
        peer.sendall(struct.pack(">I", 1000) + b"x")
        assert closed_by_the_server(peer)


def test_a_frame_of_gigabytes_is_not_waited_for(gateway: Gateway) -> None:
    peer = connect(gateway, "correct horse")._transport._trans.handle
    peer.sendall(struct.pack(">I", 200 * 1024 * 1024))
    assert closed_by_the_server(peer)


@pytest.mark.parametrize(
    "garbage",
    [b"\x00" * 64, b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", bytes(range(1, 200))],
    ids=["zeros", "ones", "http", "bytes"],
)
def test_garbage_ends_its_connection_and_no_other(gateway: Gateway, backend: Any, garbage: bytes) -> None:
    cursor = connect(gateway, "correct horse").cursor()
    logged_in = connect(gateway, "correct horse")._transport._trans.handle
    logged_in.sendall(struct.pack(">I", len(garbage)) + garbage)
    assert closed_by_the_server(logged_in)
    with socket.create_connection(gateway.server_address[:2]) as peer:
        peer.sendall(garbage)
        with contextlib.suppress(OSError):  # it may have been closed already
            peer.shutdown(socket.SHUT_WR)
        assert closed_by_the_server(peer)
    cursor.execute("select 1")


def test_connections_that_have_not_logged_in_are_bounded(backend: tuple[Backend, Any], users: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(listening(backend[1], users=Users(users), waiting_connections=3))
        stays = connect(server, "correct horse")
        waiting = [stack.enter_context(socket.create_connection(server.server_address[:2])) for _ in range(3)]
        surplus = stack.enter_context(socket.create_connection(server.server_address[:2]))
        assert closed_by_the_server(surplus)
        stays.cursor().execute("select 1")  # who has logged in is not counted
        for peer in waiting:
            peer.close()
        deadline = time.monotonic() + 60
        while server._waiting.total() and time.monotonic() < deadline:
            time.sleep(0.01)
        connect(server, "correct horse")


def test_one_address_cannot_take_every_place(backend: tuple[Backend, Any], users: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(listening(backend[1], users=Users(users), waiting_connections_per_address=2))
        for _ in range(2):
            stack.enter_context(socket.create_connection(server.server_address[:2]))
        surplus = stack.enter_context(socket.create_connection(server.server_address[:2]))
        assert closed_by_the_server(surplus)
        elsewhere = stack.enter_context(
            socket.create_connection(server.server_address[:2], source_address=("127.0.0.2", 0))
        )
        elsewhere.sendall(b"\x01\x00\x00\x00\x05OTHER")
        assert elsewhere.recv(1) == b"\x03", "it is listened to"


def test_after_some_wrong_passwords_even_the_right_one_has_to_wait(gateway: Gateway) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match="user or password is wrong"):
            connect(gateway, "wrong password")
    with pytest.raises(Exception, match="user or password is wrong"):
        connect(gateway, "correct horse")


def test_a_guesser_learns_nothing_about_users_from_the_answers(gateway: Gateway) -> None:
    host, port = gateway.server_address[:2]
    answers: dict[str, list[str]] = {}
    for name, address in (("bi", "127.0.0.3"), ("nobody", "127.0.0.4")):
        for _ in range(5):
            with socket.create_connection((host, port), source_address=(address, 0)) as peer:
                wire = Wire(peer, seconds=60)
                wire.write_greeting(START, b"PLAIN")
                wire.write_greeting(COMPLETE, f"\0{name}\0wrong password".encode())
                answers.setdefault(name, []).append(str(wire.read_greeting()))
    assert answers["bi"] == answers["nobody"]
    assert len(set(answers["bi"])) == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_waits_double_up_to_the_longest_and_end_when_it_is_quiet() -> None:
    clock = Clock()
    rules = POLICY.model_copy(update={"first_wait_seconds": 1, "longest_wait_seconds": 5})
    throttle = Throttle(rules, clock=clock)
    waits = []
    for number in range(7):
        throttle.failed("bi", f"10.0.0.{number}")  # each from another address: the user alone makes it wait
        waits.append(throttle.wait("bi", "10.0.1.1"))
    assert waits == [0, 0, 1, 2, 4, 5, 5]
    assert throttle.wait("ops", "10.0.1.1") == 0, "nobody else waits"
    clock.now = 4.5
    assert throttle.wait("bi", "10.0.1.1") == 0.5
    clock.now = 20
    throttle.failed("bi", "10.0.1.1")
    assert throttle.wait("bi", "10.0.1.1") == 0, "the count has started again"


def test_an_address_that_guesses_many_names_waits() -> None:
    throttle = Throttle(POLICY, clock=Clock())
    for number in range(3):
        throttle.failed(f"user{number}", "10.0.0.1")
    assert throttle.wait("bi", "10.0.0.1") == 100
    throttle.succeeded("bi", "10.0.0.1")
    assert throttle.wait("bi", "10.0.0.1") == 100, "one known password does not buy guesses at others"
    assert throttle.wait("bi", "10.0.0.2") == 0


def test_guesses_from_elsewhere_do_not_lock_out_who_has_logged_in_before() -> None:
    throttle = Throttle(POLICY, clock=Clock())
    throttle.succeeded("bi", "10.0.0.9")
    for number in range(5):
        throttle.failed("bi", f"10.0.1.{number}")
    assert throttle.wait("bi", "10.0.2.1") > 0
    assert throttle.wait("bi", "10.0.0.9") == 0


def test_the_memory_of_failures_is_bounded() -> None:
    throttle = Throttle(POLICY, clock=Clock())
    for number in range(1000):
        throttle.failed("x" * 10_000 + str(number), f"10.0.{number // 250}.{number % 250}")
        throttle.succeeded(str(number), "10.0.0.1")
    assert len(throttle._failures) <= POLICY.remembered
    assert len(throttle._trusted) <= POLICY.remembered
    assert max(len(name) for _, name in throttle._failures) <= 64


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1", "10.0.0.1"])
def test_without_users_nobody_else_is_listened_to(host: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback address only") as refusal:
        check_access(host, None)
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_needs_no_users(host: str) -> None:
    assert check_access(host, None) is None


def test_with_users_every_address_will_do(users: Path) -> None:
    assert check_access("0.0.0.0", users) is not None


def test_the_project_ships_a_policy(conf_dir: Path) -> None:
    assert load_login_policy(conf_dir).waiting_connections_per_address < load_login_policy(conf_dir).waiting_connections
