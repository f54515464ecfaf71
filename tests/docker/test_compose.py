"""A bank made, published and asked in the containers of docker-compose.yml, and what nobody can reach there."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyhive import exc, hive
from tests.docker.conftest import CHECKOUT, PROJECT, Compose
from thrift.transport.TTransport import TTransportException

pytestmark = pytest.mark.docker

CUSTOMERS, MONTHS, AS_OF = 300, 3, "2025-03-31"


def connect(cluster: Compose, password: str | None = None) -> hive.Connection:
    known = password or (cluster.secrets / "bi_password").read_text()
    return hive.connect("127.0.0.1", int(cluster.ports["SQL_PORT"]), username="bi", password=known, auth="LDAP")


def ask(cluster: Compose, statement: str) -> list[tuple[Any, ...]]:
    with connect(cluster) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def published(cluster: Compose) -> Compose:
    """The demonstration, made by one command in the service `submit`; and how long it was from `up` to an answer."""
    assert ask(cluster, "show tables") == []
    with pytest.raises(exc.OperationalError, match="nothing is published yet"):
        ask(cluster, "select count(*) from published.segments")
    started = time.monotonic()
    size = ["--customers", str(CUSTOMERS), "--months", str(MONTHS)]
    done = cluster.submit("portrait", "demo", "--target", "cluster", "--to", "/data", *size)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "as schema published" in done.stdout
    ran = time.monotonic()
    assert ask(cluster, "select count(*) from published.segments")[0][0] > 0
    healthy, demo, answer = cluster.seconds["healthy"], ran - started, time.monotonic() - ran
    print(f"\nup to healthy {healthy:.0f} s, demonstration {demo:.0f} s, first answer {answer:.0f} s, "
          f"in all {healthy + demo + answer:.0f} s (bar: 360 s)")  # fmt: skip
    return cluster


def served(cluster: Compose, table: str) -> Iterator[Any]:
    pointer = DeltaTable(cluster.bank / "lake/ops/publication").to_pandas().sort_values("sequence").iloc[-1]
    assert str(pointer["as_of"]) == AS_OF
    version = dict(pointer["versions"])[f"gold.{table}"]
    return DeltaTable(cluster.bank / "lake/gold" / table, version=version).to_pyarrow_dataset()


def test_the_answers_are_the_rows_of_the_lake(published: Compose) -> None:
    segments, tiers = served(published, "segments"), served(published, "customer_tier")  # noqa: F841  (duckdb reads them)
    expected = duckdb.sql(
        f"select t.tier, count(*), sum(s.assets) from segments s join tiers t using (customer_id, as_of) "
        f"where s.as_of = date '{AS_OF}' group by 1 order by 1"
    ).fetchall()
    assert len(expected) == 4
    statement = (
        "select t.tier, count(*), sum(s.assets) from published.segments s "
        "join published.customer_tier t using (customer_id) group by 1 order by 1"
    )
    assert [tuple(row) for row in ask(published, statement)] == expected
    names = {path.name for path in (published.bank / "lake/gold").iterdir()}
    assert {row[1] for row in ask(published, "show tables")} <= names


def test_a_wrong_password_is_refused(published: Compose) -> None:
    with pytest.raises(TTransportException, match="user or password is wrong"):
        connect(published, "not-the-password")


def test_bronze_cannot_be_asked_for_and_is_not_there(published: Compose) -> None:
    assert (published.bank / "lake/bronze/customers").is_dir()
    for statement in ("select * from bronze.customers", "select * from delta.`/data/lake/bronze/customers`"):
        with pytest.raises(exc.OperationalError, match=r"there is no table|not understood"):
            ask(published, statement)
    sql = published.container("sql")
    found = published.engine.docker("exec", sql, "ls", "/data/lake", "/data/lake/ops").split()
    assert found == ["/data/lake:", "gold", "ops", "/data/lake/ops:", "publication"]
    with pytest.raises(AssertionError, match="Read-only file system"):
        published.engine.docker("exec", sql, "touch", "/data/lake/gold/x")
    secrets = published.engine.docker("exec", sql, "ls", "/run/secrets").split()
    assert secrets == ["sql_users"]


def test_nothing_listens_beyond_this_machine(published: Compose) -> None:
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    for name, port in published.ports.items():
        addresses = {line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(f":{port}")}
        assert addresses == {f"127.0.0.1:{port}"}, name
    bound = [
        binding
        for container in published.inspect()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    ]
    assert len(bound) == len(published.ports)
    assert {binding["HostIp"] for binding in bound} == {"127.0.0.1"}


def test_containers_run_without_privileges_and_within_limits(published: Compose) -> None:
    containers = published.inspect()
    assert len(containers) == 5
    for container in containers:
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert container["Config"]["User"] == "portrait"
        assert 0 < container["HostConfig"]["Memory"] <= 2688 << 20
        assert container["HostConfig"]["NanoCpus"] > 0
        assert not container["State"]["OOMKilled"]


def decompressed(log: Path) -> bytes:
    with pa.input_stream(str(log), compression="zstd" if log.suffix == ".zstd" else None) as stream:
        return stream.read()


def test_the_secret_is_in_no_log_no_setting_and_no_image(published: Compose) -> None:
    engine = published.engine
    secret = (published.secrets / "cluster_secret").read_text()
    users = (published.secrets / "sql_users").read_text().strip()
    volume = engine.docker("volume", "inspect", "--format", "{{.Mountpoint}}", f"{PROJECT}_events").strip()
    events = list(Path(volume).rglob("events_*"))
    assert events
    told = {
        "logs": engine.compose("logs", "--no-color").stdout,
        "inspect": str(published.inspect()),
        "image": engine.docker("history", "--no-trunc", engine.environment["CLUSTER_IMAGE"]),
        "processes": "".join(engine.docker("top", item["Id"]) for item in published.inspect()),
        "events": b"".join(decompressed(path) for path in events).decode(),
    }
    assert "spark.authenticate" in told["events"]
    assert "SparkListenerApplicationEnd" in told["events"]
    for where, text in told.items():
        assert secret not in text, where
        assert users.split(":")[2] not in text, where


def test_spark_submit_finds_everything_up_to_date(published: Compose) -> None:
    """The other way into the cluster, with the same image: Spark's own command and the package as zip."""
    done = published.submit(
        "spark-submit", "--properties-file", "conf/spark/cluster.conf", "--py-files", "dist/portrait-*.zip",
        "jobs/suite.py", "--as-of", AS_OF,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "succeeded" in done.stdout
    actions = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines() if " s  " in line}
    planned = re.findall(r"jobs/(?:\w+/)?(\w+)\.py", (CHECKOUT / "tests/orchestration/golden/submit.txt").read_text())
    # ingest always looks for new files
    assert actions == {job: "run" if job == "ingest" else "skip" for job in planned}


def test_a_stranger_without_the_secret_gets_no_executor(published: Compose) -> None:
    done = published.engine.run(
        "docker", "run", "--rm", "--network", f"{PROJECT}_default", "-e", "_SPARK_AUTH_SECRET=of-another-cluster",
        published.engine.environment["CLUSTER_IMAGE"],
        "spark-submit", "--properties-file", "conf/spark/cluster.conf", "jobs/suite.py", "--as-of", AS_OF, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "both know the same secret" in done.stdout  # spark-submit passes on what the driver says there


def test_a_missing_secret_is_named(published: Compose) -> None:
    done = published.engine.run(
        "docker", "run", "--rm", "--network", "none", "-e", "CLUSTER_SECRET_REQUIRED=yes",
        published.engine.environment["CLUSTER_IMAGE"], "true", check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "run scripts/secrets.sh" in done.stderr


def test_no_tool_of_developers_is_in_the_image(published: Compose) -> None:
    found = published.engine.docker(
        "run", "--rm", "--network", "none", published.engine.environment["CLUSTER_IMAGE"],
        "sh", "-c", "ls .venv/lib/python3.11/site-packages; ls .venv/bin; id -u",
    ).split()  # fmt: skip
    assert {"pyspark", "portrait"} <= set(found)
    assert not {"pytest", "ruff", "mypy", "duckdb", "pip"} & set(found)
    assert found[-1] == "1000"


def test_the_file_stays_valid(published: Compose) -> None:
    assert published.engine.compose("--profile", "submit", "config", "-q").returncode == 0
    assert (CHECKOUT / "docker-compose.yml").read_text().count("127.0.0.1:") == len(published.ports)
