"""Spark's own server behind the gateway: it listens on loopback, and nobody but the gateway gets past it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyhive import exc, hive
from tests.tiny_bank import CHECKOUT, kill

from portrait.serving import user_line

pytestmark = pytest.mark.process

PASSWORD = "correct horse"
SERVE = """
import sys
from pathlib import Path
from tests.conftest import TEST_SETTINGS
from portrait.spark.jars import jar_folder
from portrait.run.suite import load_suite
from portrait.lake import Lake
from portrait.serving import Users, load_login_policy, serving
from portrait.spark.session import start_embedded

# As conf/spark/sql-server.conf has it: sessions that Thrift clients open do not see spark.jars.
jars = {"spark.driver.extraClassPath": f"{jar_folder()}/*"}
spark = start_embedded(Path("conf"), overrides={**TEST_SETTINGS, **jars})
lake = Lake(spark, sys.argv[1], load_suite(Path("conf"), Path("schemas")))
users = Users(Path(sys.argv[2]))
with serving(lake, host="127.0.0.1", port=0, users=users, policy=load_login_policy(Path("conf"))) as gateway:
    print(gateway.server_address[1], gateway.backend[1], flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of the gateway and of Spark's server."""
    folder: Path = tmp_path_factory.mktemp("sql")
    (folder / "users").write_text(user_line("bi", PASSWORD) + "\n", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder / "lake"), str(folder / "users")], cwd=CHECKOUT, text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "BANK_SECRET": "canary"}, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline().split()
        assert len(line) == 2, process.stderr.read()[-3000:]
        yield int(line[0]), int(line[1])
    finally:
        kill(process)


def ask(port: int, statement: str, password: str = PASSWORD) -> list[tuple[object, ...]]:
    with hive.connect("127.0.0.1", port=port, username="bi", password=password, auth="LDAP") as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.mark.parametrize("password", ["-", " ", PASSWORD, "0" * 64])
def test_spark_s_own_server_takes_nobody_else(ports: tuple[int, int], password: str) -> None:
    with pytest.raises(Exception, match="validating the login"):
        ask(ports[1], "select 1", password)


@pytest.mark.parametrize("auth", ["NONE", "NOSASL"])
def test_spark_s_own_server_takes_no_other_mechanism(ports: tuple[int, int], auth: str) -> None:
    with pytest.raises(Exception, match=r"validating the login|read|Bad|TSocket|NoneType"):
        hive.connect("127.0.0.1", port=ports[1], username="bi", auth=auth).cursor().execute("select 1")


def test_the_gateway_serves_who_logs_in(ports: tuple[int, int]) -> None:
    assert ask(ports[0], "/* user: x */ select 1 + 1, current_user()") == [(2, "bi")]
    assert ask(ports[0], "-- a\nSHOW TABLES") == []


def test_it_takes_as_many_connections_as_come_one_after_another_and_at_once(ports: tuple[int, int]) -> None:
    """A thread of Spark's server that has served a session takes further connections."""
    assert [ask(ports[0], f"select {number}") for number in range(8)] == [[(number,)] for number in range(8)]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda number: ask(ports[0], f"select {number}"), range(16)))
    assert answers == [[(number,)] for number in range(16)]


@pytest.mark.parametrize(
    "statement",
    [
        "select `reflect`('java.lang.System', 'getProperty', 'user.home')",
        "select '${env:BANK_SECRET}'",
        "select '${system:user.home}'",
        "set -v",
        "set spark.sql.variable.substitute",
    ],
)
def test_nobody_reads_the_machine(ports: tuple[int, int], statement: str) -> None:
    with pytest.raises(exc.OperationalError, match=r"not allowed|not available|only read-only"):
        ask(ports[0], statement)
