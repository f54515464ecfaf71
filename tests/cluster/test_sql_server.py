"""The SQL server and its clients, for real: PyHive, the Hive JDBC driver, delta-rs, DuckDB, pandas; F18 and F24."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest
from deltalake import DeltaTable
from pyhive import exc, hive
from pyspark.sql import SparkSession
from tests.cluster.cluster import SPARK_HOME, free_port, wait_for
from tests.tiny_bank import AS_OF, CHECKOUT, Bank, kill

from portrait.contracts import Catalogue
from portrait.lake import Lake, Lease, Publication, publications, rollback
from portrait.run.suite import load_suite
from portrait.serving import user_line

pytestmark = pytest.mark.cluster

PASSWORD = "canary-of-the-analyst"
ENVIRONMENT = {**os.environ, "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": sys.executable}
EARLIER = date(2025, 2, 28)


@dataclass
class Server:
    """A running SQL server, and the bank that it serves."""

    bank: Bank
    port: int
    log: Path

    def connect(self, *, password: str = PASSWORD, database: str = "published") -> hive.Connection:
        where = {"host": "127.0.0.1", "port": self.port, "database": database}
        return hive.connect(**where, username="bi", password=password, auth="LDAP")

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return cursor.fetchall()

    def pandas(self, statement: str) -> Any:
        with self.connect() as connection:
            return pandas.read_sql(statement, connection)


@pytest.fixture(scope="module")
def served(clean: Bank, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """The tiny bank with two publications: the older day was published last, by hand, and rolled back."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(clean.folder, folder, dirs_exist_ok=True)
    bank = Bank(folder)
    done = bank.run(as_of=EARLIER)
    assert done.returncode == 0, done.stderr
    assert f"tables of {AS_OF}" in done.stdout, "a backfill leaves readers where they are"
    runs = bank.portrait("status", "--lake", str(bank.lake), "--format", "json")
    assert runs.returncode == 0, runs.stderr
    of_day = {row["as_of"]: str(row["run"]) for row in json.loads(runs.stdout) if row["status"] == "done"}
    published = bank.portrait("publish", of_day[str(EARLIER)], "--lake", str(bank.lake))
    assert f"tables of {EARLIER}" in published.stdout, published.stderr
    back = bank.portrait("rollback", of_day[str(AS_OF)], "--lake", str(bank.lake))
    assert f"tables of {AS_OF} are served" in back.stdout, back.stderr
    return bank


@pytest.fixture(scope="module")
def server(package: None, served: Bank, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "users").write_text(user_line("bi", PASSWORD) + "\n")
    started = Server(served, free_port(), folder / "log")
    command = [str(SPARK_HOME / "bin" / "spark-submit"), "--properties-file", "conf/spark/sql-server.conf"]
    command += ["--py-files", str(next((CHECKOUT / "dist").glob("portrait-*.zip"))), "jobs/sql_server.py"]
    command += ["--lake", str(served.lake), "--port", str(started.port), "--users", str(folder / "users")]
    environment = {**ENVIRONMENT, "PORTRAIT_LOG": str(folder / "events.jsonl")}
    with started.log.open("w") as log:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, text=True, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(started.log, "SQL server on 127.0.0.1", process=process, seconds=300)
        yield started
    finally:
        kill(process)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_suite(CHECKOUT / "conf", CHECKOUT / "schemas")


@pytest.fixture(scope="module")
def pointer(spark: SparkSession, served: Bank, catalogue: Catalogue) -> list[Publication]:
    return publications(Lake(spark, served.lake, catalogue))


def test_every_reader_counts_the_same_rows(server: Server, pointer: list[Publication]) -> None:
    for table, version in pointer[0].versions.items():
        name = table.split(".")[1]
        if name == "label_history":  # its view adds up all slices
            continue
        arrow = DeltaTable(str(server.bank.lake / "gold" / name), version=version).to_pyarrow_dataset()
        by_delta_rs = arrow.to_table(columns=["as_of"]).to_pandas()["as_of"].eq(AS_OF).sum()
        by_duckdb = duckdb.sql(f"select count(*) from arrow where as_of = date '{AS_OF}'").fetchall()[0][0]
        by_sql = server.ask(f"select count(*) from published.{name}")[0][0]
        assert by_sql == by_delta_rs == by_duckdb, table
        assert by_sql > 0 or name in ("tier_migration", "tier_value", "recommendation_rejections"), table


def test_pandas_reads_decimals_dates_and_nulls(server: Server) -> None:
    frame = server.pandas("select customer_id, tier, score, as_of from published.segments order by customer_id")
    dataset = DeltaTable(str(server.bank.lake / "gold" / "segments")).to_pyarrow_dataset()
    expected = dataset.to_table(columns=["customer_id", "tier", "score", "as_of"]).to_pandas()
    expected = expected[expected["as_of"] == AS_OF].sort_values("customer_id")
    assert list(frame["customer_id"]) == list(expected["customer_id"])
    assert list(frame["tier"]) == list(expected["tier"])
    assert [str(v) for v in frame["as_of"]] == [str(v) for v in expected["as_of"]]


def test_the_jdbc_driver_shows_every_column_with_its_comment(server: Server, catalogue: Catalogue) -> None:
    names = sorted(contract.name for contract in catalogue.layer("gold"))
    script = server.log.with_name("columns.sql")
    script.write_text("".join(f"!columns {name}\n" for name in names) + "!quit\n")
    url = f"jdbc:hive2://127.0.0.1:{server.port}/published"
    command = [str(SPARK_HOME / "bin" / "beeline"), "-u", url, "-n", "bi", "-p", PASSWORD]
    command += ["--outputformat=tsv2", "--silent=true", "-f", str(script)]
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = {}
    for line in done.stdout.splitlines():
        fields = line.split("\t")
        if len(fields) > 11 and fields[1] == "published":
            shown[fields[2], fields[3]] = fields[11]
    published = {row[1] for row in server.ask("show tables")}
    for contract in catalogue.layer("gold"):
        if contract.name not in published or contract.custom("publishedAs"):
            continue
        for column in contract.columns:
            assert shown[contract.name, column.name] == column.description, (contract.name, column.name)
    assert "while the value is in force" in shown["label_history", "valid_to"]


def test_describe_shows_the_meaning_of_columns(server: Server, catalogue: Catalogue) -> None:
    rows = server.ask("describe published.segments")
    expected = [(c.name, c.description) for c in catalogue.table("gold.segments").columns]
    assert [(row[0], row[2]) for row in rows] == expected


@pytest.mark.parametrize(
    "statement",
    [
        "insert into published.segments select * from published.segments",
        "drop view published.segments",
        "create table published.t as select 1",
        "select * from bronze.transactions",
        "select * from ops.quarantine",
        "select * from gold.segments",
        "select * from nowhere.segments",
        "use bronze",
        "set spark.sql.runSQLOnFiles=true",
    ],
)
def test_f24_what_bi_may_not_do(server: Server, statement: str) -> None:
    with pytest.raises(exc.OperationalError, match="remedy:"):
        server.ask(statement)


def test_f24_there_is_one_schema_and_no_path_to_another(server: Server) -> None:
    rows = server.ask("show tables")
    assert {row[0] for row in rows} == {"published"}
    path = str(server.bank.lake / "bronze" / "transactions")
    with pytest.raises(exc.OperationalError):
        server.ask(f"select * from delta.`{path}`")


def test_a_wrong_password_and_an_unknown_database(server: Server) -> None:
    with pytest.raises(Exception, match="user or password is wrong"):
        server.connect(password="guess")
    # Drivers name a database when they connect; whatever it is, the session is in the one there is.
    with server.connect(database="default") as connection:
        cursor = connection.cursor()
        cursor.execute("select count(*) from segments")
        assert cursor.fetchall()[0][0] > 0


def test_f18_a_flip_shows_wholly_or_not_at_all(
    server: Server, spark: SparkSession, catalogue: Catalogue, pointer: list[Publication]
) -> None:
    runs = {item.as_of: item.run for item in pointer}
    question = (
        "select min(s.as_of), max(s.as_of), min(t.as_of), max(t.as_of), count(*) from published.segments s "
        "join published.customer_tier t on s.customer_id = t.customer_id"
    )
    answers: list[tuple[Any, ...]] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def client() -> None:
        try:
            with server.connect() as connection:
                cursor = connection.cursor()
                while not done.is_set():
                    cursor.execute(question)
                    answers.append(cursor.fetchall()[0])
        except BaseException as error:
            errors.append(error)

    clients = [threading.Thread(target=client) for _ in range(5)]
    for thread in clients:
        thread.start()
    for day in (EARLIER, AS_OF, EARLIER, AS_OF):
        time.sleep(3)
        with Lease(server.bank.lake) as lease:
            rollback(Lake(spark, server.bank.lake, catalogue, lease=lease), runs[day])
        # What is asked from now on reads the new publication, without a restart.
        assert str(server.ask("select max(as_of) from published.segments")[0][0]) == str(day)
    time.sleep(3)
    done.set()
    for thread in clients:
        thread.join(120)
    assert errors == []
    days = [{str(value) for value in answer[:4]} for answer in answers]
    assert all(len(day) == 1 for day in days), "an answer mixed two publications"
    assert set.union(*days) == {str(EARLIER), str(AS_OF)}
    assert len({(str(answer[0]), answer[4]) for answer in answers}) == 2, "a day has one number of customers"


def test_f25_no_password_and_no_statement_in_the_log(server: Server) -> None:
    server.ask("select count(*) from segments where customer_id = 'canary-of-a-customer'")
    for file in server.log.parent.iterdir():
        text = file.read_text()
        assert PASSWORD not in text, file
        assert "canary-of-a-customer" not in text, file
    assert '"event": "statement"' in server.log.with_name("events.jsonl").read_text()
